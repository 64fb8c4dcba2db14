"""Exercises on adaptive methods: four times the batch, Lion, a paper's recipe."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gdlib.checks.judging import NotYet, ask, check, numbers, shown, tensor
from gdlib.checks.momentum import as_parameters, step_with, warm_up, weights_of

EXAMPLES, RUNS = 3200, 300  # of each training with small and with large batches
BOX_STEPS = 2000  # of Lion, with a rate that fades to 0


@check
def check_scaled(answer: Callable[[float, float, float, int], tuple]) -> str:
    """Train with Adam on single examples and on batches of k, at the answer's settings."""
    for lr, beta1, beta2, k in ((0.02, 0.98, 0.995, 4), (0.016, 0.985, 0.997, 8),
                                (0.025, 0.97, 0.992, 2)):  # fmt: skip
        about = f"k = {k}, from η = {lr:g}, β = ({beta1:g}, {beta2:g})"
        said = numbers(ask(answer, lr, beta1, beta2, k, about=about), 3, f"{about}, η, β₁, β₂")
        if not (said[0] > 0 and all(0 <= beta < 1 for beta in said[1:])):
            got = ", ".join(f"{x:.3g}" for x in said)
            raise NotYet(f"{about}: η must be positive and both β in [0, 1), got {got}.")
        ones, batches = _adam_losses(1, lr, beta1, beta2), _adam_losses(k, *said)
        ratio = (batches / ones).log()
        worst = int(ratio.abs().argmax())
        if not ratio.abs().max() < 0.06:
            raise NotYet(
                f"{about}: after {(worst + 1) * EXAMPLES // 16} examples the loss is "
                f"{ratio[worst].exp():.3g} times that of single examples."
            )
    return "After every 200 examples batches of 2, 4 and 8 are where single ones are, to 6 %."


