"""The checks of chapter 1: right answers in several styles, and wrong ones."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from gdlib import checks
from tests.exercises import namespace, said


@pytest.fixture(scope="module")
def chapter1() -> dict:
    return namespace("01_gradient_descent")


def in_place(hessian):
    hessian /= 2
    return 1 / torch.linalg.eigvalsh(hessian)[-1]


RIGHT_LRS = {
    "tensor": lambda hessian: 2 / torch.linalg.eigvalsh(hessian).max(),
    "numpy": lambda hessian: 2 / np.linalg.eigvalsh(hessian.numpy())[-1],
    "singular values": lambda hessian: float(2 / torch.linalg.matrix_norm(hessian, 2)),
    "one number in a vector": lambda hessian: 2 / torch.linalg.eigvalsh(hessian)[-1:],
    "in place": in_place,
}


@pytest.mark.parametrize("style", RIGHT_LRS)
def test_a_right_largest_lr_passes_in_any_style(style, capsys):
    assert said(capsys, checks.check_largest_lr, RIGHT_LRS[style]).startswith("Right.")


def for_two_weights(hessian):
    """The larger root of the characteristic polynomial of the upper left corner."""
    a, b, d = hessian[0, 0], hessian[0, -1], hessian[-1, -1]
    return 2 / ((a + d) / 2 + (((a - d) / 2) ** 2 + b**2).sqrt())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda hessian: 2 / hessian.diagonal().max(), "too large"),
        (lambda hessian: 1 / torch.linalg.eigvalsh(hessian).max(), "too small"),
        (lambda hessian: 2 / hessian.trace(), "too small"),
        (lambda hessian: 2 / hessian.abs().sum(1).max(), "too small"),
        (lambda hessian: 2 / torch.linalg.eigvalsh(hessian).min(), "too large"),
        (lambda hessian: 1.9 / torch.linalg.eigvalsh(hessian).max(), "too small"),
        (lambda hessian: 2.05 / torch.linalg.eigvalsh(hessian).max(), "too large"),
        (for_two_weights, "A Hessian of "),
        (lambda hessian: -1.0, "must be positive"),
        (lambda hessian: hessian, "Not yet."),
        (lambda hessian: 2 / torch.linalg.eigvals(hessian).max(), "your code stopped"),
    ],
)
def test_a_wrong_largest_lr_is_judged_by_what_descent_does(answer, reason, capsys):
    told = said(capsys, checks.check_largest_lr, answer)
    assert told.startswith("Not yet.") and reason in told


def remembering(growth, shrink=0.5, keep=float):
    """A search that first offers ``growth`` times what was accepted last."""

    def next_lr(loss, w, grad, last):
        lr, here, promise = growth * last, loss(w), grad @ grad / 2
        while not loss(w - lr * grad) <= here - lr * promise:
            lr = shrink * lr
        return keep(lr)

    return next_lr


def test_a_search_that_remembers_may_grow_in_its_own_way(capsys):
    kinds = (
        remembering(2), remembering(1.5), remembering(1.3), remembering(2, keep=torch.tensor),
        remembering(2, shrink=0.6), remembering(3, shrink=0.4, keep=np.float64),
    )  # fmt: skip
    for answer in kinds:
        assert said(capsys, checks.check_next_lr, answer).startswith("Right.")


def test_what_a_search_does_to_its_arguments_does_not_move_the_walk(capsys):
    def spoils(loss, w, grad, last):
        lr = remembering(2)(loss, w, grad, last)
        w.zero_()
        grad.zero_()
        return lr

    assert said(capsys, checks.check_next_lr, spoils).startswith("Right.")


def test_a_search_must_be_safe_cheap_and_able_to_grow(chapter1, capsys):
    backtrack = chapter1["backtrack"]
    wrong = [
        ("fails Armijo's test", lambda loss, w, grad, last: last),
        ("fails Armijo's test", lambda loss, w, grad, last: -1.0),
        ("of the loss is left", lambda loss, w, grad, last: 1 / 30),
        ("evaluations a step", lambda loss, w, grad, last: backtrack(loss, w, grad, 1.0)),
        ("evaluations a step", lambda loss, w, grad, last: backtrack(loss, w, grad, 8 * last)),
        ("of the loss is left", lambda loss, w, grad, last: backtrack(loss, w, grad, last)),
        ("of the loss is left", lambda loss, w, grad, last: 1e-4),
        ("Not yet.", lambda loss, w, grad, last: grad),
        ("expected one finite number", lambda loss, w, grad, last: math.inf),
    ]
    for reason, answer in wrong:
        assert reason in said(capsys, checks.check_next_lr, answer)


def evaluations(left):
    """An answer that arrives on the ravine in two steps and asks ``left`` times on the way."""
    lengths = iter([1 / 30] + 59 * [1.0])

    def next_lr(loss, w, grad, last):
        nonlocal left
        if len(w) > 2:
            return 1e-9
        for _ in range(min(left, 5)):
            loss(w)
        left -= min(left, 5)
        return next(lengths)

    return next_lr


def test_evaluations_are_counted_on_average_and_told_to_three_digits(capsys):
    assert "The loss w⁴ / 4: after" in said(capsys, checks.check_next_lr, evaluations(240))
    told = said(capsys, checks.check_next_lr, evaluations(241))
    assert "4.02 evaluations a step on average, where 4 are enough (241 in 60 steps)" in told


def trainer(*, clear="before backward", returns=list, record="item", rate=None, power=2):
    """A training loop that clears its gradients at the place named, or nowhere."""

    def train_network(model, x, y, lr, epochs):
        losses = []
        for epoch in range(epochs):
            loss = (model(x) - y).abs().pow(power).mean()
            if clear == "before backward" or (clear == "once" and not epoch):
                model.zero_grad()
            loss.backward()
            if clear == "after backward":
                model.zero_grad(set_to_none=False)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= (rate or lr) * parameter.grad
            if clear == "at the end":
                model.zero_grad()
            losses.append(loss.item() if record == "item" else loss)
        return returns(losses)

    return train_network


def by_optimizer(model, x, y, lr, epochs):
    optimizer = torch.optim.SGD(model.parameters(), lr)
    losses = torch.zeros(epochs, dtype=torch.float64)
    for epoch in range(epochs):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), y)
        loss.backward()
        optimizer.step()
        losses[epoch] = loss.detach()
    return losses


def by_functional_grad(model, x, y, lr, epochs):
    names, losses = dict(model.named_parameters()), []
    for _ in range(epochs):
        loss = nn.functional.mse_loss(model(x), y)
        grads = torch.autograd.grad(loss, list(names.values()))
        for parameter, grad in zip(names.values(), grads, strict=True):
            parameter.data.add_(grad, alpha=-lr)
        losses.append(float(loss.detach()))
    return losses


RIGHT_LOOPS = {
    "list": trainer(),
    "cleared at the end": trainer(clear="at the end"),
    "tuple": trainer(returns=tuple),
    "array": trainer(returns=np.array),
    "tensor": trainer(returns=torch.tensor),
    "float32": trainer(returns=lambda losses: torch.tensor(losses, dtype=torch.float32)),
    "detached losses": trainer(record="loss", returns=lambda ls: [x.detach() for x in ls]),
    "iterator": trainer(returns=iter),
    "optimiser": by_optimizer,
    "autograd.grad": by_functional_grad,
}


@pytest.mark.parametrize("style", RIGHT_LOOPS)
def test_a_right_training_loop_passes_whatever_holds_its_losses(style, capsys):
    assert said(capsys, checks.check_train_network, RIGHT_LOOPS[style]).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (trainer(clear="after backward"), "have not moved"),
        (trainer(clear="once"), "sum of both gradients"),
        (trainer(clear="nowhere"), "sum of both gradients"),
        (trainer(rate=0.2), "lr = 0.05 was asked for"),
        (trainer(rate=0.02), "are not those of gradient descent"),
        (trainer(power=1), "are not those of gradient descent"),
        (trainer(returns=lambda losses: None), "returned None"),
        (trainer(returns=lambda losses: [0.0] * len(losses)), "the loss before step 0 is"),
        (trainer(returns=lambda losses: losses[::-1]), "the loss before step 0 is"),
        (trainer(returns=lambda losses: [*losses, 0.0]), "expected 1 numbers"),
        (trainer(returns=lambda losses: losses[-1]), "expected 1 numbers"),
        (trainer(record="loss"), "hang on their graphs"),
        (trainer(record="loss", returns=torch.stack), "hang on their graphs"),
        (trainer(returns=lambda losses: dict.fromkeys(losses)), "expected 1 numbers"),
    ],
)
def test_a_wrong_training_loop_is_compared_with_descent(answer, reason, capsys):
    told = said(capsys, checks.check_train_network, answer)
    assert told.startswith("Not yet.") and reason in told


def test_a_loop_that_stops_its_clock_after_the_step_is_told_so(capsys):
    def measures_late(model, x, y, lr, epochs):
        losses = trainer()(model, x, y, lr, epochs)
        return [*losses[1:], nn.functional.mse_loss(model(x), y).item()]

    assert "the loss before step 0 is" in said(capsys, checks.check_train_network, measures_late)
