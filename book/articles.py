"""The page "What the articles say": the verdicts of all chapters, collected article by article.

A Sphinx extension. The tables at the chapters' ends are the source, and nothing is typed twice: in
book/articles.md the line ``<!-- claims s3 -->`` becomes the rows that quote S3 first, and the line
``<!-- counts -->`` a table of how many verdicts of which kind there are.
"""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat
from sphinx.application import Sphinx

BOOK = Path(__file__).resolve().parent
# What a verdict says, by how it begins; whatever begins otherwise holds on a condition, or in part.
KINDS = {
    "holds": r"holds(?!.*not varied)(?:$|[:;]|, and\b|, as for|,? as a description| word for word)",
    "fails": r"fails\b(?! if| for a step)(?!.*\bholds)|not (?:if|of|more|as)\b|does not|one step",
    "open": r'not (?:testable|tested|measured|seen|shown|a test)|"often" is not',
    "in part": "",
}
NAMES = ("holds", "in part", "fails", "open")
BACK = {"the row above": 1, "two rows up": 2}  # in a chapter's table; here other rows may be there
SECTION = re.compile(r"\[([^\]]+)\]\((\.\./notebooks/\w+)\.ipynb(#[\w-]+)\)")


class Row(NamedTuple):
    """A row of a chapter's table: the chapter's file, its number there, and its cells as typed."""

    chapter: str
    number: int
    claim: str
    verdict: str
    measured: str

    def name(self, back: int = 0) -> str:
        return f"{int(self.chapter[:2])}.{self.number - back}"

    def articles(self) -> list[str]:
        """The articles that the claim quotes, each once, the first first."""
        return list(dict.fromkeys(re.findall(r"references\.md#(s\d)\)", self.claim)))

    def quotes(self) -> list[str]:
        """What it quotes, in parts long enough to know the same words again."""
        parts = "…".join(re.findall('"([^"]+)"', self.claim)).split("…")
        return [part.strip(" .,;").casefold() for part in parts if len(part) > 20]


def table(markdown: str) -> list[list[str]]:
    """The rows below the heads of tables, in cells."""
    lines = re.findall(r"^\|(?!-)(.*)\|$(?!\n\|-)", markdown, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]


def rows() -> list[Row]:
    """Every row of every chapter."""
    found = []
    for path in sorted((BOOK.parent / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        prose = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
        section = prose.partition("## What the articles say")[2].partition("\n## Three ")[0]
        found += [Row(path.stem, n, *cells) for n, cells in enumerate(table(section), 1)]
    return found


def kind(verdict: str) -> str:
    return next(kind for kind, begins in KINDS.items() if re.match(begins, verdict))


def link(name: str) -> str:
    return f'<a href="#claim-{name.replace(".", "-")}">{name}</a>'


def written(row: Row, all_rows: list[Row]) -> str:
    """The row on the page: its number leads to its chapter; other rows are named by number."""
    also = [
        link(other.name())
        for other in all_rows
        if other != row and any(a in b or b in a for a in row.quotes() for b in other.quotes())
    ]
    claim = re.sub(rf" \(\[[^\]]*\]\([^)]*#{row.articles()[0]}\)\)", "", row.claim)
    cells = [f"{claim} (also {', '.join(also)})" if also else claim, row.verdict, row.measured]
    for words, back in BACK.items():
        cells = [cell.replace(words, f"row {link(row.name(back))}") for cell in cells]
    there = f"../notebooks/{row.chapter}.html#what-the-articles-say"
    anchor = f"claim-{row.name().replace('.', '-')}"
    return f'| {" | ".join(cells)} | <a id="{anchor}" href="{there}">{row.name()}</a> |'


def page(text: str) -> str:
    """The page's text with the rows of the chapters, and with how many of which kind it holds."""
    found = rows()
    start, *parts = re.split(r"<!-- claims (s\d) -->", text)
    counts = []
    for article, typed in zip(parts[::2], parts[1::2], strict=True):
        own = [row for row in found if row.articles()[0] == article]
        lines = "\n".join(written(row, found) for row in own)
        head = "| claim | verdict | what was measured | row |\n|---|---|---|---|\n"
        start += f":::{{table}}\n:class: claims\n\n{head}{lines}\n:::{typed}"
        kinds = [kind(row.verdict) for row in own] + [kind(row[1]) for row in table(typed)]
        counts.append([article.upper(), *map(kinds.count, NAMES), len(kinds)])
    counts.append(["all", *(sum(column) for column in list(zip(*counts, strict=True))[1:])])
    head = f"| article | {' | '.join(NAMES)} | all |\n|---|{'---:|' * 5}\n"
    body = "\n".join(f"| {' | '.join(map(str, line))} |" for line in counts)
    text = start.replace("<!-- counts -->", head + body)
    return SECTION.sub(r'<a href="\2.html\3">\1</a>', text)


def collect(app: Sphinx, name: str, source: list[str]) -> None:
    if name == "book/articles":
        source[0] = page(source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", collect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
