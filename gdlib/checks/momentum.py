"""Exercises on momentum: the best pair, a changed rate, a port."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gdlib.checks.judging import NotYet, ask, check, number, numbers, shown


@check
def check_best_momentum(answer: Callable[[Tensor], tuple[float, float]]) -> str:
    """Compare what the exact iteration keeps of the error with the least that is possible."""
    generator = torch.Generator().manual_seed(0)
    for d, kappa in ((2, 30.0), (3, 4.0), (5, 200.0), (4, 1.0), (6, 60.0)):
        hessian = _bowl(d, kappa, generator)
        about = f"A bowl with {d} weights and κ = {kappa:g}"
        lr, beta = numbers(ask(answer, hessian.clone(), about=about), 2, f"{about}, (lr, beta)")
        if not (lr > 0 and -1e-9 <= beta < 1):
            raise NotYet(f"{about}: lr must be positive and beta in [0, 1), got {lr:g}, {beta:g}.")
        best, yours = (kappa**0.5 - 1) / (kappa**0.5 + 1), _rate(hessian, lr, beta)
        if yours > max(best**0.98, 1e-3):  # 2 % more steps are allowed: float32 needs 1 %
            raise NotYet(
                f"{about}: each step keeps {yours:.4f} of the slowest mode, where {best:.4f} "
                f"is possible; {_price(yours, best)}."
            )
    return "On 5 bowls no other lr and beta are faster in the long run."


@check
def check_change_lr(answer: Callable[[torch.optim.SGD, float], None]) -> str:
    """Change the learning rate with the answer and compare the steps with Polyak's."""
    generator = torch.Generator().manual_seed(0)
    curvature, w = _start(generator)
    beta = 0.8 + 0.1 * float(torch.rand(1, generator=generator))
    parameters = as_parameters(w)
    sgd = torch.optim.SGD(parameters, lr=0.02, momentum=beta)
    warm_up()
    before = w
    # Two changes in a row at step 20: the rate of the first one is never used.
    for k, lr in enumerate([0.02] * 10 + [0.005] * 10 + [0.013] * 10 + [0.04] * 10):
        about = f"Step {k}, lr = {lr:g}"
        for rate in {0: (lr,), 10: (lr,), 20: (0.001, lr), 30: (lr,)}.get(k, ()):
            ask(answer, sgd, rate, about=about)
        if abs(number(sgd.param_groups[0]["lr"], f"{about}, the optimiser's lr") - lr) > 1e-12:
            raise NotYet(f"{about}: the optimiser's lr is {shown(sgd.param_groups[0]['lr'], 30)}.")
        w, before = w - lr * curvature * w + beta * (w - before), w
        step_with(sgd, parameters, curvature, about)
        off = float((weights_of(parameters) - w).norm() / (w - before).norm())
        if not off < 1e-9:
            raise NotYet(f"{about}: the step is off by {off:.2g} of the length of Polyak's step.")
    return "40 steps, with the rate lowered once and raised twice: all are Polyak's."


@check
def check_ported(answer: Callable[[Iterable, float, float], torch.optim.Optimizer]) -> str:
    """Descend with the answer's optimiser and compare with the exponential average's steps."""
    generator = torch.Generator().manual_seed(0)
    warm_up()
    for _ in range(3):
        lr, beta = 0.02 + 0.2 * float(torch.rand(1, generator=generator)), 0.5
        beta += 0.45 * float(torch.rand(1, generator=generator))
        about = f"lr = {lr:.2g}, β = {beta:.2g}"
        curvature, w = _start(generator)
        parameters, v = as_parameters(w), torch.zeros_like(w)
        optimizer = ask(answer, parameters, lr, beta, about=about)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise NotYet(f"{about}: expected an optimiser of torch.optim, got {shown(optimizer)}.")
        for k in range(20):
            v = beta * v + (1 - beta) * curvature * w
            step_with(optimizer, parameters, curvature, about)
            now = weights_of(parameters)
            if not torch.allclose(now, w - lr * v, rtol=1e-9, atol=1e-12):
                length = float((now - w).norm() / (lr * v).norm())
                off = float((now - w + lr * v).norm() / (lr * v).norm())
                raise NotYet(
                    f"{about}: step {k + 1} is {length:.2g} times as long as the original's, "
                    f"and its end is off by {off:.2g} times that length."
                )
            w = w - lr * v
    return "20 steps with each of three settings, and all are the original's."


def _bowl(d: int, kappa: float, generator: torch.Generator) -> Tensor:
    """A Hessian with curvatures from μ to κμ, turned so that no entry shows them."""
    inner = torch.rand(d, generator=generator, dtype=torch.float64)
    inner[:2] = torch.tensor([0.0, 1.0])
    low = 0.2 + 3 * float(torch.rand(1, generator=generator))
    basis, _ = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))
    whole = basis @ torch.diag(low * (1 + (kappa - 1) * inner)) @ basis.T
    return (whole + whole.T) / 2


def _rate(hessian: Tensor, lr: float, beta: float) -> float:
    """The spectral radius of ``(w, w before) → (w next, w)``, the exact iteration."""
    one = torch.eye(len(hessian), dtype=torch.float64)
    top = torch.cat([(1 + beta) * one - lr * hessian, -beta * one], dim=1)
    bottom = torch.cat([one, torch.zeros_like(one)], dim=1)
    return float(torch.linalg.eigvals(torch.cat([top, bottom])).abs().max())


def _price(yours: float, best: float) -> str:
    """What a rate costs against the best one."""
    if yours >= 1 - 1e-9:
        return "it never arrives"
    if best == 0:
        return "one step could do it"
    return f"it takes {math.log(best) / math.log(yours):.3g} times the steps it must"


def _start(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The curvatures of five weights, and where they start."""
    curvature = 0.5 + 15 * torch.rand(5, generator=generator, dtype=torch.float64)
    return curvature, torch.randn(5, generator=generator, dtype=torch.float64)


def as_parameters(w: Tensor) -> list[nn.Parameter]:
    """The five weights as two parameters of different shape."""
    return [nn.Parameter(w[:2].clone()), nn.Parameter(w[2:, None].clone())]


def weights_of(parameters: list[nn.Parameter]) -> Tensor:
    """The weights that the parameters hold, in one row."""
    return torch.cat([p.detach().flatten() for p in parameters])


def step_with(
    optimizer: torch.optim.Optimizer, parameters: list[nn.Parameter], curvature: Tensor, about: str
) -> None:
    """One step of the optimiser with the gradient of ``curvature · w² / 2``."""
    for p, part in zip(parameters, (curvature * weights_of(parameters)).split([2, 3]), strict=True):
        p.grad = part.clone().view_as(p)
    ask(optimizer.step, about=f"{about}, optimizer.step()")


def warm_up() -> None:
    """The first optimiser and its first step import for seconds; no answer should pay for it."""
    w = nn.Parameter(torch.zeros(1))
    w.grad = torch.zeros(1)
    torch.optim.SGD([w], lr=0.1).step()
