"""Grade an assignment's submissions in sandboxes: python -m book.classroom.grading COURSE NAME.

Takes ``COURSE/submitted/<learner>/<NAME>/``; fills the course's grade book, ``feedback/`` and
``grades.csv``. Each core grades in a course folder and a grade book of its own.
"""

import argparse
import logging
import os
import shutil
import sys
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import nbformat
from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.coursedir import CourseDirectory
from nbgrader.plugins import CsvExportPlugin
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from book.classroom import sandbox

warnings.simplefilter("ignore", SAWarning)  # of the way nbgrader fills its tables

LARGEST = 5 << 20  # bytes of a submission
BOOK = "gradebook.db"
NO_SANDBOX = (
    "No sandbox: bubblewrap is missing or not allowed here (Debian: apt install bubblewrap). "
    "--docker IMAGE grades in containers; --unsafe runs the learners' code as you, unprotected."
)


def grade(course: Path, name: str, wall: partial | None) -> dict[str, float]:
    """Grade every submission of an assignment, one process to a core. Returns learner → marks."""
    learners = sorted(p.name for p in (course / "submitted").iterdir() if p.is_dir())
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        grades = dict(
            zip(learners, pool.map(partial(grade_one, course, name, wall), learners), strict=True)
        )
    enter(course, name, grades)
    return {learner: sum(score for score, _ in given.values()) for learner, given in grades.items()}


def grade_one(course: Path, name: str, wall: partial | None, learner: str) -> dict:
    """Grade one submission, behind a wall of its own. Returns grade id → (score, by hand?)."""
    with tempfile.TemporaryDirectory() as folder:
        own, speaks = Path(folder, "course"), Path(folder, "kernel")
        speaks.mkdir()
        for part in ("source", "release"):
            shutil.copytree(course / part / name, own / part / name)
        shutil.copy(course / BOOK, own / BOOK)
        released = nbformat.read(own / "release" / name / f"{name}.ipynb", as_version=4)
        handed_in = own / "submitted" / learner / name / f"{name}.ipynb"
        handed_in.parent.mkdir(parents=True)
        handed_over = restored(course / "submitted" / learner / name, released)
        nbformat.write(handed_over, handed_in)
        sandbox.Sandboxed.folder = speaks
        sandbox.Sandboxed.wall = wall(speaks) if wall else []
        nbgrader = _nbgrader(own, name, learner)
        Autograde(coursedir=nbgrader, parent=nbgrader).start()
        GenerateFeedback(coursedir=nbgrader, parent=nbgrader).start()
        place = course / "feedback" / learner / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(own / "feedback" / learner / name, place)
        return given(own, name, learner)


def _nbgrader(course: Path, name: str, learner: str) -> CourseDirectory:
    """The course as nbgrader knows it, for one submission of one learner."""
    config = Config()
    config.CourseDirectory.update(
        root=str(course), assignment_id=name, student_id=learner, course_id="downhill"
    )
    config.Autograde.autograde_preprocessors = [
        Watching if p.__name__ == "Execute" else p
        for p in Autograde.autograde_preprocessors.default_args[0]
    ]
    config.HTMLExporter.sanitize_html = True  # what a learner printed stays text
    return CourseDirectory(config=config)


def restored(folder: Path, released: NotebookNode) -> NotebookNode:
    """The released notebook with the learner's answers, and the learner's own cells between them.

    Cells that are not a learner's to change are those of the release. Their order, too: nothing
    runs before its first code cell.
    """
    try:
        cells = read(folder)
    except Exception as reason:  # whatever is wrong with a file
        note = f"**This submission could not be read:** {reason}"
        return _with(released, [nbformat.v4.new_markdown_cell(note), *released.cells])
    known = {_id(cell): cell for cell in released.cells if _id(cell)}
    answers, own, after = {}, {}, "context"
    for cell in cells:
        if _id(cell) in known and _id(cell) not in answers:
            after = _id(cell)
            answers[after] = cell.source
        elif cell.cell_type == "code":
            extra = nbformat.v4.new_code_cell(cell.source)
            own.setdefault(after, []).append(extra)
    result = []
    for cell in released.cells:
        if _id(cell) and cell.metadata.nbgrader.solution:
            cell.source = answers.get(_id(cell), cell.source)
        result += [cell, *own.get(_id(cell), [])]
    return _with(released, result)


