"""Exercises on single steps: how long one may be, how long to make it, a loop of them."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from gdlib.checks.judging import NotYet, ask, check, number, numbers, shown
from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import Landscape, network_loss, ravine
from gdlib.rules import gd


def _turned(eigenvalues: Tensor, generator: torch.Generator) -> Tensor:
    """A symmetric matrix with these eigenvalues, along axes that lie at random."""
    axes = torch.linalg.qr(torch.randn(len(eigenvalues), len(eigenvalues), generator=generator))[0]
    matrix = (axes.double() * eigenvalues) @ axes.double().T
    return (matrix + matrix.T) / 2


@check
def check_largest_lr(answer: Callable[[Tensor], float]) -> str:
    """Descend on quadratics just below and just above the learning rate that the answer gives."""
    generator = torch.Generator().manual_seed(0)
    given = ([[1, 0], [0, 10]], [[0.01, 0], [0, 0.01]], [[3, 2], [2, 3]], [[50, -7], [-7, 1]])
    bowls = {f"Hessian {rows}": torch.tensor(rows, dtype=torch.float64) for rows in given}
    for d in (1, 3, 6):
        eigenvalues = 10 ** (4 * torch.rand(d, generator=generator).double() - 2)
        listed = ", ".join(f"{h:.3g}" for h in eigenvalues)
        name = f"A Hessian of {d} weight{'s'[: d > 1]}, eigenvalues {listed}"
        bowls[name] = _turned(eigenvalues, generator)
    for about, hessian in bowls.items():
        lr = number(ask(answer, hessian.clone(), about=about), about)
        if lr <= 0:
            raise NotYet(f"{about}: lr = {lr:.4g} does not go downhill; it must be positive.")
        bowl = Landscape(lambda w, hessian=hessian: w @ hessian @ w / 2)
        # Something of every eigenvector, the steepest too, or the walk would not show the border.
        start = torch.linalg.eigh(hessian).eigenvectors.sum(1)
        rule = gd(torch.tensor([0.99 * lr, 1.01 * lr], dtype=torch.float64))
        loss = descend(bowl, rule, 1000, start=start, every=1000).loss
        below, above = loss[:, 1] < loss[:, 0]
        if not below:
            raise NotYet(f"{about}: lr = {lr:.4g} is too large; just below it descent runs away.")
        if above:
            raise NotYet(
                f"{about}: lr = {lr:.4g} is too small; descent still converges just above it."
            )
    return f"On {len(bowls)} bowls descent converges just below your lr, and runs away just above."


@check
def check_next_lr(answer: Callable[[Callable, Tensor, Tensor, float], float]) -> str:
    """Descend with the step lengths that the answer finds, and count what they cost."""
    generator = torch.Generator().manual_seed(0)
    hessian = _turned(torch.tensor([2.0, 9.0, 40.0, 90.0]).double(), generator)
    landscapes = {
        "The ravine, κ = 30": ravine(30.0),
        "The loss w⁴ / 4": Landscape(
            lambda w: (w**4).sum() / 4, torch.tensor([3.0, -1.0, 2.0]).double()
        ),
        "A bowl of 4 weights, κ = 45": Landscape(
            lambda w: w @ hessian @ w / 2, torch.ones(4).double()
        ),
    }
    steps, most = 60, 4
    for name, landscape in landscapes.items():
        calls = 0

        def loss(w: Tensor, landscape: Landscape = landscape) -> Tensor:
            nonlocal calls
            calls += 1
            return landscape.loss(w)

        assert landscape.start is not None
        w, lr = landscape.start, 1.0
        for k in range(steps):
            about = f"{name}, step {k}"
            grad, here = torch.func.grad_and_value(landscape.loss)(w)
            lr = number(ask(answer, loss, w.clone(), grad.clone(), lr, about=about), about)
            w = w - lr * grad
            there = landscape.loss(w)
            if not (lr > 0 and there <= here * (1 + 1e-9) - lr * grad @ grad / 2):
                raise NotYet(
                    f"{about}: lr = {lr:.3g} takes the loss from {here:.3g} to {there:.3g}; "
                    "that fails Armijo's test."
                )
        left = float(landscape.loss(w) / landscape.loss(landscape.start))
        if left > 1e-4:
            raise NotYet(
                f"{name}: after {steps} steps {left:.1g} of the loss is left, lr = {lr:.2g}."
            )
        if calls > most * steps:
            raise NotYet(
                f"{name}: {calls / steps:.3g} evaluations a step on average, where {most} are "
                f"enough ({calls} in {steps} steps)."
            )
    return f"Every step passes Armijo's test, with at most {most} evaluations a step on average."


@check
def check_train_network(answer: Callable[..., list[float]]) -> str:
    """Train networks with the answer; compare its weights and losses with descent's."""
    torch.optim.SGD(
        [torch.zeros(1)], 0.1
    )  # its first import takes seconds that are not the answer's
    for epochs, lr, units in ((1, 0.2, 10), (2, 0.2, 10), (100, 0.2, 10), (30, 0.05, 7)):
        x, y = noisy_parabola(seed=units, examples=9 * units)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(units)
            model = nn.Sequential(nn.Linear(1, units), nn.ReLU(), nn.Linear(units, 1)).double()
        landscape = network_loss(model, nn.functional.mse_loss)
        truth = descend(landscape, gd(lr), epochs, data=(x, y), record=("w", "loss", "grad"))
        weights, grads = truth.w, truth.grad
        about, trained = f"After {epochs} step{'s'[: epochs > 1]}", copy.deepcopy(model)
        losses = ask(answer, trained, x.clone(), y.clone(), lr, epochs, about=about)
        w = parameters_to_vector(trained.parameters()).detach()
        if torch.equal(w, weights[0]):
            raise NotYet(f"{about} the weights have not moved.")
        if not torch.allclose(w, weights[epochs]):
            why = f"lr = {lr} was asked for, 1–{units}–1 is the network."
            if epochs == 2 and torch.allclose(w, weights[0] - lr * (2 * grads[0] + grads[1])):
                why = "The last step followed the sum of both gradients."
            raise NotYet(f"{about} the weights are not those of gradient descent. {why}")
        _right_losses(losses, truth.loss[:epochs], about)
    return "After 1, 2, 30 and 100 steps weights and losses are those of gradient descent."


def _right_losses(losses: object, truth: Tensor, about: str) -> None:
    """``NotYet`` unless these are the losses before each step, as plain numbers."""
    found = numbers(losses, len(truth), f"{about}, the losses")
    parts = losses if isinstance(losses, list | tuple) else [losses]
    if any(isinstance(part, Tensor) and part.requires_grad for part in parts):
        raise NotYet(
            f"{about}: the losses still hang on their graphs, which keeps every graph in memory; "
            "append loss.item()."
        )
    wrong = [k for k, (is_, be) in enumerate(zip(found, truth.tolist(), strict=True))
             if abs(is_ - be) > 1e-6 * be]  # fmt: skip
    if wrong:
        k = wrong[0]
        raise NotYet(
            f"{about} the weights are right, but the loss before step {k} is "
            f"{truth[k]:.4g}, and the list says {shown(found[k])}."
        )
