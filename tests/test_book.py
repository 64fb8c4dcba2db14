"""The built book in a real browser: over http and from files, with every other host cut off."""

import gzip
import re
import threading
from collections.abc import Iterator
from functools import partial
from html import unescape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response, Route

from tests.conftest import ROOT, need

SITE = ROOT / "_build" / "html"
AXE = (ROOT / "tests" / "axe" / "axe.min.js").read_text(encoding="utf8")
PAGES = re.findall(r"(?:root|file): (\S+)", (ROOT / "_toc.yml").read_text(encoding="utf8"))
KILOBYTE = 1000

READY = "() => [...document.querySelectorAll('.explorer')].every(e => 'ready' in e.dataset)"
# The painted state of one explorer: what its sliders must change.
ACTORS = "root => [...root.querySelectorAll('[data-actor]')].map(a => a.outerHTML).join()"


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """A test prints nothing of its own."""


class Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves a page closes connections; that is no error of the page."""


@pytest.fixture(scope="module")
def files() -> str:
    """The site's root as a folder."""
    need(SITE.is_dir(), "no _build/html: run `make book` first")
    return SITE.as_uri()


@pytest.fixture(scope="module")
def server(files: str) -> Iterator[str]:
    """The site's root on a loopback server."""
    http = Server(("127.0.0.1", 0), partial(Silent, directory=SITE))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{http.server_port}"
    http.shutdown()


@pytest.fixture(params=["server", "files"])
def address(request: pytest.FixtureRequest) -> str:
    """Both, for whatever might work on one of them only."""
    return request.getfixturevalue(request.param)


