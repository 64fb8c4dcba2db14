"""Exercises on steps: gradient descent, learning rates, momentum."""

import copy
import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from gdlib.analysis import noisy_quadratic_loss
from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import Landscape, network_loss, parabola, ravine
from gdlib.rules import gd, momentum


@check
def check_largest_lr(answer: Callable[[Tensor], float]) -> str:
    """Descend on quadratics just below and just above the learning rate that the answer gives."""
    for rows in ([[1, 0], [0, 10]], [[0.01, 0], [0, 0.01]], [[3, 2], [2, 3]], [[50, -7], [-7, 1]]):
        hessian, about = torch.tensor(rows, dtype=torch.float64), f"Hessian {rows}"
        lr = number(ask(answer, hessian.clone(), about=about), about)
        if lr <= 0:
            raise NotYet(f"{about}: lr = {lr:.4g} does not go downhill; it must be positive.")
        bowl = Landscape(lambda w, hessian=hessian: w @ hessian @ w / 2)
        rule, start = gd(torch.tensor([0.99 * lr, 1.01 * lr])), torch.tensor([1, 0.5]).double()
        loss = descend(bowl, rule, 1000, start=start, every=1000).loss
        below, above = loss[:, 1] < loss[:, 0]
        if not below:
            raise NotYet(f"{about}: lr = {lr:.4g} is too large; just below it descent runs away.")
        if above:
            raise NotYet(
                f"{about}: lr = {lr:.4g} is too small; descent still converges just above it."
            )
    return "On 4 bowls descent converges just below your lr, and runs away just above it."


@check
def check_next_lr(answer: Callable[[Callable, Tensor, Tensor, float], float]) -> str:
    """Descend with the step lengths that the answer finds, and count what they cost."""
    quartic = Landscape(lambda w: (w**4).sum() / 4, torch.tensor([3.0, -1.0]).double())
    for name, landscape in {"The ravine, κ = 30": ravine(30.0), "The loss w⁴ / 4": quartic}.items():
        calls: list[Tensor] = []

        def loss(w: Tensor, calls: list = calls, landscape: Landscape = landscape) -> Tensor:
            calls.append(w)
            return landscape.loss(w)

        w, lr = landscape.start, 1.0
        for k in range(60):
            about = f"{name}, step {k}"
            grad, here = torch.func.grad_and_value(landscape.loss)(w)
            lr = number(ask(answer, loss, w, grad, lr, about=about), about)
            w = w - lr * grad
            there = landscape.loss(w)
            if not (lr > 0 and there <= here - lr * grad @ grad / 2 + 1e-9):
                raise NotYet(
                    f"{about}: lr = {lr:.3g} takes the loss from {here:.3g} to {there:.3g}; "
                    "that fails Armijo's test."
                )
        left = float(landscape.loss(w) / landscape.loss(landscape.start))
        if left > 1e-4:
            raise NotYet(f"{name}: after 60 steps {left:.1g} of the loss is left, lr = {lr:.2g}.")
        if len(calls) > 60 * 4:
            raise NotYet(f"{name}: {len(calls) / 60:.2g} evaluations a step, where 4 are enough.")
    return "Every step passes Armijo's test, with at most 4 evaluations of the loss a step."


@check
def check_train_network(answer: Callable[..., list[float]]) -> str:
    """Train a network 1–10–1 with the answer and compare its weights with descent's."""
    x, y = noisy_parabola()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    landscape = network_loss(model, nn.functional.mse_loss)
    truth = descend(landscape, gd(0.2), 100, data=(x, y), record=("w", "grad"))
    grads, weights = truth.grad, truth.w
    assert grads is not None and weights is not None
    for epochs in (1, 2, 100):
        about, trained = f"After {epochs} step{'s'[: epochs > 1]}", copy.deepcopy(model)
        losses = ask(answer, trained, x, y, 0.2, epochs, about=about)
        w = parameters_to_vector(trained.parameters()).detach()
        if torch.equal(w, weights[0]):
            raise NotYet(f"{about} the weights have not moved.")
        if not torch.allclose(w, weights[epochs]):
            both = weights[0] - 0.2 * (2 * grads[0] + grads[1])
            summed = torch.allclose(w, both)
            why = "The last step followed the sum of both gradients." if summed else ""
            raise NotYet(f"{about} the weights are not those of gradient descent. {why}")
        if not isinstance(losses, list) or len(losses) != epochs:
            raise NotYet(f"{about}: expected a list of {epochs} losses, got {losses!r:.60}.")
    return "After 1, 2 and 100 steps the weights are those of gradient descent."


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


