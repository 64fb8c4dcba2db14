"""Exercises on single steps: how long one may be, how long to make it, a loop of them."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import Landscape, network_loss, ravine
from gdlib.rules import gd


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
