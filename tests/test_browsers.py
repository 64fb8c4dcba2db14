"""Whatever moves on a page, in three browsers: it moves its picture, and nothing complains."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby

import pytest

from tests.browsers import Firefox, Remote, Visit, WebKit
from tests.conftest import PAGES, SITE, need

# What a reader can move: sliders, chips (several to a name), and the markers on maps.
CONTROLS = """() => [...document.querySelectorAll('.explorer:not(.picture)')].flatMap((root) =>
  ['input[type=range]', 'input[type=radio]', '.explorer-pick'].flatMap((kind) =>
    [...root.querySelectorAll(kind)].map((part, i) => {
      part.dataset.tried = `${root.id} ${kind} ${i}`;
      return { kind, explorer: root.id, control: part.dataset.tried, group: part.name };
    })))"""
# One of them gets the focus; where it lies on the screen, and where it stands.
REACH = """(control) => {
  const part = document.querySelector(`[data-tried="${control}"]`);
  part.scrollIntoView({ block: 'center', behavior: 'instant' });
  part.focus();
  const { left, top, width, height } = part.getBoundingClientRect();
  return { left, middle: top + height / 2, width, value: part.value };
}"""
# Whether an explorer is painted otherwise than when this was last asked.
MOVED = """(id) => {
  const root = document.getElementById(id), before = root.painted;
  root.painted = [...root.querySelectorAll('[data-actor]')].map((a) => a.outerHTML).join();
  return root.painted !== '' && root.painted !== before;
}"""
# Back where it stood: the other controls are tried with this one there.
PUT = """(control, value) => {
  const part = document.querySelector(`[data-tried="${control}"]`);
  part.value = value;
  part.dispatchEvent(new Event('input', { bubbles: true }));
}"""
CHOOSE = """(control) => document.querySelector(`[data-tried="${control}"]`).click()"""
CHOSEN = """(controls) => controls.find(
  (control) => document.querySelector(`[data-tried="${control}"]`).checked)"""


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
def test_whatever_a_reader_can_move_repaints_and_nothing_complains(tab, name):
    """No error on the console, no file that is missing, and no other host that is asked."""
    tab.open(name)
    controls = tab.run(CONTROLS)
    assert controls or (name.startswith("book/") and name != PAGES[0]), "nothing to move"
    still = [
        c["control"]
        for c in controls
        if (c["kind"] == "input[type=range]" and not slides(tab, c["explorer"], c["control"]))
        or (c["kind"] == ".explorer-pick" and not is_picked(tab, c["explorer"], c["control"]))
    ]
    chips = [c for c in controls if c["kind"] == "input[type=radio]"]
    for (explorer, _), group in groupby(chips, key=lambda c: (c["explorer"], c["group"])):
        still += unchosen(tab, explorer, [c["control"] for c in group])
    assert still == [], "these do not repaint"
    tab.run("() => new Promise((done) => setTimeout(done, 100))")  # what comes late is heard, too
    assert tab.complaints == []


def slides(tab: Visit | Remote, explorer: str, slider: str) -> bool:
    """Whether a slider repaints by keyboard and by mouse."""
    place = tab.run(REACH, slider)
    by_keyboard = presses(tab, explorer, "Home", "End")
    tab.click(place["left"] + 0.3 * place["width"], place["middle"])
    by_mouse = tab.run(MOVED, explorer)
    tab.run(PUT, slider, place["value"])
    return by_keyboard and by_mouse


def is_picked(tab: Visit | Remote, explorer: str, marker: str) -> bool:
    """Whether the keys of a map's marker repaint, along both of its axes."""
    tab.run(REACH, marker)
    return presses(tab, explorer, "Home", "End") and presses(tab, explorer, "PageDown", "PageUp")


def presses(tab: Visit | Remote, explorer: str, first: str, last: str) -> bool:
    """Whether two keys, pressed where the focus is, paint two pictures."""
    tab.press(first)
    tab.run(MOVED, explorer)
    tab.press(last)
    return tab.run(MOVED, explorer)


def unchosen(tab: Visit | Remote, explorer: str, chips: list[str]) -> list[str]:
    """The chips of a group that paint what the chip before them has painted."""
    chosen = tab.run(CHOSEN, chips)
    tab.run(CHOOSE, chips[-1])
    tab.run(MOVED, explorer)
    still = []
    for chip in chips:
        tab.run(CHOOSE, chip)
        still += [] if tab.run(MOVED, explorer) else [chip]
    tab.run(CHOOSE, chosen)
    return still


# A page that was tampered with: a picture and a script of another host, a request, a script in the
# page and one in an attribute. What the policy refused, and what ran.
TAMPER = """async () => {
  const refused = [], ran = [], late = () => new Promise((done) => setTimeout(done, 300));
  addEventListener('securitypolicyviolation', (event) => refused.push(event.effectiveDirective));
  window.mark = (what) => ran.push(what);
  const host = 'http://127.0.0.1:9/', add = (name, given) =>
    document.body.append(Object.assign(document.createElement(name), given));
  add('img', { src: host + 'pixel.png' });
  add('script', { src: host + 'script.js' });
  add('script', { textContent: 'mark("script")' });
  add('div', { innerHTML: '<b onclick="mark(1)"></b>' });
  document.body.lastChild.firstChild.click();
  await fetch(host).catch(() => {});
  await late();
  return { refused: refused.map((name) => name.replace(/-(elem|attr)$/, '')).sort(), ran };
}"""


def test_the_policy_of_a_page_refuses_what_is_not_its_own(tab):
    """Over http and from files, in three browsers: the policy is more than a line in the page."""
    tab.open(PAGES[0])
    assert tab.run(TAMPER) == {
        "refused": ["connect-src", "img-src", *["script-src"] * 3],
        "ran": [],
    }