@check
def check_best_momentum(answer: Callable[[Tensor], tuple[float, float]]) -> str:
    """Descend on quadratics with the answer's lr and beta, and with the best ones."""
    for rows in ([[1, 0], [0, 30]], [[3, 2], [2, 3]], [[50, -7], [-7, 1]], [[2, 0], [0, 2]]):
        hessian, about = torch.tensor(rows, dtype=torch.float64), f"Hessian {rows}"
        pair = ask(answer, hessian.clone(), about=about)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise NotYet(f"{about}: expected a pair (lr, beta), got {pair!r:.60}.")
        lr, beta = (number(value, about) for value in pair)
        if not (lr > 0 and 0 <= beta < 1):
            raise NotYet(f"{about}: lr must be positive and beta in [0, 1), got {lr:g}, {beta:g}.")
        low, high = torch.linalg.eigvalsh(hessian).sqrt().tolist()
        best = ((2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2)
        bowl = Landscape(lambda w, hessian=hessian: w @ hessian @ w / 2)
        rule = momentum(*torch.tensor([(lr, beta), best]).double().T)
        yours, least = descend(bowl, rule, 100, start=torch.ones(2).double()).final.norm(dim=-1)
        if not yours < 3 * least + 1e-12:
            raise NotYet(f"{about}: after 100 steps w is at {yours:.1e}, could be at {least:.1e}.")
    return "On 4 bowls nothing that has one lr and one beta is faster in the long run."


@check
def check_change_lr(answer: Callable[[torch.optim.SGD, float], None]) -> str:
    """Change the learning rate with the answer and compare the steps with Polyak's."""
    bowl, w = ravine(20.0), torch.tensor([-4.0, 1.5], dtype=torch.float64)
    before, weight = w, nn.Parameter(w.clone())
    sgd = torch.optim.SGD([weight], lr=0.02, momentum=0.9)
    for k, lr in enumerate([0.02] * 10 + [0.005] * 10 + [0.01] * 10):
        about = f"Step {k}, lr = {lr:g}"
        if k % 10 == 0:
            ask(answer, sgd, lr, about=about)
        if (now := sgd.param_groups[0]["lr"]) != lr:
            raise NotYet(f"{about}: the optimiser's lr is {now!r:.30}.")
        w, before = w - lr * torch.func.grad(bowl.loss)(w) + 0.9 * (w - before), w
        sgd.zero_grad()
        bowl.loss(weight).backward()
        sgd.step()
        if (off := float((weight.detach() - w).norm() / (w - before).norm())) > 1e-9:
            raise NotYet(f"{about}: the step is off by {off:.2g} of the length of Polyak's step.")
    return "Ten steps at 0.02, ten at 0.005, ten at 0.01: all 30 are Polyak's."


@check
def check_ported(answer: Callable[[Iterable, float, float], torch.optim.Optimizer]) -> str:
    """Descend with the answer's optimiser and compare with the exponential average's steps."""
    for lr, beta in ((0.2, 0.9), (0.05, 0.5)):
        bowl, about = ravine(20.0), f"lr = {lr:g}, β = {beta:g}"
        w, v = torch.tensor([-4.0, 1.5], dtype=torch.float64), torch.zeros(2)
        weight = nn.Parameter(w.clone())
        optimizer = ask(answer, [weight], lr, beta, about=about)
        if not isinstance(optimizer, torch.optim.Optimizer):
            raise NotYet(f"{about}: expected an optimiser of torch.optim, got {optimizer!r:.60}.")
        for k in range(20):
            v = beta * v + (1 - beta) * torch.func.grad(bowl.loss)(w)
            optimizer.zero_grad()
            bowl.loss(weight).backward()
            optimizer.step()
            ratio = float((weight.detach() - w).norm() / (lr * v).norm())
            w = w - lr * v
            if not torch.allclose(weight.detach(), w, rtol=1e-9, atol=1e-12):
                raise NotYet(f"{about}: step {k + 1} is {ratio:.2g} times the original's length.")
    return "20 steps with each of two settings, and all are the original's."
