"""Predictions that must hold: stated before they are measured, shown, and a failure outside."""

import math
from html import escape
from numbers import Real

import torch
from IPython.core.getipython import get_ipython
from IPython.display import display
from torch import Tensor


class PredictionFailed(AssertionError):
    """A measurement fell outside the interval that was stated before."""


def check_prediction(
    id: str, claim: str, *, predicted: float, measured: float | Tensor,
    within: float | None = None, relative: float | None = None,
    interval: tuple[float, float] | None = None, digits: int = 4,
) -> None:  # fmt: skip
    """Hold a measurement against what was predicted; print the line, or stop the notebook.

    Give one of ``within`` (absolute), ``relative`` or ``interval`` (low, high; ends included).
    ``measured`` may be a tensor: every number in it must hold, and the one farthest from
    ``predicted`` is shown, to ``digits`` significant digits. ``id`` names one line of one chapter,
    such as P1.3, or P1.3b for a second measurement of it. Raises ``PredictionFailed`` outside,
    for NaN too.
    """
    predicted = _number(id, "predicted", predicted)
    given = {"within": within, "relative": relative, "interval": interval}
    given = {how: amount for how, amount in given.items() if amount is not None}
    if len(given) != 1:
        raise ValueError(f"{id}: give one of within, relative or interval, got {list(given)}")
    ((how, amount),) = given.items()
    if interval is not None:
        if not isinstance(interval, tuple | list) or len(interval) != 2:
            raise ValueError(f"{id}: interval must be a pair (low, high), got {interval!r}")
        low, high = (_number(id, how, end) for end in interval)
        allowed = f"{low:g} … {high:g}"
    else:
        amount = _number(id, how, amount)
        reach = amount if how == "within" else abs(predicted) * amount
        low, high = predicted - reach, predicted + reach
        allowed = f"± {amount:g}" if how == "within" else f"± {100 * amount:g} %"
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"{id}: the interval must go from low to high, got {low} … {high}")
    try:
        if isinstance(measured, Tensor) and measured.is_complex():
            raise TypeError
        values = torch.as_tensor(measured, dtype=torch.float64, device="cpu").detach().flatten()
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{id}: measured must be a number or a tensor, got {measured!r}") from None
    if not values.numel():
        raise ValueError(f"{id}: nothing was measured, got an empty tensor")
    distance = (values - predicted).abs().nan_to_num(nan=math.inf)
    worst = float(values[distance.argmax()])
    holds = bool(((values >= low) & (values <= high)).all())
    shown = f"{predicted:.{digits}g}", allowed, f"{worst:.{digits}g}"
    line = _show(id, claim, *shown, holds)
    if not holds:
        raise PredictionFailed(line)


def _show(id: str, claim: str, predicted: str, allowed: str, measured: str, holds: bool) -> str:
    """One line on a terminal; in a notebook an output that the page of predictions pastes."""
    line = (
        f"{id}  {claim}: predicted {predicted}, measured {measured} "
        f"(allowed {allowed}): {'holds' if holds else 'FAILS'}"
    )
    if get_ipython() is None:
        print(line)
        return line
    verdict = "holds" if holds else "fails"
    html = (
        f'<p class="prediction {verdict}"><b>{escape(id)}</b> {escape(claim)}: '
        f"<span>predicted <b>{predicted}</b></span> <span>measured <b>{measured}</b></span> "
        f"<span>allowed {allowed}</span> <strong>{verdict}</strong></p>"
    )
    glue = {"scrapbook": {"name": id, "mime_prefix": ""}}  # how myst-nb glues
    display({"text/plain": line, "text/html": html}, raw=True, metadata=glue)
    return line


def _number(id: str, name: str, value: float | Tensor) -> float:
    """The value, if it is one finite number."""
    if isinstance(value, Tensor) and value.numel() == 1 and not value.is_meta:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{id}: {name} must be a finite number, got {value!r}")
    return float(value)
