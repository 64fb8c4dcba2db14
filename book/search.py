"""What the search page searches: every section of the book, as a script that needs no server."""

import json
import re
from html import unescape
from pathlib import Path

# A section's anchor and heading; labels may stand between them.
HEADING = re.compile(
    r'<section [^>]*?id="([^"]+)"[^>]*>\s*(?:<span [^>]*></span>\s*)*<h([1-4])>(.*?)</h\2>',
    re.DOTALL,
)
# Pictures, folds' names and the links beside headings are not read; of an explorer its task is, of
# a self-test the questions are.
UNREAD = re.compile(
    r'<details class="choice.*?</details>|'
    r"<svg.*?</svg>|<summary.*?</summary>|<button.*?</button>|<a class=\"headerlink\".*?</a>",
    re.DOTALL,
)
EXPLORER = re.compile(
    r'<div class="explorer" id=.*?(<p class="explorer-task">.*?</p>)?<div class="explorer-stage"'
    r'.*?class="explorer-data".*?</script></div>',
    re.DOTALL,
)
CODE = re.compile(r"<pre[^>]*>(.*?)</pre>", re.DOTALL)
SCRIPTS = ("minisearch/minisearch.js", "sections.js", "search.js")


def write(site: Path, pages: list[Path]) -> None:
    """Write ``_static/sections.js``, and have the search page load it."""
    found = [section for page in pages for section in sections(page, site)]
    text = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    (site / "_static" / "sections.js").write_text(f"const SECTIONS = {text};\n", encoding="utf8")
    page = site / "search.html"
    html = page.read_text(encoding="utf8")
    tags = "".join(f'<script defer src="_static/{name}"></script>\n' for name in SCRIPTS)
    page.write_text(html.replace("</head>", f"{tags}</head>", 1), encoding="utf8")
    (site / "searchindex.js").unlink(missing_ok=True)


def sections(page: Path, site: Path) -> list[dict[str, object]]:
    """The sections of a page, in its order: address, page, title, level, text and code."""
    html = page.read_text(encoding="utf8")
    if "<article" not in html:
        return []
    html = html[html.index("<article") : html.index("</article>")]
    html = UNREAD.sub(" ", EXPLORER.sub(lambda m: m[1] or "", html))
    _, *pieces = HEADING.split(html)
    found, chapter = [], ""
    for anchor, level, title, body in zip(*(pieces[i::4] for i in range(4)), strict=True):
        title = words(title)
        chapter = chapter or title
        found.append(
            {
                "id": f"{page.relative_to(site).as_posix()}#{anchor}",
                "chapter": chapter,
                "title": title,
                "level": int(level),
                "text": words(CODE.sub(" ", body)),
                "code": " ".join(map(words, CODE.findall(body))),
            }
        )
    return found


def words(html: str) -> str:
    """What is read in a piece of a page; the end of a block or a cell parts words."""
    parted = re.sub(r"</(?:p|li|td|th|div|dt|dd|h\d)>", " ", html)
    return " ".join(unescape(re.sub(r"<[^>]+>", "", parted)).split())
