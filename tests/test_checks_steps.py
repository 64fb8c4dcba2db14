"""The checks of chapter 1: right answers in several styles, and wrong ones."""

import pytest
import torch
from torch import nn

from gdlib import checks
from tests.exercises import namespace, said


@pytest.fixture(scope="module")
def chapter1() -> dict:
    return namespace("01_gradient_descent")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda hessian: 2 / hessian.diagonal().max(), "too large"),
        (lambda hessian: 1 / torch.linalg.eigvalsh(hessian).max(), "too small"),
        (lambda hessian: -1.0, "must be positive"),
    ],
)
def test_a_wrong_largest_lr_is_judged_by_what_descent_does(answer, reason, capsys):
    assert reason in said(capsys, checks.check_largest_lr, answer)


def test_a_search_must_be_safe_cheap_and_able_to_grow(chapter1, capsys):
    backtrack = chapter1["backtrack"]
    wrong = {
        "fails Armijo's test": lambda loss, w, grad, last: last,
        "evaluations a step": lambda loss, w, grad, last: backtrack(loss, w, grad, 1.0),
        "of the loss is left": lambda loss, w, grad, last: 1e-4,
    }
    for reason, answer in wrong.items():
        assert reason in said(capsys, checks.check_next_lr, answer)


def trainer(*, clear: str, returns: bool = True):
    """A training loop that clears its gradients at the place named, or nowhere."""

    def train_network(model, x, y, lr, epochs):
        losses = []
        for epoch in range(epochs):
            loss = nn.functional.mse_loss(model(x), y)
            if clear == "before backward" or (clear == "once" and not epoch):
                model.zero_grad()
            loss.backward()
            if clear == "after backward":
                model.zero_grad(set_to_none=False)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= lr * parameter.grad
            losses.append(loss.item())
        return losses if returns else None

    return train_network


def test_a_training_loop_is_compared_with_descent(capsys):
    check = checks.check_train_network
    assert said(capsys, check, trainer(clear="before backward")).startswith("Right.")
    assert "have not moved" in said(capsys, check, trainer(clear="after backward"))
    assert "sum of both gradients" in said(capsys, check, trainer(clear="once"))
    assert "list of 1 losses" in said(
        capsys, check, trainer(clear="before backward", returns=False)
    )
