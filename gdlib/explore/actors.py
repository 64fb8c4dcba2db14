"""What moves: paths, dots, images, pick markers and sentences, as numbers and as first drawn."""

from __future__ import annotations

import base64
import io
import math
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import imsave

from gdlib.explore.arguments import VALUES, as_array, as_text, written
from gdlib.explore.pack import Payload
from gdlib.explore.sliders import LIMIT, Slider, fit, known
from gdlib.explore.stage import frame, ink, keep_near, to_svg

HUGE = 1e12  # what is larger has blown up: its digits say nothing


@dataclass(frozen=True)
class Mark:
    """A path or a cloud of dots: x and y have the shape (*slider axes or 1, points)."""

    kind: str
    axes: Axes
    x: np.ndarray
    y: np.ndarray
    color: str
    width: float
    dots: float
    head: float
    label: str
    upto: int | None

    def pack(self, payload: Payload, scale: int) -> dict[str, object]:
        """Add the points to the payload; return what the browser's script needs to draw them."""
        x, y = keep_near(self.axes, *to_svg(self.axes, self.x, self.y))
        self._check_visible(x, y)
        there = np.isfinite(x) & np.isfinite(y)
        count = None
        if self.kind == "path" and not there.all():
            ends = np.where(there.all(-1), there.shape[-1], np.argmin(there, axis=-1))
            count = payload.add(ends[..., None])
        hold = _hold if self.kind == "path" else _hide
        channels = [payload.add(np.rint(hold(v) * scale)) for v in (x, y)]
        return {
            "x": channels[0], "y": channels[1], "count": count,
            "upto": self.upto, "box": self._box(scale),
        }  # fmt: skip

    def _check_visible(self, x: np.ndarray, y: np.ndarray) -> None:
        left, top, width, height = frame(self.axes)
        inside = (x >= left - 1) & (x <= left + width + 1)
        if not (inside & (y >= top - 1) & (y <= top + height + 1)).any():
            raise ValueError(
                f"no point of the {self.kind} lies inside its axes; set the limits, which are "
                f"x {self.axes.get_xlim()}, y {self.axes.get_ylim()}"
            )

    def svg(self, number: int, points: Sequence[tuple[int, int]], scale: int, clip: str) -> str:
        """The mark at the first position. The browser's script writes the same attributes."""
        line = " ".join(f"{x},{y}" for x, y in points)
        dots = [f"M{x} {y}h0" for x, y in points]
        inner = _line("polyline", self.width, f'points="{line}"') if self.width else ""
        outer = _line('path class="dots"', self.dots, f'd="{"".join(dots)}"') if self.dots else ""
        if self.head:
            outer += _line('path class="head"', self.head, f'd="{"".join(dots[-1:])}"')
        zoom = f'transform="scale({1 / scale})"'
        # The line ends at the axes' frame; dots on the frame stay whole.
        return (
            f'<g data-actor="{number}" fill="none" style="stroke: {escape(ink(self.color))}" '
            f'stroke-linecap="round"><g clip-path="url(#{clip})"><g {zoom}>{inner}</g></g>'
            f'<g clip-path="url(#{clip}-wide)"><g {zoom}>{outer}</g></g>'
            f"{self._label(points, scale)}</g>"
        )

    def _label(self, points: Sequence[tuple[int, int]], scale: int) -> str:
        """The label beside the last point in sight, on the side where there is more room."""
        if not self.label:
            return ""
        left, top, right, bottom = self._box(scale)
        seen = [(x, y) for x, y in points if left <= x <= right and top <= y <= bottom]
        x, y = seen[-1] if seen else (-9999, 0)
        beside, anchor = (-7, "end") if 2 * x > left + right else (7, "start")
        return (
            f'<text font-size="10" style="fill: {escape(ink(self.color))}" text-anchor="{anchor}" '
            f'x="{x / scale + beside}" y="{y / scale - 5}">{escape(self.label)}</text>'
        )

    def _box(self, scale: int) -> list[int]:
        left, top, width, height = frame(self.axes)
        return [round(v * scale) for v in (left, top, left + width, top + height)]


