"""The checks of chapter 5: right answers in several styles, and wrong ones."""

import numpy as np
import pytest
import torch

from gdlib import checks
from gdlib.checks import judging
from tests.exercises import said


def pair(low, high):
    """The best pair for curvatures from ``low`` to ``high``."""
    low, high = low**0.5, high**0.5
    return (2 / (low + high)) ** 2, ((high - low) / (high + low)) ** 2


def ends(hessian):
    return torch.linalg.eigvalsh(hessian)[[0, -1]]


def by_numpy(hessian):
    return np.array(pair(*np.linalg.eigvalsh(hessian.numpy())[[0, -1]]))


def in_single_precision(hessian):
    return pair(*ends(hessian.float()))


def in_place(hessian):
    """Right, although it spoils the Hessian that it was given."""
    low, high = ends(hessian)
    hessian.zero_()
    return [low.sqrt().add_(high.sqrt()).pow_(-2).mul_(4), pair(low, high)[1]]


@pytest.mark.parametrize(
    "answer",
    [
        lambda hessian: pair(*ends(hessian)),
        lambda hessian: torch.stack(pair(*ends(hessian))),
        lambda hessian: (x.item() for x in pair(*ends(hessian))),
        by_numpy,
        in_single_precision,
        in_place,
    ],
)
def test_the_best_pair_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_best_momentum, answer).startswith("Right.")


def of_the_diagonal(hessian):
    return pair(hessian.diagonal().min(), hessian.diagonal().max())


def a_shorter_step(hessian):
    lr, beta = pair(*ends(hessian))
    return 0.8 * lr, beta


def off_by_a_tenth(hessian):
    low, high = ends(hessian)
    return pair(low, 1.1 * high)


def nesterovs_pair(hessian):
    """What is best for Nesterov's method, which is not the heavy ball's best."""
    low, high = ends(hessian).sqrt()
    return 1 / high**2, (high - low) / (high + low)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (of_the_diagonal, "times the steps it must"),
        (a_shorter_step, "times the steps it must"),
        (off_by_a_tenth, "takes 1.05 times the steps"),
        (lambda hessian: (1 / ends(hessian)[1], 0.5), "times the steps it must"),
        (lambda hessian: (2 / ends(hessian).sum(), 0.0), "times the steps it must"),
        (nesterovs_pair, "times the steps it must"),
        (lambda hessian: pair(*ends(hessian))[::-1], "it never arrives"),
        (lambda hessian: pair(1.0, 30.0), "A bowl with 2 weights"),
        (lambda hessian: (0.1, 1.0), "beta in [0, 1)"),
        (lambda hessian: 0.1, "expected 2 numbers"),
        (lambda hessian: pair(*ends(hessian))[:1], "expected 2 numbers"),
        (lambda hessian: ("a", "b"), "expected one finite number"),
    ],
)
def test_a_pair_is_judged_by_what_the_exact_iteration_keeps(answer, reason, capsys):
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


def by_new_tensors(optimizer, lr):
    for group in optimizer.param_groups:
        for p in group["params"]:
            if p in optimizer.state:
                state = optimizer.state[p]
                state["momentum_buffer"] = state["momentum_buffer"] * (group["lr"] / lr)
        group.update(lr=torch.tensor(lr, dtype=torch.float64))


def only_the_first_parameter(optimizer, lr):
    (group,) = optimizer.param_groups
    state = optimizer.state.get(group["params"][0])
    if state:
        state["momentum_buffer"] *= group["lr"] / lr
    group["lr"] = lr


def breaks_the_next_step(optimizer, lr):
    optimizer.param_groups[0]["lr"] = lr
    optimizer.param_groups[0]["momentum"] = "0.9"


def hangs_the_next_step(optimizer, lr):
    optimizer.param_groups[0]["lr"] = lr
    optimizer.register_step_pre_hook(lambda *args: exec("while True: 1"))


def test_a_change_of_the_learning_rate_is_compared_with_polyaks_steps(capsys, monkeypatch):
    check = checks.check_change_lr
    right = changer(scale=lambda old, new: old / new)
    assert said(capsys, check, right).startswith("Right.")
    assert said(capsys, check, by_new_tensors).startswith("Right.")
    for scale in (
        lambda old, new: new / old,
        lambda old, new: 0.0,
        lambda old, new: 4.0,  # 0.02 / 0.005, the first change alone
        lambda old, new: (old / new) ** 0.5,
    ):
        assert "Polyak's step" in said(capsys, check, changer(scale=scale))
    assert "Polyak's step" in said(capsys, check, only_the_first_parameter)
    kept = changer(scale=lambda old, new: 1.0, sets=False)
    assert "lr is 0.02" in said(capsys, check, kept)
    assert "stopped with TypeError" in said(capsys, check, breaks_the_next_step)
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    assert "no answer within" in said(capsys, check, hangs_the_next_step)


class Average(torch.optim.Optimizer):
    """The exponential average, written by hand."""

    def __init__(self, parameters, lr, beta):
        super().__init__(parameters, {"lr": lr, "beta": beta})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                v = self.state[p].setdefault("v", torch.zeros_like(p))
                v.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p -= group["lr"] * v


class Odd(Average):
    """An optimiser whose step does something else first."""

    def __init__(self, parameters, lr, beta, first):
        super().__init__(parameters, lr, beta)
        self.first = first

    def step(self):
        self.first()
        super().step()


def port(settings):
    return lambda parameters, lr, beta: torch.optim.SGD(parameters, **settings(lr, beta))


def endless():
    exec("while True: 1")


@pytest.mark.parametrize(
    "answer",
    [
        port(lambda lr, beta: {"lr": lr * (1 - beta), "momentum": beta}),
        lambda parameters, lr, beta: Average(parameters, lr, beta),
        lambda parameters, lr, beta: torch.optim.SGD(
            [{"params": [p]} for p in parameters], lr=lr - lr * beta, momentum=beta
        ),
    ],
)
def test_the_exponential_average_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_ported, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (port(lambda lr, beta: {"lr": lr, "momentum": beta, "dampening": beta}), "step 1 is"),
        (port(lambda lr, beta: {"lr": lr / (1 - beta), "momentum": beta}), "step 1 is"),
        (port(lambda lr, beta: {"lr": lr, "momentum": beta}), "step 1 is"),
        (port(lambda lr, beta: {"lr": lr * (1 - beta)}), "step 2 is"),
        (port(lambda lr, beta: {"lr": lr * 0.1, "momentum": beta}), "step 1 is"),
        (
            port(lambda lr, beta: {"lr": lr * (1 - beta), "momentum": beta, "nesterov": True}),
            "step 1 is",
        ),
        (lambda parameters, lr, beta: Average(parameters[:1], lr, beta), "step 1 is"),
        (lambda parameters, lr, beta: torch.optim.Adam(parameters, lr=lr), "step 1 is"),
        (lambda parameters, lr, beta: torch.optim.LBFGS(parameters, lr=lr), "TypeError"),
        (lambda parameters, lr, beta: (lr * (1 - beta), beta), "expected an optimiser"),
        (lambda parameters, lr, beta: Odd(parameters, lr, beta, first=lambda: 1 / 0), "division"),
        (lambda parameters, lr, beta: Odd(parameters, lr, beta, first=endless), "no answer"),
    ],
)
def test_a_port_is_compared_step_by_step(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    assert reason in said(capsys, checks.check_ported, answer)
