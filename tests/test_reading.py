"""How the built pages are found, read and printed, in a browser."""

import re

import nbformat
import pytest

from tests.browsers import Visit
from tests.conftest import PAGES, ROOT, SITE

CHAPTER = "notebooks/03_mini_batches"
EDGES = """whats => Object.fromEntries(whats.map((what) => [what,
  [...document.querySelectorAll(".bd-article " + what)]
    .filter((e) => e.checkVisibility() && !e.closest("li"))
    .map((e) => Math.round(e.getBoundingClientRect().x))]))"""
MEASURES = """() => [...document.querySelectorAll(".bd-article section > p")]
  .filter((p) => p.textContent.length > 300 && !p.querySelector("math"))
  .map((p) => p.textContent.length * parseFloat(getComputedStyle(p).lineHeight) / p.clientHeight)"""
TAPPED = """() => [...document.querySelectorAll(`.bd-header-article button,
    .bd-article .toggle-button, .bd-article details.hide > summary`)]
  .filter((e) => e.checkVisibility({ visibilityProperty: true }))
  .map((e) => [e.className || e.tagName, e.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 43.5 || height < 43.5)
  .map(([name, { width, height }]) => `${name} ${width} × ${height}`)"""
ORDER = """() => [...document.querySelectorAll("article :is(section, .cell, .admonition)")]
  .map((e) => `${e.id} ${e.className} ${e.querySelectorAll("details[open]").length}`).join()"""


def html_of(name: str) -> str:
    return (SITE / f"{name}.html").read_text(encoding="utf8")


@pytest.mark.parametrize("name", PAGES)
def test_nothing_blocks_a_page_but_its_one_stylesheet(files, name):
    head = html_of(name).partition("</head>")[0]
    assert re.findall(r"<script(?![^>]*defer)[^>]* src=", head) == []
    assert len(re.findall(r'<link[^>]*rel="stylesheet"', head)) == 1
    assert head.count('name="description"') == 1 == head.count("<title>")
    assert head.count("Downhill</title>") == 1 and "Downhill —" not in head


def test_every_prediction_of_the_chapters_has_its_row(files):
    names = {
        output.metadata.scrapbook.name
        for path in (ROOT / "notebooks").glob("*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "scrapbook" in output.get("metadata", {})
    }
    predicted = {name for name in names if re.fullmatch(r"P\d+\.\d+[a-z]?", name)}
    rows = re.findall(r'<th scope="row" role="rowheader">([^<]+)</th>', html_of("book/predictions"))
    assert len(rows) == len(set(rows)) and set(rows) == predicted


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("momentum", "05_momentum.html#"),
        ("learning rate", "04_learning_rates.html#"),
        ("batch size", "03_mini_batches.html#"),
        ("DataLoader", "03_mini_batches.html#"),
    ],
)
def test_a_chapter_on_the_subject_is_found_first(browser, address, query, first):
    with Visit(browser, address) as visit:
        visit.page.goto(f"{address}/search.html?q={query}")
        results = visit.page.locator("#search-results li")
        results.first.wait_for()
        assert first in str(results.first.locator("a").get_attribute("href"))
        assert results.first.locator("p mark").count()
        assert re.match(r"\d+ results", visit.page.locator(".search-status").inner_text())
        assert visit.complaints == []


def test_search_leads_from_a_word_to_a_section(browser, address):
    with Visit(browser, address) as visit:
        page = visit.open("book/index")
        page.keyboard.press("Control+k")
        page.keyboard.type("noise scale")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=noise+scale")
        field = page.locator(".bd-search-container input")
        icon = page.locator(".bd-search-container .fa-magnifying-glass").bounding_box()
        words = field.bounding_box()
        padding = float(field.evaluate("e => parseFloat(getComputedStyle(e).paddingLeft)"))
        assert icon and words and icon["x"] + icon["width"] < words["x"] + padding
        page.keyboard.press("Enter")  # the first result takes the focus
        page.keyboard.press("Enter")
        page.wait_for_url("**/03_mini_batches.html#*")
        anchor = page.url.partition("#")[2]
        box = page.locator(f"[id='{anchor}'] > :is(h1, h2, h3)").first.bounding_box()
        assert box and 0 <= box["y"] < 400
        assert visit.complaints == []


def test_a_search_without_a_result_says_so(browser, files):
    with Visit(browser, files) as visit:
        visit.page.goto(f"{files}/search.html")
        field = visit.page.locator(".bd-search-container input")
        field.fill("zzzzqqqq")
        assert visit.page.locator(".search-status").inner_text() == "0 results"
        field.fill("")
        assert visit.page.locator(".search-status").inner_text() == ""


