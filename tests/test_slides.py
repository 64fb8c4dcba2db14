"""Slides: a class is taught from them, without a network, by keyboard."""

import re
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Page

from book.build import EXECUTED, chapters
from book.classroom import slides
from conftest import need

GROUND = {"light": "rgb(255, 254, 251)", "dark": "rgb(18, 24, 28)"}
WIDE, SMALL = {"width": 1920, "height": 1080}, {"width": 1280, "height": 720}
READABLE = 20  # pixels on a projector of 1920 × 1080
READY = "!Reveal.getCurrentSlide().querySelector('.explorer:has(.explorer-data):not([data-ready])')"


@pytest.mark.parametrize("chapter", chapters(), ids=lambda path: path.stem)
def test_a_chapter_has_slides_for_a_lecture_and_no_solution_on_them(chapter: Path):
    cells = nbformat.read(chapter, as_version=4).cells
    shown = [cell for cell in cells if slides.kind(cell) not in ("", "notes", "skip")]
    assert 12 <= sum(slides.kind(cell) in slides.BEGINS for cell in shown) <= 18
    assert not [c.id for c in shown if "hide-cell" in c.metadata.get("tags", [])]


def test_a_cell_keeps_its_formulas_and_folds_and_loses_its_addresses():
    html = slides.markdown(
        "(label)=\n**A.** $x^2$ by [Sobh](../book/references.md#s2)\n\n"
        ":::{admonition} Show the answer\n:class: dropdown\nYes.\n:::"
    )
    assert "<math" in html and "Sobh" in html and 'class="box fragment"' in html
    assert not re.search(r"label|href|:::", html)


def test_what_an_exercises_check_says_comes_after_its_code():
    said = nbformat.v4.new_output("stream", text="Not yet.")
    tags = {"tags": ["exercise-sum"]}
    cell = nbformat.v4.new_code_cell("check(f)", metadata=tags, outputs=[said])
    assert slides.shown(cell).endswith(
        '<div class="fragment"><pre class="printed">Not yet.</pre></div>'
    )


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The slides of chapter 3: its cells as they are, with the outputs of the built book."""
    need(EXECUTED.is_dir(), "no _build/executed: run `make book` first")
    notebook = nbformat.read(EXECUTED / "03_mini_batches.ipynb", as_version=4)
    folder = tmp_path_factory.mktemp("slides")
    slides.write(folder, "03_mini_batches", notebook)
    return (folder / "03_mini_batches.html").as_uri()


def opened(browser: Browser, deck: str, trouble: list[str], **settings) -> Page:
    page = browser.new_context(offline=True, **settings).new_page()
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda m: trouble.append(m.text) if m.type == "error" else None)
    page.on("request", lambda r: trouble.append(r.url) if r.url.startswith("http") else None)
    page.goto(deck)
    page.wait_for_function("window.Reveal?.isReady()")
    return page


@pytest.mark.parametrize(
    ("screen", "room"), [(WIDE, "light"), (SMALL, "dark")], ids=["projector", "laptop"]
)
def test_the_space_bar_leads_to_the_last_slide_and_every_slide_fits(
    browser: Browser, deck: str, screen: dict, room: str
):
    trouble: list[str] = []
    page = opened(browser, deck, trouble, viewport=screen, color_scheme=room)
    ground = "getComputedStyle(document.querySelector('.reveal-viewport')).backgroundColor"
    assert page.evaluate(ground) == GROUND[room]
    for _ in range(80):
        page.wait_for_function(READY)
        name, fits, letters = page.evaluate(
            """() => {
              const slide = Reveal.getCurrentSlide(), box = slide.getBoundingClientRect();
              const inside = [...slide.querySelectorAll("p, pre, table, math, .explorer-canvas")]
                .map((e) => e.getBoundingClientRect());
              const text = [...slide.querySelectorAll("p, li, td, pre")]
                .filter((e) => !e.closest(".notes, .explorer"))
                .map((e) => parseFloat(getComputedStyle(e).fontSize) * Reveal.getScale());
              return [Reveal.getSlidePastCount() + ": " + slide.textContent.trim().slice(0, 40),
                slide.scrollHeight <= 720 && slide.scrollWidth <= 1280
                  && inside.every((r) => r.right <= box.right + 1),
                Math.min(99, ...text)];
            }"""
        )
        assert fits, f"slide {name} overflows"
        assert letters >= READABLE * screen["width"] / WIDE["width"], f"slide {name}: {letters} px"
        if page.evaluate("Reveal.isLastSlide() && !Reveal.availableFragments().next"):
            break
        page.keyboard.press("Space")
    assert page.evaluate("Reveal.isLastSlide()")
    assert not trouble


def test_an_explorer_has_its_arrow_keys_and_escape_gives_them_back(browser: Browser, deck: str):
    trouble: list[str] = []
    page = opened(browser, deck, trouble, viewport=SMALL)

    def slide() -> int:
        return page.evaluate("Reveal.getIndices().h")

    page.keyboard.press("ArrowRight")
    page.wait_for_function(READY)
    root = page.locator("section.present .explorer")
    said, drawn = root.locator("[data-text=readout]").inner_text(), root.screenshot()
    root.locator("input[type=range]").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "text => document.querySelector('section.present [data-text=readout]').innerText !== text",
        arg=said,
    )
    assert slide() == 1
    assert root.screenshot() != drawn
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")  # the answer
    page.keyboard.press("ArrowRight")
    assert slide() == 2
    page.keyboard.press("ArrowLeft")
    root.locator("input[type=range]").first.focus()
    page.keyboard.press("PageUp")  # a remote control: the answer goes
    page.keyboard.press("PageUp")
    assert slide() == 0
    assert not trouble
