"""Slides of a chapter, made of its own cells: those that say ``slideshow: slide_type``.

``slide`` and ``subslide`` begin a slide, ``fragment`` is shown at the next key, ``-`` goes on, and
``notes`` is for the speaker, as is the rest of a section that is on no slide. A folded answer is a
fragment, too. Where a chapter folds its code, a slide shows what the code makes. Of a table,
``rows: [4, 10]`` beside the type shows these, and no fold around it; ``title: "…"`` heads a slide
where no heading of the chapter says what it is about.
"""

import re
import shutil
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from string import Template

import nbformat
import yaml
from docutils.core import publish_parts
from docutils.nodes import SkipNode
from docutils.writers.html5_polyglot import HTMLTranslator, Writer
from myst_parser.docutils_ import Parser
from nbformat import NotebookNode
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from book import formulas
from book.build import EXECUTED, ROOT

HERE = Path(__file__).parent
ASSETS = [
    *(HERE / "reveal").iterdir(),
    *HERE.glob("slides.[cj]s*"),
    *(ROOT / "gdlib/static" / name for name in ("explorer.css", "explorer.js", "page.js")),
    *(ROOT / "book/assets" / name for name in ("formulas.css", "fonts", "favicon.svg")),
]
BEGINS = ("slide", "subslide")
HEADING = re.compile(r"(?m)^(#{1,3}) (.+)$")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
SETTINGS = {
    "myst_enable_extensions": set(CONFIG["parse"]["myst_enable_extensions"]),
    "myst_all_links_external": True,  # a slide has the text of a link
    "doctitle_xform": False,
    "report_level": 4,
    "halt_level": 4,
}


@dataclass
class Slide:
    """What is shown, in HTML; what only the speaker reads; whether it is below the one before."""

    title: str
    below: bool
    shown: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def html(self) -> str:
        titled = self.shown[0].lstrip().startswith(("<h1", "<h2"))
        body = "\n".join(self.shown if titled else [f"<h2>{self.title}</h2>", *self.shown])
        notes = f'<aside class="notes">{"".join(self.notes)}</aside>' if self.notes else ""
        return f"<section>\n{body}\n{notes}</section>\n"


def fill(folder: Path) -> str:
    """Write the slides of every chapter that has some, and a page that lists them."""
    decks = {path: nbformat.read(path, as_version=4) for path in sorted(EXECUTED.glob("*.ipynb"))}
    listed = []
    for path, notebook in decks.items():
        if not any(kind(cell) in BEGINS for cell in notebook.cells):
            continue
        made = write(folder, path.stem, notebook)
        listed.append(f'<li><a href="{path.stem}.html">{made[0].title}</a> {len(made)} slides</li>')
    page = Template((HERE / "slides.index.html").read_text(encoding="utf8"))
    (folder / "index.html").write_text(page.substitute(decks="\n".join(listed)), encoding="utf8")
    return f"slides of {len(listed)} chapters; open index.html"


def write(folder: Path, stem: str, notebook: NotebookNode) -> list[Slide]:
    """Write the slides of one chapter, and what they need beside them."""
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    for source in ASSETS:
        if source.is_dir():
            shutil.copytree(source, assets / source.name, dirs_exist_ok=True)
        else:
            shutil.copy(source, assets)
    (assets / "code.css").write_text(code_style(), encoding="utf8")
    page = Template((HERE / "slides.html").read_text(encoding="utf8"))
    made = slides(notebook.cells)
    title = unescape(re.sub("<[^>]+>", "", made[0].title))
    text = page.substitute(title=escape(title), slides=stacked(made))
    (folder / f"{stem}.html").write_text(text, encoding="utf8")
    return made


def kind(cell: NotebookNode) -> str:
    """The cell's type of slide; empty for a cell that is on none."""
    return cell.metadata.get("slideshow", {}).get("slide_type", "")


def slides(cells: list[NotebookNode]) -> list[Slide]:
    """The slides of a chapter, in its order."""
    made: list[Slide] = []
    title, resting = "", False  # resting: a section has begun of which nothing is shown yet
    for cell in cells:
        headings = HEADING.findall(cell.source) if cell.cell_type == "markdown" else []
        title = markdown(headings[0][1], inline=True) if headings else title
        if kind(cell) in BEGINS:
            own = cell.metadata.slideshow.get("title")
            made.append(Slide(own or title, below=kind(cell) == "subslide"))
        if kind(cell) in (*BEGINS, "fragment", "-"):
            resting = False
            html = shown(cell)
            made[-1].shown.append(
                f'<div class="fragment">{html}</div>' if kind(cell) == "fragment" else html
            )
        elif made and cell.cell_type == "markdown" and kind(cell) != "skip":
            resting = kind(cell) != "notes" and (resting or bool(headings))
            if not resting:
                made[-1].notes.append(markdown(cell.source))
        title = markdown(headings[-1][1], inline=True) if headings else title
    return made


