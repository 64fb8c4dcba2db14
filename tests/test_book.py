"""The built book in a real browser: over http and from files, with every other host cut off."""

import gzip
import re
from html import unescape
from pathlib import Path

import pytest

from tests.browsers import Visit
from tests.conftest import PAGES, ROOT, SITE

AXE = (ROOT / "tests" / "axe" / "axe.min.js").read_text(encoding="utf8")
KILOBYTE = 1000


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
        if unescape(place).split("?")[0] not in named((page.parent / there) if there else page)
    ]
    assert links and not dead


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
    """650 KB in 20 requests beside its explorers; 300 KB for a figure, 400 if images move in it."""
    with Visit(browser, server) as visit:
        loaded: list[str] = []
        visit.page.on("request", lambda r: loaded.append(r.url))
        page = visit.open(name)
        page.wait_for_timeout(300)
        bodies = {url: local(url, server).read_bytes() for url in loaded if "data:" not in url}
    html = bodies.pop(next(u for u in bodies if u.endswith(f"{name}.html"))).decode()
    explorer = re.compile(r'<div class="explorer" id=.*?explorer-data.*?</script></div>', re.DOTALL)
    figures = explorer.findall(html)
    weights = {figure: zipped(figure.encode()) for figure in figures}
    rest = zipped(html.encode()) - sum(weights.values())
    for figure in figures:
        for url in re.findall(r'data-src="[./]*(_static/explorers/[^"]+)"', figure):
            weights[figure] += zipped((SITE / url).read_bytes())
    own = {u: b for u, b in bodies.items() if "/explorers/" not in u and "/_images/" not in u}
    rest += sum(map(zipped, own.values()))
    print(
        f"\n{name}: {rest / KILOBYTE:.0f} KB in {len(own) + 1} requests",
        *(f"+ {weight / KILOBYTE:.0f}" for weight in weights.values()),
    )
    requests = [u for u in own if "/thumbnails/" not in u]  # these load late, one by one
    assert rest <= 650 * KILOBYTE and len(requests) < 20
    for figure, weight in weights.items():
        assert weight <= (400 if "<image data-actor" in figure else 300) * KILOBYTE
    pictures = [zipped(body) for url, body in bodies.items() if "/_images/" in url]
    assert max(pictures, default=0) <= 300 * KILOBYTE


def local(url: str, address: str) -> Path:
    """The file that an address of the site stands for."""
    return SITE / url.removeprefix(address).split("?")[0].split("#")[0].lstrip("/")


@pytest.mark.parametrize("name", PAGES)
def test_no_explorer_is_a_line_of_text(files, name):
    html = unescape((SITE / f"{name}.html").read_text(encoding="utf8"))
    assert not re.findall(r"Explorer '[\w-]+':", html)
