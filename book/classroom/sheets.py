"""A sheet to print for each chapter: its explorers as they open, their tasks, and its questions.

It is cut out of the built page, so that pictures and formulas are the page's own.
"""

import re
from html import escape
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from book.build import ROOT, SITE, chapters
from book.classroom.chapters import Chapter, read

STAGE = (
    r'<div class="explorer" id="fig-{name}">.*?(<div class="explorer-stage">.*?)'
    r'<div class="explorer-controls">'
)
RATIO = re.compile(r"aspect-ratio:([\d.]+)/([\d.]+)")
QUESTION = re.compile(r"<p>((?:(?!</?p>).)*<strong>Before you run it.*?)</p>", re.DOTALL)
LINK = re.compile(r"</?a\b[^>]*>")
LATER = "second reading"
WIDTH, HEIGHT = 118, 178  # millimetres for a picture, and for all of them
QUESTIONS, LETTERS = 3, 460  # as much as fits below the pictures
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>{explorer}{css}</style></head>
<body><header><h1>{title}</h1><p>{question}</p><p class="name">Name</p></header>
{tasks}
<section class="questions"><h2>Questions</h2>{questions}</section></body></html>
"""
LINES = "<p class='line'>I expect</p><p class='line'>I found</p>"


def fill(folder: Path) -> str:
    """Write every chapter's sheet, as a page and, where there is a Chromium, as a PDF."""
    from tests.conftest import QUIET, find_browser

    written = write(folder)
    if (path := find_browser()) is None:
        return f"{written}, as pages; with a Chromium they would be PDF, too"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        printed(folder, chromium)
        chromium.close()
    return f"{written}, as pages and PDF"


def write(folder: Path) -> str:
    """Write every chapter's sheet as a page."""
    for notebook in chapters():
        page = (SITE / "notebooks" / f"{notebook.stem}.html").read_text(encoding="utf8")
        (folder / f"{notebook.stem}.html").write_text(sheet(read(notebook), page), encoding="utf8")
    return f"{len(chapters())} sheets to print"


def sheet(chapter: Chapter, page: str) -> str:
    """One page of A4: what a learner looks at, and what is asked."""
    css = (Path(__file__).with_name("sheet.css")).read_text(encoding="utf8")
    explorer = (ROOT / "gdlib" / "static" / "explorer.css").read_text(encoding="utf8")
    asked = [
        LINK.sub("", html)
        for html, known in zip(QUESTION.findall(page), chapter.expectations, strict=True)
        if LATER not in known.section
    ]
    fitting = [q for n, q in enumerate(asked) if n < QUESTIONS and length(asked[: n + 1]) < LETTERS]
    return PAGE.format(
        title=escape(chapter.title),
        question=escape(chapter.question),
        explorer=explorer,
        css=css,
        tasks="".join(
            f"<section>{picture(page, task.name, HEIGHT / len(chapter.tasks))}<div class='task'>"
            f"<h2>Explorer {task.number}</h2><p>{escape(task.task)}</p>{LINES}</div></section>\n"
            for task in chapter.tasks
        ),
        questions="".join(f"<p>{q}</p><p class='line'>I expect</p>" for q in fitting or asked[:1]),
    )


def picture(page: str, name: str, height: float) -> str:
    """An explorer's picture as the page has it, at most so many millimetres high."""
    found = re.search(STAGE.format(name=re.escape(name)), page, re.DOTALL)
    if not found:
        raise ValueError(f"the built page has no explorer {name!r}: run `make book` again")
    wide, high = map(float, RATIO.findall(found[1])[0])
    width = min(WIDTH, height * wide / high)
    return f"<div class='explorer' style='width:{width:.1f}mm'>{found[1]}</div>"


def length(questions: list[str]) -> int:
    """How many letters questions have."""
    return sum(len(re.sub("<[^>]+>", "", question)) for question in questions)


def printed(folder: Path, chromium: Browser) -> None:
    """Print the sheets of a folder."""
    tab = chromium.new_page()
    for page in sorted(folder.glob("*.html")):
        tab.goto(page.as_uri())
        tab.pdf(path=page.with_suffix(".pdf"), prefer_css_page_size=True, print_background=True)
    tab.close()
