"""The question bank: book/questions, as self-tests in the book, for Moodle and for paper.

A Sphinx extension with one directive, ``question``, and what `make class` exports.
"""

import ast
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

import torch
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from book.classroom import prose

ROOT = Path(__file__).resolve().parent.parent.parent
QUESTIONS = ROOT / "book" / "questions"
BLOCK = re.compile(r"(?m)^:::\{question\} *(\S*)\n(.*?)^:::$", re.DOTALL)
CHOICE = re.compile(r"(?m)^- \[(.)\] (.+)\n((?:(?:  .*)?\n?)*)")
NUMBER = re.compile(
    r"(?s)(?P<text>.+?)\n+answer: (?P<value>\S+) ± (?P<within>\S+)\n(?:unit: (?P<unit>[^\n]+)\n)?"
    r"why: (?P<why>.+?)\n+```python\n(?P<code>.+?)\n```\s*"
)
logger = logging.getLogger(__name__)


@dataclass
class Choice:
    """A choice, whether it is right, and why it is, or why it tempts."""

    text: str
    right: bool
    reason: str


@dataclass
class Question:
    """A question with choices, or one whose answer is a number that ``code`` computes."""

    number: str  # 3.1
    text: str
    choices: tuple[Choice, ...] = ()
    value: float = 0
    within: float = 0
    unit: str = ""
    why: str = ""
    code: str = ""

    def truth(self) -> float:
        """What the code says: the value of its last line."""
        *lines, last = ast.parse(self.code).body
        if not isinstance(last, ast.Expr):
            raise ValueError(f"question {self.number}: the code must end with an expression")
        names, before = {}, torch.get_default_dtype()
        try:
            exec(compile(ast.Module(lines, []), f"question {self.number}", "exec"), names)
            return float(eval(compile(ast.Expression(last.value), "", "eval"), names))
        finally:
            torch.set_default_dtype(before)  # the next question's code is its own

    def refuted(self) -> str:
        """What is wrong with the stated number; empty where the code agrees."""
        if self.choices or abs((truth := self.truth()) - self.value) <= self.within:
            return ""
        return f"question {self.number} says {self.value:g} ± {self.within:g}, its code {truth:g}"


def parse(number: str, body: str) -> Question:
    """A question from its text. Raises ``ValueError``, which names it and says what is missing."""
    where = f"question {number!r}"
    if not re.fullmatch(r"\d+\.\d+", number):
        raise ValueError(f"{where} needs a number such as 3.1")
    if found := NUMBER.fullmatch(body.strip()):
        text, value, within, unit, why, code = found.groups()
        return Question(
            number, text.strip(), (), float(value), float(within), unit or "", why.strip(), code
        )
    choices = tuple(
        Choice(text.strip(), mark == "x", " ".join(reason.split()))
        for mark, text, reason in CHOICE.findall(body + "\n")
    )
    if not choices:
        raise ValueError(f"{where} has no choices, and no lines `answer: … ± …`, `why:`, code")
    if sum(choice.right for choice in choices) != 1:
        raise ValueError(f"{where} needs one choice with [x], has {sum(c.right for c in choices)}")
    if bare := [choice.text for choice in choices if not choice.reason]:
        raise ValueError(f"{where}: no reason below the choice {bare[0]!r}")
    return Question(number, body[: body.index("- [")].strip(), choices)


def read(path: Path) -> list[Question]:
    """All questions of a file. Raises ``ValueError`` for one that is not whole."""
    text = path.read_text(encoding="utf8")
    blocks = BLOCK.findall(text)
    if len(blocks) != text.count("{question}"):
        raise ValueError(f"{path.name}: a question is not closed by a line `:::`")
    try:
        return [parse(number, body) for number, body in blocks]
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