def _adam_losses(batch_size: int, lr: float, beta1: float, beta2: float) -> Tensor:
    """Mean losses after every 16th of the examples, which are the same for each batch size.

    Two weights of curvature 1 and 0.3 from 1. The noise of a single gradient is 10, and 3 from
    half-way on, so that the average of the squares has something to forget.
    """
    dice = torch.Generator().manual_seed(0)
    noise = torch.randn(EXAMPLES, RUNS, 2, generator=dice, dtype=torch.float64) * 10
    noise[EXAMPLES // 2 :] *= 0.3
    curvature = torch.tensor([1.0, 0.3], dtype=torch.float64)
    w = torch.ones(RUNS, 2, dtype=torch.float64)
    mean, square, losses = torch.zeros_like(w), torch.zeros_like(w), []
    for k, drawn in enumerate(noise.view(-1, batch_size, RUNS, 2).mean(1), 1):
        grad = curvature * w + drawn
        mean = mean + (1 - beta1) * (grad - mean)
        square = square + (1 - beta2) * (grad**2 - square)
        w = w - lr / (1 - beta1**k) * mean / (square / (1 - beta2**k)).sqrt()
        if 16 * k * batch_size % EXAMPLES == 0:
            losses.append((curvature * w**2).sum(-1).mean() / 2)
    return torch.stack(losses)


@check
def check_lion(answer: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """Compare the answer's steps with Lion's, then leave it alone with a quadratic and a decay."""
    dice = torch.Generator().manual_seed(0)
    for lr, beta1, beta2, decay in ((0.01, 0.9, 0.99, 0.1), (0.03, 0.5, 0.8, 1.0),
                                    (0.002, 0.95, 0.9, 3.0), (0.1, 0.8, 0.3, 0.0)):  # fmt: skip
        about = f"η = {lr:g}, β = ({beta1:g}, {beta2:g}), λ = {decay:g}"
        w = torch.randn(6, generator=dice, dtype=torch.float64)
        m = torch.zeros_like(w)
        for k in range(1, 31):
            grad = torch.randn(6, generator=dice, dtype=torch.float64)
            grad[-1] = 0.0  # a weight without a gradient only decays
            said = ask(answer, w.clone(), m.clone(), grad.clone(), lr, beta1, beta2, decay,
                       about=f"{about}, step {k}")  # fmt: skip
            now = _two_rows(said, 6, f"{about}, step {k}")
            w = w - lr * ((beta1 * m + (1 - beta1) * grad).sign() + decay * w)
            m = beta2 * m + (1 - beta2) * grad
            for name, got, want, size in (("weight", now[0], w, lr), ("average", now[1], m, 1.0)):
                off = (got - want).abs() / size
                if off.max() > 1e-4:
                    i = int(off.argmax())
                    raise NotYet(f"{about}, step {k}: {name} {i} is {got[i]:.6g} after it; "
                                 f"Lion's is {want[i]:.6g}.")  # fmt: skip
    for decay in (0.5, 1.0, 2.0):
        _judge_end(answer, decay)
    return (
        f"4 × 30 steps are Lion's. Left alone for {BOX_STEPS} steps with λ = 0.5, 1 and 2 it ends "
        "less than 0.001 from the lowest point of the box |w| ≤ 1/λ."
    )


def _two_rows(said: Any, size: int, about: str) -> list[Tensor]:
    """The new weights and the new average, whatever holds them."""
    try:
        pair = ask(lambda: list(islice(iter(said), 3)), about=about)
    except NotYet:
        pair = []
    if len(pair) != 2 or isinstance(said, str | bytes | dict | set):
        raise NotYet(f"{about}: expected the new weights and the new average, got {shown(said)}.")
    return [tensor(row, (size,), about) for row in pair]


def _judge_end(answer: Callable, decay: float) -> None:
    """Follow the answer on a quadratic about c to the lowest point of the box."""
    c = torch.tensor([5.0, -3.0, 0.4, 0.9, -0.05], dtype=torch.float64)

    def follow() -> Tensor:
        w, m = torch.zeros_like(c), torch.zeros_like(c)
        for k in range(BOX_STEPS):
            lr = 0.02 * (1 - k / BOX_STEPS)
            said = answer(w, m, w - c, lr, 0.9, 0.99, decay)
            w, m = (torch.as_tensor(row).detach().double() for row in said)
        return w

    about = f"λ = {decay:g}, {BOX_STEPS} steps"
    off = tensor(ask(follow, about=about), (5,), about) - c.clamp(-1 / decay, 1 / decay)
    if off.abs().max() > 0.001:
        raise NotYet(f"{about}: it ends {off.abs().max():.2g} from the lowest point of the box.")


@check
def check_recipe(answer: Callable[[Iterable, float, float], torch.optim.Optimizer]) -> str:
    """Take steps with the answer's optimiser and compare them with the recipe's."""
    dice = torch.Generator().manual_seed(0)
    warm_up()
    for lr, decay in ((0.01, 0.1), (0.003, 1.0), (0.1, 0.02)):
        about = f"η = {lr:g}, λ = {decay:g}"
        curvature, start = (torch.rand(2, 5, generator=dice, dtype=torch.float64) + 0.5) * 3
        curvature[3] = 0.0  # the weight of an empty pixel, say
        w, parameters = start, as_parameters(start)
        optimizer = ask(answer, parameters, lr, decay, about=about)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise NotYet(f"{about}: expected an optimiser of torch.optim, got {shown(optimizer)}.")
        mean, square = torch.zeros_like(w), torch.zeros_like(w)
        for k in range(1, 31):
            grad = curvature * w
            mean, square = 0.9 * mean + 0.1 * grad, 0.999 * square + 0.001 * grad**2
            adam = lr * mean / (1 - 0.9**k) / ((square / (1 - 0.999**k)).sqrt() + 1e-8)
            before, w = w, (1 - lr * decay) * w - adam
            step_with(optimizer, parameters, curvature, about)
            now = weights_of(parameters)
            off = ((now - w) / (w - start)).abs()
            if not off.max() < 0.01:  # to shrink after Adam's step instead of before it will do
                i = int(off.argmax())
                raise NotYet(
                    f"{about}: in step {k} the weight {before[i]:.6g}, whose gradient is "
                    f"{grad[i]:.4g}, became {now[i]:.6g}; by the recipe it is {w[i]:.6g}."
                )
    return "30 steps with each of three settings, and all are the recipe's."
