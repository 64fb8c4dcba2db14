"""Exercises on generalisation: a threshold for a price, how many customers, too good a result."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import chance, customers

CALLED = 20_000  # customers among whom a threshold chooses
SAMPLES = 600  # of as many customers as the answer says
JUDGES = 4_000  # customers on whom what the samples taught is compared with the truth
MOST = 4_000  # customers in a sample
PATIENTS, GENES, TELLING = 50, 1_000, 10


@check
def check_threshold(answer: Callable[[float], float]) -> str:
    """Count what the answer's calls cost, and what those of every other threshold would."""
    p = chance(customers(CALLED, seed=7)[0]).sort().values
    nobody = p.new_zeros(1)
    for c in (1.0, 3.0, 9.0, 0.25, 1.5, 30.0):
        about = f"cost {c:g}"
        least = number(ask(answer, c, about=about), about)
        called = p >= least
        missed, useless = float((c * p)[~called].sum()), float((1 - p)[called].sum())
        below = torch.cat([nobody, (c * p).cumsum(0)])  # of each cut: the missed buyers, …
        above = torch.cat([(1 - p).flip(0).cumsum(0).flip(0), nobody])  # … the useless calls
        best = float((below + above).min())
        if not missed + useless <= 1.001 * best:
            raise NotYet(
                f"{about}: with the threshold {least:.4g} a customer costs "
                f"{(missed + useless) / CALLED:.4g}, missed buyers {missed / CALLED:.4g} of it and "
                f"useless calls {useless / CALLED:.4g}; {best / CALLED:.4g} is possible."
            )
    return f"Six prices: none of {CALLED + 1:,} cuts costs 0.1 % less than yours does."


@check
def check_customers_needed(answer: Callable[[int, float], float]) -> str:
    """Draw samples of as many customers, fit each, and measure the excess against the truth."""
    found = []
    for p, excess in ((4, 0.002), (8, 0.003), (4, 0.004), (12, 0.005)):
        about = f"{p} weights, excess {excess:g}"
        said = number(ask(answer, p, excess, about=about), about)
        if said < 20 * p:
            raise NotYet(
                f"{about}: you say {said:g} customers. Even {20 * p} are too few: fitted to so "
                f"many, the excess is {_excess(20 * p, p):.2g}."
            )
        count = min(math.ceil(said - 1e-6), MOST)
        found.append(_excess(count, p))
        if not 0.88 < found[-1] / excess < 1.12 or said > MOST:
            few = "too few" if found[-1] > excess else "more than needed"
            raise NotYet(
                f"{about}: you say {said:g} customers. Fitted to {count:,}, the excess is "
                f"{found[-1]:.2g} in the mean of {SAMPLES} samples: {few}."
            )
    told = ", ".join(f"{value:.2g}" for value in found)
    return f"Measured in {SAMPLES} samples each, the excess is {told} nats."


def _excess(count: int, p: int) -> float:
    """The mean log loss beyond the truth's of p weights fitted to samples of so many customers."""
    dice, total = torch.Generator().manual_seed(count), 0.0
    judges, truth, _ = _features(JUDGES, p, dice)
    for _ in range(0, SAMPLES, 50):
        x, _, y = _features(50 * count, p, dice)
        x, y = x.view(50, count, p), y.view(50, count)
        w = x.new_zeros(50, p, 1)
        for _ in range(7):  # Newton's steps
            q = (x @ w).sigmoid()
            hessian = x.mT @ (q * (1 - q) * x)
            w = w + torch.linalg.solve(hessian, x.mT @ (y[..., None] - q))
        q = (judges @ w).squeeze(-1).sigmoid()
        surprise = truth * (truth / q).log() + (1 - truth) * ((1 - truth) / (1 - q)).log()
        total += float(surprise.mean(1).sum())
    return total / SAMPLES


def _features(count: int, p: int, dice: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Customers as p columns, a 1, the three of ``customers`` in like units and noise; and both
    their chances and whether they buy."""
    x, y = customers(count, seed=int(torch.randint(2**40, (), generator=dice)))
    noise = torch.randn(count, p - 4, generator=dice, dtype=torch.float64)
    units = (x - x.new_tensor([44, 35_000, 13])) / x.new_tensor([15, 15_000, 3])
    return torch.cat([torch.ones_like(y)[:, None], units, noise], 1), chance(x), y


@check
def check_cross_validated(answer: Callable[[Tensor, Tensor], Any]) -> str:
    """Ask it about labels that mean nothing, about ones that mean much, and about one mistake."""
    dice = torch.Generator().manual_seed(0)
    for i in (0, 13, 26, 38, 49):
        x, y = _patients(PATIENTS, 4.0, dice)
        y[i] = 1 - y[i]
        about = f"{PATIENTS} patients who are easy to tell apart, one of whom has a wrong label"
        said = number(ask(answer, x, y, about=about), about)
        if abs(said - (1 - 1 / PATIENTS)) > 0.004:
            raise NotYet(
                f"{about}, row {i}: you say {said:.4g}. Held out once each, all but that one are "
                f"classified right, {1 - 1 / PATIENTS:.4g}."
            )
    noise = [_asked(answer, 0.0, "Labels of a coin", dice) for _ in range(30)]
    if not abs((mean := sum(noise) / len(noise)) - 0.5) < 0.07:
        raise NotYet(
            f"On {len(noise)} sets of {PATIENTS} patients whose labels a coin has drawn you say "
            f"{mean:.2g} on average. Nothing can be learned there: new patients give 0.5."
        )
    real = [_asked(answer, 1.2, "Labels that ten genes know", dice) for _ in range(30)]
    mean, fresh = sum(real) / len(real), _fresh(dice)
    if not fresh - 0.05 < mean < fresh + 0.06:
        raise NotYet(
            f"On {len(real)} sets of {PATIENTS} patients whose labels {TELLING} genes know you say "
            f"{mean:.2g} on average. Trained on 40 such patients, 20 genes get {fresh:.2g} of new "
            "ones right."
        )
    return (
        f"Labels of a coin: {sum(noise) / len(noise):.2f}. Labels that {TELLING} genes know: "
        f"{mean:.2f}; new patients give {fresh:.2f}."
    )


def _asked(answer: Callable, gap: float, about: str, dice: torch.Generator) -> float:
    return number(ask(answer, *_patients(PATIENTS, gap, dice), about=about), about)


def _patients(count: int, gap: float, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Genes and labels; the classes are ``gap`` spreads apart in the genes that know the label."""
    y = torch.randint(2, (count,), generator=dice)
    x = torch.randn(count, GENES, generator=dice, dtype=torch.float64)
    x[:, :: GENES // TELLING] += gap * y[:, None]
    return x, y


def _fresh(dice: torch.Generator) -> float:
    """The share of new patients whom 20 genes, chosen by 40 others, classify right."""
    shares = []
    for _ in range(30):
        x, y = _patients(540, 1.2, dice)
        one, other = (x[:40][y[:40] == label].mean(0) for label in (0, 1))
        best = ((other - one).abs() / x[:40].std(0)).topk(20).indices
        nearer = ((x - other)[40:, best].norm(dim=1) < (x - one)[40:, best].norm(dim=1)).long()
        shares.append((nearer == y[40:]).double().mean())
    return float(torch.stack(shares).mean())
