"""What a chapter holds for a class, read from its notebook: nothing of it is written twice."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.build import ROOT

NOTEBOOKS = ROOT / "notebooks"

CAPTION = re.compile(r"\(explorer-[\w-]+\)=\n\*\*Explorer (\d+\.\d+)\.\*\* (.*)", re.DOTALL)
FOLD = re.compile(
    r"(?m)^(:{3,})\{admonition\} (?P<title>[^\n]+)\n:class: dropdown\n(?P<text>.*?)\n\1$",
    re.DOTALL,
)
ANSWER = "Show the answer"
EXPECT = "**Before you run it"
EXERCISE = re.compile(r"(?m)^### (?:Exercise )?(\d+\.\d+)[ ·:.,]*(.+)$")


@dataclass
class Task:
    """An explorer, what the reader should find out with it, and the answer."""

    number: str  # 3.1
    name: str  # of its address: #fig-<name>
    task: str
    caption: str
    answer: str
    cell: int


@dataclass
class Expectation:
    """A question before a cell is run, and its answer."""

    section: str
    question: str
    answer: str
    cell: int


@dataclass
class Exercise:
    """An exercise: its text, the code that a learner starts from, hint and solution."""

    number: str  # 3.1
    title: str  # An order that is better than chance
    tag: str  # of its cells: exercise-<tag>, solution-<tag>
    text: str
    starter: str
    hint: str
    solution: str
    first: int  # the cell with its heading
    cell: int  # of the starter

    @property
    def is_hunt(self) -> bool:
        return "bug hunt" in self.title.lower()


@dataclass
class Chapter:
    """A chapter's notebook, and what a class does with it, in its order."""

    stem: str
    cells: list[NotebookNode]
    tasks: list[Task]
    expectations: list[Expectation]
    exercises: list[Exercise]

    @property
    def number(self) -> int:
        return int(self.stem[:2])

    @property
    def title(self) -> str:
        return self.cells[0].source.splitlines()[0].removeprefix("# ")

    @property
    def question(self) -> str:
        """What the chapter answers."""
        return self.cells[0].source.split("\n\n")[1].strip("*")


def read(notebook: Path) -> Chapter:
    """A chapter from its notebook. Raises ``ValueError`` for an explorer without an answer."""
    cells = nbformat.read(notebook, as_version=4).cells
    return Chapter(notebook.stem, cells, _tasks(cells), _expectations(cells), _exercises(cells))


def folds(source: str) -> dict[str, str]:
    """The folded boxes of a Markdown cell: title → text."""
    return {match["title"]: match["text"].strip() for match in FOLD.finditer(source)}


def _tasks(cells: list[NotebookNode]) -> list[Task]:
    tasks = []
    for i, cell in enumerate(cells):
        if not (caption := CAPTION.match(cell.source)):
            continue
        drawn, call = next(found for found in map(_explorer, _before(cells, i)) if found)
        name, task = (_text(call, key) for key in ("name", "task"))
        answer = _answer(cells, i)
        if not (name and task and answer):
            raise ValueError(f"explorer {caption[1]} lacks a name, a task or an answer")
        said = FOLD.sub("", caption[2]).split("\n\n")[0].strip()
        tasks.append(Task(caption[1], name, task, said, answer, drawn))
    return tasks


def _before(cells: list[NotebookNode], i: int) -> list[tuple[int, NotebookNode]]:
    """The code cells above, the nearest one first, with their numbers."""
    return [(n, c) for n, c in reversed(list(enumerate(cells[:i]))) if c.cell_type == "code"]


def _explorer(numbered: tuple[int, NotebookNode]) -> tuple[int, ast.Call] | None:
    """The call that makes an explorer, in a cell that has one."""
    number, cell = numbered
    if not re.search(r"\b(Explorer|Live)\(", cell.source):
        return None
    for node in ast.walk(ast.parse(cell.source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("Explorer", "Live"):
            return number, node
    return None


def _text(call: ast.Call, key: str) -> str:
    """The text that a call gives for ``key``; empty where it gives none."""
    values = [k.value for k in call.keywords if k.arg == key]
    return str(ast.literal_eval(values[0])) if values else ""


def _answer(cells: list[NotebookNode], i: int, within: int = 4) -> str:
    """The first folded answer in the cell ``i`` or in those that follow it."""
    texts = [c.source for c in cells[i : i + within + 1] if c.cell_type == "markdown"]
    return next((folds(text)[ANSWER] for text in texts if ANSWER in folds(text)), "")


def _expectations(cells: list[NotebookNode]) -> list[Expectation]:
    found, section = [], ""
    for i, cell in enumerate(cells):
        if cell.cell_type != "markdown":
            continue
        headings = re.findall(r"(?m)^#+ (.+)$", cell.source)
        section = headings[0] if headings else section
        for match in re.finditer(re.escape(EXPECT), cell.source):
            before, after = cell.source[: match.start()], cell.source[match.start() :]
            question = before.rpartition("\n\n")[2] + FOLD.sub("", after).split("\n\n")[0]
            answer = folds(after).get(ANSWER) or _answer(cells, i + 1) or _next_text(cells, i + 1)
            found.append(Expectation(section, question.strip(), answer, i))
        section = headings[-1] if headings else section
    return found


def _next_text(cells: list[NotebookNode], i: int) -> str:
    """The first paragraph below, which says what came out."""
    texts = (c.source for c in cells[i:] if c.cell_type == "markdown")
    prose = (text for text in texts if not text.startswith("("))  # not a figure's caption
    return next(prose, "").split("\n\n")[0]


def _exercises(cells: list[NotebookNode]) -> list[Exercise]:
    found = []
    for i, cell in enumerate(cells):
        tags = [t for t in cell.metadata.get("tags", []) if t.startswith("exercise-")]
        if not tags:
            continue
        tag = tags[0].removeprefix("exercise-")
        solution = next(c for c in cells if f"solution-{tag}" in c.metadata.get("tags", []))
        first = max(n for n, c in enumerate(cells[:i]) if EXERCISE.search(c.source))
        *_, heading = EXERCISE.finditer(cells[first].source)
        between = [c.source for c in cells[first + 1 : i] if c.cell_type == "markdown"]
        text = "\n\n".join([cells[first].source[heading.end() :].strip(), *between])
        hint = next(
            (f["Hint"] for c in cells[i + 1 : i + 3] if "Hint" in (f := folds(c.source))), ""
        )
        found.append(
            Exercise(
                heading[1], heading[2], tag, text, cell.source, hint, solution.source, first, i
            )
        )
    return found
