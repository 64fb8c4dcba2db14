"""Gradients example by example, slopes and noise scales, and predictions that must hold."""

from dataclasses import dataclass
from html import escape

import torch
from IPython.core.getipython import get_ipython
from IPython.display import display
from torch import Tensor
from torch.func import grad, vmap

from gdlib.data import check_count
from gdlib.landscapes import Landscape


def per_example_grads(landscape: Landscape, w: Tensor, *data: Tensor) -> Tensor:
    """The gradient that each example alone would give: ``(N, d)`` for N examples.

    Each example is passed to the loss as a batch of one, so their mean is the gradient of the
    whole wherever the loss is a mean over examples.
    """
    one = grad(lambda w, *example: landscape.loss(w, *(x[None] for x in example)))
    return vmap(one, in_dims=(None, *(0 for _ in data)))(w.detach(), *data)


def noise_trace(grads: Tensor) -> float:
    """tr Σ: the total variance of per-example gradients ``(N, d)`` around their mean.

    Σ divides by N: the examples are the whole population that a mini-batch is drawn from.
    """
    return float((grads - grads.mean(0)).square().sum(1).mean())


def noise_scale(grads: Tensor) -> float:
    """B_simple = tr Σ / ‖G‖², in examples, from per-example gradients ``(N, d)``.

    Source: McCandlish et al., arXiv 1812.06162, 2018.
    """
    return noise_trace(grads) / float(grads.mean(0).square().sum())


def sharpness(
    landscape: Landscape,
    w: Tensor,
    *data: Tensor,
    start: Tensor | None = None,
    iterations: int = 50,
) -> tuple[float, Tensor]:
    """The largest eigenvalue of the Hessian in absolute value, and its eigenvector ``(d,)``.

    Power iteration on Hessian-vector products; ``start`` is the first guess, best the eigenvector
    of nearby weights. Raises ``ValueError`` if the iteration meets a vector without curvature.
    """
    slope = grad(lambda w: landscape.loss(w, *data))
    v = torch.ones_like(w) / len(w) ** 0.5 if start is None else start / start.norm()
    eigenvalue = torch.zeros((), dtype=w.dtype)
    for _ in range(check_count("iterations", iterations)):
        product = grad(lambda w, v=v: slope(w) @ v)(w.detach())
        eigenvalue, size = v @ product, product.norm()
        if not size > 0:
            raise ValueError(
                f"the Hessian gives {float(size)} along {v.tolist()[:4]}: no curvature"
            )
        v = product / size
    return float(eigenvalue), v


def noisy_quadratic_loss(
    curvature: Tensor,
    noise: Tensor,
    lr: Tensor,
    batch_size: float | Tensor = 1.0,
    beta: float | Tensor = 0.0,
    start: float = 1.0,
) -> Tensor:
    """The noisy quadratic model's expected loss ``Σ h E[x²] / 2``, exactly: ``(runs…, steps + 1)``.

    curvature   ``(d,)``            h of every mode, whose gradient is h x and noise
    noise       ``(d,)``            c of every mode; the noise of a batch has variance c / B
    lr          ``(steps, runs…)``  learning rate of every step
    batch_size  number or ``(runs…)``
    beta        number or ``(runs…)``; the heavy ball is PyTorch's, ``v ← beta · v + grad``
    start       E[x²] of every mode at step 0

    Source: Zhang et al., "Which Algorithmic Choices Matter at Which Batch Sizes?", 2019.
    """
    size, beta = (torch.as_tensor(s, dtype=lr.dtype)[..., None] for s in (batch_size, beta))
    runs = torch.broadcast_shapes(lr.shape[1:], size.shape[:-1], beta.shape[:-1])
    xx = torch.full((*runs, len(curvature)), start, dtype=lr.dtype)
    xv, vv = torch.zeros_like(xx), torch.zeros_like(xx)
    losses = [(curvature * xx).sum(-1) / 2]
    for rate in lr[..., None]:
        x_next_v = beta * xv + curvature * xx  # E[x v] with the velocity after the gradient
        vv = beta**2 * vv + 2 * beta * curvature * xv + curvature**2 * xx + noise / size
        xx, xv = xx - 2 * rate * x_next_v + rate**2 * vv, x_next_v - rate * vv
        losses.append((curvature * xx).sum(-1) / 2)
    return torch.stack(losses, -1)


def loglog_slope(x: Tensor, y: Tensor) -> float:
    """The slope of the least-squares line through ``(log x, log y)``.

    Raises ``ValueError`` unless x and y are two or more positive, finite numbers each.
    """
    for name, values in {"x": x, "y": y}.items():
        if values.dim() != 1 or len(values) < 2 or not ((values > 0) & values.isfinite()).all():
            raise ValueError(f"{name} must be two or more positive numbers, got {values.tolist()}")
    log_x, log_y = x.double().log(), y.double().log()
    log_x = log_x - log_x.mean()
    return float((log_x * log_y).sum() / log_x.square().sum())


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
