"""The question bank as self-tests in the book: a Sphinx extension with one directive, ``question``.

All of it works without a script: choices and answers unfold. With one, numbers can be tried.
"""

from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from book.classroom.prose import Written, raw
from book.classroom.questions import Question, parse, plain

SCRIPT = "selftest.js"
logger = logging.getLogger(__name__)


class Ask(Written):
    """A question to oneself: every choice unfolds to its reason, a number to its answer."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        try:
            question = parse(self.arguments[0], "\n".join(self.content) + "\n")
            problem = question.refuted()
        except Exception as error:  # the code of a question may raise anything
            problem, question = f"{self.arguments[0]}: {error}", None
        if problem:
            logger.warning(problem, location=self.get_location())
        if question is None:
            return []
        place = f"q{question.number.replace('.', '-')}"
        start = f'<div class="question" id="{place}" data-right="{escape(question.right)}">'
        made = [raw(f"{start}<h2>Question {question.number}</h2>"), *self.written(question.text)]
        for choice in question.choices:
            said = "**Right.** " if choice.right else "**Not yet.** "
            inside = self.written(said + choice.reason)
            made += self.unfolding(choice.text, inside, place, choice.right)
        return [*made, *([] if question.choices else self.computed(question, place)), raw("</div>")]

    def unfolding(self, text: str, inside: list, name: str, right: bool) -> list[nodes.Node]:
        """A line that unfolds; only one of a question is open at a time."""
        kind = "right" if right else "wrong"
        start = raw(f'<details class="choice {kind}" name="{name}"><summary>')
        (line,) = self.written(text)
        return [start, *line.children, raw("</summary>"), *inside, raw("</details>")]

    def computed(self, question: Question, name: str) -> list[nodes.Node]:
        """A field for a number, which the script shows, and the answer with its computation."""
        unit = f" {escape(question.unit)}" if question.unit else ""
        field = raw(
            f'<form class="number" hidden data-value="{plain(question.value)}"'
            f' data-within="{plain(question.within)}"><label>Your answer '
            f'<input size="9" autocomplete="off" spellcheck="false">{unit}</label> '
            "<button>Check</button> <output></output></form>"
        )
        code = nodes.literal_block(question.code, question.code, language="python")
        shown = [raw("<details><summary>How it is computed</summary>"), code, raw("</details>")]
        answer = self.written(f"**{question.right}.** {question.why}")
        return [field, *self.unfolding("Show the answer", [*answer, *shown], name, True)]


def add_script(app: Sphinx, page: str, template: str, context: dict, doctree: nodes.Node) -> None:
    """Load the script on the pages that need it."""
    parts = doctree.findall(nodes.raw) if doctree else ()
    if any('<form class="number"' in part.astext() for part in parts):
        app.add_js_file(SCRIPT)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("question", Ask)
    app.connect("html-page-context", add_script)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
