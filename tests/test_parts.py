"""The parts of the book and the paths through it: the same in the contents, in front, in README."""

import re
import tomllib
from itertools import pairwise

import nbformat
import pytest
import yaml

from tests.conftest import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
FRONT = (ROOT / "book" / "index.md").read_text(encoding="utf8")
README = (ROOT / "README.md").read_text(encoding="utf8")
CHAPTERS = {int(path.stem[:2]): path for path in sorted((ROOT / "notebooks").glob("*.ipynb"))}
HINT = re.compile(r"(?s):{3,}\{admonition\} Hint.*?:{3,}")
EXPLORER = " \x00 "
HOUR, DAY, TERM = (
    part.split("\n\n")[0] for part in re.split(r"\n\*\*One (?=hour|day|term)", FRONT)[1:]
)


def parts() -> dict[str, list[str]]:
    """The chapters of each part, as the contents have them."""
    listed = {part["caption"]: [c["file"] for c in part["chapters"]] for part in TOC["parts"]}
    return {
        caption: files
        for caption, files in listed.items()
        if all(file.startswith("notebooks/") for file in files)
    }


def cells(number: int) -> list[str]:
    """A chapter's prose, cell by cell, with a mark for each explorer."""
    notebook = nbformat.read(CHAPTERS[number], as_version=4)
    return [
        HINT.sub("", c.source)
        if c.cell_type == "markdown"
        else EXPLORER * bool(re.search(r"\b(Explorer|Live)\(", c.source))
        for c in notebook.cells
    ]


def minutes(number: int, what: str) -> int:
    """What the chapter's own line of time says."""
    said = re.search(what, "\n".join(cells(number)))
    assert said, f"chapter {number} does not say {what}"
    return int(said[1])


def reading(number: int, *headings: str) -> float:
    """Minutes for sections (the opening is ""): 230 words a minute, 3 minutes an explorer."""
    opening, *rest = re.split(r"(?m)^## (.*)$", "\n\n".join(cells(number)))
    sections = {"": opening, **dict(zip(rest[::2], rest[1::2], strict=True))}
    texts = [sections[heading] for heading in headings]
    return sum(len(text.split()) / 230 + 3 * text.count(EXPLORER) for text in texts)


def stated(path: str) -> dict[int, int]:
    """The minutes that a path gives to each chapter, in the order of the page."""
    found = re.findall(r"notebooks/(\d+)_\w+\.ipynb\)[^(]*?\((\d+)", path)
    return {int(chapter): int(number) for chapter, number in found}


def test_the_contents_have_four_parts_with_every_chapter_in_one():
    assert list(parts()) == [
        "The method", "Beyond plain descent", "Learning and scale", "At work"
    ]  # fmt: skip
    named = [file for files in parts().values() for file in files]
    assert named == [f"notebooks/{path.stem}" for path in CHAPTERS.values()]


@pytest.mark.parametrize("name", parts())
def test_a_part_has_the_same_chapters_and_sentence_in_front_and_in_the_readme(name):
    front = re.search(rf"\n## {name}\n\n([^\n]+\.)\n\n(.*?)\n## ", FRONT, re.DOTALL)
    readme = re.search(rf"\n\*\*{name}\.\*\* ([^\n]+\.)\n\n(.*?)\n\n", README, re.DOTALL)
    assert front and readme and front[1] == readme[1]
    assert re.findall(r":link: \.\./(notebooks/\w+)", front[2]) == parts()[name]
    assert re.findall(r"\((notebooks/\w+)\.ipynb\)", readme[2]) == parts()[name]


def test_front_page_and_readme_ask_the_same_questions():
    cards = re.findall(r"card\} (\d+ · .*)\n:link: .*\n:link-type: doc\n(.*)\n", FRONT)
    rows = re.findall(r"^\| \[(\d+ · .*)\]\(.*\) \| (.*) \|$", README, re.MULTILINE)
    assert rows == [(title, question[0].lower() + question[1:]) for title, question in cards]


def test_parts_stand_in_the_order_of_the_contents():
    for text, mark in ((FRONT, "\n## {}\n"), (README, "\n**{}.** ")):
        places = [text.index(mark.format(name)) for name in parts()]
        assert all(a < b for a, b in pairwise(places))


def test_an_hour_is_a_chapter_and_sections_at_a_readers_pace():
    assert stated(HOUR) == {
        1: minutes(1, r"Reading (\d+) minutes"),
        3: round(reading(3, "", "The fair comparison")),
        5: round(reading(5, "", "A velocity", "One weight: what a mode does")),
        6: round(reading(6, "Must Adam be tuned?", "Which method when")),
    }
    for section in ("The fair comparison", "A velocity", "One weight: what a mode does"):
        assert f"*{section}*" in HOUR
    assert "*Must Adam be tuned?* and *Which method when*" in HOUR


def test_a_day_is_the_core_paths_of_six_chapters():
    core = r"(?is)\*\*core path.*?about (\d+) (?:minutes|of them)"
    assert stated(DAY) == {number: minutes(number, core) for number in range(1, 7)}


def test_a_term_is_every_chapter_with_code_and_exercises():
    whole = r"with code and exercises (\d+)"
    assert stated(TERM) == {number: minutes(number, whole) for number in CHAPTERS}
    weekly = re.search(r"about (\d+) a week", TERM)
    assert weekly and int(weekly[1]) == round(sum(stated(TERM).values()) / len(CHAPTERS))


@pytest.mark.parametrize(("path", "longest"), [(HOUR, 60), (DAY, 8 * 60), (TERM, 30 * 60)])
def test_the_minutes_of_a_path_add_up_and_there_is_time_for_them(path, longest):
    together = re.search(r"Together\s+(\d+) minutes", path)
    assert together and int(together[1]) == sum(stated(path).values()) <= longest


def test_the_version_is_the_same_wherever_it_is_told():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf8"))
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf8")
    newest = re.search(r"^## (\d\S+) \((\S+)\)$", changes, re.MULTILINE)
    assert newest and newest[1] == project["version"] == citation["version"]
    assert newest[2] == str(citation["date-released"])
