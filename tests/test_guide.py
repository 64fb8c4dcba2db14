"""The key of a guide holds what the chapter asks, and its addresses lead to its pictures."""

import re
from html import unescape
from pathlib import Path

import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure

from book import build
from book.classroom import chapters, guide
from gdlib.explore import Explorer
from tests.browsers import Visit

STEMS = [path.stem for path in build.chapters()]
ANSWERED = [p.stem for p in build.chapters() if "answer={" in p.read_text(encoding="utf8")]


def key(files: str, stem: str) -> str:
    page = Path(files.removeprefix("file://"), "book", "teaching", f"{stem}.html")
    return page.read_text(encoding="utf8").partition('<div class="key">')[2]


@pytest.mark.parametrize("stem", STEMS)
def test_the_key_has_each_task_question_and_exercise_and_leads_to_each_explorer(files, stem):
    chapter, text = chapters.read(chapters.NOTEBOOKS / f"{stem}.ipynb"), key(files, stem)
    for task in chapter.tasks:
        assert f"<h4>Explorer {task.number}</h4>" in text and task.task in unescape(text)
    asked = (chapter.tasks, chapter.expectations, chapter.exercises)
    assert text.count("<h4>") == sum(map(len, asked))
    assert text.count("highlight-python") >= len(chapter.exercises), "a solution is not there"
    page = Path(files.removeprefix("file://"), "notebooks", f"{stem}.html").read_text("utf8")
    targets = set(re.findall(rf"{stem}.html#(fig-[\w-]+)\?", text))
    assert targets == set(re.findall(r'<div class="explorer" id="(fig-[\w-]+)"', page))


@pytest.mark.parametrize("stem", ANSWERED)
def test_an_address_of_the_key_shows_what_its_picture_shows(browser, files, stem):
    """In the browser the explorer at that address says what the key says, word for word."""
    answered = re.compile(
        r'<span data-text="readout">(.*?)</span>.*?href="\.\./\.\./([^"]+)">In this state',
        re.DOTALL,
    )
    asked = key(files, stem).split("<h4>")
    found = [match.groups() for text in asked if (match := answered.search(text))]
    assert found, "no explorer has a picture where its answer is seen"
    with Visit(browser, files) as visit:
        for said, address in found:
            visit.page.goto(f"{files}/{unescape(address)}")
            shown = visit.page.locator(f"#{address.split('#')[1].split('?')[0]}[data-ready]")
            shown_text = shown.locator("[data-text=readout]").inner_text()
            assert shown_text.split() == unescape(said).split()
        assert visit.complaints == []


def test_the_address_of_a_state_is_written_for_any_value(tmp_path):
    figure = Figure()
    ax = figure.subplots()
    ax.set_xlim(-1, 3)
    sliders = {"parameters": [10, 12_345_678], "rate": [1e-7, 0.1], "rule": ["a & b", "c"]}
    answer = {"parameters": 12_345_678, "rate": 1e-7, "rule": "a & b"}
    explorer = Explorer(figure, sliders, name="t", alt="t", answer=answer)
    explorer.path(ax, np.arange(2), np.arange(2))
    explorer.pick(ax, "rate")
    bundle = explorer._repr_mimebundle_()[0]
    output = nbformat.v4.new_output("display_data", bundle)
    cell = nbformat.v4.new_code_cell(outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "c.ipynb")
    (name, (query, picture)), *_ = guide.states(tmp_path / "c.ipynb").items()
    assert name == "t" and picture.count("<div inert") == 1
    assert query == "parameters=1.23457e%2B07&rate=1e-07&rule=a%20%26%20b"


def test_the_fault_of_a_hunt_is_told_and_not_what_comes_after_the_exercises():
    def last(stem):
        chapter = chapters.read(chapters.NOTEBOOKS / f"{stem}.ipynb")
        return guide.after(chapter.exercises[-1], chapter)

    assert last("12_your_own_problem").startswith("The network answers with a column")
    told = last("03_mini_batches")  # the chapter's verdicts are folded, too
    assert told.startswith("The loader does not shuffle") and "|" not in told
