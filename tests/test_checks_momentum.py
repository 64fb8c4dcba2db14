"""The checks of chapter 5: right answers in several styles, and wrong ones."""

import pytest
import torch

from gdlib import checks
from tests.exercises import said


def curvatures(hessian):
    return torch.linalg.eigvalsh(hessian)[[0, -1]]


def nesterovs_pair(hessian):
    """What is best for Nesterov's method, which is not the heavy ball's best."""
    low, high = curvatures(hessian).sqrt()
    return 1 / high**2, (high - low) / (high + low)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda hessian: (2 / curvatures(hessian).sum(), 0.0), "could be at"),
        (nesterovs_pair, "could be at"),
        (lambda hessian: (0.1, 1.0), "beta in [0, 1)"),
        (lambda hessian: 0.1, "a pair (lr, beta)"),
    ],
)
def test_a_pair_for_the_heavy_ball_is_judged_by_the_best_pairs_descent(answer, reason, capsys):
    assert reason in said(capsys, checks.check_best_momentum, answer)


def changer(*, scale, sets=True):
    """Changes the learning rate, and multiplies the velocity by ``scale(old, new)``."""

    def change_lr(optimizer, lr):
        (group,) = optimizer.param_groups
        for state in optimizer.state.values():
            state["momentum_buffer"] *= scale(group["lr"], lr)
        if sets:
            group["lr"] = lr

    return change_lr


def test_a_change_of_the_learning_rate_is_compared_with_polyaks_steps(capsys):
    check = checks.check_change_lr
    assert said(capsys, check, changer(scale=lambda old, new: old / new)).startswith("Right.")
    assert "Polyak's step" in said(capsys, check, changer(scale=lambda old, new: new / old))
    assert "Polyak's step" in said(capsys, check, changer(scale=lambda old, new: 0.0))
    kept = changer(scale=lambda old, new: 1.0, sets=False)
    assert "lr is 0.02" in said(capsys, check, kept)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (lambda lr, beta: {"lr": lr, "momentum": beta, "dampening": beta}, "step 1 is 10 times"),
        (lambda lr, beta: {"lr": lr / (1 - beta), "momentum": beta}, "step 1 is 1e+02 times"),
        (lambda lr, beta: {"lr": lr * (1 - beta)}, "step 2 is 0.4 times"),
    ],
)
def test_a_port_is_compared_step_by_step_with_the_exponential_average(settings, reason, capsys):
    def port(parameters, lr, beta):
        return torch.optim.SGD(parameters, **settings(lr, beta))

    assert reason in said(capsys, checks.check_ported, port)
