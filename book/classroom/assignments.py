"""Assignments for nbgrader: chapters' exercises, and the larger ones of book/teaching/assignments.

A chapter's assignment is made of its notebook: text, starter, solution, and a mark from the same
check of ``gdlib.checks``. It brings the few lines of the chapter that the exercises stand on.
"""

import ast
import logging
import os
import symtable
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.build import ROOT, chapters
from book.classroom.chapters import Chapter, Exercise, read
from book.classroom.prose import unlinked

LARGER = ROOT / "book" / "teaching" / "assignments"
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "downhill"
c.ClearSolutions.code_stub = {"python": ""}  # a starter stands above each solution
"""
POINTS, OF_A_HUNT = 2, 3


def fill(folder: Path) -> str:
    """Write the course: sources with solutions for the teacher, releases for the learners."""
    (folder / "nbgrader_config.py").write_text(CONFIG, encoding="utf8")
    for path in chapters():
        write(folder, path.stem, assignment(read(path)))
    for path in sorted(LARGER.glob("*.ipynb")):
        write(folder, path.stem, nbformat.read(path, as_version=4))
    count = len(list((folder / "source").iterdir()))
    try:
        release(folder)
    except ImportError:
        return (
            f"{count} assignments with solutions; `pip install -r requirements-teach.txt` releases"
        )
    return f"{count} assignments: source (with solutions), release (for learners), gradebook.db"


def write(folder: Path, name: str, notebook: NotebookNode) -> None:
    """One assignment's source, where nbgrader looks for it."""
    to = folder / "source" / name / f"{name}.ipynb"
    to.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, to)


def release(folder: Path, *names: str) -> None:
    """Make the learners' versions, and enter the assignments into the gradebook."""
    api = course(folder)
    for name in names or sorted(path.name for path in (folder / "source").iterdir()):
        done = api.generate_assignment(name)
        if not done["success"]:
            raise RuntimeError(f"{name} cannot be released: {done.get('log') or done.get('error')}")


