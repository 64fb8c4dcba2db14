"""Predictions: their numbers, and their page, which has one table for each chapter."""

import re

SECTION = re.compile(
    r'<section id="(p\d+-\d+)">\s*<h3>(P[\d.]+)<a.*?</h3>\s*<p>(.*?)</p>(.*?)</section>\s*',
    re.DOTALL,
)
LINE = re.compile(
    r'<p class="prediction (?P<verdict>\w+)"><b>(?P<id>[^<]+)</b> (?P<claim>[^<]*): '
    r"<span>predicted <b>(?P<predicted>.*?)</b></span> "
    r"<span>measured <b>(?P<measured>.*?)</b></span> <span>allowed (?P<allowed>.*?)</span>"
)
COLUMNS = ("claim", "predicted", "allowed", "measured", "verdict")
# Roles are said again, for a narrow page lays rows out as blocks, and browsers then forget them.
HEAD = (
    '<table class="predictions" role="table"><thead role="rowgroup"><tr role="row">'
    '<th scope="col" role="columnheader">no.</th>'
    + "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in COLUMNS)
    + "</tr></thead>\n"
)
FILTER = '<script defer src="../_static/predictions.js"></script>\n'
NUMBER = re.compile(r"(<span>(?:predicted|measured|allowed) )(.*?)(</span>)")


def typeset(html: str) -> str:
    """The page with numbers as people write them: 1e-09 is 10⁻⁹, and a minus is no hyphen."""

    def write(span: re.Match[str]) -> str:
        before, number, after = span.groups()
        number = re.sub(r"e\+?(-?)0*(\d+)", r"·10<sup>\1\2</sup>", number)
        number = re.sub(r"(?<![\d.])1·10", "10", number).replace("-", "−")
        return f"{before}{number}{after}"

    return NUMBER.sub(write, html)


def tabulated(html: str) -> str:
    """The page with a table in place of the sections of each chapter, and a filter for its rows."""
    html = SECTION.sub(group, html)
    html = html.replace("</head>", f"{FILTER}</head>", 1)
    return re.sub(
        r"(?:<tbody.*?</tbody>\s*)+", lambda m: f"{HEAD}{m[0]}</table>\n", html, flags=re.DOTALL
    )


def group(section: re.Match[str]) -> str:
    """The rows of one theory: what it says, and what became of it."""
    anchor, name, theory, lines = section.groups()
    rows = "".join(row(**line.groupdict()) for line in LINE.finditer(lines))
    return (
        f'<tbody id="{anchor}" role="rowgroup"><tr role="row">'
        f'<th colspan="6" scope="rowgroup" role="rowheader"><b>{name}</b> {theory}</th></tr>\n'
        f"{rows}</tbody>\n"
    )


def row(id: str, verdict: str, **cells: str) -> str:
    """One measurement; a cell knows its column's name, for a page without room for heads."""
    cells["verdict"] = f"<strong>{verdict}</strong>"
    data = "".join(f'<td role="cell" data-name="{name}">{cells[name]}</td>' for name in COLUMNS)
    return (
        f'<tr role="row" class="{verdict}"><th scope="row" role="rowheader">{id}</th>{data}</tr>\n'
    )
