"""The pages on a phone, with a finger; and what a reader sees first, on any screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator

from tests.browsers import Visit
from tests.conftest import PAGES, ROOT

PHONE, SMALL_PHONE, DESK = (390, 844), (320, 700), (1280, 900)
MAPS = [
    name
    for name in PAGES
    if name.startswith("notebooks/") and ".pick(" in (ROOT / f"{name}.ipynb").read_text("utf8")
]

# What is cut off at the left or the right edge of the screen, and what scrolls sideways.
CUT = """(width) => [...document.querySelectorAll(
  '.explorer, .explorer :is(svg, button, input, label, output), .explorer svg text')]
  .filter((part) => !part.closest('[data-actor]') && part.checkVisibility())
  .filter((part) => {
    const { left, right } = part.getBoundingClientRect();
    return left < -0.5 || right > width + 0.5;
  })
  .map((part) => [part.closest('.explorer').id, part.tagName, part.textContent])"""
SIDEWAYS = """() => [...document.querySelectorAll('.explorer *, .explorer, :has(.explorer)')]
  .filter((part) => part.scrollWidth > part.clientWidth + 1)
  .filter((part) => ['auto', 'scroll'].includes(getComputedStyle(part).overflowX))
  .map((part) => [part.closest('.explorer')?.id, part.className])"""
# Height of the letters in pixels, as painted; an exponent goes with the line it stands on.
SMALL = """(least) => [...document.querySelectorAll('.explorer svg text')]
  .filter((text) => text.textContent.trim())
  .map((text) => {
    const { a, b, c, d } = text.getScreenCTM(), zoom = Math.sqrt(Math.abs(a * d - b * c));
    const sizes = [text, ...text.querySelectorAll('tspan')].filter((part) =>
      [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
    const size = zoom * Math.max(...sizes.map((n) => parseFloat(getComputedStyle(n).fontSize)));
    return [Math.round(10 * size) / 10, text.closest('.explorer').id, text.textContent];
  })
  .filter(([size]) => size < least)"""
# Each panel of an explorer comes to the top of the screen; which controls can then not be touched?
UNDOCKED = """(root) => [...root.querySelectorAll('.explorer-stage svg')].flatMap((panel, i) => {
  panel.scrollIntoView({ block: 'start', behavior: 'instant' });
  return [...root.querySelectorAll('[data-slider]')].filter((input) => {
    const { left, top, width, height } = input.getBoundingClientRect();
    const hit = document.elementFromPoint(left + width / 2, top + height / 2);
    return !hit || hit !== input && !input.closest('label')?.contains(hit);
  }).map((input) => `${root.id}, panel ${i}: ${input.dataset.slider}`);
})"""
TAPPED = """(least) => [...document.querySelectorAll(
  '.explorer button, .explorer label:has(input[type=radio]), .explorer-row:has(input[type=range])')]
  .filter((part) => part.checkVisibility())
  .map((part) => [part.closest('.explorer').id, part.textContent,
    part.getBoundingClientRect().width, part.getBoundingClientRect().height])
  .filter(([, , width, height]) => width < least || height < least)"""
RING = "(x, y) => document.elementFromPoint(x, y)?.matches('.explorer-pick > i')"
THERE = "(id) => Math.abs(document.getElementById(id).getBoundingClientRect().top) < 200"
STANDS = """(map) => [...map.closest('.explorer').querySelectorAll('[data-slider]'), map].map(
  (part) => part.type === 'radio' ? part.checked : part.value ?? part.ariaValueText).join()"""


@pytest.fixture(scope="module", params=PAGES)
def phone(browser, files, request) -> Iterator[Visit]:
    """One page on a phone, loaded once for all that is asked of it."""
    with hold(browser, files) as visit:
        visit.open(request.param)
        yield visit


def hold(browser, address: str) -> Visit:
    """A phone in the hand."""
    return Visit(browser, address, *PHONE, has_touch=True, is_mobile=True)


def turn(visit: Visit, size: tuple[int, int]) -> None:
    """The same page on a screen of another size, from its top."""
    visit.page.set_viewport_size({"width": size[0], "height": size[1]})
    visit.run("() => scrollTo({ top: 0, behavior: 'instant' })")


def explorers(visit: Visit) -> list[Locator]:
    """Those that move: not the pictures."""
    return visit.page.locator(".explorer:has(.explorer-data)").all()


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=str)
def test_nothing_is_wider_than_the_screen(phone, size):
    turn(phone, size)
    assert phone.run("() => document.documentElement.scrollWidth") <= size[0]
    assert phone.run(CUT, size[0]) == []
    assert phone.run(SIDEWAYS) == []


@pytest.mark.parametrize("size", [PHONE, SMALL_PHONE], ids=str)
def test_the_sliders_are_in_sight_with_every_panel(phone, size):
    turn(phone, size)
    for explorer in explorers(phone):
        assert explorer.evaluate(UNDOCKED) == []
        controls = explorer.locator(".explorer-controls").bounding_box()
        assert controls["height"] <= size[1] / 2, "no room for a picture"


def test_text_in_pictures_has_nine_pixels(phone):
    turn(phone, PHONE)
    assert phone.run(SMALL, 9) == []


def test_what_is_tapped_has_44_pixels(phone):
    turn(phone, PHONE)
    assert phone.run(TAPPED, 44) == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=str)
def test_a_chapter_has_something_to_touch_in_its_first_two_screens(phone, size):
    turn(phone, size)
    tops = [explorer.bounding_box()["y"] for explorer in explorers(phone)]
    if "/notebooks/" in phone.page.url:
        assert tops[0] < 2 * size[1]


@pytest.fixture(scope="module", params=MAPS)
def maps(browser, files, request) -> Iterator[tuple[Visit, list[Locator]]]:
    """A page with maps whose marker sets sliders."""
    with hold(browser, files) as visit:
        found = visit.open(request.param).locator(".explorer-pick").all()
        assert found
        yield visit, found


def middle(visit: Visit, part: Locator) -> tuple[float, float]:
    """Bring it to the middle of the screen; where its own middle is then."""
    part.evaluate("part => part.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box = part.bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(visit: Visit, start: tuple[float, float], by: tuple[float, float]) -> None:
    """A finger that goes down at ``start``, moves in ten steps, rests, and lifts."""
    finger = visit.context.new_cdp_session(visit.page)
    for step in range(11):
        x, y = (s + step / 10 * d for s, d in zip(start, by, strict=True))
        kind = "touchMove" if step else "touchStart"
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        visit.page.wait_for_timeout(16)
    visit.page.wait_for_timeout(100)  # a finger that lifts while it moves throws the page
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    visit.page.wait_for_timeout(50)


def beside(visit: Visit, place: Locator) -> tuple[float, float]:
    """A place on a map, which comes to the middle of the screen, far from its marker."""
    x, y = middle(visit, place)
    box, ring = place.bounding_box(), place.locator("i").bounding_box()
    far = 0.35 * box["width"]
    return (x + far if ring["x"] + ring["width"] / 2 < x else x - far), y


def scrolled(visit: Visit) -> float:
    return visit.run("() => scrollY")


def test_a_swipe_over_a_map_scrolls_the_page_and_moves_nothing(maps):
    visit, found = maps
    for place in found:
        start = beside(visit, place)
        before, stood = scrolled(visit), place.evaluate(STANDS)
        drag(visit, start, (0, -150))
        assert scrolled(visit) - before > 75
        assert place.evaluate(STANDS) == stood


def test_a_tap_on_a_map_sets_its_sliders(maps):
    visit, found = maps
    for place in found:
        spot = beside(visit, place)
        stood = place.evaluate(STANDS)
        visit.page.touchscreen.tap(*spot)
        assert place.evaluate(STANDS) != stood


def test_a_finger_drags_the_marker_of_a_map(maps):
    visit, found = maps
    for place in found:
        start = middle(visit, place.locator("i"))
        inward = -40 if start[0] > PHONE[0] / 2 else 40
        before, stood = scrolled(visit), place.evaluate(STANDS)
        drag(visit, start, (inward, -80))
        assert place.evaluate(STANDS) != stood
        assert scrolled(visit) == before, "the page scrolled under the finger"


def test_a_marker_is_wide_enough_for_a_finger(maps):
    visit, found = maps
    for place in found:
        x, y = middle(visit, place.locator("i"))
        for dx in (-21, 21):
            assert visit.run(RING, x + dx, y)


@pytest.mark.parametrize("size", [DESK, (1366, 768), PHONE], ids=str)
def test_the_front_page_shows_a_picture_and_its_sliders_without_scrolling(browser, files, size):
    with Visit(browser, files, *size, is_mobile=size == PHONE, has_touch=size == PHONE) as visit:
        visit.open(PAGES[0])
        explorer = explorers(visit)[0]
        picture = explorer.locator(".explorer-stage").bounding_box()
        rows = [row.bounding_box() for row in explorer.locator(".explorer-row").all()]
        assert len(rows) >= 2
        assert picture["y"] + picture["height"] <= min(row["y"] for row in rows)
        assert max(row["y"] + row["height"] for row in rows) <= size[1]


def test_the_way_back_to_an_address_with_positions_leads_to_where_one_was(browser, address):
    with Visit(browser, address) as visit:
        page = visit.page
        page.goto(f"{address}/notebooks/03_mini_batches.html#fig-batches?batch-size=1")
        page.wait_for_function(THERE, arg="fig-batches")
        heading = page.locator("section h2").last
        heading.evaluate("h => h.scrollIntoView({ block: 'center', behavior: 'instant' })")
        page.wait_for_timeout(500)
        before = heading.bounding_box()["y"]
        page.locator("a.right-next").click()
        page.wait_for_url("**/questions/03_*.html")
        page.go_back(wait_until="load")
        page.wait_for_timeout(1000)
        assert abs(heading.bounding_box()["y"] - before) < 50
