"""One stylesheet for the book: the theme's nine in their order, without what no page can match.

Bootstrap alone is 400 KB of rules, and a page waits for its stylesheets before it shows anything.
"""

import re
from pathlib import Path
from posixpath import dirname, normpath, relpath

LINK = re.compile(r'<link [^>]*href="[./]*(_static/[^"?]+\.css)[^"]*"[^>]*>\s*')
WORD = re.compile(r"[\w-]+")
NAME = "_static/book.css"


def bundle(site: Path, pages: list[Path]) -> None:
    """Write book.css from the sheets that ``pages`` link to, and link to it instead."""
    texts = {page: page.read_text(encoding="utf8") for page in pages}
    sheets = list(dict.fromkeys(s for html in texts.values() for s in LINK.findall(html)))
    scripts = [path.read_text(encoding="utf8") for path in site.glob("_static/**/*.js")]
    words = {word for text in (*texts.values(), *scripts) for word in WORD.findall(text)}
    css = "".join(needed(read(site, sheet), words) for sheet in sheets)
    (site / NAME).write_text(css, encoding="utf8")
    for page, html in texts.items():
        first = LINK.search(html)
        if first:
            root = "../" * (len(page.relative_to(site).parts) - 1)
            link = f'<link rel="stylesheet" href="{root}{NAME}">\n'
            html = LINK.sub("", html[: first.start()]) + link + LINK.sub("", html[first.start() :])
            page.write_text(html, encoding="utf8")


def read(site: Path, sheet: str) -> str:
    """The sheet and those that it imports, with addresses as they are seen from the bundle."""

    def move(match: re.Match[str]) -> str:
        path = normpath(f"{dirname(sheet)}/{match[1]}")
        return f'url("{relpath(path, dirname(NAME))}{match[2]}")'

    css = re.sub(r"/\*.*?\*/", "", (site / sheet).read_text(encoding="utf8"), flags=re.DOTALL)
    css = re.sub(r"""url\(["']?(?!data:|#|http)([^"')?#]+)([^"')]*)["']?\)""", move, css)
    imports = re.compile(r"""@import ["']([^"']+)["'];""")
    return imports.sub(lambda m: read(site, normpath(f"{dirname(sheet)}/{m[1]}")), css)


def needed(css: str, words: set[str]) -> str:
    """The rules of which every class stands, as a word, in some page or script."""
    kept = []
    for head, body in rules(css):
        if head.startswith(("@media", "@supports", "@layer", "@container")):
            inner = needed(body, words)
            kept += [f"{head}{{{inner}}}\n"] if inner else []
        elif head.startswith("@") or body is None:
            kept.append(f"{head};\n" if body is None else f"{head}{{{body}}}\n")
        else:
            alive = [s for s in selectors(head) if words.issuperset(classes(s))]
            kept += [f"{','.join(alive)}{{{body.strip()}}}\n"] if alive else []
    return "".join(kept)


def classes(selector: str) -> list[str]:
    """The classes that an element must have; what stands in :not() or :is() is left aside."""
    plain = re.sub(r"\[[^]]*\]|:(not|is|where|has)\((?:[^()]|\([^()]*\))*\)", "", selector)
    return [name.replace("\\", "") for name in re.findall(r"\.((?:[\w-]|\\.)+)", plain)]


def selectors(head: str) -> list[str]:
    """The selectors of a rule, at the commas that stand in no bracket."""
    return [s.strip() for s in re.split(r",(?![^(\[]*[)\]])", head)]


def rules(css: str) -> list[tuple[str, str | None]]:
    """The rules of a sheet: what stands before the braces, and in them (None: a statement)."""
    found, depth, start, head = [], 0, 0, ""
    for match in re.finditer(r"""[{};]|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|url\([^"')]*\)""", css):
        sign = match[0]
        if sign == "{":
            if depth == 0:
                head, start = css[start : match.start()].strip(), match.end()
            depth += 1
        elif sign == "}":
            depth -= 1
            if depth == 0:
                found.append((head, css[start : match.start()]))
                start = match.end()
        elif sign == ";" and depth == 0:
            found.append((css[start : match.start()].strip(), None))
            start = match.end()
    return found
