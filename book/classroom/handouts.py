"""Handouts: the chapters as notebooks without answers, with room for what a learner predicts."""

import re
import shutil
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from book.build import chapters
from book.classroom.chapters import ANSWER, EXPECT, FOLD, NOTEBOOKS

# Folded boxes that stay: a hint helps, and a verdict on an article answers no exercise.
HELPS = re.compile(r"Hint|.*claims")
# Pages of the book that do not lie beside a handout: what the link says stays.
ELSEWHERE = re.compile(r"\[([^\]]+)\]\(\.\./book/[^)]*\)")
ROOM = {
    EXPECT: "**Your prediction**, before you go on:\n\n…\n\n**Because:**\n\n…",
    ANSWER: "**What you found:**\n\n…",
}


def fill(folder: Path) -> str:
    """Write every chapter's handout."""
    for notebook in chapters():
        nbformat.write(handout(nbformat.read(notebook, as_version=4)), folder / notebook.name)
    for script in NOTEBOOKS.glob("*.py"):  # chapters 9 and 12 launch them
        shutil.copy(script, folder)
    return f"{len(chapters())} notebooks without answers and solutions, with room for predictions"


def handout(chapter: NotebookNode) -> NotebookNode:
    """A chapter without its answers, solutions and outputs."""
    cells: list[NotebookNode] = []
    for cell in chapter.cells:
        if any(tag.startswith("solution-") for tag in cell.metadata.get("tags", [])):
            continue
        if cell.cell_type == "code":
            cell.update(outputs=[], execution_count=None)
            cells.append(cell)
        else:
            cells += asked(cell)
    chapter.cells = cells
    return chapter


def asked(cell: NotebookNode) -> list[NotebookNode]:
    """A text cell without answers; where it asks, a cell to write into follows its question."""
    parts, start, source = [], 0, ELSEWHERE.sub(r"\1", cell.source)
    for box in FOLD.finditer(source):
        if HELPS.match(box["title"]):
            continue
        parts += [source[start : box.start()], room(source[start : box.start()])]
        start = box.end()
    rest = source[start:]
    parts += [rest, room(rest)] if EXPECT in rest else [rest]
    texts = [part.strip() for part in parts if part.strip()]
    cells = [nbformat.v4.new_markdown_cell(text) for text in texts]
    for number, (new, text) in enumerate(zip(cells, texts, strict=True)):
        new.id = cell.id if number == 0 else f"{cell.id}-{number}"[-64:]
        new.metadata = {} if text in ROOM.values() else cell.metadata
    return cells


def room(question: str) -> str:
    """What a learner fills in below a text that asks."""
    return ROOM[EXPECT if EXPECT in question else ANSWER]
