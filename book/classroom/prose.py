"""A chapter's Markdown as HTML, for what is not a page of the book: slides, Moodle."""

import re
from collections.abc import Callable
from functools import cache
from html import escape

from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from book.formulas import mathml

# What MyST knows and plain Markdown does not: a label in front of a caption or heading.
LABEL = re.compile(r"(?m)^\([\w-]+\)=\n")
# A link within the book says what it says elsewhere, too, but leads nowhere.
INSIDE = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


def html(markdown: str, formula: Callable[[str, bool], str] = mathml) -> str:
    """The HTML of a text; ``formula`` writes LaTeX, in a line or displayed, MathML by itself."""
    text = INSIDE.sub(r"\1", LABEL.sub("", markdown))
    return _parser(formula).render(text).strip()


def inline(markdown: str, formula: Callable[[str, bool], str] = mathml) -> str:
    """The HTML of one paragraph, without its element."""
    return html(markdown, formula).removeprefix("<p>").removesuffix("</p>")


def delimited(tex: str, displayed: bool) -> str:
    """A formula as MathJax finds it in a page, as on a Moodle site."""
    return rf"\[{escape(tex)}\]" if displayed else rf"\({escape(tex)}\)"


@cache
def _parser(formula: Callable[[str, bool], str]) -> MarkdownIt:
    def write(tex: str, options: dict) -> str:
        return formula(tex, options["display_mode"])

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    return parser.use(dollarmath_plugin, renderer=write, allow_digits=True, double_inline=False)
