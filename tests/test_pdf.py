"""The book as one PDF and as one zip, read by a program that did not make them."""

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from zipfile import ZipFile

import pytest

from book import pdf, stick
from tests.browsers import Visit
from tests.conftest import PAGES, ROOT, SITE, TOC, need

# The whole book takes twice as long as these: its first pages, its longest tables, three chapters.
PRINTED = [
    name for name in PAGES if not name.startswith("notebooks/") or re.search("/(01|03|08)_", name)
]
CHAPTERS = [name for name in PRINTED if name.startswith("notebooks/")]


def html_of(name: str) -> str:
    return (SITE / f"{name}.html").read_text(encoding="utf8")


def title(name: str) -> str:
    found = re.search(r"<h1>(.*?)<a", html_of(name).partition("<article")[2], re.DOTALL)
    assert found
    return unescape(re.sub(r"<[^>]+>", "", found[1])).strip()


def squeezed(text: str) -> str:
    """The letters and digits of a text: a PDF knows no blanks, only places."""
    return re.sub(r"[\W_]", "", text)


def poppler(program: str, *arguments: str) -> str:
    done = subprocess.run([program, *arguments], capture_output=True, check=True)
    return done.stdout.decode()


@pytest.fixture(scope="module")
def book(browser, files, tmp_path_factory) -> Path:
    need(shutil.which("pdftotext") is not None, "no pdftotext (Debian: apt install poppler-utils)")
    path = tmp_path_factory.mktemp("pdf") / "downhill.pdf"
    page = browser.new_page()
    path.write_bytes(pdf.printed(page, SITE, [f"{name}.html" for name in PRINTED]))
    page.close()
    return path


@pytest.fixture(scope="module")
def text(book) -> list[str]:
    """The text of every page; page 1 is text[1]."""
    return ["", *poppler("pdftotext", "-layout", str(book), "-").split("\f")[:-1]]


@pytest.fixture(scope="module")
def contents(text) -> list[tuple[str, int]]:
    """The lines of the contents: what, and the page."""
    end = next(n for n, page in enumerate(text) if page.strip().startswith("Downhill") and n > 1)
    lines = re.findall(r"^ *(\S.*?) {2,}(\d+)$", "\n".join(text[2:end]), re.MULTILINE)
    return [(name, int(page)) for name, page in lines]


def test_every_page_but_the_title_page_says_its_number(book, text):
    assert f"Pages:           {len(text) - 1}\n" in poppler("pdfinfo", str(book))
    assert len(text) > 15 * len(CHAPTERS)
    assert [int(page.split()[-1]) for page in text[2:]] == list(range(2, len(text)))


@pytest.mark.parametrize("name", PRINTED)
def test_a_page_of_the_site_is_in_the_contents_and_begins_a_page_of_paper(text, contents, name):
    named = [text[page].strip().partition("\n") for line, page in contents if line == title(name)]
    # A chapter's section may bear the same name; the page of the site has it at its head, too.
    assert any(
        {head.strip(), body.strip()[: len(head.strip())]} == {title(name)}
        for head, _, body in named
    )


def test_every_line_of_the_contents_names_the_page_of_its_heading(text, contents):
    assert len(contents) > 10 * len(CHAPTERS)
    assert [page for _, page in contents] == sorted(page for _, page in contents)
    # A long heading takes two lines, and formulas are read in another order: its beginning tells.
    wrong = [
        (line, page)
        for line, page in contents
        if squeezed(line)[:12] not in squeezed(text[page].partition("\n")[2] or text[page])
    ]
    assert wrong == []


def test_the_bookmarks_are_the_headings(book, contents):
    xml = poppler("pdftohtml", "-l", "1", "-xml", "-i", "-stdout", str(book))
    marks = re.findall(r'<item page="(\d+)">(.*?)</item>', xml)
    marked = {(squeezed(unescape(mark)), int(page)) for page, mark in marks}
    assert {(squeezed(line), page) for line, page in contents} <= marked


def test_solutions_stand_in_an_appendix_and_nowhere_else(text, contents):
    start = next(page for line, page in contents if line == "Hints, answers and solutions")
    with_solution = [n for n, page in enumerate(text) if "# The solution" in page]
    assert min(with_solution) >= start
    solutions = sum(
        (ROOT / f"{name}.ipynb").read_text("utf8").count('"solution-') for name in CHAPTERS
    )
    assert "".join(text).count("# The solution") == solutions > len(CHAPTERS)
    assert [line for line, page in contents if page > start][-len(CHAPTERS) + 1 :] == [
        title(name) for name in CHAPTERS[1:]
    ]


