"""A steered run as an Explorer draws it: the picture that a page and a panel have in common."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from gdlib.explore import Explorer
from gdlib.landscapes import Landscape
from gdlib.palette import COLORS
from gdlib.steering import Steered

NAMES = {"lr": "learning rate", "momentum": "momentum", "batch_size": "batch size"}


class Watched(Steered):
    """A steered run on an Explorer's stage, with a slider for its steps.

    figure  its axes in their order: loss against step, the path of two weights, the fit if any;
            what does not move is in them, and their limits are set
    show    the two weights whose path is drawn; of a landscape of one weight, it and the loss
    fit     ``(x, f)``: the curve ``f(w)`` over ``x``, both of shape ``(points,)``
    name    like ``alt``, ``task``, ``answer`` an Explorer's; all other arguments a ``Steered``'s

    Raises ``ValueError`` for a figure or weights to show that do not fit.
    """

    def __init__(
        self, figure: Figure, landscape: Landscape, *, name: str, alt: str, task: str = "",
        show: tuple[int, int] = (0, 1), answer: dict[str, float] | None = None,
        fit: tuple[Tensor, Callable[[Tensor], Tensor]] | None = None, **run: Any,
    ) -> None:  # fmt: skip
        super().__init__(landscape, **run)
        d = len(self.moments[0].w)
        if len(show) != 2 or (d > 1 and not all(i in range(d) for i in show)):
            raise ValueError(f"show must name two weights out of 0 … {d - 1}, got {show}")
        if len(figure.axes) != (3 if fit else 2):
            raise ValueError(f"the figure needs {3 if fit else 2} axes, got {len(figure.axes)}")
        self.figure, self.show, self.fit = figure, show, fit
        self.name, self.about = name, {"name": name, "alt": alt, "task": task}
        self.answer = answer
        self.past = [self.loss]
        self.explorer([self.step])  # which checks the rest

    def restart(self) -> None:
        """To the start, with the settings of now; the loss so far stays in ``past``."""
        self.past.append(self.loss)
        self.back(self.step)

    def explorer(self, rows: Sequence[int]) -> Explorer:
        """The run at these steps; of a single one, beside it in grey the last loss of ``past``."""
        play = "step" if len(rows) > 1 else None
        there = {"step": rows[-1]}
        answer = self.answer if play else None
        explorer = Explorer(
            self.figure, {"step": rows}, default=there, play=play, answer=answer, **self.about
        )
        self.tell(explorer, rows)
        return explorer

    def tell(self, explorer: Explorer, rows: Sequence[int], code: bool = True) -> None:
        """The Explorer's actors and sentences anew, for the run as it is now."""
        explorer.marks.clear()
        explorer.sentences.clear()
        loss_ax, path_ax, *fit_ax = self.figure.axes
        grey, blue, upto = COLORS["surface"], COLORS["path"], "step" if len(rows) > 1 else None
        if upto is None:
            before = self.past[-1]
            explorer.path(loss_ax, np.arange(len(before)), before, color=grey, width=1)
        explorer.path(loss_ax, np.arange(self.step + 1), self.loss, color=blue, upto=upto)
        explorer.path(path_ax, self._seen(), color=blue, width=1.2, upto=upto)
        for ax in fit_ax:
            curves = np.stack([self._fitted(self.moments[k].w, *ax.get_ylim()) for k in rows])
            explorer.path(ax, self.fit[0], curves, color=COLORS["second"])  # pyright: ignore
        shown = {"lr": ".3g", "momentum": ".2f"} | ({"batch_size": ""} if self.data else {})
        now = [self.settings(k) for k in rows]
        fields: dict[str, Any] = {name: np.array([s[name] for s in now]) for name in shown}
        settings = ", ".join(f"{NAMES[name]} {{{name}:{form}}}" for name, form in shown.items())
        explorer.readout(
            "Step {at}, loss {loss:.3g}: " + settings + "{said}", at=np.array(rows),
            loss=self.loss[list(rows)], said=np.array([self._said(k) for k in rows]), **fields,
        )  # fmt: skip
        explorer.pytorch("{code}", code=np.array(self._code(code, now[-1])))

    def _seen(self) -> np.ndarray:
        i, j = self.show
        if len(self.moments[0].w) == 1:
            return np.array([(at.w.item(), at.loss) for at in self.moments])
        return np.array([(at.w[i].item(), at.w[j].item()) for at in self.moments])

    def _fitted(self, w: Tensor, low: float, high: float) -> np.ndarray:
        """The curve of these weights; one that has left the picture lies on its frame."""
        assert self.fit
        with torch.inference_mode():
            curve = np.nan_to_num(self.fit[1](w).double().numpy())
        return curve if ((low < curve) & (curve < high)).any() else curve.clip(low, high)

    def _said(self, step: int) -> str:
        """The trace: what was changed last, and at which step; at the end why there is one."""
        done = [(k, name) for k, change in self.changes.items() if 0 < k <= step for name in change]
        last = [f"at {k} {NAMES[n]} {self.changes[k][n]:.3g}" for k, n in done[-3:]]
        trace = f". Changed: {'; '.join(last)}" if last else ""
        return f"{trace}. {self.said}" if step == self.step else f"{trace}."

    def _code(self, whole: bool, now: dict[str, Any]) -> str:
        """The optimiser as it is now, or with the learning rates of the run as a schedule."""
        now = self.settings(0) if whole else now
        code = f"optimizer = torch.optim.SGD([w], lr={now['lr']}, momentum={now['momentum']})"
        rates = ", ".join(f"{k}: {lr}" for k, lr in self.rates().items())
        return code + whole * (
            f"\nrates = {{{rates}}}  # from which step on\nscheduler = LambdaLR(optimizer, "
            f"lambda k: rates[max(s for s in rates if s <= k)] / {now['lr']})"
        )
