"""A chapter's Markdown elsewhere: on a page that is not its own, and beyond the book, in Moodle."""

import re
from functools import cache
from html import escape

from docutils import nodes
from docutils.statemachine import StringList
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from sphinx.util.docutils import SphinxDirective

# What MyST knows and plain Markdown does not: a label in front of a caption or heading.
LABEL = re.compile(r"(?m)^\([\w-]+\)=\n")
# A link within the book: what it says stays.
WITHIN = re.compile(r"\[([^\]]*)\]\((?!https?:)[^)]*\)")


def unlinked(markdown: str) -> str:
    """A text that can stand anywhere: without labels, and without links from its own place."""
    return WITHIN.sub(r"\1", LABEL.sub("", markdown))


def raw(html: str) -> nodes.raw:
    return nodes.raw("", html, format="html")


class Written(SphinxDirective):
    """A directive that writes Markdown of its own, in the book's own dialect."""

    def written(self, *texts: str) -> list[nodes.Node]:
        """What the texts say, one below the other."""
        inside = nodes.Element()
        lines = "\n\n".join(filter(None, texts)).splitlines()
        self.state.nested_parse(StringList(lines, self.state.document.current_source), 0, inside)
        return inside.children


def html(markdown: str) -> str:
    """A text as HTML whose formulas are LaTeX, as the MathJax of a Moodle site finds them."""
    return _parser().render(unlinked(markdown)).strip()


@cache
def _parser() -> MarkdownIt:
    def delimited(tex: str, options: dict) -> str:
        opens, closes = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
        return opens + escape(tex) + closes

    parser = MarkdownIt("commonmark", {"html": True}).enable("table")
    return parser.use(dollarmath_plugin, renderer=delimited, allow_digits=True, double_inline=False)
