"""Mark what a class handed in: python -m book.classroom.grading COURSE ASSIGNMENT.

nbgrader keeps the marks and writes the feedback, and runs no learner's code. That runs in a sandbox
(bubblewrap), one for each submission and some at a time: without network, without sight of the
course, of home folders or of other submissions, with limits of time and memory. Of a submission
only the answers are taken, into a fresh copy of what was released; of the sandbox only what its
cells printed.
"""

import ast
import csv
import json
import os
import secrets
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.classroom import assignments

ROOT = Path(__file__).resolve().parent.parent.parent
INSIDE = Path(__file__).with_name("sandbox.py")
LARGEST = 5_000_000  # bytes of a submission
SECONDS, WALL = 20, 90  # for a cell, and for a submission
BYTES, PROCESSES = 6 << 30, 512
# Names that no exercise needs: the answer is marked all the same, and a person should look at it.
LOOK = {"os", "sys", "subprocess", "socket", "shutil", "pathlib", "importlib", "ctypes", "gc"}
LOOK |= {"inspect", "builtins", "open", "exec", "eval", "compile", "get_ipython", "globals"}


class Unsafe(Exception):
    """There is no sandbox; says what would make one."""


@dataclass
class Submission:
    """What a learner handed in, the notebook that is marked, and what came of its cells."""

    student: str
    notebook: NotebookNode
    notes: list[str] = field(default_factory=list)
    outcomes: list[dict] = field(default_factory=list)


def grade(course: Path, name: str, at_a_time: int = 0, unsafe: bool = False) -> list[dict]:
    """Mark all submissions of an assignment; the marks, a row for each learner.

    Raises ``Unsafe`` where there is no sandbox, and ``FileNotFoundError`` without a release.
    """
    if not unsafe and (problem := no_sandbox()):
        raise Unsafe(problem)
    course = course.resolve()
    release = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    students = sorted(p for p in (course / "submitted").iterdir() if (p / name).is_dir())
    submissions = [collect(path.name, path / name, name, release) for path in students]

    def run(submission: Submission) -> None:
        cells = [c for c in submission.notebook.cells if c.cell_type == "code"]
        submission.outcomes = executed(cells, course, unsafe)

    with ThreadPoolExecutor(at_a_time or os.cpu_count() or 1) as pool:
        list(pool.map(run, submissions))
    return enter(course, name, submissions)


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
    names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {a.name.split(".")[0] for a in node.names}
            names.add((getattr(node, "module", "") or "").split(".")[0])
    return sorted(n for n in names if n in LOOK or (n.startswith("__") and n.endswith("__")))


def executed(cells: list[NotebookNode], course: Path, unsafe: bool) -> list[dict]:
    """What became of each cell: what it printed, and its error. A cell that never ended has one."""
    token = secrets.token_hex(16)
    told = [{"source": c.source, "mark": c.metadata.nbgrader.grade} for c in cells]
    request = json.dumps({"token": token, "seconds": SECONDS, "cells": told})
    program = [sys.executable, "-s", str(INSIDE)]
    environment = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg", "PATH": "/usr/bin:/bin"}
    environment |= {"HOME": "/tmp", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    said = ""
    with subprocess.Popen(
        program if unsafe else [*jail(course), *program],
        **{pipe: subprocess.PIPE for pipe in ("stdin", "stdout")},
        stderr=subprocess.DEVNULL,
        env=environment,
        encoding="utf8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            said, _ = process.communicate(request, timeout=WALL)
        except subprocess.TimeoutExpired as late:
            process.kill()
            said = late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else ""
    lines = [line.removeprefix(token) for line in said.splitlines() if line.startswith(token)]
    outcomes = [json.loads(line) for line in lines][: len(cells)]
    ended = {
        "text": "",
        "error": ["Ended", "The run ended before this cell: too long, or by itself."],
    }
    return outcomes + [ended] * (len(cells) - len(outcomes))


def jail(course: Path) -> list[str]:
    """The command in front of a program that shuts it in.

    The system is there to read, and this book and its Python; /tmp, homes and the course are empty.
    """
    hidden = ["/tmp", "/home", "/root", "/var/tmp", "/run", str(course)]
    shown = {ROOT / "gdlib", INSIDE, Path(sys.prefix), Path(sys.base_prefix)}
    empty = [part for path in hidden if Path(path).is_dir() for part in ("--tmpfs", path)]
    back = [part for path in sorted(shown) for part in ("--ro-bind", str(path), str(path))]
    limits = [
        "prlimit",
        f"--as={BYTES}",
        f"--cpu={WALL}",
        f"--nproc={PROCESSES}",
        "--fsize=1000000",
    ]
    return [
        *("bwrap", "--ro-bind", "/", "/", *empty, *back, "--dev", "/dev", "--proc", "/proc"),
        *("--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
        *("--chdir", "/tmp", "--", *limits),
    ]


def no_sandbox() -> str:
    """Why there is no sandbox here; empty where there is one."""
    if shutil.which("bwrap") is None:
        return "There is no bubblewrap: install it (Debian: apt install bubblewrap)."
    tried = subprocess.run([*jail(Path("/nowhere")), "true"], capture_output=True, text=True)
    return (
        "" if tried.returncode == 0 else f"bubblewrap cannot shut a program in here: {tried.stderr}"
    )


def enter(course: Path, name: str, submissions: list[Submission]) -> list[dict]:
    """Hand what came out to nbgrader: gradebook, feedback, and a table of the marks."""
    from nbgrader.preprocessors import NbGraderPreprocessor
    from traitlets.config import Config

    by_student = {submission.student: submission for submission in submissions}

    class Replay(NbGraderPreprocessor):
        """In the place of nbgrader's Execute: the outcomes that the sandbox had."""

        def preprocess(self, nb: NotebookNode, resources: dict) -> tuple[NotebookNode, dict]:
            mine = by_student[resources["nbgrader"]["student"]]
            cells = [cell for cell in nb.cells if cell.cell_type == "code"]
            for cell, outcome in zip(cells, mine.outcomes, strict=True):
                cell.outputs = outputs(outcome)
            return nb, resources

    for submission in submissions:
        to = course / "collected" / submission.student / name / f"{name}.ipynb"
        to.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(submission.notebook, to)
    api = assignments.course(course)
    api.coursedir.submitted_directory = "collected"
    from nbgrader.converters import Autograde
    from nbgrader.preprocessors import AssignLatePenalties, LimitOutput, SaveAutoGrades

    steps = [Replay, LimitOutput, SaveAutoGrades, AssignLatePenalties]
    api.update_config(Config({"Autograde": {"autograde_preprocessors": steps}}))
    Autograde.autograde_preprocessors.default_args = (steps,)
    done = api.autograde(name, "*")
    if not done["success"]:
        raise RuntimeError(
            f"nbgrader could not mark {name}: {done.get('log') or done.get('error')}"
        )
    api.generate_feedback(name, "*")
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


def main(arguments: list[str]) -> int:
    """Mark an assignment, and say how it went. Returns the exit status."""
    unsafe = "--unsafe" in arguments
    try:
        course, name = (a for a in arguments if a != "--unsafe")
        rows = grade(Path(course), name, unsafe=unsafe)
    except ValueError:
        print(__doc__, file=sys.stderr)
        return 2
    except (Unsafe, FileNotFoundError) as problem:
        print(f"{problem}\nWith --unsafe the answers run without a sandbox.", file=sys.stderr)
        return 1
    for row in rows:
        print(f"{row['student']:24} {row['score']:g} of {row['max_score']:g}  {row['notes']}")
    print(f"{course}/marks_{name}.csv, gradebook.db, feedback/")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
