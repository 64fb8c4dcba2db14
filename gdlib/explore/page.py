"""An Explorer as HTML: drawn at its first position, with all its numbers inline."""

from __future__ import annotations

import base64
import json
from copy import copy
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from gdlib.explore.actors import Image, Part
from gdlib.explore.pack import Payload
from gdlib.explore.sliders import Slider
from gdlib.explore.stage import FAR, Panel, canvas, check_axes, draw_stage, frame, size, svg

if TYPE_CHECKING:
    from gdlib.explore import Explorer

SCALES = (8, 4, 2)  # steps to a point (1/72 inch): the finest one that fits the budget
ANSWER = "application/vnd.downhill.answer+json"  # for a teacher's key; no page shows it
BUDGET = 200_000  # bytes of numbers; a page's figure has 300 KB, picture and texts included


class Page:
    """The pieces both hosts are made of. ``meta`` and ``data`` are what the script reads."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.sliders = explorer.sliders
        self.id = f"fig-{explorer.name}"
        self.prefix = f"{self.id}--"
        self.start = [s.start for s in self.sliders]
        for actor in (*explorer.marks, *explorer.picks):
            check_axes(explorer.figure, actor.axes)  # they may have been removed since
        self.panels = draw_stage(explorer.figure, self.prefix)  # first: it settles the layout
        for scale in self._scales():
            self.pack(scale)
            if len(self.data) <= BUDGET:
                break

    def html(self) -> str:
        """The page's version, complete."""
        meta = json.dumps(self.meta, ensure_ascii=False, separators=(",", ":"))
        data = base64.b64encode(self.data).decode()
        buttons = button("reset", "Reset") + button("link", "Copy link")
        return (
            f'<div class="explorer" id="{self.id}">'
            f"{self.top()}{self._controls()}{self.bottom(buttons)}"
            "<noscript><p>The sliders need JavaScript; without it this is the picture at their "
            "first position.</p></noscript>"
            f'<script type="application/json" class="explorer-meta">{_json(meta)}</script>'
            f'<script type="text/plain" class="explorer-data">{data}</script></div>'
        )

    def still(self) -> str:
        """What a saved notebook keeps: picture and sentences, without sliders and numbers."""
        return f'<div class="explorer">{self.top()}{self.bottom()}</div>'

    def answered(self) -> dict[str, object]:
        """Where the task's answer is seen: positions, and the picture and sentences there."""
        there, sliders = copy(self), self.explorer.answer or self.sliders
        there.sliders, there.start = sliders, [s.start for s in sliders]
        return {"at": there.start, "html": there._stage() + there.bottom()}

    def top(self) -> str:
        """Task and stage."""
        task = self.explorer.task
        tried = f'<p class="explorer-task"><b>Try</b> {escape(task)}</p>' if task else ""
        return f"{tried}{self._stage()}"

    def bottom(self, buttons: str = "") -> str:
        """Sentences, and a row of buttons where there is one."""
        told = [what for what in ("readout", "pytorch") if what in self.explorer.sentences]
        html = "".join(map(self._sentence, told))
        if not buttons:
            return html
        status = '<span class="explorer-status" role="status"></span>'
        return f'{html}<div class="explorer-buttons">{buttons}{status}</div>'

    def _sentence(self, what: str) -> str:
        parts = self.explorer.sentences[what]
        # The longest sentence holds the place, so that nothing jumps when a slider moves.
        longest = "".join(p if isinstance(p, str) else max(p[0], key=_lines) for p in parts)
        tag, inner = {"readout": ("p", "span"), "pytorch": ("pre", "code")}[what]
        return (
            f'<{tag} class="explorer-{what}" data-longest="{escape(longest)}">'
            f'<{inner} data-text="{what}">{escape(self._now(parts))}</{inner}></{tag}>'
        )

    def play_button(self) -> str:
        """The button of the slider that plays, if one does."""
        if self.explorer.playing is None:
            return ""
        return button("play", "▶", f"Play {self.sliders[self.explorer.playing].name}")

    def shown(self) -> list[tuple[int, Slider]]:
        """The sliders that have a row, with their numbers: all but those that a marker replaces."""
        alone = {i for pick in self.explorer.picks if pick.alone for i in (pick.x, pick.y)}
        return [(i, slider) for i, slider in enumerate(self.sliders) if i not in alone]

    def _scales(self) -> list[int]:
        """Those at which the furthest point of this figure still fits 16 bits."""
        width, height = size(self.explorer.figure)
        fitting = [scale for scale in SCALES if (max(width, height) + FAR) * scale < 2**15]
        if not fitting:
            raise ValueError(
                f"the figure must be at most 180 inches wide and high, got "
                f"{width / 72:g} × {height / 72:g}"
            )
        return fitting

    def pack(self, scale: int) -> None:
        """Numbers and texts of the actors as they are now, in steps of 1 / scale of a point."""
        payload = Payload()
        marks = [
            m.pack(payload) if isinstance(m, Image) else m.pack(payload, scale)
            for m in self.explorer.marks
        ]
        texts = {
            what: [
                p if isinstance(p, str) else {"texts": p[0], "v": payload.add(p[1][..., None])}
                for p in parts
            ]
            for what, parts in self.explorer.sentences.items()
        }
        self.payload, self.scale = payload, scale
        self.data = payload.deflated()
        self.meta = {
            "prefix": self.prefix, "start": self.start, "play": self.explorer.playing,
            "scale": scale, "sliders": [s.meta() for s in self.sliders], "actors": marks,
            "picks": [pick.pack(self.sliders) for pick in self.explorer.picks],
            "texts": texts, "channels": payload.specs,
        }  # fmt: skip

    def _stage(self) -> str:
        drawn = []
        for number, panel in enumerate(self.panels):
            picks = [pick for pick in self.explorer.picks if pick.axes in panel.axes]
            alt = self.explorer.alt if number == 0 else ""
            markers = "".join(pick.html(self.sliders, panel.box) for pick in picks)
            drawn.append((panel, svg(panel, alt, *self._moving(panel)) + markers))
        return canvas(self.explorer.figure, drawn)

    def _moving(self, panel: Panel) -> tuple[str, str]:
        """What moves in a panel: images, which lie under the axes' own drawing, and the others."""
        images, actors = [], []
        for i, mark in enumerate(self.explorer.marks):
            packed = self.meta["actors"][i]
            if mark.axes not in panel.axes:
                continue
            if isinstance(mark, Image):
                images.append(mark.svg(i, self._slice(packed["v"])))
            else:
                points, clip = self._points(packed), self._clip(mark.axes)
                actors.append(mark.svg(i, points, self.scale, clip))
        return f"<defs>{self._clips(panel)}</defs>{''.join(images)}", "".join(actors)

    def _clip(self, axes: Axes) -> str:
        return f"{self.prefix}clip{self.explorer.figure.axes.index(axes)}"

    def _clips(self, panel: Panel) -> str:
        moving = [mark.axes for mark in self.explorer.marks if mark.axes in panel.axes]
        used = {self._clip(axes): frame(axes) for axes in moving}
        return "".join(
            f'<clipPath id="{clip}{name}"><rect x="{x - more:.2f}" y="{y - more:.2f}" '
            f'width="{w + 2 * more:.2f}" height="{h + 2 * more:.2f}"/></clipPath>'
            for clip, (x, y, w, h) in used.items()
            for name, more in (("", 0), ("-wide", 4))
        )

    def _slice(self, channel: int) -> np.ndarray:
        return self._at_start(self.payload.arrays[channel])

    def _at_start(self, values: np.ndarray) -> np.ndarray:
        sizes = values.shape[: len(self.start)]
        return values[tuple(p if n > 1 else 0 for p, n in zip(self.start, sizes, strict=True))]

    def _points(self, packed: dict) -> list[tuple[int, int]]:
        x, y = self._slice(packed["x"]), self._slice(packed["y"])
        count = len(x) if packed["count"] is None else int(self._slice(packed["count"])[0]) & 65535
        if packed["upto"] is not None:
            count = min(count, self.start[packed["upto"]] + 1)
        return [(int(a), int(b)) for a, b in zip(x[:count], y[:count], strict=True)]

    def _now(self, parts: list[Part]) -> str:
        """A sentence at the first position."""
        return "".join(p if isinstance(p, str) else p[0][int(self._at_start(p[1]))] for p in parts)

    def _controls(self) -> str:
        rows = "".join(
            f'<div class="explorer-row"{_group(slider)}>'
            + (self._chips(slider) if slider.is_choice else self._slider(slider))
            + (self.play_button() if i == self.explorer.playing else "")
            + "</div>"
            for i, slider in self.shown()
        )
        return f'<div class="explorer-controls">{rows}</div>'

    def _slider(self, slider: Slider) -> str:
        name, now = f"{self.prefix}{slider.slug}", escape(slider.labels[slider.start])
        first, last = escape(slider.labels[0]), escape(slider.labels[-1])
        return (
            f'<label for="{name}">{escape(slider.name)}</label><span class="explorer-track" '
            f'data-first="{first}" data-last="{last}"><input type="range" id="{name}" min="0" '
            f'max="{len(slider.values) - 1}" value="{slider.start}" data-slider="{slider.slug}" '
            f'aria-valuetext="{now}" autocomplete="off" disabled></span><output>{now}</output>'
        )

    def _chips(self, slider: Slider) -> str:
        chips = "".join(
            f'<label><input type="radio" name="{self.prefix}{slider.slug}" value="{position}" '
            f'data-slider="{slider.slug}" autocomplete="off" disabled'
            f"{' checked' if position == slider.start else ''}><span>{escape(text)}</span></label>"
            for position, text in enumerate(slider.labels)
        )
        return f'<span>{escape(slider.name)}</span><div class="explorer-chips">{chips}</div>'


def _lines(text: str) -> tuple[int, int]:
    return text.count("\n"), len(text)


def _group(slider: Slider) -> str:
    return f' role="radiogroup" aria-label="{escape(slider.name)}"' if slider.is_choice else ""


def button(what: str, text: str, name: str = "") -> str:
    """A button that the script brings to life; ``name`` says what a sign such as ▶ does."""
    label = f' aria-label="{escape(name)}"' if name else ""
    return f'<button type="button" data-do="{what}"{label} disabled>{text}</button>'


def _json(text: str) -> str:
    """JSON that cannot end the script element it stands in."""
    return text.replace("<", "\\u003c")