class Ask(SphinxDirective):
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
        place = question.number.replace(".", "-")
        made = [raw(f'<div class="question" id="q{place}"><h2>Question {question.number}</h2>')]
        made += self.written(question.text)
        for choice in question.choices:
            said = "**Right.** " if choice.right else "**Not yet.** "
            made += self.unfolding(choice.text, said + choice.reason, f"q{place}", choice.right)
        if not question.choices:
            answer = f"**{question.value:g}{f' {question.unit}' if question.unit else ''}.** "
            made += self.unfolding("Show the answer", answer + question.why, f"q{place}", True)
        return [*made, raw("</div>")]

    def unfolding(self, text: str, inside: str, name: str, right: bool) -> list[nodes.Node]:
        """A line that unfolds; only one of a question is open at a time."""
        kind = "right" if right else "wrong"
        start = raw(f'<details class="choice {kind}" name="{name}"><summary>')
        (line,) = self.written(text)
        return [start, *line.children, raw("</summary>"), *self.written(inside), raw("</details>")]

    def written(self, markdown: str) -> list[nodes.Node]:
        """A text in the book's own Markdown."""
        inside = nodes.Element()
        lines = markdown.splitlines()
        self.state.nested_parse(StringList(lines, self.state.document.current_source), 0, inside)
        return inside.children


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


def fill(folder: Path) -> str:
    """Write the questions of every chapter for Moodle and for paper."""
    count = 0
    for path in sorted(QUESTIONS.glob("*.md")):
        questions = read(path)
        count += len(questions)
        title = path.read_text(encoding="utf8").splitlines()[0].removeprefix("# ")
        (folder / f"{path.stem}.xml").write_text(moodle(title, questions), encoding="utf8")
        (folder / f"{path.stem}.md").write_text(paper(title, questions), encoding="utf8")
    return (
        f"{count} questions, for Moodle (.xml) and for paper (.md, answers on a page of their own)"
    )


def paper(title: str, questions: list[Question]) -> str:
    """Questions to print, and then the answers."""
    asked, answered = [], []
    for question in questions:
        letters = [(chr(97 + i), choice) for i, choice in enumerate(question.choices)]
        lines = [f"{letter}) {choice.text}  " for letter, choice in letters] or ["Answer: ________"]
        asked.append("\n".join([f"**{question.number}** {question.text}\n", *lines]))
        if question.choices:
            right = [f"**{letter}**. {choice.reason}" for letter, choice in letters if choice.right]
            wrong = [f"{letter}: {choice.reason}" for letter, choice in letters if not choice.right]
            answered.append(f"**{question.number}** " + "  \n".join([*right, *wrong]))
        else:
            value = f"{question.value:g} ± {question.within:g} {question.unit}".strip()
            answered.append(f"**{question.number}** **{value}**. {question.why}")
    apart = '<div style="break-before: page"></div>'
    whole = [f"# {title}", "Name: ________", *asked, apart, f"# {title}: the answers", *answered]
    return "\n\n".join(whole) + "\n"


def moodle(title: str, questions: list[Question]) -> str:
    """Questions in Moodle's XML, in a category of their own."""
    category = f"<text>$course$/top/Downhill/{escape(title)}</text>"
    parts = [f'<question type="category"><category>{category}</category></question>']
    parts += [multichoice(q) if q.choices else numerical(q) for q in questions]
    body = "\n".join(parts)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<quiz>\n{body}\n</quiz>\n'


def cdata(tag: str, markdown: str) -> str:
    """A text as HTML, with formulas for the MathJax that Moodle has."""
    html = prose.html(markdown, prose.delimited).replace("]]>", "]]&gt;")
    return f'<{tag} format="html"><text><![CDATA[{html}]]></text></{tag}>'


def multichoice(question: Question) -> str:
    """One right choice; each answers with its reason."""
    answers = "".join(
        f'<answer fraction="{100 if choice.right else 0}" format="html"><text><![CDATA['
        f"{prose.html(choice.text, prose.delimited)}]]></text>{cdata('feedback', choice.reason)}"
        "</answer>"
        for choice in question.choices
    )
    return (
        f'<question type="multichoice">{named(question)}<defaultgrade>1</defaultgrade>'
        "<single>true</single><shuffleanswers>true</shuffleanswers>"
        f"<answernumbering>abc</answernumbering>{answers}</question>"
    )


def numerical(question: Question) -> str:
    """A number and how far from it is still right."""
    text = f"{question.text} (in {question.unit})" if question.unit else question.text
    return (
        f'<question type="numerical">{named(question, text)}<defaultgrade>1</defaultgrade>'
        f'<answer fraction="100" format="plain_text"><text>{question.value:g}</text>'
        f"{cdata('feedback', question.why)}<tolerance>{question.within:g}</tolerance></answer>"
        "</question>"
    )


def named(question: Question, text: str = "") -> str:
    """A question's name and text."""
    name = f"<name><text>Downhill {question.number}</text></name>"
    return name + cdata("questiontext", text or question.text)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("question", Ask)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