def _line(tag: str, width: float, shape: str) -> str:
    return f'<{tag} stroke-width="{width:g}" vector-effect="non-scaling-stroke" {shape}/>'


def _hold(values: np.ndarray) -> np.ndarray:
    """The last finite value in place of those that are not: never drawn, they pack small."""
    index = np.where(np.isfinite(values), np.arange(values.shape[-1]), 0)
    held = np.take_along_axis(values, np.maximum.accumulate(index, axis=-1), -1)
    return np.nan_to_num(held)


def _hide(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=-3000.0)


@dataclass(frozen=True)
class Image:
    """Scalars (*slider axes or 1, rows, columns) in colours; what is not finite is see-through."""

    axes: Axes
    levels: np.ndarray
    palette: np.ndarray

    def pack(self, payload: Payload) -> dict[str, object]:
        """Add the levels to the payload; return what the browser's script needs to draw them."""
        *sliders, rows, columns = self.levels.shape
        channel = payload.add(self.levels.reshape(*sliders, rows * columns))
        return {
            "v": channel, "columns": columns, "rows": rows,
            "palette": base64.b64encode(self.palette.tobytes()).decode(),
        }  # fmt: skip

    def svg(self, number: int, levels: np.ndarray) -> str:
        """The image at the first position, as a PNG inside the SVG."""
        file, no_name = io.BytesIO(), {"Software": ""}
        pixels = self.palette[levels.reshape(self.levels.shape[-2:])]
        imsave(file, pixels, format="png", metadata=no_name)
        left, top, width, height = frame(self.axes)
        return (
            f'<image data-actor="{number}" x="{left:.2f}" y="{top:.2f}" width="{width:.2f}" '
            f'height="{height:.2f}" preserveAspectRatio="none" style="image-rendering: pixelated" '
            f'href="data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"/>'
        )


@dataclass(frozen=True)
class Pick:
    """A marker that stands at the sliders' values and sets them when it is moved."""

    axes: Axes
    x: int | None
    y: int | None
    alone: bool = False

    def pack(self, sliders: Sequence[Slider]) -> dict[str, object]:
        """What the browser's script needs to move the marker."""
        places = [self._places(sliders, which) for which in (0, 1)]
        return {"sliders": [self.x, self.y], "places": places}

    def html(self, sliders: Sequence[Slider], panel: tuple[float, float, float, float]) -> str:
        """The marker at the first position, in an area that covers the axes in their panel."""
        x, y, wide, high = frame(self.axes)
        left, top, width, height = panel
        shares = [(x - left) / width, (y - top) / height, wide / width, high / height]
        box = [100 * share for share in shares]
        mine = [sliders[i] for i in (self.x, self.y) if i is not None]
        rows = [self._places(sliders, which) for which in (0, 1)]
        at = [
            50 if row is None or i is None else 100 * row[sliders[i].start]
            for i, row in zip((self.x, self.y), rows, strict=True)
        ]
        names = " and ".join(s.name for s in mine)
        kind = "point" if len(mine) == 2 else "column" if self.y is None else "row"
        return (
            f'<div class="explorer-pick {kind}" role="slider" tabindex="0" '
            f'aria-label="{escape(names)}: arrow keys, Home and End move the marker" '
            f'aria-valuemin="0" aria-valuemax="{len(mine[0].values) - 1}" '
            f'aria-valuenow="{mine[0].start}" style="left:{box[0]:.3f}%;top:{box[1]:.3f}%;'
            f'width:{box[2]:.3f}%;height:{box[3]:.3f}%">'
            f'<i style="left:{at[0]:.2f}%;top:{at[1]:.2f}%"></i></div>'
        )

    def _places(self, sliders: Sequence[Slider], which: int) -> list[float] | None:
        """Where the slider's values lie in the axes: 0 is the left or top edge, 1 the other."""
        index = (self.x, self.y)[which]
        if index is None:
            return None
        slider = sliders[index]
        # Strings lie where matplotlib puts categories: at 0, 1, 2, …
        names = isinstance(slider.values[0], str)
        numbers = np.array(range(len(slider.values)) if names else slider.values, float)
        at = to_svg(self.axes, numbers, numbers)[which]
        places = (at - frame(self.axes)[which]) / frame(self.axes)[which + 2]
        if not (np.isfinite(places) & (places > -0.01) & (places < 1.01)).all():
            limits = (self.axes.get_ylim if which else self.axes.get_xlim)()
            raise ValueError(
                f"pick: the slider {slider.name!r} has values outside the axes' limits {limits}"
            )
        return [round(float(p), 4) for p in places]


