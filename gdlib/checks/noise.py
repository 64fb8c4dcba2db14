"""Exercises on one example at a time: what noise costs, and where it settles."""

import math
from collections.abc import Callable, Mapping
from itertools import islice, pairwise, permutations
from typing import Any

import torch
from torch import Tensor

from gdlib.analysis import noise_trace, per_example_grads
from gdlib.checks.judging import NotYet, ask, check, number, numbers, shown, tensor
from gdlib.data import noisy_parabola, shuffled
from gdlib.landscapes import Landscape


@check
def check_genie(answer: Callable[[], Mapping[str, float]]) -> str:
    """Double the data and compare the answer's factors with what that does."""
    x, y = noisy_parabola()
    line = Landscape(lambda w, x, y: (w[0] + w[1] * x - y).square().mean())
    w = torch.tensor([1.0, 0.5], dtype=torch.float64)
    once, twice = (per_example_grads(line, w, x.repeat(n, 1), y.repeat(n, 1)) for n in (1, 2))
    truth = {
        "length of the full gradient": float(twice.mean(0).norm() / once.mean(0).norm()),
        "examples that a step of gradient descent looks at": len(twice) / len(once),
        "examples that a step of SGD looks at": 1.0,
        "variance of one example's gradient": noise_trace(twice) / noise_trace(once),
        "steps of SGD in an epoch": shuffled(1).steps_per_epoch(200) / 100,
    }
    given = ask(answer, about="After the genie")
    given = ask(lambda: dict(given), about="The dictionary") if isinstance(given, Mapping) else {}
    if set(given) != set(truth):
        raise NotYet(f"Expected a dictionary with the keys {list(truth)}.")
    for what, factor in truth.items():
        if abs((value := number(given[what], what)) - factor) > 1e-6:
            raise NotYet(f"The {what}: you say × {value:g}, measured × {factor:.3g}.")
    return "Gradient descent pays twice for the same path; SGD does not notice."


@check
def check_lr_for_floor(answer: Callable[[float, float, float], float]) -> str:
    """Follow the variance of a noisy quadratic to where the answer's learning rate takes it."""
    generator = torch.Generator().manual_seed(1)
    # η h of the right answer: short steps, long ones, nearly at the border, and some in between.
    for reach in (0.02, 0.9, 1.9, *(0.1 + 1.7 * torch.rand(4, generator=generator)).tolist()):
        h, noise = (10 ** (2 * torch.rand(2, generator=generator) - 1)).tolist()
        target = reach * noise / (h**2 * (2 - reach))
        about = f"Curvature {h:.3g}, noise {noise:.3g}, target {target:.3g}"
        lr = number(ask(answer, h, noise, target, about=about), about)
        if not 0 < lr < 2 / h:
            raise NotYet(f"{about}: lr = {lr:.3g} is not between 0 and 2/h = {2 / h:.3g}.")
        variance = 0.0
        for _ in range(2000):
            variance = (1 - lr * h) ** 2 * variance + lr**2 * noise
        if not math.isclose(variance, target, rel_tol=1e-3):
            raise NotYet(f"{about}: with lr = {lr:.3g} the variance settles at {variance:.3g}.")
    return "All seven settle at their targets, the one near the border of stability too."


@check
def check_lr_schedule(answer: Callable[[int], float]) -> str:
    """The exact mean square of w after 3,000 steps of the answer, for two curvatures."""
    about = "The first 3,000 steps"
    rates = numbers(ask(lambda: [answer(k) for k in range(3000)], about=about), 3000, about)
    left = {}
    for h in (1.0, 0.1):
        square = 100.0
        for k, lr in enumerate(rates):
            square = (1 - lr * h) ** 2 * square + lr**2
            if not square <= 100:
                raise NotYet(f"h = {h:g}: step {k} takes the mean square of w to {square:.3g}.")
        left[h] = square
        if not square < 0.06:
            raise NotYet(f"h = {h:g}: the mean square of w is {square:.2g}; below 0.06 is asked.")
    return f"The mean square is {left[1.0]:.1g} for h = 1 and {left[0.1]:.1g} for h = 0.1."


@check
def check_by_ones(answer: Callable[..., Tensor]) -> str:
    """Read the order of every epoch off the weights: each of the orders ends somewhere else."""
    torch.optim.SGD([torch.zeros(1)], 0.1)  # its first import takes longer than an answer may
    first, again, other = (_orders(answer, seed) for seed in (0, 0, 1))
    if first != again:
        raise NotYet("Seed 0 gave two different runs; your colleague wanted to repeat them.")
    if first == other:
        raise NotYet("Seeds 0 and 1 gave the same run: is the seed used?")
    for orders in (first, other):
        if (seen := len(set(orders))) < 20:
            kind = "order" if seen == 1 else "orders"
            raise NotYet(
                f"In 40 epochs of 5 examples the loop knew only {seen} {kind}, "
                f"the first time {orders[0]}, the next time {orders[1]}; there are 120."
            )
    return f"Every example once an epoch, {len(set(first))} different orders in 40 epochs."


def _orders(answer: Any, seed: int) -> list[tuple[int, ...]]:
    """The order of the examples in each of 40 epochs, from the weights at their ends."""
    generator = torch.Generator().manual_seed(4)  # of the five points, not of the answer
    draw = {"dtype": torch.float64, "generator": generator}
    features, targets = torch.randn(5, 3, **draw), torch.randn(5, **draw)
    w, lr, epochs = torch.randn(3, **draw), 0.05, 40
    about = f"{epochs} epochs with seed {seed}"
    given = (features.clone(), targets.clone(), w.clone(), lr, epochs, seed)
    path = ask(answer, *given, about=about)
    path = ask(lambda: list(islice(iter(path), epochs + 2)), about=about)
    if len(path) != epochs + 1:
        raise NotYet(f"{about}: expected the weights after 0 … {epochs} epochs, got {shown(path)}.")
    path = [tensor(row, (3,), about) for row in path]
    if not torch.allclose(path[0], w, atol=1e-6):
        raise NotYet(f"{about}: the first row should be the start, {shown(w.tolist())}.")
    every = torch.tensor(list(permutations(range(5))))
    found = []
    for epoch, (before, after) in enumerate(pairwise(path)):
        ends = before.expand(len(every), 3)
        for i in every.T:
            error = (features[i] * ends).sum(1) - targets[i]
            ends = ends - lr * 2 * error[:, None] * features[i]
        distance = (ends - after).norm(dim=1)
        if distance.min() > 1e-5:
            raise NotYet(
                f"{about}: no order of the five examples leads from the weights after epoch "
                f"{epoch} to those after the next. Is every example used once, with this lr?"
            )
        found.append(tuple(every[distance.argmin()].tolist()))
    return found
