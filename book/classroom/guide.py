"""The key to a chapter for its teacher's guide: what the notebook asks, and all its answers.

A Sphinx extension with one directive, ``key``. The picture of an explorer in the state that shows
its answer is the Explorer's own (``answer=``), out of the chapter as executed for this build.
"""

import json
import re
from html import escape
from pathlib import Path
from urllib.parse import quote

import nbformat
from docutils import nodes
from sphinx.application import Sphinx

from book.build import EXECUTED
from book.classroom.chapters import NOTEBOOKS, Chapter, Exercise, Expectation, Task, folds, read
from book.classroom.prose import Written, raw, unlinked
from gdlib.explore.page import ANSWER

META = re.compile(r'class="explorer-meta">(.*?)</script>', re.DOTALL)
EXPLORER = re.compile(r'<div class="explorer" id="fig-([\w-]+)">')


class Key(Written):
    """All tasks, questions and exercises of a chapter, each with its answer."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        path = NOTEBOOKS / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        chapter, seen = read(path), states(EXECUTED / path.name)
        page = f"../../notebooks/{chapter.stem}.html"
        made = [raw('<div class="key"><h3>The explorers</h3>')]
        for task in chapter.tasks:
            made += self.task(task, page, seen.get(task.name, ("", "")))
        made += [raw("<h3>Before you run it</h3>")]
        for question in chapter.expectations:
            made += self.question(question)
        made += [raw("<h3>The exercises</h3>")]
        for exercise in chapter.exercises:
            made += self.exercise(exercise, chapter)
        return [*made, raw("</div>")]

    def task(self, task: Task, page: str, state: tuple[str, str]) -> list[nodes.Node]:
        """An explorer: what is asked, where the answer is seen, and the answer."""
        query, picture = state
        address = f"{page}#fig-{task.name}?{query}".rstrip("?")
        links = (
            f'<p class="key-links"><a href="{escape(address)}">In this state</a> · '
            f'<a href="{escape(address + ("&present" if query else "?present"))}">'
            "alone on the screen</a></p>"
        )
        return [
            raw(f"<h4>Explorer {task.number}</h4><p>{escape(task.task)}</p>{picture}{links}"),
            *self.written(unlinked(task.answer)),
        ]

    def question(self, question: Expectation) -> list[nodes.Node]:
        """A question before a cell is run, with its answer."""
        where = re.sub(r"[$*`]", "", question.section)
        return [
            raw(f"<h4>{escape(where)}</h4>"),
            *self.written(*map(unlinked, (question.question, question.answer))),
        ]

    def exercise(self, exercise: Exercise, chapter: Chapter) -> list[nodes.Node]:
        """An exercise: its text, hint and solution, and what its fault was if it is a hunt."""
        fault = after(exercise, chapter)
        hint = f"*Hint.* {exercise.hint}" if exercise.hint else ""
        solution = exercise.solution.removeprefix("# The solution\n")
        return [
            raw(f"<h4>Exercise {exercise.number} · {escape(exercise.title)}</h4>"),
            *self.written(unlinked(exercise.text), unlinked(hint)),
            nodes.literal_block(solution, solution, language="python"),
            *self.written(unlinked(fault)),
        ]


def states(executed: Path) -> dict[str, tuple[str, str]]:
    """By an explorer's name where its answer is seen: the query of the address, and the picture."""
    found = {}
    if not executed.is_file():
        return found
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if ANSWER not in data:
                continue
            html, key = data["text/html"], data[ANSWER]
            meta = json.loads(META.findall(html)[0])
            drawn = key["html"].replace(
                '<div class="explorer-pick', '<div inert class="explorer-pick'
            )
            picture = f'<div class="explorer picture">{drawn}</div>'
            found[EXPLORER.findall(html)[0]] = query(meta["sliders"], key["at"]), picture
    return found


def query(sliders: list[dict], at: list[int]) -> str:
    """The part of an address that sets an explorer's sliders, as *Copy link* writes it."""
    return "&".join(
        f"{s['slug']}="
        + quote(f"{s['values'][i]:.6g}" if s.get("values") else s["labels"][i], safe="")
        for s, i in zip(sliders, at, strict=True)
    )


def after(exercise: Exercise, chapter: Chapter) -> str:
    """What the chapter says, folded, behind a solution: what the fault of a hunt was."""
    said = []
    for cell in chapter.cells[exercise.cell + 1 :]:
        if cell.cell_type == "markdown":
            here, *next_section = re.split(r"(?m)^##", cell.source, maxsplit=1)
            said += [text for title, text in folds(here).items() if title[:4] != "Hint"]
            if next_section:
                break
    return "\n\n".join(said)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("key", Key)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
