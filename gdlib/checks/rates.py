"""Exercises on learning rates: how many steps, which schedule, a loop that uses it."""

import math
import random
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gdlib.analysis import noisy_quadratic_loss
from gdlib.checks.judging import NotYet, ask, check, number, numbers, shown
from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import initial_weights, network_loss
from gdlib.rules import gd, scheduled


@check
def check_steps_needed(answer: Callable[[float, float, float], float]) -> str:
    """Count the steps of descent on parabolas, on both sides of 1 / curvature and of its border."""
    cases = [(0.01, 1.0, 1e-6), (0.9, 1.0, 1e-3), (1.9, 1.0, 1e-6), (0.001, 1990.0, 0.1),
             (0.5, 2.0, 1e-6), (0.25, 4.0, 0.3), (1.0, 2.0, 0.1), (10.0, 1.0, 1e-6)]  # fmt: skip
    for product in (0.03, 0.7, 1.3, 1.93, 2.2):  # lr · curvature, at sizes of nobody's choosing
        lr = 10 ** random.Random().uniform(-3, 1)
        cases.append((lr, product / lr, 10 ** random.Random().uniform(-7, -0.5)))
    for lr, h, eps in cases:
        about = f"lr {lr:.4g}, curvature {h:.4g}, ε {eps:.2g}"
        said = ask(answer, lr, h, eps, about=about)
        counted = _count(lr, h, eps)
        if math.isinf(counted):
            if not _is_infinite(said, about):
                raise NotYet(f"{about}: you say {shown(said)} steps, but descent never arrives.")
        elif _is_infinite(said, about):
            raise NotYet(f"{about}: you say that it never arrives, but it takes {counted:g} steps.")
        elif (steps := number(said, about)) != counted:
            raise NotYet(f"{about}: you say {steps:g} steps, descent takes {counted:g}.")
    return f"All {len(cases)} counts are those of descent, to the step."


def _count(lr: float, h: float, eps: float) -> float:
    """The steps of descent itself, on the parabola of curvature h from w = 1."""
    w, steps = 1.0, 0
    while abs(w) > eps:
        moved = w - lr * h * w
        if abs(moved) >= abs(w):
            return math.inf
        w, steps = moved, steps + 1
    return steps


def _is_infinite(value: Any, about: str) -> bool:
    try:
        return bool(ask(lambda: float(value) == math.inf, about=about))
    except NotYet:
        return False


@check
def check_schedule(answer: Callable[[int, int], float]) -> str:
    """Tune the peak of the answer's schedule on a noisy quadratic, and cosine's too."""
    ends = {}
    for steps in (500, 200):
        said = [number(ask(answer, k, steps, about=f"Step {k} of {steps}"), f"Step {k}")
                for k in range(steps)]  # fmt: skip
        if min(said) < 0 or max(said) > 1:
            raise NotYet(f"Factors must lie in 0 … 1, got {min(said):.3g} … {max(said):.3g}.")
        cosine = [(1 + math.cos(math.pi * k / steps)) / 2 for k in range(steps)]
        yours, theirs = ends[steps] = [
            _best_end(torch.tensor(s, dtype=torch.float64)) for s in (said, cosine)
        ]
        if yours >= theirs:
            raise NotYet(
                f"With {steps} steps, at its best peak it ends at {yours:.4f}; "
                f"cosine ends at {theirs:.4f}."
            )
    (yours, theirs), _ = ends.values()
    return (
        f"At its best peak it ends at {yours:.4f}, cosine at {theirs:.4f}; "
        "with 200 steps it is ahead, too."
    )


def _best_end(shape: Tensor) -> float:
    """The last loss on a hundred weights at the best of 30 peaks from 0.025 to 4."""
    h, peaks = 1 / torch.arange(1, 101).double(), torch.logspace(-1.6, 0.6, 30).double()
    ends = noisy_quadratic_loss(h, h, shape[:, None] * peaks)[:, -1]
    return float(ends.nan_to_num(nan=math.inf).min())


@check
def check_fit(answer: Callable[..., tuple[list[float], list[float]]]) -> str:
    """Train networks with the answer, and compare their weights with descent's by the plan."""
    torch.optim.SGD([torch.zeros(1)], 0.1)  # the first one imports for seconds: not on the clock
    plan = [0.5] * 30 + [0.05] * 20 + [0.005] * 10
    for width, examples in ((10, 100), (random.Random().randint(4, 7), 60)):
        about = f"A network 1–{width}–1"
        net, start = _network(width)
        x, y = noisy_parabola(seed=width, examples=examples)
        said = ask(answer, net, x.clone(), y.clone(), about=about)
        drawn, used = _two_lists(said, about)
        for what, rates in (("drew", drawn), ("used", used)):
            if len(rates) != len(plan) or any(
                not math.isclose(*pair, rel_tol=1e-5) for pair in zip(rates, plan, strict=True)
            ):
                found = sorted({float(f"{r:.4g}") for r in rates}, reverse=True)[:4]
                raise NotYet(f"{about}: you {what} {len(rates)} rates out of {found}.")
        end = parameters_to_vector(net.parameters()).detach()
        if torch.equal(end, start):
            raise NotYet(f"{about}: the weights are where they were; nothing was trained.")
        landscape = network_loss(net, nn.functional.mse_loss)
        rule = scheduled(gd(1.0), torch.tensor(plan, dtype=torch.float64))
        truth = descend(landscape, rule, len(plan), start=start, data=(x, y)).final
        if not torch.allclose(end, truth, rtol=1e-6, atol=1e-8):
            raise NotYet(
                f"{about}: you report the planned rates, but the weights are not those of "
                "descent at these rates."
            )
    return "Drawn, used and trained with: 30 steps at 0.5, 20 at 0.05, 10 at 0.005."


def _network(width: int) -> tuple[nn.Module, Tensor]:
    """A network and its weights; the reader's random numbers stay where they were."""

    def make() -> nn.Module:
        first, last = (nn.Linear(*sides, dtype=torch.float64) for sides in ((1, width), (width, 1)))
        return nn.Sequential(first, nn.Tanh(), last)

    start = initial_weights(make, [width])[0] / 2  # so small that 0.5 is below the border
    with torch.random.fork_rng(devices=[]):
        net = make()
    vector_to_parameters(start.clone(), net.parameters())
    return net, start


def _two_lists(said: Any, about: str) -> list[list[float]]:
    """The rates drawn and the rates used, whatever holds them."""
    try:
        pair = ask(lambda: [list(islice(rates, 1000)) for rates in said], about=about)
    except NotYet:
        pair = []
    if len(pair) != 2 or isinstance(said, str | dict | set):
        raise NotYet(f"{about}: expected the rates drawn and the rates used, got {shown(said)}.")
    return [numbers(rates, len(rates), about) for rates in pair]
