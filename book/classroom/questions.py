"""The question bank: book/questions, read, computed, and exported for Moodle and for paper."""

import ast
import re
from dataclasses import dataclass
from html import escape
from math import inf, isfinite
from pathlib import Path
from string import ascii_lowercase

import torch

from book.build import ROOT
from book.classroom import prose

QUESTIONS = ROOT / "book" / "questions"
BLOCK = re.compile(r"(?m)^:::\{question\} *(\S*)\n(.*?)^:::$", re.DOTALL)
CHOICE = re.compile(r"(?m)^- \[(.)\] (.+)\n((?:(?:  .*)?\n?)*)")
NUMBER = re.compile(
    r"(?s)(?P<text>.+?)\n+answer: (?P<value>\S+) ± (?P<within>\S+)\n(?:unit: (?P<unit>[^\n]+)\n)?"
    r"why: (?P<why>.+?)\n+```python\n(?P<code>.+?)\n```\s*"
)


def plain(value: float) -> str:
    """A number as a machine reads it."""
    return f"{value:.12g}"


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

    @property
    def right(self) -> str:
        """The answer as one says it: the letter of a choice, or a number with its unit."""
        letters = [letter for letter, choice in self.lettered() if choice.right]
        number = plain(self.value).replace("-", "−")
        return letters[0] if letters else f"{number} {self.unit}".strip()

    def lettered(self) -> list[tuple[str, Choice]]:
        """The choices as paper names them: a, b, c, …"""
        return list(zip(ascii_lowercase, self.choices, strict=False))

    def truth(self) -> float:
        """What the code says, the value of its last line: an ``int`` where it counts."""
        *lines, last = ast.parse(self.code).body
        if not isinstance(last, ast.Expr):
            raise ValueError(f"question {self.number}: the code must end with an expression")
        names, before = {}, torch.get_default_dtype()
        try:
            exec(compile(ast.Module(lines, []), f"question {self.number}", "exec"), names)
            found = eval(compile(ast.Expression(last.value), "", "eval"), names)
            return found if isinstance(found, int) else float(found)
        finally:
            torch.set_default_dtype(before)  # the next question's code is its own

    def refuted(self) -> str:
        """What is wrong with the stated number; empty where the code agrees."""
        if self.choices or abs((truth := self.truth()) - self.value) <= self.within:
            return ""
        stated = f"{plain(self.value)} ± {plain(self.within)}"
        return f"question {self.number} says {stated}, its code {plain(truth)}"


def parse(number: str, body: str) -> Question:
    """A question from its text. Raises ``ValueError``, which names it and says what is missing."""
    where = f"question {number!r}"
    if not re.fullmatch(r"\d+\.\d+", number):
        raise ValueError(f"{where} needs a number such as 3.1")
    if re.search(r"(?m)^answer:", body):
        return _computed(number, where, body.strip())
    choices = tuple(
        Choice(text.strip(), mark == "x", " ".join(reason.split()))
        for mark, text, reason in CHOICE.findall(body + "\n")
    )
    if not choices:
        raise ValueError(f"{where} has neither choices, `- [ ] …`, nor a line `answer: … ± …`")
    if odd := [mark for mark, *_ in CHOICE.findall(body + "\n") if mark not in " x"]:
        raise ValueError(f"{where}: a choice is marked [x] or [ ], not [{odd[0]}]")
    if sum(choice.right for choice in choices) != 1:
        raise ValueError(f"{where} needs one choice with [x], has {sum(c.right for c in choices)}")
    if bare := [choice.text for choice in choices if not choice.reason]:
        raise ValueError(f"{where}: no reason below the choice {bare[0]!r}, indented by two")
    text, rest = CHOICE.split(body + "\n", maxsplit=1)[0].strip(), CHOICE.sub("", body + "\n")
    if not text:
        raise ValueError(f"{where} asks nothing before its choices")
    if beside := rest.strip().removeprefix(text).strip():
        raise ValueError(f"{where}: {beside!r} is no choice and no reason, indented by two")
    return Question(number, text, choices)