class Visit:
    """A page on a browser that can reach only ``address``, and all that went wrong there."""

    def __init__(self, browser: Browser, address: str, width: int = 1280, mode: str = "light"):
        self.address, self.complaints = address, []
        scheme = "dark" if mode == "dark" else "light"
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme
        )
        self.context.add_init_script(f"localStorage.mode = localStorage.theme = '{mode}'")
        self.page = self.context.new_page()
        self.page.route("**/*", self._gate)
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(f"threw: {error}"))
        self.page.on("requestfailed", lambda r: self.complaints.append(f"not found: {r.url}"))
        self.page.on("response", self._judge)

    def _gate(self, route: Route) -> None:
        url = route.request.url
        if url.startswith((self.address, "data:", "blob:")):
            route.continue_()
        else:
            self.complaints.append(f"asked another host: {url}")
            route.abort()

    def _judge(self, response: Response) -> None:
        if response.status >= 400:
            self.complaints.append(f"status {response.status}: {response.url}")

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def open(self, name: str) -> Page:
        """Load a page of the book and wait until its formulas stand and its sliders work."""
        self.page.goto(f"{self.address}/{name}.html", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        self.page.wait_for_function(READY)
        return self.page

    def __enter__(self) -> "Visit":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_asks_no_other_host_and_complains_of_nothing(browser, address, name):
    with Visit(browser, address) as visit:
        page = visit.open(name)
        page.mouse.wheel(0, 20000)
        page.wait_for_timeout(200)
        assert visit.complaints == []


def explorers(page: Page) -> list[Locator]:
    """Every explorer of the page that has sliders."""
    return [e for e in page.locator(".explorer").all() if e.locator("input[type=range]").count()]


def named(page: Path) -> set[str]:
    """The places of a page that a link can lead to."""
    return set(re.findall(r'\bid="([^"]+)"', page.read_text(encoding="utf8")))


@pytest.mark.parametrize("name", PAGES)
def test_a_link_leads_to_a_place_that_is_there(files, name):
    page = SITE / f"{name}.html"
    links = set(re.findall(r'href="([^":?#]*)#([^"]+)"', page.read_text(encoding="utf8")))
    dead = [
        (there, place)
        for there, place in links
        if unescape(place) not in named((page.parent / there) if there else page)
    ]
    assert links and not dead


@pytest.mark.parametrize("name", PAGES)
def test_every_slider_repaints_by_keyboard_and_by_mouse(browser, address, name):
    with Visit(browser, address) as visit:
        for explorer in explorers(visit.open(name)):
            for slider in explorer.locator("input[type=range]").all():
                label = f"{explorer.get_attribute('id')}, slider {slider.get_attribute('id')}"
                slider.scroll_into_view_if_needed()
                default = slider.input_value()  # the others are tried with this one there
                slider.press("Home")
                first = explorer.evaluate(ACTORS)
                slider.press("End")
                last = explorer.evaluate(ACTORS)
                assert first and last != first, f"{label} does not repaint by keyboard"
                box = slider.bounding_box()
                assert box is not None
                visit.page.mouse.click(box["x"] + 0.3 * box["width"], box["y"] + box["height"] / 2)
                assert explorer.evaluate(ACTORS) != last, f"{label} does not repaint by mouse"
                slider.fill(default)
        assert visit.complaints == []


def test_the_front_page_has_a_live_explorer(browser, address):
    with Visit(browser, address) as visit:
        assert explorers(visit.open(PAGES[0])), "no explorer with sliders on the front page"


def test_the_first_address_leads_to_the_front_page(browser, address):
    with Visit(browser, address) as visit:
        visit.page.goto(f"{address}/index.html")
        visit.page.wait_for_url(f"**/{PAGES[0]}.html")


def test_the_menu_opens_on_a_phone(browser, address):
    with Visit(browser, address, width=380) as visit:
        page = visit.open(PAGES[0])
        link = page.locator(".bd-sidebar-primary a", has_text="Notation").first
        assert not link.is_visible()
        page.locator("button.primary-toggle").first.click()
        link.wait_for(state="visible")
        link.click()
        page.wait_for_url("**/notation.html")


def test_search_finds_a_word(browser, address):
    with Visit(browser, address) as visit:
        visit.page.goto(f"{address}/search.html?q=gradient")
        visit.page.locator("#search-results li a").first.wait_for()
        assert visit.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_page_does_not_scroll_sideways(browser, files, name):
    with Visit(browser, files, width=320) as visit:
        page = visit.open(name)
        excess = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert excess <= 0, f"{excess} px wider than a screen of 320 px"


@pytest.mark.parametrize("width", [380, 1280])
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_serious(browser, files, name, mode, width):
    with Visit(browser, files, width=width, mode=mode) as visit:
        page = visit.open(name)
        assert page.locator("html").get_attribute("data-theme") == mode
        page.evaluate(AXE)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        found = [
            f"{v['impact']} {v['id']}: {node['html'][:160]}"
            for v in result["violations"]
            if v["impact"] in ("critical", "serious")
            for node in v["nodes"]
        ]
        assert found == []


def zipped(content: bytes) -> int:
    """Bytes on the wire: what the web servers of static pages send."""
    return len(gzip.compress(content, 9))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_light(browser, server, name):
    """At most 650 KB gzipped beside its figures, 300 KB for a figure, 400 if images move in it."""
    with Visit(browser, server) as visit:
        loaded: list[str] = []
        visit.page.on("request", lambda r: loaded.append(r.url))
        page = visit.open(name)
        page.wait_for_timeout(300)
        bodies = {url: local(url, server).read_bytes() for url in loaded if "data:" not in url}
    html = bodies.pop(next(u for u in bodies if u.endswith(f"{name}.html"))).decode()
    figures = re.findall(
        r'<div class="explorer" id=.*?class="explorer-data">.*?</script></div>', html, re.DOTALL
    )
    pictures = [body for url, body in bodies.items() if "/_images/" in url]
    rest = zipped(html.encode()) - sum(zipped(f.encode()) for f in figures)
    rest += sum(zipped(b) for url, b in bodies.items() if "/_images/" not in url)
    print(
        f"\n{name}: {rest / KILOBYTE:.0f} KB",
        *(f"+ {zipped(f.encode()) / KILOBYTE:.0f}" for f in figures),
    )
    assert rest <= 650 * KILOBYTE
    for figure in [*(f.encode() for f in figures), *pictures]:
        most = 400 if b"<image data-actor" in figure else 300
        assert zipped(figure) <= most * KILOBYTE


def local(url: str, address: str) -> Path:
    """The file that an address of the site stands for."""
    return SITE / url.removeprefix(address).split("?")[0].split("#")[0].lstrip("/")