Part = str | tuple[list[str], np.ndarray]


def sentence(
    template: str, sliders: Sequence[Slider], fields: Mapping[str, object], what: str
) -> list[Part]:
    """A template as its parts: plain text, or all texts of a field and which one stands where.

    Python formats every value, so the browser needs no formatter and both agree to the letter.
    """
    parts: list[Part] = []
    used: set[str] = set()
    if shadows := {s.name for s in sliders} & set(fields):
        raise ValueError(f"{what} has arrays named like sliders: {sorted(shadows)}; rename them")
    for literal, name, spec, conversion in _parse(template, what):
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if conversion:
            raise ValueError(f"{what}: {name!r} takes a format such as ':.2g', not '!{conversion}'")
        used.add(name)
        parts.append(_texts(_field(name, sliders, fields, what), spec or "", name, what))
    if unused := set(fields) - used:
        raise ValueError(f"{what} got {sorted(unused)}, which its template does not use")
    return parts


def _parse(template: str, what: str) -> list[tuple[str, str | None, str | None, str | None]]:
    if not as_text(template, what).strip():
        raise ValueError(f"{what} needs a sentence, got {template!r}")
    try:
        return list(string.Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"{what}: {error} in {template!r}; a brace itself is '{{{{'") from None


def _field(
    name: str, sliders: Sequence[Slider], fields: Mapping[str, object], what: str
) -> np.ndarray:
    if name in fields:
        return fit(
            as_array(fields[name], f"{what}: {name}", VALUES), sliders, (), f"{what}: {name}"
        )
    for i, slider in enumerate(sliders):
        if slider.name == name:
            shape = [1] * len(sliders)
            shape[i] = -1
            return np.array(slider.values).reshape(shape)
    raise ValueError(
        f"{what} does not know the field {name!r}; {known(s.name for s in sliders)}"
        + (f", and the arrays {', '.join(map(repr, fields))}" if fields else "")
    )


def _texts(values: np.ndarray, spec: str, name: str, what: str) -> tuple[list[str], np.ndarray]:
    spec, _, otherwise = spec.partition("|")
    distinct, where = np.unique(values, return_inverse=True)
    try:
        written = [_format(value, spec, otherwise, what) for value in distinct.tolist()]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{what}: cannot write {name!r} as {spec!r}: {error}") from None
    texts = list(dict.fromkeys(written))
    if len(texts) > LIMIT:
        raise ValueError(
            f"{what}: {name!r} makes {len(texts)} different texts, more than {LIMIT}; "
            "ask for fewer digits"
        )
    as_text("".join(texts), f"{what}: {name}")
    number = {text: i for i, text in enumerate(texts)}
    return texts, np.array([number[text] for text in written])[where].reshape(values.shape)


def _format(value: object, spec: str, otherwise: str, what: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return otherwise or {"inf": "∞", "-inf": "−∞", "nan": "NaN"}[str(value)]
    if isinstance(value, float) and abs(value) > HUGE:
        return otherwise or ("more than 10¹²" if value > 0 else "less than −10¹²")
    text = format(value, spec)
    # Code keeps its hyphens and its e-05, and so do words.
    return written(text) if what == "readout" and not isinstance(value, str) else text
