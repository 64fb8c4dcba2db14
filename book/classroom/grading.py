"""Mark what a class handed in: python -m book.classroom.grading COURSE ASSIGNMENT.

nbgrader keeps the marks and writes the feedback, and runs no learner's code. That runs in a sandbox
(bubblewrap), one for each submission and some at a time: without network, without sight of the
course, of home folders or of other submissions, with limits of time and memory. Of a submission
only the answers are taken, into a fresh copy of what was released; of the sandbox only what its
cells printed.
"""

import argparse
import ast
import csv
import json
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.classroom import assignments, sandbox

LARGEST = 5_000_000  # bytes of a submission
NO_SANDBOX = (
    "There is no sandbox: bubblewrap is missing or not allowed (Debian: apt install bubblewrap).\n"
    "--docker IMAGE marks in containers; --unsafe runs the learners' code as you, unprotected."
)
# Names that no exercise needs: the answer is marked all the same, and a person should look at it.
LOOK = {"os", "sys", "subprocess", "socket", "shutil", "pathlib", "importlib", "ctypes", "gc"}
LOOK |= {"inspect", "builtins", "open", "exec", "eval", "compile", "get_ipython", "globals"}


@dataclass
class Submission:
    """What a learner handed in, the notebook that is marked, and what came of its cells."""

    student: str
    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    outcomes: list[dict] = field(default_factory=list)


def grade(course: Path, name: str, wall: list[str]) -> list[dict]:
    """Mark all submissions of an assignment behind a wall; the marks, a row for each learner.

    Raises ``FileNotFoundError`` without a release or submissions.
    """
    course = course.resolve()
    release = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    students = sorted(p for p in (course / "submitted").iterdir() if (p / name).is_dir())
    submissions = [collect(path.name, path / name, name, release) for path in students]

    def run(submission: Submission) -> None:
        submission.outcomes = sandbox.run(to_run(submission.notebook, release), wall)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(run, submissions))
    return enter(course, name, submissions)


def to_run(notebook: NotebookNode, release: NotebookNode) -> list[dict]:
    """The cells for the sandbox; one that marks comes with the released answer above it."""
    cells, starter = [], ""
    for cell, released in zip(notebook.cells, release.cells, strict=True):
        if cell.cell_type != "code":
            continue
        grader = cell.metadata.nbgrader
        cells.append({"source": cell.source} | ({"starter": starter} if grader.grade else {}))
        starter = released.source if grader.solution else starter
    return cells


def collect(student: str, folder: Path, name: str, release: NotebookNode) -> Submission:
    """The released notebook with a learner's answers: nothing else of theirs is taken."""
    mine = Submission(student, nbformat.from_dict(json.loads(json.dumps(release))))
    try:
        found = handed_in(folder, name)
        cells = nbformat.reads(found.read_text(encoding="utf8"), as_version=4).cells
        if found.stem != name:
            mine.notes.append(f"the file is called {found.name}")
        answers = answered(cells)
    except Exception as error:  # whatever a file can be
        mine.notes.append(f"not a notebook: {type(error).__name__}: {error}"[:200])
        answers = {}
    for cell in mine.notebook.cells:
        grader = cell.metadata.get("nbgrader", {})
        if grader.get("solution"):
            if grader["grade_id"] not in answers and answers:
                mine.notes.append(f"no cell {grader['grade_id']}")
            cell.source = answers.get(grader["grade_id"], cell.source)
            if cell.cell_type == "code" and (used := suspicious(cell.source)):
                mine.notes.append(f"look at {grader['grade_id']}: it uses {', '.join(used)}")
    return mine


def handed_in(folder: Path, name: str) -> Path:
    """The notebook in a learner's folder. Raises ``ValueError`` for what is none."""
    found = folder / f"{name}.ipynb"
    if not found.exists():
        others = sorted(folder.glob("*.ipynb"))
        if len(others) != 1:
            raise ValueError(f"{len(others)} notebooks, none of them {name}.ipynb")
        (found,) = others
    if found.is_symlink() or not found.is_file():
        raise ValueError(f"{found.name} is no plain file")
    if found.stat().st_size > LARGEST:
        raise ValueError(f"{found.name} has {found.stat().st_size:,} bytes, at most {LARGEST:,}")
    return found