def _computed(number: str, where: str, body: str) -> Question:
    """A question whose answer is a number."""
    if not (found := NUMBER.fullmatch(body)):
        raise ValueError(
            f"{where} needs the question, `answer: … ± …`, perhaps `unit: …`, then `why: …`, and a "
            "block of Python"
        )
    text, value, within, unit, why, code = found.groups()
    try:
        value, within = float(value), float(within)
    except ValueError:
        said = f"{value} ± {within}"
        raise ValueError(f"{where}: {said!r} must be numbers as in Python: 1200 ± 0.5") from None
    if not (isfinite(value) and 0 <= within < inf):
        raise ValueError(f"{where}: {value:g} ± {within:g} must be finite, ± not below 0")
    return Question(number, text.strip(), (), value, within, unit or "", why.strip(), code)


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


def subject(path: Path) -> str:
    """What a file's questions are about, after its title: "mini-batches"."""
    return path.read_text(encoding="utf8").splitlines()[0].removeprefix("# Test yourself: ")


def fill(folder: Path) -> str:
    """Write the questions of every chapter for Moodle and for paper."""
    count = 0
    for path in sorted(QUESTIONS.glob("*.md")):
        questions, about = read(path), subject(path)
        count += len(questions)
        (folder / f"{path.stem}.xml").write_text(
            moodle(f"Chapter {path.stem[:2]}, {about}", questions), encoding="utf8"
        )
        (folder / f"{path.stem}.md").write_text(
            paper(f"Chapter {int(path.stem[:2])}, {about}", questions), encoding="utf8"
        )
    return (
        f"{count} questions, for Moodle (.xml) and for paper (.md, answers on a page of their own)"
    )


def paper(title: str, questions: list[Question]) -> str:
    """Questions to print, and then the answers."""
    asked, answered = [], []
    for question in questions:
        letters = question.lettered()
        blank = f"Answer: ________ {question.unit}".strip()
        lines = [f"{letter}) {choice.text}  " for letter, choice in letters] or [blank]
        asked.append("\n".join([f"**{question.number}** {question.text}\n", *lines]))
        if question.choices:
            right = [f"**{question.right}**. {c.reason}" for c in question.choices if c.right]
            wrong = [f"{letter}: {choice.reason}" for letter, choice in letters if not choice.right]
            answered.append(f"**{question.number}** " + "  \n".join([*right, *wrong]))
        else:
            within = f" (± {plain(question.within)})" if question.within else ""
            answered.append(f"**{question.number}** **{question.right}**{within}. {question.why}")
    apart = '<div style="break-before: page"></div>'
    whole = [f"# {title}", "Name: ________", *asked, apart, f"# {title}: the answers", *answered]
    return "\n\n".join(whole) + "\n"


def moodle(title: str, questions: list[Question]) -> str:
    """Questions in Moodle's XML, in a category of their own."""
    path = f"$course$/top/Downhill/{escape(title.replace('/', '//'))}"
    parts = [f'<question type="category"><category><text>{path}</text></category></question>']
    parts += [multichoice(q) if q.choices else numerical(q) for q in questions]
    body = "\n".join(parts)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<quiz>\n{body}\n</quiz>\n'


def text(markdown: str) -> str:
    """A text as HTML, with formulas for the MathJax that Moodle has."""
    html = prose.html(markdown).replace("]]>", "]]&gt;")
    return f"<text><![CDATA[{html}]]></text>"


def multichoice(question: Question) -> str:
    """One right choice; each answers with its reason."""
    answers = "".join(
        f'<answer fraction="{100 if choice.right else 0}" format="html">{text(choice.text)}'
        f'<feedback format="html">{text(choice.reason)}</feedback></answer>'
        for choice in question.choices
    )
    return (
        f'<question type="multichoice">{headed(question, question.text)}'
        "<single>true</single><shuffleanswers>true</shuffleanswers>"
        f"<answernumbering>abc</answernumbering>{answers}</question>"
    )


def numerical(question: Question) -> str:
    """A number and how far from it is still right. Who is wrong is told why at the end, too."""
    unit = f" (The answer is a number of {question.unit}.)" if question.unit else ""
    return (
        f'<question type="numerical">{headed(question, question.text + unit)}'
        f'<generalfeedback format="html">{text(question.why)}</generalfeedback>'
        f'<answer fraction="100" format="plain_text"><text>{plain(question.value)}</text>'
        f'<feedback format="html">{text("Right.")}</feedback>'
        f"<tolerance>{plain(question.within)}</tolerance></answer></question>"
    )


def headed(question: Question, asked: str) -> str:
    """A question's name, text and mark."""
    return (
        f"<name><text>Downhill {question.number}</text></name>"
        f'<questiontext format="html">{text(asked)}</questiontext><defaultgrade>1</defaultgrade>'
    )
