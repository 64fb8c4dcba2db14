"""The Explorer: matplotlib draws the stage once, the browser moves the actors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cached_property

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from matplotlib.typing import ColorType

from gdlib.explore.actors import Image, Mark, Part, Pick, sentence
from gdlib.explore.arguments import (
    REAL,
    as_array,
    as_color,
    as_colormap,
    as_number,
    as_text,
    shown,
)
from gdlib.explore.page import Page
from gdlib.explore.picture import Picture
from gdlib.explore.sliders import LIMIT, fit, index_of, make_sliders, moved
from gdlib.explore.stage import check_axes
from gdlib.palette import COLORS, CURVES

__all__ = ["Explorer", "Picture"]


class Explorer:
    """A figure with sliders, which moves in Jupyter and, without a kernel, in the built page.

    figure   what does not move; set the limits of its axes, for the actors do not set them
    sliders  name → values, in the order of the arrays' leading axes; values may be strings
    name     identifies it on its page: ``#fig-<name>``
    alt      what the picture shows, for those who do not see it
    task     what the reader should find out
    default  slider name → value at which it starts (the nearest one); else the middle
    play     the slider that a play button moves
    answer   slider name → value at which the task's answer is seen, for a teacher's key

    Every array has the shape ``(*sliders, ...)``. A leading axis of size 1 does not depend on that
    slider, and axes of the last sliders may be left out; nothing is ever copied along them.
    Points that are not finite end a path. Bad input raises ``ValueError`` or ``TypeError``.
    """

    def __init__(
        self,
        figure: Figure,
        sliders: Mapping[str, Iterable],
        *,
        name: str,
        alt: str,
        task: str = "",
        default: Mapping[str, float | str] | None = None,
        play: str | None = None,
        answer: Mapping[str, float | str] | None = None,
    ) -> None:
        if not isinstance(figure, Figure):
            raise TypeError(f"figure must be a matplotlib Figure, got {shown(figure)}")
        if not re.fullmatch(r"[a-z][a-z0-9-]*", as_text(name, "name")):
            raise ValueError(f"name must be lower-case letters, digits and '-', got {name!r}")
        if not as_text(alt, "alt").strip():
            raise ValueError(f"alt of {name!r} is empty; say what the picture shows")
        self.figure, self.name = figure, name
        self.alt, self.task = alt.strip(), as_text(task, "task").strip()
        self.sliders = make_sliders(sliders, default)
        self.playing = None if play is None else index_of(play, self.sliders, "play")
        self.answer = None if answer is None else moved(self.sliders, answer)
        self.marks: list[Mark | Image] = []
        self.picks: list[Pick] = []
        self.sentences: dict[str, list[Part]] = {}

    def path(
        self,
        ax: Axes,
        *xy: object,
        upto: str | None = None,
        color: ColorType | None = None,
        width: float = 1.8,
        dots: float | None = None,
        label: str = "",
    ) -> None:
        """A line through points ``(*sliders, points, 2)``, or x and y ``(*sliders, points)`` apart.

        ``upto`` names the slider up to whose position the line is drawn: it has as many values as
        the line has points. ``dots`` is their size in pixels, ``label`` is written at the line's
        head. A line given as one array is a trajectory: it has dots and a head. Without a
        ``color`` it takes the palette's next one; black is the page's own ink.
        """
        trajectory = len(xy) == 1
        until = None if upto is None else index_of(upto, self.sliders, "path: upto")
        x, y = self._points("path", ax, xy, until)
        width = as_number(width, "path: width", 0)
        dots = (4 if trajectory else 0) if dots is None else as_number(dots, "path: dots", 0)
        head = 5 * width if trajectory or until is not None else 0
        color = self._color("path", ax, color)
        label = as_text(label, "path: label")
        self._add(Mark("path", ax, x, y, color, width, dots, head, label, until))

    def dots(self, ax: Axes, *xy: object, color: ColorType | None = None, size: float = 6) -> None:
        """Points ``(*sliders, points, 2)``, or x and y ``(*sliders, points)`` apart.

        ``size`` is in pixels.
        """
        x, y = self._points("dots", ax, xy, None)
        size = as_number(size, "dots: size", 0)
        self._add(Mark("dots", ax, x, y, self._color("dots", ax, color), 0, size, 0, "", None))

    def image(
        self,
        ax: Axes,
        values: object,
        *,
        cmap: str | Colormap = "viridis",
        vmin: float | None = None,
        vmax: float | None = None,
    ) -> None:
        """Scalars ``(*sliders, rows, columns)`` that fill the axes, the first row at the top."""
        check_axes(self.figure, ax)
        array = as_array(values, "image", REAL).astype(float)
        array = fit(array, self.sliders, ("rows", "columns"), "image")
        there = np.isfinite(array)
        if not there.any():
            raise ValueError(f"image has no finite value, got shape {array.shape}")
        low = array[there].min() if vmin is None else as_number(vmin, "image: vmin")
        high = array[there].max() if vmax is None else as_number(vmax, "image: vmax")
        if low > high:
            raise ValueError(f"image: vmin must be at most vmax, got {low:g} and {high:g}")
        scaled = np.nan_to_num(Normalize(low, high)(array).filled(0))
        levels = np.clip(np.rint(scaled * 254), 0, 254)
        colors = as_colormap(cmap, "image: cmap").resampled(255)
        palette = np.vstack([colors(range(255), bytes=True), [0, 0, 0, 0]])
        self._add(Image(ax, np.where(there, levels, 255).astype(int), palette.astype(np.uint8)))

    def pick(
        self, ax: Axes, x: str | None = None, y: str | None = None, *, alone: bool = False
    ) -> None:
        """A marker at the values of one or two sliders; the reader moves it to set them.

        ``alone``: it stands in place of these sliders, which get no rows of their own.
        """
        check_axes(self.figure, ax)
        if x is None and y is None:
            raise ValueError("pick needs the name of a slider for x, for y or for both")
        if any(p.axes is ax for p in self.picks):
            raise ValueError("these axes have a pick already; one marker to an axes")
        places = [None if n is None else index_of(n, self.sliders, "pick") for n in (x, y)]
        if x == y:
            raise ValueError(f"pick needs two different sliders, got {x!r} for both x and y")
        self.picks.append(Pick(ax, places[0], places[1], bool(alone)))
        self._forget()

    def readout(self, template: str, **fields: object) -> None:
        """A sentence: ``{slider name:.2g}`` and ``{field:.1e}`` of arrays of shape ``(*sliders)``.

        What is not finite reads ∞ or NaN, or the text after a bar: ``{loss:.1e|diverged}``.
        """
        self._write("readout", template, fields)

    def pytorch(self, template: str, **fields: object) -> None:
        """The line of PyTorch that makes the run on the screen; a template as for ``readout``."""
        self._write("pytorch", template, fields)

    def html(self) -> str:
        """The page's version, which needs ``static/explorer.js`` and ``.css`` on its page."""
        return self._page.html()

    def __repr__(self) -> str:
        names = " × ".join(s.name for s in self.sliders)
        sizes = " × ".join(str(len(s.values)) for s in self.sliders)
        return f"Explorer {self.name!r}: {names}, {sizes} positions"

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        # Imported here: a page, a test run and a script need no widgets.
        from gdlib.explore.widget import mimebundle

        # The key by which myst-nb pastes it on another page, such as the front page.
        key: dict[str, object] = {"scrapbook": {"name": self._page.id, "mime_prefix": ""}}
        return mimebundle(self._page, repr(self)), key

    @cached_property
    def _page(self) -> Page:
        return Page(self)

    def _points(
        self, what: str, ax: Axes, xy: tuple[object, ...], upto: int | None
    ) -> tuple[np.ndarray, np.ndarray]:
        check_axes(self.figure, ax)
        if len(xy) not in (1, 2):
            raise TypeError(f"{what} takes one array of points or x and y, got {len(xy)} arrays")
        arrays = [as_array(a, what, REAL) for a in xy]
        tail = ("points", "2") if len(xy) == 1 else ("points",)
        fitted = [self._fit_mark(a, tail, what, upto) for a in arrays]
        if len(xy) == 1:
            if fitted[0].shape[-1] != 2:
                raise ValueError(f"{what} has shape {arrays[0].shape}; its last axis must be 2")
            return fitted[0][..., 0].astype(float), fitted[0][..., 1].astype(float)
        x, y = (a.astype(float) for a in fitted)
        if x.shape[-1] != y.shape[-1]:
            raise ValueError(
                f"{what} has {x.shape[-1]} x for {y.shape[-1]} y; they must be as many"
            )
        return x, y

    def _fit_mark(
        self, array: np.ndarray, tail: tuple[str, ...], what: str, upto: int | None
    ) -> np.ndarray:
        lead = array.ndim - len(tail)
        if upto is not None and lead == len(self.sliders) - 1:
            array = np.expand_dims(array, upto)
        array = fit(array, self.sliders, tail, what)
        points = array.shape[len(self.sliders)]
        if points == 0:
            raise ValueError(f"{what} has no points, got shape {array.shape}")
        if points > LIMIT:
            raise ValueError(f"{what} has {points} points; at most {LIMIT} are possible")
        if upto is not None:
            slider = self.sliders[upto]
            if array.shape[upto] != 1 or points != len(slider.values):
                raise ValueError(
                    f"{what}: upto={slider.name!r} needs {len(slider.values)} points, one for "
                    f"each value, and size 1 in axis {upto}; got shape {array.shape}"
                )
        return array

    def _color(self, what: str, ax: Axes, color: ColorType | None) -> str:
        if color is not None:
            return as_color(color, f"{what}: color")
        before = sum(isinstance(m, Mark) and m.axes is ax for m in self.marks)
        return COLORS[CURVES[before % len(CURVES)]].lower()

    def _add(self, mark: Mark | Image) -> None:
        self.marks.append(mark)
        self._forget()

    def _write(self, what: str, template: str, fields: Mapping[str, object]) -> None:
        if what in self.sentences:
            raise ValueError(f"this Explorer has a {what} already")
        self.sentences[what] = sentence(template, self.sliders, fields, what)
        self._forget()

    def _forget(self) -> None:
        self.__dict__.pop("_page", None)