def test_nothing_is_printed_beyond_the_margins(book):
    boxes = poppler("pdftotext", "-bbox", str(book), "-")
    words = re.findall(r'<word xMin="([\d.-]+)" yMin="[\d.-]+" xMax="([\d.-]+)".*?>(.*?)</w', boxes)
    assert len(words) > 10_000
    margin, width = 18 / 25.4 * 72 - 2, 210 / 25.4 * 72
    outside = [w for w in words if float(w[0]) < margin or float(w[1]) > width - margin]
    assert outside == []


@pytest.mark.parametrize("name", [PAGES[0], *CHAPTERS])
def test_an_explorer_is_whole_on_one_page_with_its_address(text, name):
    explorers = html_of(name).split('<div class="explorer" id="')[1:]
    assert explorers
    for explorer in explorers:
        anchor = explorer.partition('"')[0]
        address = f"{name}.html#{anchor}"
        page = next(page for page in text if f"It moves at {address}" in page)
        drawn = explorer.partition('class="explorer-controls"')[0]
        labels = re.findall(r"<text[^>]*>([A-Za-z][a-z ]{5,})</text>", drawn)
        lost = [label for label in labels if squeezed(label) not in squeezed(page)]
        assert lost == [], address


def test_the_addresses_lead_to_the_site_beside_the_pdf_and_to_no_folder_of_this_machine(book):
    raw = book.read_bytes()
    found = re.findall(rb"\(\./\./html/([^)#]+)#?([^)]*)\)", raw)
    assert len(found) > len(CHAPTERS)
    assert b"file:" not in raw and pdf.HOST.encode() not in raw
    for path, place in found:
        page = SITE / path.decode()
        anchor = place.decode().partition("?")[0]  # behind it is an explorer's state
        assert page.is_file() and (not anchor or f'id="{anchor}"' in page.read_text("utf8"))


def test_the_book_is_printed_in_the_order_of_its_contents(files):
    named = re.findall(r"(?:root|file): (\S+)", TOC)
    assert pdf.pages(SITE) == [f"{name}.html" for name in named]
    assert set(PAGES) < set(named)


def test_the_answers_to_self_tests_stand_in_the_appendix_and_nowhere_else(text, contents):
    start = next(page for line, page in contents if line == "Hints, answers and solutions")
    where = [n for n, page in enumerate(text) if re.search(r"3\.1.b · 3\.2.105 · 3\.3.d", page)]
    assert where == [start]
    assert not any("an epoch has 20 full batches" in page for page in text)
    asked = next(page for page in text if "Question 3.2" in page)
    assert "a) Nothing" in asked and "Your answer" in asked and "Show the answer" not in asked


def test_without_a_site_it_says_what_to_do(tmp_path):
    with pytest.raises(pdf.Unprintable, match="run `make book` first"):
        pdf.pages(tmp_path)


@pytest.fixture(scope="module")
def stick_(files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stick")
    stick.pack(SITE, folder / "downhill.zip")
    with ZipFile(folder / "downhill.zip") as archive:
        archive.extractall(folder)
    return folder / "downhill"


def test_from_the_stick_the_book_opens_and_an_explorer_moves_without_a_network(browser, stick_):
    # A visit reaches this folder and no host.
    with Visit(browser, stick_.as_uri()) as visit:
        visit.page.goto(f"{stick_.as_uri()}/index.html")
        visit.page.wait_for_url("**/book/index.html")
        visit.page.get_by_role("heading", level=1, name="Downhill").wait_for()
    with Visit(browser, stick_.as_uri()) as visit:
        page = visit.open(CHAPTERS[1])
        slider = page.locator(".explorer input[type=range]").first
        readout = page.locator(".explorer-readout").first
        before = readout.inner_text()
        slider.focus()
        page.keyboard.press("Home")
        assert readout.inner_text() != before
        assert visit.complaints == []


def test_the_same_site_gives_the_same_zip(files, tmp_path):
    stick.pack(SITE, tmp_path / "one.zip")
    stick.pack(SITE, tmp_path / "two.zip")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    with ZipFile(tmp_path / "one.zip") as archive:
        files_there = {p.relative_to(SITE).as_posix() for p in SITE.rglob("*") if p.is_file()}
        assert {name.removeprefix("downhill/") for name in archive.namelist()} == files_there
