"""Predictions that must hold: stated before they are measured, shown, and a failure outside."""

import math
from dataclasses import dataclass
from html import escape
from numbers import Real

import torch
from IPython.core.getipython import get_ipython
from IPython.display import display
from torch import Tensor


class PredictionFailed(AssertionError):
    """A measurement fell outside the interval that was stated before."""


@dataclass(frozen=True)
class Prediction:
    """What theory said, the interval it was allowed, and what was measured."""

    id: str
    claim: str
    predicted: str
    allowed: str
    measured: str
    holds: bool

    def __str__(self) -> str:
        return (
            f"{self.id}  {self.claim}: predicted {self.predicted}, measured {self.measured} "
            f"(allowed {self.allowed}): {'holds' if self.holds else 'FAILS'}"
        )

    def show(self) -> None:
        """One line on a terminal; in a notebook an output that the page of predictions pastes."""
        if get_ipython() is None:
            print(self)
            return
        display(
            {"text/plain": str(self), "text/html": self._html()},
            raw=True,
            metadata={"scrapbook": {"name": self.id, "mime_prefix": ""}},  # how myst-nb glues
        )

    def _html(self) -> str:
        verdict = "holds" if self.holds else "fails"
        return (
            f'<p class="prediction {verdict}"><b>{escape(self.id)}</b> {escape(self.claim)}: '
            f"<span>predicted <b>{self.predicted}</b></span> "
            f"<span>measured <b>{self.measured}</b></span> "
            f"<span>allowed {self.allowed}</span> <strong>{verdict}</strong></p>"
        )


def check_prediction(
    id: str,
    claim: str,
    *,
    predicted: float,
    measured: float | Tensor,
    within: float | None = None,
    relative: float | None = None,
    interval: tuple[float, float] | None = None,
    digits: int = 4,
) -> None:
    """Hold a measurement against what was predicted; print the line, or stop the notebook.

    Give one of ``within`` (absolute), ``relative`` or ``interval`` (low, high; ends included).
    ``measured`` may be a tensor: every number in it must hold, and the one farthest from
    ``predicted`` is shown, to ``digits`` significant digits. ``id`` names one line of one chapter,
    such as P1.3, or P1.3b for a second measurement of it. Raises ``PredictionFailed`` outside,
    for NaN too.
    """
    if not isinstance(predicted, Real) or not math.isfinite(predicted):
        raise ValueError(f"{id}: predicted must be a finite number, got {predicted!r}")
    low, high, allowed = _interval(predicted, within, relative, interval)
    values = torch.as_tensor(measured, dtype=torch.float64).flatten()
    if not values.numel():
        raise ValueError(f"{id}: nothing was measured, got an empty tensor")
    distance = (values - predicted).abs().nan_to_num(nan=float("inf"))
    worst = float(values[distance.argmax()])
    holds = bool(((values >= low) & (values <= high)).all())
    prediction = Prediction(
        id, claim, f"{predicted:.{digits}g}", allowed, f"{worst:.{digits}g}", holds
    )
    prediction.show()
    if not holds:
        raise PredictionFailed(str(prediction))


def _interval(
    predicted: float,
    within: float | None,
    relative: float | None,
    interval: tuple[float, float] | None,
) -> tuple[float, float, str]:
    """The lowest and the highest that is allowed, and how to say it."""
    given = [x for x in (within, relative, interval) if x is not None]
    if len(given) != 1:
        raise ValueError(f"give one of within, relative or interval, got {len(given)} of them")
    if interval is not None:
        low, high, said = *interval, f"{interval[0]:g} … {interval[1]:g}"
    elif within is not None:
        low, high, said = predicted - within, predicted + within, f"± {within:g}"
    else:
        reach = abs(predicted) * (relative or 0.0)
        low, high, said = predicted - reach, predicted + reach, f"± {100 * (relative or 0.0):g} %"
    if not low < high:
        raise ValueError(f"the interval must go from low to high, got {low} … {high}")
    return low, high, said
