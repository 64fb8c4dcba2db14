"""Handouts and sheets: every question of a chapter, no answer, and room to write."""

import re
import shutil
import subprocess

import nbformat
import pytest

from book.build import chapters
from book.classroom import handouts, sheets
from book.classroom.chapters import EXPECT, read
from tests.conftest import need

CHAPTERS = [read(path) for path in chapters()]


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("handouts")
    handouts.fill(folder)
    return folder


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.stem)
def test_a_handout_asks_everything_and_answers_nothing(handed_out, chapter):
    notebook = nbformat.read(handed_out / f"{chapter.stem}.ipynb", as_version=4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    folded = [t.answer for t in chapter.tasks]
    folded += [e.answer for e in chapter.expectations if e.answer in _folds(chapter)]
    folded += [e.solution for e in chapter.exercises]
    assert len(folded) >= len(chapter.tasks) + 3
    assert [answer for answer in folded if answer in text] == []
    for asked in (*(t.task for t in chapter.tasks), *(e.starter for e in chapter.exercises)):
        assert asked.splitlines()[0][:20] in text
    for cell, below in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        if EXPECT in cell.source:
            assert below and below.source == handouts.ROOM[EXPECT]
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert not re.search(r"\]\(\.\./", text), "a link to what does not lie beside it"


def _folds(chapter) -> str:
    return "\n".join(c.source for c in chapter.cells if "Show the answer" in c.source)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.stem)
def test_a_handout_runs_as_its_chapter_does(handed_out, chapter):
    """Its code is the chapter's, but for the solutions, on which nothing depends."""
    notebook = nbformat.read(handed_out / f"{chapter.stem}.ipynb", as_version=4)
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    solutions = {e.solution for e in chapter.exercises}
    whole = [c.source for c in chapter.cells if c.cell_type == "code"]
    assert code == [source for source in whole if source not in solutions]


def test_a_sheet_is_one_page_with_every_explorer_and_a_question(browser, tmp_path):
    need(shutil.which("pdfinfo") is not None, "no pdfinfo (Debian: apt install poppler-utils)")
    sheets.write(tmp_path)
    sheets.printed(tmp_path, browser)
    for chapter in CHAPTERS:
        page = (tmp_path / f"{chapter.stem}.html").read_text(encoding="utf8")
        assert page.count("<div class='explorer'") == len(chapter.tasks)
        assert chapter.question.split("?")[0][:20] in page and page.count("I found") >= 3
        assert "<strong>Before you run it" in page and "<script" not in page
        pdf = tmp_path / f"{chapter.stem}.pdf"
        told = subprocess.run(["pdfinfo", pdf], capture_output=True, text=True, check=True).stdout
        assert re.search(r"(?m)^Pages:\s+1$", told), f"{chapter.stem} does not fit one page"


def test_a_page_of_another_build_is_named():
    with pytest.raises(ValueError, match="no explorer 'wheel'"):
        sheets.picture("<p></p>", "wheel", 40)
