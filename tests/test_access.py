"""The way through one task by keyboard and ear, as book/teaching/access.md writes it down."""

from playwright.sync_api import Page

from tests.browsers import Visit
from tests.conftest import ROOT

GUIDE = (ROOT / "book" / "teaching" / "access.md").read_text(encoding="utf8")
# What a screen reader says of the element that has the focus: its role, its name, its value.
FOCUSED = """() => {
  const { activeElement: it } = document;
  const name = it.getAttribute('aria-label') ?? (it.labels?.[0] ?? it).textContent.trim();
  return [it.type || it.localName, name, it.ariaValueText ?? ''];
}"""


def press(page: Page, key: str, until: str = "", most: int = 20) -> list[str]:
    """Press a key, again until what has the focus has this name; what has the focus then."""
    for _ in range(most):
        page.keyboard.press(key)
        focused = page.evaluate(FOCUSED)
        if until in focused[1]:
            return focused
    raise AssertionError(f"{key} does not lead to {until!r}, but to {focused}")


def heard(page: Page, expected: str) -> None:
    """The announcement comes, unasked, and the guide quotes it."""
    status = page.locator("#fig-sixty-steps [role=status].explorer-status")
    status.filter(has_text=expected).wait_for(timeout=3000)
    assert expected in GUIDE


def test_one_whole_task_is_solved_by_keyboard_and_ear(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open("notebooks/03_mini_batches")
        assert press(page, "Tab")[1] == "Skip to main content"
        page.keyboard.press("Enter")
        graphic = page.locator("#fig-sixty-steps").get_by_role("img").first
        assert graphic.get_attribute("aria-label", timeout=1000).startswith("Left: level sets")
        assert press(page, "Tab", until="4") == ["radio", "4", ""]
        assert page.get_by_role("radiogroup", name="batch size").first.is_visible()
        assert press(page, "Tab") == ["range", "learning rate", "0.2"]
        assert press(page, "ArrowRight") == ["range", "learning rate", "0.3"]
        heard(page, "14.9% above the best line's (in six draws: 12.0% to 15.7%)")
        assert press(page, "Shift+Tab")[1] == "4"
        for size, said in (
            ("16", "5.3% above the best line's (in six draws: 2.7% to 5.3%)"),
            ("64", "(in six draws: 0.6% to 1.1%)"),
            ("1", "(in six draws: 64.3% to 84.6%)"),
        ):
            assert press(page, "ArrowRight") == ["radio", size, ""]
            heard(page, said)
        assert press(page, "Tab", until="Show the answer")[0] == "button"
        answer = page.get_by_text("At 0.3 batches of 16 and of 64", exact=False)
        assert not answer.is_visible()
        page.keyboard.press("Enter")
        assert answer.is_visible() and visit.complaints == []
