"""What does not move, drawn once by matplotlib as SVG, and the way from data to its coordinates."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from html import escape
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdlib.explore.arguments import shown
from gdlib.palette import COLORS, CURVES

TWINS = [COLORS[role].lower() for role in CURVES]  # in explorer.css: --explorer-0, -1, …
PANEL = "panel-"  # the ids by which the axes are found again in matplotlib's SVG
MANY = 2000  # points of a drawing that is sent as a picture, as their text would be heavy
FAR = 3000.0  # points further than this from their axes are drawn at this distance, off the picture


def check_axes(figure: Figure, ax: object) -> None:
    """Raises ``TypeError`` or ``ValueError`` unless something can move in these axes."""
    if not isinstance(ax, Axes):
        raise TypeError(f"an Explorer draws in one Axes of its figure, got {shown(ax)}")
    if not any(ax is own for own in figure.axes):
        raise ValueError(f"these axes are not in the Explorer's figure: {ax}")
    if ax.name != "rectilinear":
        raise TypeError(f"an Explorer draws in rectilinear axes, got {ax.name!r}")


@dataclass(frozen=True)
class Panel:
    """An axes with all that hangs on it, and its box in the figure: left, top, width, height."""

    axes: list[Axes]
    box: tuple[float, float, float, float]
    static: str


def draw_stage(figure: Figure, prefix: str) -> list[Panel]:
    """The figure as SVG, by panels; ink follows the page's text, every id starts with ``prefix``.

    Text stays text, so that it can be searched, read aloud and printed. Raises ``ValueError`` for
    text that no SVG can hold.
    """
    root = _draw(figure, prefix)
    ids = {element.get("id") for element in root.iter()}
    _clean(root, prefix, ids)
    whole = next(child for child in root if child.get("id") == f"{prefix}figure_1")
    groups = {part.get("id"): part for part in whole.iter()}
    panels: dict[Axes, list[Axes]] = {}
    for ax in figure.axes:
        panels.setdefault(_owner(ax), []).append(ax)
    drawn = []
    for axes in panels.values():
        names = [f"{prefix}{PANEL}{figure.axes.index(ax)}" for ax in axes]
        own = [groups[name] for name in names if name in groups]  # an axes may be invisible
        boxes = [ax.get_tightbbox() or ax.bbox for ax in axes]
        drawn.append(Panel(axes, _in_points(figure, boxes), _text(own)))
    if boxes := [a.get_window_extent() for a in (*figure.texts, *figure.legends, *figure.lines)]:
        of_axes = (f"{prefix}{PANEL}", f"{prefix}subfigure", f"{prefix}patch_1")
        rest = [part for part in whole if not part.get("id", "").startswith(of_axes)]
        drawn.insert(0, Panel([], _in_points(figure, boxes), _text(rest)))
    shared = _text([child for child in root if child is not whole])  # definitions of clips
    first = drawn[0] if drawn else Panel([], (0, 0, *size(figure)), "")
    return [Panel(first.axes, first.box, shared + first.static), *drawn[1:]]


def svg(panel: Panel, alt: str, under: str = "", over: str = "") -> str:
    """A panel in the figure's own coordinates; without ``alt`` screen readers pass over it."""
    name = f'role="img" aria-label="{escape(alt)}"' if alt else 'aria-hidden="true"'
    x, y, width, height = panel.box
    return (
        f'<svg {name} viewBox="{x:g} {y:g} {width:g} {height:g}" fill="currentColor">'
        f"{under}{panel.static}{over}</svg>"
    )


def canvas(figure: Figure, panels: list[tuple[Panel, str]]) -> str:
    """Panels, each with its HTML, where the figure has them; a narrow page has them in a column."""
    width, height = size(figure)
    placed = "".join(
        f'<div class="explorer-panel" style="--w:{w:g};--h:{h:g};position:absolute;'
        f"left:{100 * x / width:.3f}%;top:{100 * y / height:.3f}%;"
        f'width:{100 * w / width:.3f}%">{html}</div>'
        for panel, html in panels
        for x, y, w, h in [panel.box]
    )
    return (
        f'<div class="explorer-stage"><div class="explorer-canvas" style="position:relative;'
        f'max-width:{width * 4 / 3:.0f}px;aspect-ratio:{width:g}/{height:g}">{placed}</div></div>'
    )


def _draw(figure: Figure, prefix: str) -> Element:
    """matplotlib's SVG, with the axes' groups named, and the picture of what has many points."""
    settings: dict = {"svg.fonttype": "none", "svg.hashsalt": prefix}
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    names = [(ax, ax.get_gid()) for ax in figure.axes]
    for number, ax in enumerate(figure.axes):
        ax.set_gid(f"{PANEL}{number}")
        heavy: list = [line for line in ax.lines if len(np.asarray(line.get_xydata())) > MANY]
        heavy += [cloud for cloud in ax.collections if len(cloud.get_offsets()) > MANY]  # type: ignore[arg-type]
        for artist in heavy:
            artist.set_rasterized(True)
    with matplotlib.rc_context(settings), io.StringIO() as file:
        figure.savefig(file, format="svg", transparent=True, metadata=nothing, dpi=200)
        text = file.getvalue()
    for ax, name in names:
        ax.set_gid(name)
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        line = text.split("\n")[error.position[0] - 1].strip()
        raise ValueError(f"a text of the figure has a control character, got {line!r}") from None


def _owner(ax: Axes) -> Axes:
    """A colour bar's parent, the first of twins, of axes without ticks the first: one picture."""
    bar = getattr(ax, "_colorbar_info", None)
    if bar:
        return _owner(bar["parents"][0])
    figure = ax.get_figure(root=True)
    assert figure is not None
    if _has_no_ticks(ax):
        return next(filter(_has_no_ticks, figure.axes))
    twins = ax._twinned_axes.get_siblings(ax)  # type: ignore[attr-defined]
    return min(twins, key=figure.axes.index)


def _has_no_ticks(ax: Axes) -> bool:
    return not ax.axison or not (len(ax.get_xticks()) or len(ax.get_yticks()))


def _in_points(figure: Figure, boxes: list) -> tuple[float, float, float, float]:
    """The union of boxes in pixels, a little wider, as far as it lies in the figure."""
    unit, (width, height) = 72 / figure.dpi, size(figure)
    left = max(min(b.x0 for b in boxes) * unit - 3, 0)
    right = min(max(b.x1 for b in boxes) * unit + 3, width)
    top = max(height - max(b.y1 for b in boxes) * unit - 3, 0)
    bottom = min(height - min(b.y0 for b in boxes) * unit + 3, height)
    return round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)


def _text(elements: list[Element]) -> str:
    parts = [ElementTree.tostring(element, encoding="unicode") for element in elements]
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
    """A colour ``#rrggbb`` as CSS: black, grey dots and curves' colours follow the page's theme."""
    if color == "#000000":
        return "currentColor"
    if color == COLORS["start"]:
        return "color-mix(in srgb, currentColor 72%, transparent)"
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
