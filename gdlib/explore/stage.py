"""What does not move, drawn once by matplotlib as SVG, and the way from data to its coordinates."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdlib.explore.arguments import shown
from gdlib.palette import COLORS, CURVES

TWINS = [COLORS[role].lower() for role in CURVES]  # in explorer.css: --explorer-0, -1, …
FAR = 3000.0  # points further than this from their axes are drawn at this distance, off the picture


def check_axes(figure: Figure, ax: object) -> None:
    """Raises ``TypeError`` or ``ValueError`` unless something can move in these axes."""
    if not isinstance(ax, Axes):
        raise TypeError(f"an Explorer draws in one Axes of its figure, got {shown(ax)}")
    if not any(ax is own for own in figure.axes):
        raise ValueError(f"these axes are not in the Explorer's figure: {ax}")
    if ax.name != "rectilinear":
        raise TypeError(f"an Explorer draws in rectilinear axes, got {ax.name!r}")


def draw_stage(figure: Figure, prefix: str) -> str:
    """The figure as SVG: ink follows the page's text colour, every id starts with ``prefix``.

    Text stays text, so that it can be searched, read aloud and printed. Raises ``ValueError`` for
    text that no SVG can hold.
    """
    settings: dict = {"svg.fonttype": "none", "svg.hashsalt": prefix}
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with matplotlib.rc_context(settings), io.StringIO() as file:
        figure.savefig(file, format="svg", transparent=True, metadata=nothing)
        svg = file.getvalue()
    try:
        root = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        line = svg.split("\n")[error.position[0] - 1].strip()
        raise ValueError(f"a text of the figure has a control character, got {line!r}") from None
    ids = {element.get("id") for element in root.iter()}
    _clean(root, prefix, ids)
    parts = [ElementTree.tostring(child, encoding="unicode") for child in root]
    return "".join(parts).replace(" />", "/>")  # a text's own ">" is written "&gt;"


def _clean(element: Element, prefix: str, ids: set[str | None]) -> None:
    """Without namespaces, metadata and white space between elements; attributes rewritten."""
    element.tag = _local(element.tag)
    attributes = [(_local(key), value) for key, value in element.items()]
    element.attrib = {key: _rewrite(key, value, prefix, ids) for key, value in attributes}
    element.text = _unless_indent(element.text)
    for child in list(element):
        if _local(child.tag) in ("metadata", "style"):
            element.remove(child)
            continue
        _clean(child, prefix, ids)
        child.tail = _unless_indent(child.tail)


def _local(name: str) -> str:
    """A name without its namespace: HTML knows SVG by its tags."""
    return name.rpartition("}")[2]


def _unless_indent(text: str | None) -> str | None:
    return text if text and ("\n" not in text or text.strip()) else None


def _rewrite(key: str, value: str, prefix: str, ids: set[str | None]) -> str:
    if key == "id":
        return prefix + value
    if key == "href":
        inside = value[:1] == "#" and value[1:] in ids
        return f"#{prefix}{value[1:]}" if inside else re.sub(r"\s", "", value)
    if key in ("d", "x", "y"):
        return " ".join(re.sub(r"-?\d+\.\d{3,}", _round, value).split())
    if key == "style":
        # matplotlib asks for its own font by name; the page's font is at hand and reads better.
        rules = [rule.strip() for rule in value.split(";")]
        value = "; ".join(r for r in rules if r and not r.startswith("font-family:"))
    if key in ("style", "fill", "clip-path", "filter"):
        value = value.replace("url(#", f"url(#{prefix}")
        return re.sub(r"#[0-9a-f]{6}\b", lambda match: ink(match[0]), value)
    return value


def _round(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}".rstrip("0").rstrip(".")


def ink(color: str) -> str:
    """A colour ``#rrggbb`` as CSS: black and the curves' colours follow the page's theme."""
    if color == "#000000":
        return "currentColor"
    return f"var(--explorer-{TWINS.index(color)}, {color})" if color in TWINS else color


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
