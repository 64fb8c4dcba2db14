"""Print the built pages as one PDF, with the Chromium that the tests use. Called by ``make pdf``.

The pages are laid into one document and printed as a whole, so that nothing has to be joined. It is
printed twice: the first tells the pages that the contents name.
"""

import re
import sys
import time
from html import escape
from pathlib import Path

from playwright.sync_api import Page, Route, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:  # as a script: the book's own modules stand beside this one
    sys.path.insert(0, str(ROOT))
SITE = ROOT / "_build" / "html"
# Pages are served from here, and nothing else is: the document shows no folder of this machine.
HOST = "http://x/"
# The PDF lies beside the folder html, to which its addresses lead. A PDF counts its bytes, so this
# is as long as HOST.
BESIDE = "././html/"
FRAME = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="_static/book.css"><style>{css}</style></head><body>
<div class="title-page"><p class="name">{title}</p><p class="subtitle">{subtitle}</p>
<p>{author}, {year}</p><p>Prose: CC BY 4.0. Code: BSD 3-clause.</p>
<p>Printed from the pages of the book. An explorer stands here as it opens; below it is the
address where it moves{where}. Hints, answers and solutions stand at the end.</p></div>
<main class="bd-content"><article class="bd-article"><section>
<nav class="book-contents"><h1>Contents</h1></nav></section></article></main>
<script>{js}</script></body></html>"""


class Unprintable(Exception):
    """The book cannot be printed; says why, and what to do."""


def setting(name: str, otherwise: str = "") -> str:
    """A line of _config.yml."""
    found = re.search(rf'^ *{name}: "?([^"#\n]+)"?', (ROOT / "_config.yml").read_text("utf8"), re.M)
    return found[1].strip() if found else otherwise


def pages(site: Path) -> list[str]:
    """The pages that _toc.yml names, in its order, as the site has them."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    paths = [f"{name}.html" for name in re.findall(r"(?:root|file):\s*(\S+)", toc)]
    missing = [path for path in paths if not (site / path).is_file()]
    if missing:
        raise Unprintable(f"There is no {site / missing[0]}: run `make book` first.")
    return paths


def captions() -> dict[str, str]:
    """The name of each part of the book, by the first page of the part."""
    toc = (ROOT / "_toc.yml").read_text(encoding="utf8")
    found = re.findall(r"- caption: (.+)\n\s+chapters:\n\s+- file: (\S+)", toc)
    return {f"{name}.html": caption for caption, name in found}


def frame() -> str:
    """The document before the pages are laid into it."""
    css, js = ((ROOT / "book" / f"pdf.{kind}").read_text(encoding="utf8") for kind in ("css", "js"))
    texts = {"title": setting("title"), "author": setting("author"), "year": setting("copyright")}
    texts["subtitle"] = "gradient descent you can touch, in PyTorch"
    texts["where"] = ", in the folder html beside this file" if address() == HOST else ""
    texts = {name: escape(text) for name, text in texts.items()}
    return FRAME.format(css=css, js=js, **texts)


def places(pdf: bytes) -> dict[str, int]:
    """The page, counted from 1, of every line of the contents."""
    # What Chromium writes is plain text around the compressed pages.
    found = re.findall(rb"^(\d+) 0 obj\n<</Type /Pages\n(.*?)>>\nendobj", pdf, re.M | re.S)
    nodes = dict(found)
    root = [number for number, node in found if b"/Parent" not in node]

    def leaves(number: bytes) -> list[bytes]:
        if number not in nodes:
            return [number]
        kids = re.findall(rb"(\d+) 0 R", re.findall(rb"/Kids \[(.*?)\]", nodes[number], re.S)[0])
        return [leaf for kid in kids for leaf in leaves(kid)]

    pages = {leaf: n for n, leaf in enumerate((p for r in root for p in leaves(r)), 1)}
    named = re.findall(rb"/(line-\d+) \[(\d+) 0 R", pdf)
    return {name.decode(): pages[leaf] for name, leaf in named if leaf in pages}


def printed(page: Page, site: Path, paths: list[str]) -> bytes:
    """The PDF of these pages."""

    def serve(route: Route) -> None:
        path = route.request.url.removeprefix(HOST).split("?")[0]
        if path == "":
            route.fulfill(body=frame(), content_type="text/html")
        elif (site / path).is_file():
            route.fulfill(path=site / path)
        else:
            route.abort()

    def pdf(whole: bool) -> bytes:  # what looks for pages needs no bookmarks and no pictures' texts
        return page.pdf(
            prefer_css_page_size=True, print_background=True, outline=whole, tagged=whole
        )

    page.route("**/*", serve)
    page.goto(HOST)
    laid = page.evaluate("a => combine(...a)", [paths, address(), captions()])
    lines = [f"line-{n}" for n in range(laid)]
    first = places(pdf(whole=False))
    if missing := [line for line in lines if line not in first]:
        raise Unprintable(f"This Chromium wrote a PDF whose pages are not found: {missing[:3]}.")
    page.evaluate("paginate", [first[line] for line in lines])
    last = pdf(whole=True)
    if places(last) != first:
        raise Unprintable("The pages moved when the contents got their numbers.")
    return last.replace(f"({HOST}".encode(), f"({BESIDE}".encode())


def address() -> str:
    """Where the site is: what _config.yml says under html: baseurl, or else beside the PDF."""
    return setting("baseurl", HOST).rstrip("/") + "/"


def write(site: Path, to: Path) -> None:
    """Print the site into a file."""
    from tests.conftest import QUIET, find_browser

    paths = pages(site)
    path = find_browser()
    if path is None:
        raise Unprintable("There is no Chromium: install one, or set CHROMIUM to its path.")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        to.write_bytes(printed(chromium.new_page(), site, paths))
        chromium.close()


def main() -> int:
    """Print the book, and say how that went. Returns the exit status."""
    started, to = time.perf_counter(), SITE.parent / "downhill.pdf"
    try:
        write(SITE, to)
    except Unprintable as problem:
        print(problem, file=sys.stderr)
        return 1
    print(f"{to} ({to.stat().st_size / 1e6:.0f} MB, {time.perf_counter() - started:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
