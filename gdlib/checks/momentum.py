"""Exercises on momentum: the best pair, a changed rate, a port."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.descent import descend
from gdlib.landscapes import Landscape, ravine
from gdlib.rules import momentum


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
