"""What does not move, drawn once by matplotlib as SVG, and the way from data to its coordinates."""

from __future__ import annotations

import io
import re

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdlib.palette import COLORS, CURVES

TWINS = [COLORS[role].lower() for role in CURVES]  # in explorer.css: --explorer-0, -1, …
FAR = 3000.0  # points further than this from their axes are drawn at this distance, off the picture


def draw_stage(figure: Figure, prefix: str) -> str:
    """The figure as SVG: ink follows the page's text colour, every id starts with ``prefix``.

    Text stays text, so that it can be searched, read aloud and printed.
    """
    settings: dict = {"svg.fonttype": "none", "svg.hashsalt": prefix}
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings), io.StringIO() as file:
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
        svg = file.getvalue()
    body = svg[svg.index(">", svg.index("<svg")) + 1 : svg.rindex("</svg>")]
    for noise in (r"<metadata>.*?</metadata>", r"<style.*?</style>", r"<!--.*?-->"):
        body = re.sub(noise, "", body, flags=re.DOTALL)
    body = body.replace("#000000", "currentColor")
    body = re.sub("|".join(TWINS), lambda match: ink(match[0]), body)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}", body)
    body = re.sub(r' d="[^"]*"', _round_numbers, body, flags=re.DOTALL)
    # matplotlib asks for its own font by name; the page's font is at hand and reads better.
    body = re.sub(r"font-family: [^;\"]*(; )?", "", body)
    return re.sub(r"\n\s*", "\n", body).strip()


def ink(color: str) -> str:
    """A colour as CSS: a role's colour follows the page's theme."""
    known = color.lower() in TWINS
    return f"var(--explorer-{TWINS.index(color.lower())}, {color})" if known else color


def _round_numbers(match: re.Match[str]) -> str:
    return re.sub(r"-?\d+\.\d{3,}", _round, match[0]).replace("\n", " ")


def _round(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def size(figure: Figure) -> tuple[float, float]:
    """Width and height in points, the unit of matplotlib's SVG."""
    width, height = figure.get_size_inches()
    return float(width) * 72, float(height) * 72


def frame(ax: Axes) -> tuple[float, float, float, float]:
    """Left, top, width and height of the axes in the SVG. Only valid once the stage is drawn."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.bbox
    unit = 72 / figure.dpi
    return (
        box.x0 * unit,
        size(figure)[1] - box.y1 * unit,
        box.width * unit,
        box.height * unit,
    )


def to_svg(ax: Axes, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Data to SVG coordinates by ``ax.transData``: log axes and aspect are matplotlib's business.

    x and y may have different shapes. Values matplotlib cannot place become NaN.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    unit = 72 / figure.dpi
    x_px = _transform(ax, x, 0)
    y_px = _transform(ax, y, 1)
    return x_px * unit, size(figure)[1] - y_px * unit


def _transform(ax: Axes, values: np.ndarray, which: int) -> np.ndarray:
    pairs = np.empty((values.size, 2))
    pairs[:, which] = np.where(np.isfinite(values), values, np.nan).ravel()
    pairs[:, 1 - which] = (ax.get_ylim() if which == 0 else ax.get_xlim())[0]
    with np.errstate(all="ignore"):
        return ax.transData.transform(pairs)[:, which].reshape(values.shape)


def keep_near(ax: Axes, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bring points far outside the axes back to ``FAR``, so that they fit 16 bits.

    Where x and y belong together, along the line from the middle of the axes, which keeps the
    direction in which the path leaves.
    """
    left, top, width, height = frame(ax)
    dx, dy = x - (left + width / 2), y - (top + height / 2)
    if x.shape == y.shape:
        shrink = FAR / np.maximum(np.maximum(np.abs(dx), np.abs(dy)), FAR)
        dx, dy = dx * shrink, dy * shrink
    dx, dy = np.clip(dx, -FAR, FAR), np.clip(dy, -FAR, FAR)
    return dx + left + width / 2, dy + top + height / 2
