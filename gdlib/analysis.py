"""Gradients example by example, slopes, sharpness and noise scales."""

from typing import Any

import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh
from torch import Tensor
from torch.func import grad, vmap

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
    landscape: Landscape, w: Tensor, *data: Tensor, start: Tensor | None = None
) -> tuple[float, Tensor]:
    """The largest eigenvalue of the Hessian in absolute value, and its eigenvector ``(d,)``.

    Lanczos iteration on Hessian-vector products until the residual is below 1e-9 of the eigenvalue
    (1e-4 in float32); ``start`` is the first guess, best the eigenvector of nearby weights. Raises
    ``ValueError`` if it does not get there, and where there is no curvature at all.

    Source: ARPACK through ``scipy.sparse.linalg.eigsh``.
    """
    slope, d = grad(lambda w: landscape.loss(w, *data)), len(w)
    w = w.detach()

    def product(v: Tensor) -> Tensor:
        return grad(lambda w: slope(w) @ v)(w)

    if start is None:
        start = torch.randn(d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if d <= 16:  # fewer than Lanczos needs: the whole matrix
        values, vectors = torch.linalg.eigh(torch.stack([product(v) for v in torch.eye(d).to(w)]))
    else:
        operator = LinearOperator(
            (d, d), lambda v: product(torch.from_numpy(v).to(w).flatten()).double().cpu().numpy()
        )
        tolerance: Any = 1e-9 if w.dtype == torch.float64 else 1e-4
        try:
            found = eigsh(operator, k=1, which="LM", v0=start.double().cpu().numpy(), tol=tolerance)
        except ArpackError as error:
            raise ValueError(f"no largest eigenvalue of the Hessian was found: {error}") from None
        values, vectors = (torch.from_numpy(x.copy()).to(w) for x in found)
    k = int(values.abs().argmax())
    if not values[k].abs() > 0:
        raise ValueError(f"the Hessian's largest eigenvalue is {float(values[k])}: no curvature")
    return float(values[k]), vectors[:, k]


def noisy_quadratic_loss(
    curvature: Tensor, noise: Tensor, lr: Tensor,
    batch_size: float | Tensor = 1.0, beta: float | Tensor = 0.0, start: float = 1.0,
) -> Tensor:  # fmt: skip
    """The noisy quadratic model's expected loss ``Σ h E[x²] / 2``, exactly: ``(runs…, steps + 1)``.

    curvature   ``(d,)``            h of every mode, whose gradient is h x and noise
    noise       ``(d,)``            c of every mode; the noise of a batch has variance c / B
    lr          ``(steps, runs…)``  learning rate of every step
    batch_size  number or ``(runs…)``
    beta        number or ``(runs…)``; the heavy ball is PyTorch's, ``v ← beta · v + grad``
    start       E[x²] of every mode at step 0

    Source: Zhang et al., "Which Algorithmic Choices Matter at Which Batch Sizes?", 2019.
    """
    lr = lr if lr.is_floating_point() else lr.double()
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
        fits = isinstance(values, Tensor) and values.dim() == 1 and len(values) > 1
        odd = not fits or values.is_complex() or values.is_meta
        if odd or not ((values > 0) & values.isfinite()).all():
            raise ValueError(f"{name} must be two or more positive numbers, got {values!r}")
    if len(x) != len(y) or (x == x[0]).all():
        raise ValueError(f"x must be different numbers, as many as y, got {x!r} and {y!r}")
    spread = torch.stack([x.double().log(), y.double().log()]).cov()
    return float(spread[0, 1] / spread[0, 0])