def course(folder: Path):
    """nbgrader's own interface to a course. Raises ``ImportError`` where nbgrader is missing."""
    from nbgrader.apps import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import PyFileConfigLoader

    # nbgrader starts alembic, which stands beside this Python and perhaps on no path.
    here = str(Path(sys.executable).parent)
    if here not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = here + os.pathsep + os.environ["PATH"]
    config = PyFileConfigLoader("nbgrader_config.py", str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    config.CourseDirectory.db_url = f"sqlite:///{folder / 'gradebook.db'}"
    logging.disable(logging.CRITICAL)  # it looks for a folder of its own to hand files out
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    logging.disable(logging.NOTSET)
    api.log.setLevel(logging.ERROR)  # and tells of every file that it writes
    return api


def assignment(chapter: Chapter) -> NotebookNode:
    """The exercises of a chapter, with nbgrader's metadata."""
    intro = (
        f"# Exercises of chapter {chapter.title}\n\nRun each cell; change the cells below each "
        "exercise until its check is content. What the pictures show is in the chapter."
    )
    cells = [
        text("intro", intro),
        code("context", "\n".join([*needed(chapter), "", IMPORT]), locked=True),
    ]
    for exercise in chapter.exercises:
        check, answer, starter = taken_apart(exercise.starter)
        _, solution, solved = taken_apart(exercise.solution.removeprefix("# The solution\n"))
        same = "" if solution == answer else f"\n\n{answer} = {solution}"
        both = f"{starter}\n\n### BEGIN SOLUTION\n{solved}{same}\n### END SOLUTION"
        points = OF_A_HUNT if exercise.is_hunt else POINTS
        cells += [
            text(f"text-{exercise.tag}", asked(exercise)),
            code(f"answer-{exercise.tag}", both, solution=True),
            code(f"mark-{exercise.tag}", f"mark({check}, {answer})", points=points, locked=True),
        ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {
        "display_name": "Python 3",
        "language": "python",
        "name": "python3",
    }
    return notebook


IMPORT = "from gdlib.checks.marking import mark"


def asked(exercise: Exercise) -> str:
    """What a learner reads, with its hint."""
    hint = f"\n\n*Hint.* {exercise.hint}" if exercise.hint else ""
    told = unlinked(exercise.text + hint)
    return f"## Exercise {exercise.number} · {exercise.title}\n\n{told}"


def taken_apart(source: str) -> tuple[str, str, str]:
    """The check that a cell calls, the answer it gives to it, and the code before the call."""
    for node in ast.parse(source).body:
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func).startswith("check_"):
            before = "\n".join(source.splitlines()[: node.lineno - 1]).strip()
            return ast.unparse(call.func), ast.unparse(call.args[0]), before
    raise ValueError(f"an exercise calls its check, but this does not: {source[-60:]!r}")


def needed(chapter: Chapter) -> list[str]:
    """The statements of a chapter on which its exercises stand: imports, functions, values."""
    made: dict[str, tuple[int, str]] = {}  # a name: where it is made, and by which statement
    where = 0
    own = {e.cell for e in chapter.exercises}
    for number, cell in enumerate(chapter.cells):
        tags = cell.metadata.get("tags", [])
        if cell.cell_type != "code" or number in own or any("solution-" in t for t in tags):
            continue
        for node in ast.parse(cell.source).body:
            where += 1
            statement = ast.get_source_segment(cell.source, node) or ""
            for name, one in names_made(node, statement):
                made.setdefault(name, (where, one))
    wanted = [n for e in chapter.exercises for n in used(e.starter) | used(e.solution)]
    taken: dict[str, tuple[int, str]] = {}
    while wanted:
        name = wanted.pop()
        if name in made and name not in taken:
            taken[name] = made[name]
            wanted += used(made[name][1])
    return [statement for _, statement in sorted(set(taken.values()))]


def names_made(node: ast.stmt, statement: str) -> list[tuple[str, str]]:
    """The names that a statement makes, each with the statement that makes it alone."""
    if isinstance(node, ast.Import):
        return [((a.asname or a.name).split(".")[0], f"import {_alias(a)}") for a in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(a.asname or a.name, f"from {node.module} import {_alias(a)}") for a in node.names]
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [(node.name, statement)]
    if isinstance(node, ast.Assign):
        names = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        return [(name, statement) for name in names]
    return []


def _alias(name: ast.alias) -> str:
    return f"{name.name} as {name.asname}" if name.asname else name.name


def used(source: str) -> set[str]:
    """The names that a piece of code looks up, but for those of its functions' own."""
    return looked_up(symtable.symtable(source, "<cell>", "exec"))


def looked_up(scope: symtable.SymbolTable) -> set[str]:
    """The names that a scope, and those inside it, look up in the notebook."""
    outermost = scope.get_type() == "module"
    wanted = (s for s in scope.get_symbols() if s.is_referenced() and (outermost or s.is_global()))
    return {s.get_name() for s in wanted}.union(*map(looked_up, scope.get_children()))


def text(name: str, source: str) -> NotebookNode:
    """A cell to read."""
    return with_grader(nbformat.v4.new_markdown_cell(source), name, locked=True)


def code(name: str, source: str, **grader: object) -> NotebookNode:
    """A cell of code: for an answer, for a mark, or to stand on."""
    return with_grader(nbformat.v4.new_code_cell(source), name, **grader)


def with_grader(cell: NotebookNode, name: str, **grader: object) -> NotebookNode:
    """A cell with nbgrader's metadata (schema 3)."""
    cell.id = name
    cell.metadata.nbgrader = {
        "schema_version": 3,
        "grade_id": name,
        "grade": "points" in grader,
        "solution": False,
        "locked": False,
        "task": False,
        **grader,
    }
    return cell