def test_text_explorers_figures_and_code_share_one_left_edge(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open(CHAPTER)
        edges = page.evaluate(
            EDGES,
            [
                "section > p",
                ".explorer",
                ".explorer-canvas",
                "img",
                ".cell_input",
                "div.math",
                "details.hide > summary",
                ".prediction",
                ".cell_output pre",
            ],
        )
        assert all(edges[what] for what in ("section > p", ".explorer", ".cell_input", "div.math"))
        assert len({x for found in edges.values() for x in found}) == 1, edges


def test_a_line_of_text_has_about_seventy_characters(browser, files):
    with Visit(browser, files) as visit:
        lengths = visit.open(CHAPTER).evaluate(MEASURES)
        assert len(lengths) > 5 and 60 <= sum(lengths) / len(lengths) <= 78


def test_contents_follow_the_reader(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open(CHAPTER)
        page.mouse.move(600, 400)
        page.evaluate("document.getElementById('exercises').scrollIntoView()")
        page.wait_for_function("""() => {
          const column = document.querySelector(".bd-sidebar-secondary");
          const active = [...column.querySelectorAll("a.active")].at(-1);
          const { top, bottom } = active.getBoundingClientRect();
          return active.hash.startsWith("#exercise") && top > 0 && bottom < column.clientHeight;
        }""")


def test_hints_answers_and_solutions_are_printed_at_the_end(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open(CHAPTER)
        screen = page.evaluate(ORDER)
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        end = page.locator(".at-the-end")
        assert end.locator(".cell pre").first.is_visible()
        assert end.locator(".cell").count() == page.locator(".cell.tag_hide-cell").count() > 2
        assert "Exercise 3.1" in end.inner_text() and "stratified" in end.inner_text()
        hidden = (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", "summary")
        assert not any(e.is_visible() for what in hidden for e in page.locator(what).all())
        wide = "p => p.scrollWidth > p.clientWidth + 1"
        assert not any(pre.evaluate(wide) for pre in page.locator(".cell_input pre:visible").all())
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        page.emulate_media(media="screen")
        assert page.evaluate(ORDER) == screen


@pytest.mark.parametrize("name", ["book/index", CHAPTER, "book/predictions"])
def test_what_is_tapped_on_a_phone_is_large_enough(browser, files, name):
    with Visit(browser, files, width=390, height=844) as visit:
        page = visit.open(name)
        assert page.evaluate(TAPPED) == []


SHOWN = """() => [...document.querySelectorAll("table.predictions tr[class]")]
  .filter((row) => row.checkVisibility()).map((row) => row.cells[0].textContent)"""


def test_predictions_are_filtered_by_typing(browser, address):
    with Visit(browser, address) as visit:
        page = visit.open("book/predictions")
        every = page.evaluate(SHOWN)
        field, status = page.get_by_label("Show predictions with"), page.get_by_role("status")
        assert status.inner_text() == f"{len(every)} of {len(every)}"
        field.focus()
        page.keyboard.type("P3.1a")
        assert page.evaluate(SHOWN) == ["P3.1a"] and status.inner_text() == f"1 of {len(every)}"
        assert page.locator("h2:visible").count() == 1  # the other chapters are not there
        page.keyboard.press("Escape")
        assert page.evaluate(SHOWN) == every and field.input_value() == ""
        page.keyboard.type("HOLDS momentum")  # a chapter's title counts, too; and in any order
        found = page.evaluate(SHOWN)
        fifth = [name for name in every if name.startswith("P5.")]
        assert set(fifth) <= set(found) and len(fifth) <= len(found) < len(every)
        page.locator("a[href='#p3-2']").first.evaluate("link => link.click()")
        assert page.evaluate(SHOWN) == every  # what a link leads to is shown
        field.fill("zzzz")
        assert page.evaluate(SHOWN) == [] and status.inner_text().startswith(
            f"0 of {len(every)}: try "
        )
        assert visit.complaints == []


def test_without_a_script_every_prediction_is_there_and_nothing_to_type_into(browser, files):
    with Visit(browser, files, java_script_enabled=False) as visit:
        visit.page.goto(f"{files}/book/predictions.html")
        rows = visit.page.locator("table.predictions tr[class]")
        assert rows.count() == html_of("book/predictions").count('<th scope="row"') > 100
        assert rows.last.is_visible() and not visit.page.locator("#filter").count()


def test_on_paper_predictions_are_tables_under_their_heads(browser, files):
    with Visit(browser, files) as visit:
        page = visit.open("book/predictions")
        page.emulate_media(media="print")
        assert not page.locator(".predictions-filter").is_visible()
        breaks = "row => getComputedStyle(row).breakAfter"
        theory = page.locator("table.predictions tr:has(th[scope=rowgroup])").first
        assert theory.evaluate(breaks) == "avoid"
        assert (
            page.locator("table.predictions thead").first.evaluate(
                "head => getComputedStyle(head).display"
            )
            == "table-header-group"
        )


CHILDREN = """() => {
  const due = {mfrac: 2, mroot: 2, msub: 2, msup: 2, munder: 2, mover: 2,
               msubsup: 3, munderover: 3};
  return Object.entries(due).flatMap(([name, count]) =>
    [...document.querySelectorAll("math " + name)]
      .filter((e) => e.children.length !== count).map((e) => e.outerHTML));
}"""


@pytest.mark.parametrize("name", PAGES)
def test_every_part_of_a_formula_has_as_many_children_as_it_needs(browser, files, name):
    with Visit(browser, files) as visit:
        assert visit.open(name).evaluate(CHILDREN) == []
