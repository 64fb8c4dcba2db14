"""A picture for each chapter's card on the front page: the first panel of its first explorer."""

import re
from pathlib import Path

CARD = re.compile(
    r'(<div class="sd-card-body docutils">(?:(?!</a>).)*?href="\.\./(notebooks/\w+)\.html")',
    re.DOTALL,
)
PANEL = re.compile(
    r'<div class="explorer" id=.*?<svg [^>]*?(viewBox="[^"]*")[^>]*>(.*?)</svg>', re.DOTALL
)
# A picture of its own knows nothing of the page's colours: this grey is seen on light and on dark.
GREY = "#7b858c"
STYLE = (
    "<style>text { display: none } [stroke-linecap] polyline, .dots, .head { fill: none }</style>"
)


def illustrate(site: Path, pages: list[Path]) -> None:
    """Put a picture into every card that leads to a chapter with an explorer."""
    (site / "_static" / "thumbnails").mkdir(exist_ok=True)

    def with_picture(card: re.Match[str]) -> str:
        panel = PANEL.search((site / f"{card[2]}.html").read_text(encoding="utf8"))
        if not panel:
            return card[0]
        name = f"_static/thumbnails/{Path(card[2]).name}.svg"
        (site / name).write_text(drawn(*panel.groups()), encoding="utf8")
        return f'<img class="sd-card-img-top" src="../{name}" alt="" loading="lazy">{card[0]}'

    for page in pages:
        html = page.read_text(encoding="utf8")
        if CARD.search(html):
            page.write_text(CARD.sub(with_picture, html), encoding="utf8")


def drawn(box: str, panel: str) -> str:
    """A panel as a picture of its own, without its words."""
    panel = re.sub(r"var\(--explorer-\d, (#[0-9a-f]{6})\)", r"\1", panel)
    panel = re.sub(r"color-mix\([^()]*\)|currentColor", GREY, panel)
    panel = re.sub(r"\shref=", " xlink:href=", panel)
    names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return f'<svg {names} {box} fill="{GREY}">{STYLE}{panel}</svg>\n'
