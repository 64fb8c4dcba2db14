"""A figure that does not move, drawn as an Explorer's stage is: for the page and for Jupyter."""

from __future__ import annotations

import sys
from zlib import crc32

from matplotlib.figure import Figure

from gdlib.explore.arguments import as_text, shown
from gdlib.explore.stage import canvas, draw_stage, svg


class Picture:
    """A figure whose ink and colours follow the page, in light and in dark, on any screen.

    figure  matplotlib's; pyplot forgets it, so that it is shown once
    alt     what the picture shows, for those who do not see it

    It is the last line of a cell. Bad input raises ``ValueError`` or ``TypeError``.
    """

    def __init__(self, figure: Figure, *, alt: str) -> None:
        if not isinstance(figure, Figure):
            raise TypeError(f"figure must be a matplotlib Figure, got {shown(figure)}")
        if not as_text(alt, "alt").strip():
            raise ValueError("alt is empty; say what the picture shows")
        self.figure, self.alt = figure, alt.strip()
        if pyplot := sys.modules.get("matplotlib.pyplot"):
            pyplot.close(figure)

    def _repr_html_(self) -> str:
        panels = draw_stage(self.figure, f"picture-{crc32(self.alt.encode()):x}--")
        drawn = [(p, svg(p, self.alt if i == 0 else "")) for i, p in enumerate(panels)]
        return f'<div class="explorer picture">{canvas(self.figure, drawn)}</div>'

    def __repr__(self) -> str:
        return f"Picture of {len(self.figure.axes)} axes"