def stacked(made: list[Slide]) -> str:
    """The slides as reveal.js wants them: a slide and those below it are a section of sections."""
    stacks: list[list[Slide]] = []
    for slide in made:
        if slide.below:
            stacks[-1].append(slide)
        else:
            stacks.append([slide])
    html = ["".join(slide.html() for slide in stack) for stack in stacks]
    pairs = zip(html, stacks, strict=True)
    return "".join(f"<section>{h}</section>\n" if len(s) > 1 else h for h, s in pairs)


def shown(cell: NotebookNode) -> str:
    """What a slide shows of a cell."""
    if cell.cell_type == "markdown":
        return markdown(chosen(cell.source, cell.metadata.slideshow.get("rows", [])))
    folded = {"hide-input", "hide-cell"} & set(cell.metadata.get("tags", []))
    code = "" if folded else highlight(cell.source, PythonLexer(), HtmlFormatter(cssclass="code"))
    made = "".join(output(o) for o in merged(cell.outputs))
    return code + (f'<div class="fragment">{made}</div>' if is_exercise(cell) else made)


def is_exercise(cell: NotebookNode) -> bool:
    """Whether a learner works in the cell: what its check says is a hint, and can wait."""
    return any(tag.startswith("exercise-") for tag in cell.metadata.get("tags", []))


def chosen(source: str, rows: list[int]) -> str:
    """A Markdown cell with these rows of its table only; without ``rows`` all of it."""
    if not rows:
        return source
    table = [line for line in source.splitlines() if line.startswith("|")]
    heading = HEADING.search(source)
    kept = [*table[:2], *(table[1 + row] for row in rows)]
    return "\n".join([heading[0] if heading else "", "", *kept])


def merged(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs, with what was printed in several pieces in one."""
    whole: list[NotebookNode] = []
    for one in outputs:
        if whole and one.output_type == whole[-1].output_type == "stream":
            whole[-1] = nbformat.from_dict({**whole[-1], "text": whole[-1].text + one.text})
        else:
            whole.append(one)
    return whole


def output(one: NotebookNode) -> str:
    """An output as HTML: an explorer, a picture, a prediction, or text."""
    data = one.get("data", {})
    if "text/html" in data:
        return data["text/html"]
    if "image/png" in data:
        return f'<img alt="" src="data:image/png;base64,{data["image/png"]}">'
    return f'<pre class="printed">{escape(one.get("text") or data.get("text/plain", ""))}</pre>'


def markdown(source: str, inline: bool = False) -> str:
    """MyST as HTML: formulas are MathML, links their text, folded answers fragments."""
    writer = Writer()
    writer.translator_class = Translator
    plain = re.sub(r"\{doc\}`([^`]*)`", "the page of predictions", source)
    parts = publish_parts(plain, parser=Parser(), writer=writer, settings_overrides=SETTINGS)
    html = parts["fragment"].strip()
    return html.removeprefix("<p>").removesuffix("</p>") if inline else html


class Translator(HTMLTranslator):
    """The HTML of a slide."""

    def visit_section(self, node):
        self.section_level += 1

    def depart_section(self, node):
        self.section_level -= 1

    def visit_title(self, node):
        named = node.parent.tagname == "section"
        tag = "p" if not named else "h1" if re.match(r"\d+ · ", node.astext()) else "h2"
        self.body.append(f'<{tag} class="head">' if not named else f"<{tag}>")
        self.context.append(f"</{tag}>\n")

    def depart_title(self, node):
        self.body.append(self.context.pop())

    def visit_reference(self, node):
        pass

    def depart_reference(self, node):
        pass

    def visit_target(self, node):
        raise SkipNode

    def visit_admonition(self, node):
        folded = "dropdown" in node["classes"]
        self.body.append(f'<div class="box{" fragment" if folded else ""}">')

    def depart_admonition(self, node):
        self.body.append("</div>\n")

    def visit_math(self, node, *_):
        self.body.append(formulas.write(node, displayed=False))
        raise SkipNode

    def visit_math_block(self, node, *_):
        self.body.append(f'<div class="math">{formulas.write(node, displayed=True)}</div>\n')
        raise SkipNode

    def starttag(self, node, tagname, suffix="\n", empty=False, **attributes):
        if hasattr(node, "attributes"):  # an identity on two slides would be none
            node.attributes["ids"] = []
        return super().starttag(node, tagname, suffix, empty, **attributes)


def code_style() -> str:
    """The colours of code, for light and dark rooms, as in the book."""
    light, dark = (
        HtmlFormatter(style=f"a11y-high-contrast-{shade}").get_style_defs(".code")
        for shade in ("light", "dark")
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
