"""The panel in which a hand steers a run; in a built page, the run of a script."""

import asyncio
from math import isclose, log10
from time import perf_counter
from typing import Any

import ipywidgets

from gdlib.descent import LOCK
from gdlib.explore.page import Page
from gdlib.explore.widget import close, host, interactive, mimebundle, view_of
from gdlib.watched import NAMES, Watched

REST, SLICE = 0.03, 0.015  # seconds: between two pictures, and of steps before the next one


class Live(Watched):
    """A run that goes on in Jupyter while sliders move its settings: the rest is a ``Watched``'s.

    The panel waits at the start for a hand. Where nobody sits before it, in a built page or a test,
    it is the Explorer of ``hands``. A cell that runs again closes the panel of the same name.
    """

    speed: float = 40.0
    """Steps a second, if the computer can; to be set at any time."""

    task: asyncio.Task | None = None
    _page: Page | None = None
    _view: Any = None  # while the panel is open
    _written: bool = False

    def set(self, **new: float | None) -> None:
        """Change settings from the next step on; the sliders follow, as far as they reach."""
        for name, value in self._checked(new).items():
            if self._view and name in self._sliders:
                self._sliders[name].value = value
                value = self._sliders[name].value
            self._record({name: value})
        self._draw()

    def back(self, steps: int = 50) -> None:
        """So many steps back, with the settings of now; what was done there is forgotten."""
        super().back(steps)
        self._draw()

    def play(self) -> None:
        """Go on, in slices of the kernel's time, so that other cells run meanwhile."""
        self.said = ""
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._go())

    def pause(self) -> None:
        """Stand still; nothing is lost, and ``play`` goes on."""
        if self.task:
            self.task.cancel()

    def stop(self) -> None:
        """Close the panel; the run, its ``changes`` and its ``schedule`` stay."""
        self.pause()
        close(self.name)

    async def _go(self) -> None:
        due, before, goes = 0.0, perf_counter(), True
        while goes:
            now = perf_counter()
            due, before = due + min(now - before, 0.1) * self.speed, now
            if LOCK.acquire(blocking=False):  # else a descent of another thread has it
                while goes and due >= 1 and perf_counter() < now + SLICE:
                    goes, due = self.advance(), due - 1
                LOCK.release()
            self._draw()
            await asyncio.sleep(REST)

    def _draw(self) -> None:
        """The actors packed anew; the stage stays, and the browser moves them."""
        if self._view and self._page:
            self.tell(self._page.explorer, [self.step], self._written)
            self._page.pack(self._page.scale)
            with self._view.hold_sync():
                picture = self._view.meta.get("picture", 0) + 1
                self._view.data = self._page.data
                self._view.meta = self._page.meta | {"picture": picture}

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, object], dict[str, object]]:
        if not interactive():
            return self.explorer(range(self.step + 1))._repr_mimebundle_()
        if not self._page:  # a hand begins where the script began
            self.moments, self.changes, self.said = self.moments[:1], {0: self.settings(0)}, ""
            self._page = Page(self.explorer([0]))
        return mimebundle(self._page, repr(self._page.explorer), self._build), {}

    def _build(self, page: Page) -> tuple[ipywidgets.Widget, list]:
        """View, sliders and buttons. They may be heard in another thread, and act in this one."""
        soon = asyncio.get_running_loop().call_soon_threadsafe
        self._sliders = self._make_sliders(self.settings())
        for name, slider in self._sliders.items():
            slider.description, slider.layout.width = NAMES[name], "100%"
            slider.style.description_width = "9em"
            slider.observe(lambda _, name=name: soon(self._moved, name), "value")
        buttons = []
        for text, act in {
            "Go": self.play, "Pause": self.pause, "50 steps back": self.back,
            "Restart": self.restart, "As a schedule": self._write,
        }.items():  # fmt: skip
            buttons.append(ipywidgets.Button(description=text, layout={"width": "auto"}))
            buttons[-1].on_click(lambda _, act=act: soon(act))
        view = self._view = view_of(page, "")
        view.observe(lambda _: self._closed(view), "comm")
        return host(view, [*self._sliders.values(), ipywidgets.HBox(buttons)]), []

    def _make_sliders(self, now: dict[str, Any]) -> dict[str, Any]:
        middle = log10(self.settings(0)["lr"] or 1)
        lr = {"min": middle - 2, "max": middle + 2, "step": 0.02, "readout_format": ".3g"}
        sliders: dict[str, Any] = {
            "lr": ipywidgets.FloatLogSlider(value=now["lr"], **lr),
            "momentum": ipywidgets.FloatSlider(value=now["momentum"], min=0, max=0.99, step=0.01),
        }
        if self.data:
            sizes = {2**k for k in range(len(self.data[0]).bit_length())} | {len(self.data[0])}
            sizes = sorted(sizes | {now["batch_size"]})
            sliders["batch_size"] = ipywidgets.SelectionSlider(
                options=sizes, value=now["batch_size"]
            )
        return sliders

    def _moved(self, name: str) -> None:
        value = self._sliders[name].value
        if not isclose(value, self.settings()[name], rel_tol=1e-6):  # browsers round
            rounded = value if name == "batch_size" else float(f"{value:.3g}")
            self._record(self._checked({name: rounded}))
            self._draw()

    def _write(self) -> None:
        self._written = not self._written
        self._draw()

    def _closed(self, view: object) -> None:
        if self._view is view:
            self.pause()
            self._view = None
