"""Further checks of exercises: chapters 2, 4 and 5; see ``gdlib.checks``."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gdlib.analysis import noise_trace, noisy_quadratic_loss, per_example_grads
from gdlib.checks import _ask, _check, _NotYet, _number
from gdlib.data import noisy_parabola, shuffled
from gdlib.descent import descend
from gdlib.landscapes import Landscape, parabola, ravine
from gdlib.rules import gd, momentum

# Chapter 2


@_check
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
    said = _ask(answer, about="After the genie")
    if not isinstance(said, dict) or set(said) != set(truth):
        raise _NotYet(f"Expected a dictionary with the keys {list(truth)}.")
    for what, factor in truth.items():
        if abs(_number(said[what], what) - factor) > 1e-6:
            raise _NotYet(f"The {what}: you say × {said[what]:g}, measured × {factor:.3g}.")
    return "Gradient descent pays twice for the same path; SGD does not notice."


@_check
def check_lr_for_floor(answer: Callable[[float, float, float], float]) -> str:
    """Follow the variance of a noisy quadratic to where the answer's learning rate takes it."""
    for h, noise, target in ((1.0, 1.0, 0.01), (0.1, 4.0, 2.0), (20.0, 1.0, 0.5), (1.0, 0.01, 5.0)):
        about = f"Curvature {h:g}, noise {noise:g}, target {target:g}"
        lr = _number(_ask(answer, h, noise, target, about=about), about)
        if not 0 < lr < 2 / h:
            raise _NotYet(f"{about}: lr = {lr:.3g} is not between 0 and 2/h = {2 / h:.3g}.")
        variance = 0.0
        for _ in range(20_000):
            variance = (1 - lr * h) ** 2 * variance + lr**2 * noise
        if not math.isclose(variance, target, rel_tol=1e-3):
            raise _NotYet(f"{about}: with lr = {lr:.3g} the variance settles at {variance:.3g}.")
    return "All four settle at their targets, the one near the border of stability too."


@_check
def check_lr_schedule(answer: Callable[[int], float]) -> str:
    """The exact mean square of w after 3,000 steps of the answer, for two curvatures."""
    rates = _ask(lambda: [answer(k) for k in range(3000)], about="The first 3,000 steps")
    left = {}
    for h in (1.0, 0.1):
        square = 100.0
        for k, rate in enumerate(rates):
            lr = _number(rate, f"Step {k}")
            square = (1 - lr * h) ** 2 * square + lr**2
            if not square < 101:
                raise _NotYet(f"h = {h:g}: step {k} takes the mean square of w to {square:.2g}.")
        left[h] = square
        if not square < 0.06:
            raise _NotYet(f"h = {h:g}: the mean square of w is {square:.2g}; below 0.06 is asked.")
    return f"The mean square is {left[1.0]:.1g} for h = 1 and {left[0.1]:.1g} for h = 0.1."


@_check
def check_by_ones(answer: Callable[..., Tensor]) -> str:
    """Run the answer with three seeds and look at how it behaves from epoch to epoch."""
    x, y = noisy_parabola()
    features = torch.cat([torch.ones_like(x), x], 1)
    best = torch.linalg.lstsq(features, y).solution[:, 0]
    args, ends = (features, y[:, 0], torch.zeros(2, dtype=torch.float64), 0.02, 20), []
    for seed in (0, 1, 2, 0):
        path = _ask(answer, *args, seed, about=f"20 epochs with seed {seed}")
        if not isinstance(path, Tensor) or path.shape != (21, 2):
            raise _NotYet(f"Expected the weights after 0 … 20 epochs, (21, 2), got {path!r:.60}.")
        ends.append(path[10:])
    if (still := (ends[0][1:] - ends[0][:-1]).norm(dim=1).max()) < 1e-3:
        raise _NotYet(f"From epoch 10 on the weights move by {still:.0e} an epoch: they are still.")
    if not torch.equal(ends[0], ends[3]):
        raise _NotYet("Seed 0 gave two different runs; your colleague wanted to repeat them.")
    if torch.equal(ends[0], ends[1]):
        raise _NotYet("Seeds 0 and 1 gave the same run: is the seed used?")
    error = float(torch.stack(ends[:3]).sub(best).square().sum(-1).mean())
    if not error < 0.0026:
        raise _NotYet(f"The mean square distance is {error:.2g}: is every example used once?")
    return f"It never rests, it can be repeated, and its mean square distance is {error:.1g}."


# Chapter 4


@_check
def check_steps_needed(answer: Callable[[float, float, float], float]) -> str:
    """Count the steps of descent on parabolas, on both sides of 1 / curvature."""
    for lr, h, eps in ((0.01, 1.0, 1e-6), (0.9, 1.0, 1e-3), (1.9, 1.0, 1e-6), (0.001, 1990, 0.1)):
        about = f"lr {lr:g}, curvature {h:g}, ε {eps:g}"
        steps = _number(_ask(answer, lr, h, eps, about=about), about)
        run = descend(parabola(h), gd(lr), 2000, start=torch.ones(1).double())
        counted = int((run.w.abs() > eps).sum())
        if steps != counted:
            raise _NotYet(f"{about}: you say {steps:g} steps, descent takes {counted}.")
    return "All four counts are those of descent, to the step."


