"""The checks of chapter 2: right answers in several styles, and wrong ones."""

import pytest
import torch

from gdlib import checks
from tests.exercises import namespace, said


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"examples that a step of SGD looks at": 2}, "you say × 2, measured × 1"),
        ({"steps of SGD in an epoch": 1}, "you say × 1, measured × 2"),
        ({"something else": 1}, "Expected a dictionary"),
    ],
)
def test_each_factor_of_the_genie_is_measured(changed, reason, capsys):
    names = namespace("02_stochastic_gradient_descent")
    answer = {**names["after_the_genie_solution"](), **changed}
    assert reason in said(capsys, checks.check_genie, lambda: answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda h, noise, target: 2 * h * target / noise, "the variance settles at"),
        (lambda h, noise, target: 2.1 / h, "not between 0 and 2/h"),
    ],
)
def test_a_learning_rate_for_a_floor_is_judged_by_the_floor(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_for_floor, answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda k: 0.1, "h = 0.1: the mean square of w is 0.5"),
        (lambda k: (k + 1) ** -0.5, "h = 0.1: the mean square of w is 0.09"),
        (lambda k: 20 / (k + 1), "h = 1: step 0 takes the mean square of w to 3.6e+04"),
        (lambda k: [1], "Step 0: expected one finite number"),
    ],
)
def test_a_schedule_must_suit_both_curvatures(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_schedule, answer)


def by_ones(orders):
    """A training loop over the orders that ``orders(epochs, seed)`` gives."""

    def train_by_ones(features, targets, w, lr, epochs, seed):
        path = [w]
        for order in orders(epochs, seed):
            for i in order:
                w = w - lr * 2 * (features[i] @ w - targets[i]) * features[i]
            path.append(w)
        return torch.stack(path)

    return train_by_ones


def test_a_loop_over_single_examples_is_judged_by_how_it_moves(capsys):
    def drawn(epochs, seed):
        dice = torch.Generator().manual_seed(seed)
        return torch.randint(100, (epochs, 100), generator=dice)

    wrong = {
        "they are still": lambda epochs, seed: torch.arange(100).expand(epochs, 100),
        "gave two different runs": lambda epochs, seed: torch.rand(epochs, 100).argsort(1),
        "is the seed used": lambda epochs, seed: drawn(epochs, 7),
        "is every example used once": drawn,
    }
    for reason, orders in wrong.items():
        assert reason in said(capsys, checks.check_by_ones, by_ones(orders))
    ends = lambda *args: by_ones(drawn)(*args)[-1]  # noqa: E731
    assert "(21, 2)" in said(capsys, checks.check_by_ones, ends)
