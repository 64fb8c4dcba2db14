"""One explorer alone on the screen, for a room: by keyboard, from files, at a projector's size."""

import pytest

from tests.browsers import Visit

# What is on the screen and can be reached, and whether anything scrolls.
SEEN = """() => {
  const shown = document.querySelector('.presented');
  const tabbed = [...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')]
    .filter((part) => !part.closest('[inert]') && part.checkVisibility() && !shown?.contains(part));
  return { id: shown?.id, outside: tabbed.length, inside: shown?.contains(document.activeElement),
    scrolls: shown && (shown.scrollHeight > innerHeight || shown.scrollWidth > innerWidth),
    large: shown && shown.querySelector('.explorer-stage').offsetHeight / innerHeight };
}"""
PAINTED = """() =>
  [...document.querySelectorAll(".presented [data-actor]")].map((a) => a.outerHTML).join()"""


@pytest.mark.parametrize(
    ("address", "size", "mode"),
    [
        ("03_mini_batches.html#fig-batches?epoch=100&present", (1920, 1080), "light"),
        ("03_mini_batches.html#fig-sixty-steps?present", (1280, 720), "dark"),
        ("04_learning_rates.html#fig-wheel?step=nonsense&present&", (1920, 1080), "dark"),
    ],
)
def test_an_explorer_stands_alone_and_is_moved_by_keyboard(browser, files, address, size, mode):
    with Visit(browser, files, *size, mode=mode) as visit:
        page = visit.page
        page.goto(f"{files}/notebooks/{address}", wait_until="load")
        page.wait_for_selector(".presented[data-ready]")
        name = address.split("#")[1].split("?")[0]
        seen = visit.run(SEEN)
        assert seen.pop("large") > 0.4
        assert seen == {"id": name, "outside": 0, "inside": True, "scrolls": False}
        before = visit.run(PAINTED)
        page.keyboard.press("Home")
        page.keyboard.press("ArrowLeft")  # a group of choices knows no Home
        assert visit.run(PAINTED) != before
        for _ in range(12):
            page.keyboard.press("Tab")
            assert visit.run(SEEN)["id"] == name
        page.keyboard.press("Escape")
        assert visit.run(SEEN)["id"] is None and visit.run(SEEN)["outside"] > 10
        assert "present" not in page.url and page.evaluate("scrollY") > 0
        assert visit.complaints == []


def test_the_button_presents_and_an_address_of_no_explorer_does_not(browser, files):
    with Visit(browser, files, 1920, 1080) as visit:
        page = visit.open("notebooks/03_mini_batches")
        page.locator("#fig-cloud").get_by_role("button", name="Present").click()
        assert visit.run(SEEN)["id"] == "fig-cloud" and page.url.endswith("#fig-cloud?present")
        page.go_back()
        assert visit.run(SEEN)["id"] is None
        for address in (
            "#what-the-articles-say?present",
            "#nowhere?present",
            "#fig-cloud?presently=1",
        ):
            page.goto(page.url.split("#")[0] + address)
            assert visit.run(SEEN)["id"] is None
