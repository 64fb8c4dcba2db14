"""Submissions of all kinds get the marks that they deserve, and none does harm."""

import csv
import importlib.util
import shutil
import socket

import nbformat
import pytest

from book.build import chapters
from book.classroom import assignments
from book.classroom.chapters import read
from tests.conftest import need

NAME = "two"
ALL = 2 * assignments.POINTS
RIGHT = {
    "largest-lr": "def largest_lr(hessian):\n    return 2 / torch.linalg.eigvalsh(hessian).max()",
    "next-lr": "def next_lr(loss, w, grad, last):\n"
    "    return backtrack(loss, w, grad, lr=2 * last)",
}
FIRST = RIGHT["largest-lr"]
# What a learner writes as the first answer, beside a second one that is right: half of the marks.
HOSTILE = {
    "endless": "def largest_lr(hessian):\n    while True: pass",
    "endless_cell": "while True: pass",
    "memory": "def largest_lr(hessian):\n    return len(bytearray(1 << 36))",
    "hard_coded": "def largest_lr(hessian):\n    return 0.2 if hessian[1, 1] == 10 else 200.0",
    "reads": "import pathlib\n"
    "exec(next(pathlib.Path('COURSE').rglob('right/**/*.ipynb')).read_text())",
    "writes": "import pathlib\n"
    "for place in ('COURSE/gradebook.db', 'COURSE/grades.csv', 'OUTSIDE/harm'):\n"
    "    try: pathlib.Path(place).write_text('harm')\n    except OSError: pass",
    "socket": "import socket\nsocket.create_connection(('127.0.0.1', PORT), 2).send(b'harm')",
    "forks": "import os, time\nfor _ in range(50):\n    if not os.fork(): time.sleep(600)",
    "flood": "print('x' * 100_000_000)",
}
# These reach for all of the marks, and get none.
CHEATS = {
    "patches_check": "import gdlib.checks.judging\n"
    "check_largest_lr = check_next_lr = gdlib.checks.check_largest_lr"
    " = gdlib.checks.judging.check(lambda answer: '')",
    "patches_grade": "import gdlib.checks.marking\n"
    "gdlib.checks.marking.mark = mark = lambda *any: None",
    "patches_own": "import gdlib.checks.steps as s\n"
    "s.check_largest_lr.__wrapped__ = lambda answer: 'yes'",
    "patches_error": "import builtins\nbuiltins.AssertionError = print",
    "kills_kernel": "import os\nos._exit(0)",
}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """A course of one assignment with two exercises, and what is handed in."""
    need(importlib.util.find_spec("nbgrader") is not None, "no nbgrader: requirements-teach.txt")
    folder = tmp_path_factory.mktemp("course")
    chapter = read(chapters()[0])
    del chapter.exercises[2:]
    assignments.write(folder, NAME, assignments.assignment(chapter))
    (folder / "nbgrader_config.py").write_text(assignments.CONFIG, encoding="utf8")
    assignments.release(folder, NAME)
    return folder


def hand_in(course, learner, answers, change=lambda notebook: None, name=NAME):
    notebook = nbformat.read(course / "release" / NAME / f"{NAME}.ipynb", as_version=4)
    for cell in notebook.cells:
        tag = cell.metadata.get("nbgrader", {}).get("grade_id", "").removeprefix("answer-")
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = answers.get(tag, cell.source)
    change(notebook)
    folder = course / "submitted" / learner / NAME
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def edits_tests(notebook):
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source, cell.metadata.nbgrader.points = "pass", 100


def deletes_tests(notebook):
    notebook.cells = [c for c in notebook.cells if not c.metadata.get("nbgrader", {}).get("grade")]
    notebook.cells.insert(0, nbformat.v4.new_code_cell("mark = lambda *any: None"))


def test_each_submission_gets_its_marks_and_none_does_harm(course, tmp_path, monkeypatch):
    from nbgrader.api import Gradebook

    from book.classroom import grading, sandbox

    need(sandbox.works(sandbox.bubblewrap()), "no bubblewrap, or this kernel forbids it")
    monkeypatch.setattr(sandbox, "SECONDS", 4)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.1)
    places = {"COURSE": course, "OUTSIDE": tmp_path, "PORT": listener.getsockname()[1]}
    expected = {
        "right": ALL,
        "other_name": ALL,
        "starter": 0,
        "half": ALL / 2,
        "edits": 0,
        "deletes": 0,
    }
    hand_in(course, "right", RIGHT)
    hand_in(course, "other_name", RIGHT, name="my homework (2)")
    hand_in(course, "starter", {})
    hand_in(course, "half", {"largest-lr": FIRST})
    hand_in(course, "edits", {}, edits_tests)
    hand_in(course, "deletes", {}, deletes_tests)
    for learner, code in HOSTILE.items():
        for word, value in places.items():
            code = code.replace(word, str(value))
        hand_in(course, learner, RIGHT | {"largest-lr": code})
        expected[learner] = ALL / 2
    for learner, code in CHEATS.items():
        hand_in(course, learner, {"largest-lr": code})
        expected[learner] = 0
    hand_in(course, "no_json", RIGHT).write_text("{", encoding="utf8")
    hand_in(course, "missing", RIGHT).unlink()
    expected |= {"no_json": 0, "missing": 0}
    before = {path: path.read_bytes() for path in (course / "submitted").rglob("*.ipynb")}

    rows = grading.grade(course, NAME, sandbox.bubblewrap())

    assert {row["student"]: row["score"] for row in rows} == expected
    assert {path: path.read_bytes() for path in before} == before
    assert not (tmp_path / "harm").exists()
    with pytest.raises(TimeoutError):
        listener.accept()
    with (course / f"marks_{NAME}.csv").open(encoding="utf8") as table:
        assert {r["student"]: float(r["score"]) for r in csv.DictReader(table)} == expected
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        entered = {s.student_id: s.score for s in book.assignment_submissions(NAME)}
    assert entered == expected
    for learner in expected:
        page = course / "feedback" / learner / NAME / f"{NAME}.html"
        assert page.stat().st_size < 2_000_000


def test_feedback_shows_what_a_learner_printed_as_text(course):
    from book.classroom import grading, sandbox

    need(sandbox.works(sandbox.bubblewrap()), "no bubblewrap, or this kernel forbids it")
    shutil.rmtree(course / "submitted", ignore_errors=True)
    code = FIRST + "\nprint('<script>harm()</script>')"
    hand_in(course, "script", RIGHT | {"largest-lr": code})
    (row,) = grading.grade(course, NAME, sandbox.bubblewrap())
    assert row["score"] == ALL
    page = course / "feedback" / "script" / NAME / f"{NAME}.html"
    assert "<script>harm" not in page.read_text(encoding="utf8")


def test_odd_names_are_shown_to_the_teacher_and_no_solution_of_the_book_has_one():
    from book.classroom import grading

    solutions = [e.solution for path in chapters() for e in read(path).exercises]
    for path in assignments.LARGER.glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        graded = [c for c in cells if c.cell_type == "code" and c.metadata.get("nbgrader")]
        solutions += [c.source for c in graded if c.metadata.nbgrader.solution]
    assert len(solutions) > 50
    assert [found for source in solutions if (found := grading.suspicious(source))] == []
    assert grading.suspicious(HOSTILE["socket"]) == ["socket"]
    assert grading.suspicious("eval('1')\nf.__wrapped__ = g") == ["__wrapped__", "eval"]
    assert grading.suspicious("def (") == []