def read(folder: Path) -> list[NotebookNode]:
    """The cells of the one notebook in a folder, whatever its name. ``ValueError`` if it is odd."""
    found = sorted(folder.glob("*.ipynb"))
    if len(found) != 1:
        raise ValueError(f"there are {len(found)} notebooks in the folder, not one")
    if found[0].is_symlink() or not found[0].is_file():
        raise ValueError("it is no file")
    if found[0].stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST >> 20} MiB; clear its outputs")
    return nbformat.read(found[0], as_version=4).cells


def _id(cell: NotebookNode) -> str:
    return str(cell.metadata.get("nbgrader", {}).get("grade_id", ""))


def _with(notebook: NotebookNode, cells: list[NotebookNode]) -> NotebookNode:
    return nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)


class Watching(sandbox.Watched):
    """Executes a submission, then asks each check that it passed about the unchanged starter.

    A check that passes the starter too has been tampered with, and gives no marks.
    """

    def preprocess(self, nb: NotebookNode, resources: dict, **kwargs: object) -> tuple:
        name = resources["nbgrader"]["assignment"]
        release = Path(self.coursedir_of(resources)) / "release" / name / f"{name}.ipynb"
        starters, controls = _starters(nbformat.read(release, as_version=4)), {}
        for cell in nb.cells:
            if cell.metadata.get("nbgrader", {}).get("grade") and _id(cell) in starters:
                source = f"{starters[_id(cell)]}\n\n{cell.source}"
                controls[_id(cell)] = nbformat.v4.new_code_cell(source)
        nb.cells += controls.values()
        nb, resources = super().preprocess(nb, resources, **kwargs)
        nb.cells = nb.cells[: len(nb.cells) - len(controls)]
        for cell in nb.cells:
            if (control := controls.get(_id(cell))) and not _failed(control):
                cell.outputs.append(TAMPERED)
        return nb, resources

    @staticmethod
    def coursedir_of(resources: dict) -> str:
        return str(Path(resources["nbgrader"]["db_url"].removeprefix("sqlite:///")).parent)


TAMPERED = nbformat.v4.new_output(
    "error", ename="Tampered", evalue="", traceback=["This check passes what is wrong, too."]
)


def _failed(cell: NotebookNode) -> bool:
    return any(output.output_type == "error" for output in cell.outputs)


def _starters(released: NotebookNode) -> dict[str, str]:
    """For each autograded cell the released answer cell above it, which must not pass."""
    starters, answer = {}, ""
    for cell in released.cells:
        about = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "code" and about.get("solution"):
            answer = cell.source
        elif cell.cell_type == "code" and about.get("grade"):
            starters[_id(cell)] = answer
    return starters


def given(course: Path, name: str, learner: str) -> dict[str, tuple[float, bool]]:
    """The marks in a grade book for one submission: grade id → (score, to be read by hand?)."""
    with Gradebook(f"sqlite:///{course / BOOK}") as book:
        notebook = book.find_submission_notebook(name, name, learner)
        return {g.name: (g.auto_score or 0.0, g.needs_manual_grade) for g in notebook.grades}


def enter(course: Path, name: str, grades: dict[str, dict]) -> None:
    """Put the marks of all learners into the course's grade book and into ``grades.csv``."""
    with Gradebook(f"sqlite:///{course / BOOK}") as book:
        for learner, marks in grades.items():
            book.update_or_create_student(learner)
            book.update_or_create_submission(name, learner)
            for grade in book.find_submission_notebook(name, name, learner).grades:
                score, by_hand = marks[grade.name]
                grade.auto_score = min(max(score, 0.0), grade.cell.max_score)
                grade.needs_manual_grade = by_hand
        book.db.commit()
        CsvExportPlugin(to=str(course / "grades.csv"), assignment=[name]).export(book)


def main() -> int:
    """Grade, and say what everyone got. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("course", type=Path)
    parser.add_argument("name")
    parser.add_argument("--docker", metavar="IMAGE", help="grade in containers of this image")
    parser.add_argument("--unsafe", action="store_true", help="without any sandbox")
    asked = parser.parse_args()
    wall = partial(sandbox.docker, image=asked.docker) if asked.docker else sandbox.bubblewrap
    if not asked.unsafe and not sandbox.works(wall(Path(tempfile.gettempdir()))):
        print(NO_SANDBOX, file=sys.stderr)
        return 1
    logging.disable(logging.ERROR)
    started = time.monotonic()
    marks = grade(asked.course.resolve(), asked.name, None if asked.unsafe else partial(wall))
    for learner, score in marks.items():
        print(f"{learner:30} {score:g}")
    print(f"{len(marks)} submissions in {time.monotonic() - started:.0f} s: grades.csv, feedback/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