def answered(cells: list[NotebookNode]) -> dict[str, str]:
    """By their names the answers of a notebook; code put in between goes with the next one."""
    answers, between = {}, []
    for cell in cells:
        grader = cell.metadata.get("nbgrader", {})
        if not grader and cell.cell_type == "code":
            between.append(cell.source)
        elif grader.get("solution"):
            name = str(grader.get("grade_id"))
            mine = between if cell.cell_type == "code" else []
            answers.setdefault(name, "\n\n".join([*mine, cell.source]))
            between = []
    return answers


def suspicious(source: str) -> list[str]:
    """The names in a piece of code that no exercise needs."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)} - LOOK  # model.eval()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {a.name.split(".")[0] for a in node.names}
            names.add((getattr(node, "module", "") or "").split(".")[0])
    return sorted(n for n in names if n in LOOK or (n.startswith("__") and n.endswith("__")))


def enter(course: Path, name: str, submissions: list[Submission]) -> list[dict]:
    """Hand what came out to nbgrader: gradebook, feedback, and a table of the marks."""
    from nbgrader import preprocessors
    from traitlets.config import Config

    by_student = {submission.student: submission for submission in submissions}

    class Replay(preprocessors.NbGraderPreprocessor):
        """In the place of nbgrader's Execute: the outcomes that the sandbox had."""

        def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
            mine = by_student[resources["nbgrader"]["student"]]
            cells = [cell for cell in nb.cells if cell.cell_type == "code"]
            for cell, outcome in zip(cells, mine.outcomes, strict=True):
                cell.outputs = outputs(outcome)
            return nb, resources

    shutil.rmtree(course / "collected", ignore_errors=True)
    for submission in submissions:
        to = course / "collected" / submission.student / name / f"{name}.ipynb"
        to.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(submission.notebook, to)
    api = assignments.course(course)
    api.coursedir.submitted_directory = "collected"
    kept = ("LimitOutput", "SaveAutoGrades", "AssignLatePenalties")
    steps = [Replay, *(getattr(preprocessors, name) for name in kept)]
    api.update_config(Config({"Autograde": {"autograde_preprocessors": steps}}))
    done = api.autograde(name, "*")
    if not done["success"]:
        raise RuntimeError(
            f"nbgrader could not mark {name}: {done.get('log') or done.get('error')}"
        )
    told = api.generate_feedback(name, "*")
    if not told["success"]:
        raise RuntimeError(f"no feedback for {name}: {told.get('log') or told.get('error')}")
    return table(course, name, api, by_student)


def outputs(outcome: dict) -> list[NotebookNode]:
    """A cell's outputs, as nbgrader reads a mark from them."""
    made = []
    if outcome["text"]:
        made.append(nbformat.v4.new_output("stream", name="stdout", text=str(outcome["text"])))
    if outcome["error"]:
        name, said = map(str, outcome["error"])
        made.append(nbformat.v4.new_output("error", ename=name, evalue=said, traceback=[said]))
    return made


def table(course: Path, name: str, api, by_student: dict[str, Submission]) -> list[dict]:
    """The marks, also as a table in the course's folder."""
    with api.gradebook as gradebook:
        rows = []
        for student, submission in by_student.items():
            mine = gradebook.find_submission(name, student)
            rows.append(
                {
                    "student": student,
                    "assignment": name,
                    "score": mine.score,
                    "max_score": mine.max_score,
                    "notes": "; ".join(submission.notes),
                }
            )
    with (course / f"marks_{name}.csv").open("w", encoding="utf8", newline="") as file:
        writer = csv.DictWriter(file, rows[0] if rows else ["student"])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def main() -> int:
    """Mark an assignment, and say how it went. Returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("course", type=Path)
    parser.add_argument("assignment")
    parser.add_argument("--docker", metavar="IMAGE", help="mark in containers of this image")
    parser.add_argument("--unsafe", action="store_true", help="without any sandbox")
    asked = parser.parse_args()
    wall = sandbox.docker(asked.docker) if asked.docker else sandbox.bubblewrap()
    if asked.unsafe:
        wall = []
    elif not sandbox.works(wall):
        print(NO_SANDBOX, file=sys.stderr)
        return 1
    started = time.monotonic()
    rows = grade(asked.course, asked.assignment, wall)
    for row in rows:
        print(f"{row['student']:24} {row['score']:g} of {row['max_score']:g}  {row['notes']}")
    table = asked.course / f"marks_{asked.assignment}.csv"
    print(f"{len(rows)} submissions in {time.monotonic() - started:.0f} s: {table}, feedback/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