@_check
def check_schedule(answer: Callable[[int, int], float]) -> str:
    """Tune the peak of the answer's schedule on a noisy quadratic, and cosine's too."""
    factors = [[_number(_ask(answer, k, 500, about=f"Step {k}"), f"Step {k}"),
                (1 + math.cos(math.pi * k / 500)) / 2] for k in range(500)]  # fmt: skip
    shapes, h = torch.tensor(factors).double(), 1 / torch.arange(1, 101).double()
    if shapes.min() < 0 or shapes.max() > 1:
        raise _NotYet(f"Factors must lie in 0 … 1, got {shapes.min():.3g} … {shapes.max():.3g}.")
    rates = shapes[..., None] * torch.logspace(-1.3, 0.3, 24).double()
    yours, cosine = noisy_quadratic_loss(h, h, rates)[..., -1].nan_to_num(nan=1e9).amin(1)
    if yours >= cosine:
        raise _NotYet(f"At its best peak it ends at {yours:.4f}; cosine ends at {cosine:.4f}.")
    return f"At its best peak it ends at {yours:.4f}; cosine ends at {cosine:.4f}."


@_check
def check_fit(answer: Callable[..., tuple[list[float], list[float]]]) -> str:
    """Train a network 1–10–1 with the answer: the rates that it drew and those that it used."""
    net = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    said = _ask(answer, net, *noisy_parabola(), about="A network 1–10–1")
    try:
        drawn, used = (torch.tensor([float(rate) for rate in rates]) for rates in said)
    except (TypeError, ValueError):
        raise _NotYet(f"Expected the rates drawn and used, got {said!r:.60}.") from None
    plan = torch.tensor([0.5] * 30 + [0.05] * 20 + [0.005] * 10)
    for what, rates in (("drew", drawn), ("used", used)):
        if rates.shape != plan.shape or not torch.allclose(rates, plan):
            found = sorted(set(rates.tolist()), reverse=True)[:4]
            raise _NotYet(f"You {what} {len(rates)} rates out of {[round(r, 6) for r in found]}.")
    return "Drawn and used: 30 steps at 0.5, 20 at 0.05, 10 at 0.005."


# Chapter 5


@_check
def check_best_momentum(answer: Callable[[Tensor], tuple[float, float]]) -> str:
    """Descend on quadratics with the answer's lr and beta, and with the best ones."""
    for rows in ([[1, 0], [0, 30]], [[3, 2], [2, 3]], [[50, -7], [-7, 1]], [[2, 0], [0, 2]]):
        hessian, about = torch.tensor(rows, dtype=torch.float64), f"Hessian {rows}"
        pair = _ask(answer, hessian.clone(), about=about)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise _NotYet(f"{about}: expected a pair (lr, beta), got {pair!r:.60}.")
        lr, beta = (_number(value, about) for value in pair)
        if not (lr > 0 and 0 <= beta < 1):
            raise _NotYet(f"{about}: lr must be positive and beta in [0, 1), got {lr:g}, {beta:g}.")
        low, high = torch.linalg.eigvalsh(hessian).sqrt().tolist()
        best = ((2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2)
        bowl = Landscape(lambda w, hessian=hessian: w @ hessian @ w / 2)
        rule = momentum(*torch.tensor([(lr, beta), best]).double().T)
        yours, least = descend(bowl, rule, 100, start=torch.ones(2).double()).final.norm(dim=-1)
        if not yours < 3 * least + 1e-12:
            raise _NotYet(f"{about}: after 100 steps w is at {yours:.1e}, could be at {least:.1e}.")
    return "On 4 bowls nothing that has one lr and one beta is faster in the long run."


@_check
def check_change_lr(answer: Callable[[torch.optim.SGD, float], None]) -> str:
    """Change the learning rate with the answer and compare the steps with Polyak's."""
    bowl, w = ravine(20.0), torch.tensor([-4.0, 1.5], dtype=torch.float64)
    before, weight = w, nn.Parameter(w.clone())
    sgd = torch.optim.SGD([weight], lr=0.02, momentum=0.9)
    for k, lr in enumerate([0.02] * 10 + [0.005] * 10 + [0.01] * 10):
        about = f"Step {k}, lr = {lr:g}"
        if k % 10 == 0:
            _ask(answer, sgd, lr, about=about)
        if (now := sgd.param_groups[0]["lr"]) != lr:
            raise _NotYet(f"{about}: the optimiser's lr is {now!r:.30}.")
        w, before = w - lr * torch.func.grad(bowl.loss)(w) + 0.9 * (w - before), w
        sgd.zero_grad()
        bowl.loss(weight).backward()
        sgd.step()
        if (off := float((weight.detach() - w).norm() / (w - before).norm())) > 1e-9:
            raise _NotYet(f"{about}: the step is off by {off:.2g} of the length of Polyak's step.")
    return "Ten steps at 0.02, ten at 0.005, ten at 0.01: all 30 are Polyak's."


@_check
def check_ported(answer: Callable[[Iterable, float, float], torch.optim.Optimizer]) -> str:
    """Descend with the answer's optimiser and compare with the exponential average's steps."""
    for lr, beta in ((0.2, 0.9), (0.05, 0.5)):
        bowl, about = ravine(20.0), f"lr = {lr:g}, β = {beta:g}"
        w, v = torch.tensor([-4.0, 1.5], dtype=torch.float64), torch.zeros(2)
        weight = nn.Parameter(w.clone())
        optimizer = _ask(answer, [weight], lr, beta, about=about)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise _NotYet(f"{about}: expected an optimiser of torch.optim, got {optimizer!r:.60}.")
        for k in range(20):
            v = beta * v + (1 - beta) * torch.func.grad(bowl.loss)(w)
            optimizer.zero_grad()
            bowl.loss(weight).backward()
            optimizer.step()
            ratio = float((weight.detach() - w).norm() / (lr * v).norm())
            w = w - lr * v
            if not torch.allclose(weight.detach(), w, rtol=1e-9, atol=1e-12):
                raise _NotYet(f"{about}: step {k + 1} is {ratio:.2g} times the original's length.")
    return "20 steps with each of two settings, and all are the original's."
