"""Every slider and chip of every page in three browsers: it moves its picture, nobody complains."""

import shutil
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.browsers import Firefox, Remote, Visit, WebKit
from tests.conftest import PAGES, SITE, need

# An explorer's controls: each slider, and each chip of a group of chips.
CONTROLS = """() => [...document.querySelectorAll('.explorer')].flatMap((root) =>
  [...root.querySelectorAll('[data-slider]')].map(({ dataset, type, value }) =>
    ({ id: root.id, slug: dataset.slider, type, value })))"""
# One control gets the focus; where its thumb's track is on the screen, and where it stands.
REACH = """(id, slug) => {
  const input = document.querySelector(`#${id} [data-slider="${slug}"]`);
  input.scrollIntoView({ block: 'center', behavior: 'instant' });
  input.focus();
  const { left, top, width, height } = input.getBoundingClientRect();
  return { left, middle: top + height / 2, width, value: input.value };
}"""
# Whether an explorer is painted otherwise than when this was last asked.
MOVED = """(id) => {
  const root = document.getElementById(id), before = root.painted;
  root.painted = [...root.querySelectorAll('[data-actor]')].map((a) => a.outerHTML).join();
  return root.painted !== '' && root.painted !== before;
}"""
# Back where it stood: the other controls are tried with this one there.
PUT = """(id, slug, value) => {
  const input = document.querySelector(`#${id} [data-slider="${slug}"]`);
  input.value = value;
  input.dispatchEvent(new Event('input', { bubbles: true }));
}"""
CHOOSE = """(id, slug, value) => document.querySelector(
  `#${id} [data-slider="${slug}"][value="${value}"]`).click()"""
CHOSEN = "(id, slug) => document.querySelector(`#${id} [data-slider='${slug}']:checked`).value"


@pytest.fixture
def chromium_over_http(browser, server) -> Iterator[Visit]:
    with Visit(browser, server) as visit:
        yield visit


@pytest.fixture
def chromium(browser, files) -> Iterator[Visit]:
    with Visit(browser, files) as visit:
        yield visit


@pytest.fixture(scope="module")
def firefox(files, tmp_path_factory) -> Iterator[Firefox]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    need(program is not None, "no Firefox: install one (Debian: apt install firefox-esr)")
    with closing(Firefox(program, tmp_path_factory.mktemp("profile"), files)) as firefox:
        yield firefox


@pytest.fixture(scope="module")
def webkit(files, tmp_path_factory) -> Iterator[WebKit]:
    there = shutil.which("WebKitWebDriver") and shutil.which("Xvfb")
    need(bool(there), "no WebKit: install it (Debian: apt install webkit2gtk-driver xvfb)")
    with closing(WebKit(SITE, tmp_path_factory.mktemp("site"))) as webkit:
        yield webkit


@pytest.fixture(params=["chromium_over_http", "chromium", "firefox", "webkit"])
def tab(request: pytest.FixtureRequest) -> Visit | Remote:
    """A browser with every other host cut off; Firefox and WebKit read the site as files."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", PAGES)
def test_every_slider_and_chip_repaints_and_nothing_complains(tab, name):
    tab.open(name)
    controls = tab.run(CONTROLS)
    assert controls or (name.startswith("book/") and name != PAGES[0])
    sliders = [(c["id"], c["slug"]) for c in controls if c["type"] == "range"]
    still = [each for each in sliders if not slides(tab, *each)]
    groups = {}
    for c in controls:
        if c["type"] == "radio":
            groups.setdefault((c["id"], c["slug"]), []).append(c["value"])
    still += [group for group, chips in groups.items() if not chooses(tab, *group, chips)]
    assert still == [], "these do not repaint"
    assert tab.complaints == []


def slides(tab: Visit | Remote, explorer: str, slug: str) -> bool:
    """Whether a slider repaints by keyboard and by mouse."""
    place = tab.run(REACH, explorer, slug)
    tab.press("Home")
    tab.run(MOVED, explorer)
    tab.press("End")
    by_keyboard = tab.run(MOVED, explorer)
    tab.click(place["left"] + 0.3 * place["width"], place["middle"])
    by_mouse = tab.run(MOVED, explorer)
    tab.run(PUT, explorer, slug, place["value"])
    return by_keyboard and by_mouse


def chooses(tab: Visit | Remote, explorer: str, slug: str, chips: list[str]) -> bool:
    """Whether every chip of a group repaints what the chip before it had painted."""
    chosen = tab.run(CHOSEN, explorer, slug)
    tab.run(CHOOSE, explorer, slug, chips[-1])
    tab.run(MOVED, explorer)
    moved = []
    for chip in chips:
        tab.run(CHOOSE, explorer, slug, chip)
        moved.append(tab.run(MOVED, explorer))
    tab.run(CHOOSE, explorer, slug, chosen)
    return all(moved)
