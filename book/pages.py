"""Put right in the finished pages what no setting reaches, and make them light."""

import re
from html import escape, unescape
from pathlib import Path

from PIL import Image

from book import predictions, privacy, reference, search, styles, thumbnails

# What Sphinx and the theme write that a screen reader stumbles over, and what is meant.
MENDED = {
    '<summary aria-label="Toggle hidden content">': "<summary>",  # hid the text that it shows
    '<summary><span class="toc': '<summary aria-label="Its pages"><span class="toc',  # had no name
}
# What no page needs: settings of scripts that are not here, what the preload scanner finds by
# itself, the theme's search and its index (the book has its own), Sphinx's second viewport.
NEEDLESS = re.compile(
    r'<meta name="viewport" content="width=device-width, initial-scale=1" ?/>\s*'
    r'|<meta name="docsearch:[^>]*>\s*'
    r'|<link rel="preload" as="script"[^>]*>\s*'
    r'|<script[^>]* src="[^"]*(?:fontawesome|searchtools|language_data|searchindex|design-tabs'
    r"|doctools|sphinx_highlight)\.js[^>]*></script>\s*"
    r"|<script>\s*// Activate the search field.*?</script>\s*"
    r"|<script>DOCUMENTATION_OPTIONS\.[^<]*</script>\s*",
    re.DOTALL,
)
# A script that waits for nothing blocks the page that waits for it.
BLOCKING = re.compile(r"<script (?!defer|data-cfasync)(?=[^>]*\bsrc=)")
# Half of a chapter's elements are colours of code that is black anyway: names, signs, blanks.
UNCOLOURED = re.compile(r'<span class="(?:n|nn|p|o|w)">([^<]*)</span>')
FORMULA = re.compile(
    r"([(\[“]?)(<math(?: [^>]*)?>(?:(?!</math>).)*</math>)([^\s<(\[–—]*)", re.DOTALL
)
PICTURE = re.compile(r'<img [^>]*src="[./]*_images/([^"]+\.png)"[^>]*>')
PARAGRAPH = re.compile(r"<p>(.*?)</p>", re.DOTALL)
EXPLORER = re.compile(
    r'<div class="explorer" id="(fig-[\w-]+)">(?:(?!<div class="explorer" id=).)*?'
    r'class="explorer-data">([^<]*)</script>',
    re.DOTALL,
)
HELD = re.compile(r'(<script type="[^"]*" class="(explorer-\w+)")>([^<]+)</script>')
CLAIMS = re.compile(r'<table class="[^"]*\bclaims\b.*?</table>', re.DOTALL)
ROLES = {"table": "table", "thead": "rowgroup", "tbody": "rowgroup", "tr": "row", "td": "cell"}
LARGE = 20_000  # bytes of an explorer's description that are worth a file of their own


def finish(site: Path) -> None:
    """Finish every page of a site that Sphinx has built."""
    pages = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    sizes = lighten(site)
    for page in pages:
        html = page.read_text(encoding="utf8")
        for wrong, right in MENDED.items():
            html = html.replace(wrong, right)
        html = described(titled(lighter(html)))
        html = PICTURE.sub(lambda m: f"<img{sizes[m[1]]}{m[0][4:]}", html)
        html = FORMULA.sub(unbroken, UNCOLOURED.sub(r"\1", html))
        html = predictions.typeset(reference.parted(html))
        if page.stem == "predictions":
            html = predictions.tabulated(html)
        if page.stem == "articles":
            html = CLAIMS.sub(claimed, html)
        html = unloaded(html, page, site)
        page.write_text(html, encoding="utf8")
    thumbnails.illustrate(site, pages)
    search.write(site, pages)
    styles.bundle(site, pages)
    privacy.keep(site, pages)


def lighten(site: Path) -> dict[str, str]:
    """Make pictures light; returns for each the attributes that spare the page a jump.

    256 colours are more than a chart uses, and less than half the bytes.
    """
    sizes = {}
    for path in site.glob("_images/*.png"):
        with Image.open(path) as picture:
            few = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        few.save(path, optimize=True)
        sizes[path.name] = f' loading="lazy" width="{few.width}" height="{few.height}"'
    return sizes


def lighter(html: str) -> str:
    """A page without what it does not need, and with scripts that wait until it is shown."""
    return BLOCKING.sub("<script defer ", NEEDLESS.sub("", html))


def titled(html: str) -> str:
    """A page whose title names the book once, at its end; the front page is the book."""
    html = re.sub(r"<title>(.*?) &#8212; \1</title>", r"<title>\1</title>", html)
    return re.sub(r"<title>(.*?) (?:&#8212;|-) (.*?)</title>", r"<title>\1 — \2</title>", html)


def described(html: str) -> str:
    """A page with a description: its own, or else its first sentences."""
    if 'name="description"' in html or "<article" not in html:
        return html
    start = html.index("<article")
    text = " ".join(plain(p) for p in PARAGRAPH.findall(html[start : start + 20_000])[:3])
    if len(text) > 155:
        text = text[:155].rsplit(" ", 1)[0].rstrip(" ,;:") + " …"
    meta = f'<meta name="description" content="{escape(text)}">\n</head>'
    return html.replace("</head>", meta, 1) if text else html


def plain(html: str) -> str:
    """What is read in a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def unbroken(match: re.Match[str]) -> str:
    """A formula that keeps the punctuation beside it on its line."""
    before, formula, after = match.groups()
    if 'display="block"' in formula or not (before or after):
        return match[0]
    return f'<span class="unbroken">{before}{formula}{after}</span>'


def unloaded(html: str, page: Path, site: Path) -> str:
    """A page whose explorers' numbers stand in files, which load when an explorer comes near."""
    folder = site / "_static" / "explorers"
    folder.mkdir(exist_ok=True)
    root = "../" * (len(page.relative_to(site).parts) - 1)

    def move(explorer: re.Match[str]) -> str:
        name = explorer[1]

        def part(held: re.Match[str]) -> str:
            start, kind, text = held.groups()
            if kind != "explorer-data" and len(text) < LARGE:
                return held[0]
            path = folder / f"{name}{'' if kind == 'explorer-data' else '-meta'}.js"
            holder = f"document.querySelector({f'#{name} .{kind}'!r})"
            path.write_text(f"{holder}.textContent = {as_string(text)};\n", encoding="utf8")
            return f'{start} data-src="{root}_static/explorers/{path.name}"></script>'

        return HELD.sub(part, explorer[0])

    return EXPLORER.sub(move, html)


def claimed(table: re.Match[str]) -> str:
    """A table of claims that is a table as cards, too, and whose predictions lead to their page."""
    html = table[0].replace("<th ", '<th role="columnheader" scope="col" ')
    html = re.sub(rf"<({'|'.join(ROLES)})\b", lambda m: f'{m[0]} role="{ROLES[m[1]]}"', html)
    prediction = r"\bP(\d+)\.(\d+)[a-z]?\b(?![^<]*>)"
    return re.sub(prediction, r'<a href="predictions.html#p\1-\2">\g<0></a>', html)


def as_string(text: str) -> str:
    """The text as a string of JavaScript."""
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{quoted}'"
