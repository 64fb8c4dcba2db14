"""An Explorer in Jupyter: ipywidgets sliders joined in the browser to one anywidget view."""

from __future__ import annotations

from math import log10
from pathlib import Path

import anywidget
import ipywidgets
import traitlets

from gdlib.explore.page import Page, button
from gdlib.explore.sliders import Slider

STATIC = Path(__file__).parent.parent / "static"
_open: dict[str, list[ipywidgets.Widget]] = {}  # by explorer name, so that a rerun closes the old


class View(anywidget.AnyWidget):
    """Stage and sentences. The sliders' positions are traits ``p0``, ``p1``, … of a subclass."""

    _esm = (STATIC / "explorer.js").read_text() + "\nexport default { render };\n"
    _css = (STATIC / "explorer.css").read_text()
    html = traitlets.Unicode().tag(sync=True)
    meta = traitlets.Dict().tag(sync=True)
    data = traitlets.Bytes().tag(sync=True)


def mimebundle(page: Page, text: str) -> dict[str, object]:
    """The widget where somebody can answer a prompt, and so move a slider; else the page's HTML.

    Jupyter Book, nbconvert and nbval execute without a person: there a widget would only leave its
    state, the whole payload a second time, in the page. A saved notebook keeps the still picture.
    """
    if not _interactive():
        return {"text/html": page.html(), "text/plain": text}
    box = _build(page)
    view = {"version_major": 2, "version_minor": 0, "model_id": box.model_id}
    return {
        "application/vnd.jupyter.widget-view+json": view,
        "text/html": page.still(),
        "text/plain": text,
    }


def _interactive() -> bool:
    try:
        from IPython import get_ipython

        parent = get_ipython().kernel.get_parent()
    except (ImportError, AttributeError):  # no IPython, or IPython without a kernel
        return False
    return bool(parent.get("content", {}).get("allow_stdin", False))


def _build(page: Page) -> ipywidgets.Widget:
    close(page.explorer.name)
    traits = {f"p{i}": traitlets.Any().tag(sync=True) for i in range(len(page.sliders))}
    logs = [row["log"] for row in page.meta["sliders"]]
    at = {
        f"p{i}": s.values[s.start] if log else s.start
        for i, (s, log) in enumerate(zip(page.sliders, logs, strict=True))
    }
    kind = type("ExplorerView", (View,), traits)
    html = page.top() + page.bottom(button("reset", "Reset"))
    view = kind(html=html, meta=page.meta, data=page.data, **at)
    view.add_class("explorer-view")
    rows, links = [], []
    for i, slider in enumerate(page.sliders):
        control = _control(slider, logs[i])
        what = "value" if logs[i] else "index"
        links.append(ipywidgets.jslink((control, what), (view, f"p{i}")))
        rows.append(control)
        if i == page.explorer.playing:
            play, joined = _play(slider, view, i)
            rows[-1] = ipywidgets.HBox([control, play])
            links.append(joined)
    box = ipywidgets.VBox([view, ipywidgets.VBox(rows)])
    box.add_class("explorer-host")
    _open[page.explorer.name] = [*links, *_family(box)]
    return box


def close(name: str) -> None:
    """Close the widgets of an Explorer that is shown again, in the browser as well."""
    for widget in _open.pop(name, []):
        widget.close()


def _family(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    parts = [getattr(widget, part, None) for part in ("layout", "style")]
    children = [w for child in getattr(widget, "children", ()) for w in _family(child)]
    return [*children, *(p for p in parts if isinstance(p, ipywidgets.Widget)), widget]


def _control(slider: Slider, log: bool) -> ipywidgets.Widget:
    common = {
        "description": slider.name,
        "style": {"description_width": "9em"},
        "layout": ipywidgets.Layout(width="100%"),
    }
    if not log:
        return ipywidgets.SelectionSlider(options=slider.labels, index=slider.start, **common)
    values = [float(v) for v in slider.values]
    low, high = log10(values[0]), log10(values[-1])
    return ipywidgets.FloatLogSlider(
        value=values[slider.start], min=low, max=high,
        step=(high - low) / (len(slider.values) - 1), readout_format=".3g", **common,
    )  # fmt: skip


def _play(slider: Slider, view: View, position: int) -> tuple[ipywidgets.Widget, ipywidgets.Widget]:
    count = len(slider.values)
    play = ipywidgets.Play(
        value=slider.start, min=0, max=count - 1, interval=max(40, 6000 // count), show_repeat=False
    )
    return play, ipywidgets.jslink((play, "value"), (view, f"p{position}"))
