"""An Explorer in Jupyter: ipywidgets sliders joined in the browser to one anywidget view."""

from __future__ import annotations

from collections.abc import Callable
from math import log10
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from gdlib.explore.page import ANSWER, Page, button
from gdlib.explore.sliders import Slider

Build = Callable[[Page], tuple[ipywidgets.Widget, list[ipywidgets.Widget]]]
STATIC = Path(__file__).parent.parent / "static"
_open: dict[str, tuple[Page, list[ipywidgets.Widget]]] = {}  # by the Explorer's name, root first


class View(anywidget.AnyWidget):
    """Stage and sentences. The sliders' positions are traits ``p0``, ``p1``, … of a subclass."""

    _esm = (STATIC / "explorer.js").read_text() + (STATIC / "jupyter.js").read_text()
    _css = (STATIC / "explorer.css").read_text()
    html = traitlets.Unicode().tag(sync=True)
    meta = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)


def mimebundle(page: Page, text: str, build: Build | None = None) -> dict[str, object]:
    """The widget where somebody can answer a prompt, and so move a slider; else the page's HTML.

    Jupyter Book, nbconvert and nbval execute without a person: there a widget would only leave its
    state, the whole payload a second time, in the page. A saved notebook keeps the still picture.
    """
    if not interactive():
        key = {ANSWER: page.answered()} if page.explorer.answer else {}
        return {"text/html": page.html(), "text/plain": text, **key}
    box = _box(page, build or _build)
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": view,
        "text/html": page.still(),
        "text/plain": text,
    }


def interactive() -> bool:
    """Whether somebody runs the cell who can answer a prompt."""
    try:
        from IPython import get_ipython

        parent = get_ipython().kernel.get_parent()
    except (ImportError, AttributeError):  # no IPython, or IPython without a kernel
        return False
    return bool(parent.get("content", {}).get("allow_stdin", False))


def _box(page: Page, build: Build) -> ipywidgets.Widget:
    """The widgets of a page: those that are open, or new ones in place of an older page's.

    A cell that runs again makes a new Explorer of the same name; its old widgets are closed, in the
    browser as well.
    """
    name = page.explorer.name
    if name in _open and _open[name][0] is page:
        return _open[name][1][0]
    close(name)
    box, links = build(page)
    _open[name] = page, [*_family(box), *links]
    return box


def close(name: str) -> None:
    """Close the widgets that are open under this name, in the browser as well."""
    for widget in _open.pop(name, (None, []))[1]:
        widget.close()


def _build(page: Page) -> tuple[ipywidgets.Widget, list[ipywidgets.Widget]]:
    """View and sliders in one box, and the links that join them.

    The view has its own play button: ipywidgets.Play stops at once when two views of it are open.
    """
    logs = [row["log"] for row in page.meta["sliders"]]
    view = view_of(page, page.play_button() + button("reset", "Reset"))
    rows, links = [], []
    for i, slider in page.shown():
        rows.append(_control(slider, logs[i]))
        links.append(
            ipywidgets.jslink((rows[-1], "value" if logs[i] else "index"), (view, f"p{i}"))
        )
    return host(view, rows), links


def view_of(page: Page, buttons: str) -> View:
    """The view of a page, with buttons of its own under the sentences."""
    ends = [s.values[s.start] if s.is_log else s.start for s in page.sliders]
    traits = {f"p{i}": traitlets.Any(end).tag(sync=True) for i, end in enumerate(ends)}
    html = page.top() + page.bottom(buttons)
    view = type("ExplorerView", (View,), traits)(html=html, meta=page.meta, data=page.data)
    view.add_class("explorer-view")
    return view


def host(view: View, rows: list[ipywidgets.Widget]) -> ipywidgets.Widget:
    """The view, and the rows of controls that stand between its stage and its sentences."""
    box = ipywidgets.VBox([view, ipywidgets.VBox(rows)])
    box.add_class("explorer-host")
    return box


def _family(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    parts = [getattr(widget, part, None) for part in ("layout", "style")]
    children = [w for child in getattr(widget, "children", ()) for w in _family(child)]
    return [widget, *(p for p in parts if isinstance(p, ipywidgets.Widget)), *children]


def _control(slider: Slider, log: bool) -> ipywidgets.Widget:
    common = {
        "description": slider.name,
        "style": {"description_width": "9em"},
        "layout": ipywidgets.Layout(width="100%"),
    }
    if slider.is_choice:
        return ipywidgets.ToggleButtons(options=slider.labels, index=slider.start, **common)
    if not log:
        return ipywidgets.SelectionSlider(options=slider.labels, index=slider.start, **common)
    values = [float(v) for v in slider.values]
    low, high = log10(values[0]), log10(values[-1])
    return ipywidgets.FloatLogSlider(
        value=values[slider.start], min=low, max=high,
        step=(high - low) / (len(slider.values) - 1), readout_format=".3g", **common,
    )  # fmt: skip
