"""Exercises on learning rates: how many steps, which schedule, a loop that uses it."""

import math
from collections.abc import Callable

import torch
from torch import nn

from gdlib.analysis import noisy_quadratic_loss
from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import parabola
from gdlib.rules import gd


@check
def check_steps_needed(answer: Callable[[float, float, float], float]) -> str:
    """Count the steps of descent on parabolas, on both sides of 1 / curvature."""
    for lr, h, eps in ((0.01, 1.0, 1e-6), (0.9, 1.0, 1e-3), (1.9, 1.0, 1e-6), (0.001, 1990, 0.1)):
        about = f"lr {lr:g}, curvature {h:g}, ε {eps:g}"
        steps = number(ask(answer, lr, h, eps, about=about), about)
        run = descend(parabola(h), gd(lr), 2000, start=torch.ones(1).double())
        counted = int((run.w.abs() > eps).sum())
        if steps != counted:
            raise NotYet(f"{about}: you say {steps:g} steps, descent takes {counted}.")
    return "All four counts are those of descent, to the step."


@check
def check_schedule(answer: Callable[[int, int], float]) -> str:
    """Tune the peak of the answer's schedule on a noisy quadratic, and cosine's too."""
    factors = [[number(ask(answer, k, 500, about=f"Step {k}"), f"Step {k}"),
                (1 + math.cos(math.pi * k / 500)) / 2] for k in range(500)]  # fmt: skip
    shapes, h = torch.tensor(factors).double(), 1 / torch.arange(1, 101).double()
    if shapes.min() < 0 or shapes.max() > 1:
        raise NotYet(f"Factors must lie in 0 … 1, got {shapes.min():.3g} … {shapes.max():.3g}.")
    rates = shapes[..., None] * torch.logspace(-1.3, 0.3, 24).double()
    yours, cosine = noisy_quadratic_loss(h, h, rates)[..., -1].nan_to_num(nan=1e9).amin(1)
    if yours >= cosine:
        raise NotYet(f"At its best peak it ends at {yours:.4f}; cosine ends at {cosine:.4f}.")
    return f"At its best peak it ends at {yours:.4f}; cosine ends at {cosine:.4f}."


@check
def check_fit(answer: Callable[..., tuple[list[float], list[float]]]) -> str:
    """Train a network 1–10–1 with the answer: the rates that it drew and those that it used."""
    net = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    said = ask(answer, net, *noisy_parabola(), about="A network 1–10–1")
    try:
        drawn, used = (torch.tensor([float(rate) for rate in rates]) for rates in said)
    except (TypeError, ValueError):
        raise NotYet(f"Expected the rates drawn and used, got {said!r:.60}.") from None
    plan = torch.tensor([0.5] * 30 + [0.05] * 20 + [0.005] * 10)
    for what, rates in (("drew", drawn), ("used", used)):
        if rates.shape != plan.shape or not torch.allclose(rates, plan):
            found = sorted(set(rates.tolist()), reverse=True)[:4]
            raise NotYet(f"You {what} {len(rates)} rates out of {[round(r, 6) for r in found]}.")
    return "Drawn and used: 30 steps at 0.5, 20 at 0.05, 10 at 0.005."
