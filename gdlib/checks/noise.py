"""Exercises on one example at a time: what noise costs, and where it settles."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from gdlib.analysis import noise_trace, per_example_grads
from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola, shuffled
from gdlib.landscapes import Landscape


@check
def check_genie(answer: Callable[[], dict[str, float]]) -> str:
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
    said = ask(answer, about="After the genie")
    if not isinstance(said, dict) or set(said) != set(truth):
        raise NotYet(f"Expected a dictionary with the keys {list(truth)}.")
    for what, factor in truth.items():
        if abs(number(said[what], what) - factor) > 1e-6:
            raise NotYet(f"The {what}: you say × {said[what]:g}, measured × {factor:.3g}.")
    return "Gradient descent pays twice for the same path; SGD does not notice."


@check
def check_lr_for_floor(answer: Callable[[float, float, float], float]) -> str:
    """Follow the variance of a noisy quadratic to where the answer's learning rate takes it."""
    for h, noise, target in ((1.0, 1.0, 0.01), (0.1, 4.0, 2.0), (20.0, 1.0, 0.5), (1.0, 0.01, 5.0)):
        about = f"Curvature {h:g}, noise {noise:g}, target {target:g}"
        lr = number(ask(answer, h, noise, target, about=about), about)
        if not 0 < lr < 2 / h:
            raise NotYet(f"{about}: lr = {lr:.3g} is not between 0 and 2/h = {2 / h:.3g}.")
        variance = 0.0
        for _ in range(20_000):
            variance = (1 - lr * h) ** 2 * variance + lr**2 * noise
        if not math.isclose(variance, target, rel_tol=1e-3):
            raise NotYet(f"{about}: with lr = {lr:.3g} the variance settles at {variance:.3g}.")
    return "All four settle at their targets, the one near the border of stability too."


@check
def check_lr_schedule(answer: Callable[[int], float]) -> str:
    """The exact mean square of w after 3,000 steps of the answer, for two curvatures."""
    rates = ask(lambda: [answer(k) for k in range(3000)], about="The first 3,000 steps")
    left = {}
    for h in (1.0, 0.1):
        square = 100.0
        for k, rate in enumerate(rates):
            lr = number(rate, f"Step {k}")
            square = (1 - lr * h) ** 2 * square + lr**2
            if not square < 101:
                raise NotYet(f"h = {h:g}: step {k} takes the mean square of w to {square:.2g}.")
        left[h] = square
        if not square < 0.06:
            raise NotYet(f"h = {h:g}: the mean square of w is {square:.2g}; below 0.06 is asked.")
    return f"The mean square is {left[1.0]:.1g} for h = 1 and {left[0.1]:.1g} for h = 0.1."


@check
def check_by_ones(answer: Callable[..., Tensor]) -> str:
    """Run the answer with three seeds and look at how it behaves from epoch to epoch."""
    x, y = noisy_parabola()
    features = torch.cat([torch.ones_like(x), x], 1)
    best = torch.linalg.lstsq(features, y).solution[:, 0]
    args, ends = (features, y[:, 0], torch.zeros(2, dtype=torch.float64), 0.02, 20), []
    for seed in (0, 1, 2, 0):
        path = ask(answer, *args, seed, about=f"20 epochs with seed {seed}")
        if not isinstance(path, Tensor) or path.shape != (21, 2):
            raise NotYet(f"Expected the weights after 0 … 20 epochs, (21, 2), got {path!r:.60}.")
        ends.append(path[10:])
    if (still := (ends[0][1:] - ends[0][:-1]).norm(dim=1).max()) < 1e-3:
        raise NotYet(f"From epoch 10 on the weights move by {still:.0e} an epoch: they are still.")
    if not torch.equal(ends[0], ends[3]):
        raise NotYet("Seed 0 gave two different runs; your colleague wanted to repeat them.")
    if torch.equal(ends[0], ends[1]):
        raise NotYet("Seeds 0 and 1 gave the same run: is the seed used?")
    error = float(torch.stack(ends[:3]).sub(best).square().sum(-1).mean())
    if not error < 0.0026:
        raise NotYet(f"The mean square distance is {error:.2g}: is every example used once?")
    return f"It never rests, it can be repeated, and its mean square distance is {error:.1g}."
