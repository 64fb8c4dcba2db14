"""The checks of chapter 2: right answers in several styles, and wrong ones."""

from collections.abc import Mapping
from fractions import Fraction
from types import MappingProxyType

import numpy as np
import pytest
import torch

from gdlib import checks
from tests.exercises import said

GENIE = {
    "length of the full gradient": 1,
    "examples that a step of gradient descent looks at": 2,
    "examples that a step of SGD looks at": 1,
    "variance of one example's gradient": 1,
    "steps of SGD in an epoch": 2,
}


@pytest.mark.parametrize(
    "kind",
    [dict, MappingProxyType, lambda d: {k: torch.tensor([v]) for k, v in d.items()},
     lambda d: {k: Fraction(v) for k, v in d.items()},
     lambda d: {k: np.float32(v) for k, v in d.items()}],
)  # fmt: skip
def test_the_genies_factors_may_be_any_kind_of_number(kind, capsys):
    assert said(capsys, checks.check_genie, lambda: kind(GENIE)).startswith("Right.")


class Unruly(Mapping):
    def __iter__(self):
        raise RuntimeError("no keys today")

    __getitem__ = __len__ = __iter__


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({**GENIE, "examples that a step of SGD looks at": 2}, "you say × 2, measured × 1"),
        ({**GENIE, "steps of SGD in an epoch": 1}, "you say × 1, measured × 2"),
        ({**GENIE, "steps of SGD in an epoch": torch.tensor([1])}, "you say × 1, measured × 2"),
        ({**GENIE, "steps of SGD in an epoch": Fraction(1, 2)}, "you say × 0.5, measured × 2"),
        ({**GENIE, "variance of one example's gradient": 0.5}, "you say × 0.5, measured × 1"),
        ({**GENIE, "steps of SGD in an epoch": "2"}, "expected one finite number"),
        ({**GENIE, "something else": 1}, "Expected a dictionary"),
        (list(GENIE.values()), "Expected a dictionary"),
        (Unruly(), "your code stopped with RuntimeError"),
    ],
)
def test_each_factor_of_the_genie_is_measured(answer, reason, capsys):
    assert reason in said(capsys, checks.check_genie, lambda: answer)


def right_lr(h, noise, target):
    return 2 * h * target / (noise + h**2 * target)


@pytest.mark.parametrize("kind", [torch.tensor, np.float64, lambda x: torch.tensor([x])])
def test_a_learning_rate_may_be_any_kind_of_number(kind, capsys):
    answer = lambda *args: kind(right_lr(*args))  # noqa: E731
    assert said(capsys, checks.check_lr_for_floor, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda h, noise, target: 2 * h * target / noise, "the variance settles at"),
        (lambda h, noise, target: h * target / (noise + h**2 * target), "the variance settles at"),
        (lambda h, noise, target: right_lr(1, noise, target), "Not yet."),
        (lambda h, noise, target: right_lr(h, noise**0.5, target), "Not yet."),
        (lambda h, noise, target: right_lr(h, noise, target**0.5), "Not yet."),
        (lambda h, noise, target: 1.01 * right_lr(h, noise, target), "the variance settles at"),
        (lambda h, noise, target: 2.1 / h, "not between 0 and 2/h"),
        (lambda h, noise, target: -right_lr(h, noise, target), "not between 0 and 2/h"),
        (lambda h, noise, target: 0.01, "the variance settles at"),
    ],
)
def test_a_learning_rate_for_a_floor_is_judged_by_the_floor(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_for_floor, answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda k: 10 / (10 + k),
        lambda k: torch.tensor(min(1.0, 9 / (k + 1))),
        lambda k: np.float64(1.0 if k < 10 else 10 / k),
        lambda k: 0.9 * (1 + k / 12) ** -1,
    ],
)
def test_more_than_one_schedule_is_right(answer, capsys):
    assert said(capsys, checks.check_lr_schedule, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda k: 0.1, "h = 0.1: the mean square of w is 0.5"),
        (lambda k: (k + 1) ** -0.5, "h = 0.1: the mean square of w is 0.09"),
        (lambda k: (k + 1) ** -2, "the mean square of w is"),
        (lambda k: 20 / (k + 1), "h = 1: step 0 takes the mean square of w to 3.65e+04"),
        (lambda k: 3 / (k + 1), "h = 1: step 0 takes the mean square of w to 409"),
        (lambda k: -1 / (k + 1), "h = 1: step 0 takes the mean square of w to 401"),
        (lambda k: [1], "expected one finite number"),
        (lambda k: None, "returned None"),
        (lambda k: 1 / k, "ZeroDivisionError"),
    ],
)
def test_a_schedule_must_suit_both_curvatures(answer, reason, capsys):
    assert reason in said(capsys, checks.check_lr_schedule, answer)


def by_ones(orders, keep=lambda w: w, pack=torch.stack):
    """A training loop over the orders that ``orders(n, epochs, seed)`` gives."""

    def train_by_ones(features, targets, w, lr, epochs, seed):
        path = [keep(w)]
        for order in orders(len(targets), epochs, seed):
            for i in order:
                w = w - lr * 2 * (features[i] @ w - targets[i]) * features[i]
            path.append(keep(w))
        return pack(path)

    return train_by_ones


def shuffles(n, epochs, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randperm(n, generator=generator) for _ in range(epochs)]


def in_place(features, targets, w, lr, epochs, seed):
    path = [w.clone()]
    for order in shuffles(len(targets), epochs, seed):
        for i in order:
            w -= lr * 2 * (features[i] @ w - targets[i]) * features[i]
        path.append(w.clone())
    return torch.stack(path)


def with_numpy(features, targets, w, lr, epochs, seed):
    features, targets, w = features.numpy(), targets.numpy(), w.numpy()
    rng, path = np.random.default_rng(seed), [w.copy()]
    for _ in range(epochs):
        for i in rng.permutation(len(targets)):
            w = w - lr * 2 * (features[i] @ w - targets[i]) * features[i]
        path.append(w)
    return np.array(path)


def in_single_precision(features, targets, w, *rest):
    return by_ones(shuffles)(features.float(), targets.float(), w.float(), *rest)


def with_autograd(features, targets, w, lr, epochs, seed):
    w = w.clone().requires_grad_()
    optimizer, path = torch.optim.SGD([w], lr=lr), [w.detach().clone()]
    for order in shuffles(len(targets), epochs, seed):
        for i in order:
            optimizer.zero_grad()
            (features[i] @ w - targets[i]).square().backward()
            optimizer.step()
        path.append(w.detach().clone())
    return path


@pytest.mark.parametrize(
    "answer",
    [
        by_ones(shuffles), by_ones(shuffles, pack=list), by_ones(shuffles, pack=tuple),
        by_ones(lambda n, epochs, seed: [  # a generator for every epoch, each with its own seed
            torch.randperm(n, generator=torch.Generator().manual_seed(1000 * seed + epoch))
            for epoch in range(epochs)]),
        in_place, with_numpy, in_single_precision, with_autograd,
    ],
)  # fmt: skip
def test_a_right_loop_is_right_in_any_style(answer, capsys):
    assert said(capsys, checks.check_by_ones, answer).startswith("Right.")


def alternating(n, epochs, seed):
    pair = shuffles(n, 2, seed)
    return [pair[epoch % 2] for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        (lambda n, epochs, seed: shuffles(n, 1, seed) * epochs, "knew only 1 order,"),
        (lambda n, epochs, seed: [range(n)] * epochs, "Seeds 0 and 1 gave the same run"),
        (lambda n, epochs, seed: torch.rand(epochs, n).argsort(1), "two different runs"),
        (lambda n, epochs, seed: shuffles(n, epochs, 7), "is the seed used"),
        (alternating, "knew only 2 orders"),
        (lambda n, epochs, seed: [torch.arange(n).roll(k + seed) for k in range(epochs)], "only 5"),
        (lambda n, epochs, seed: [o[:-1] for o in shuffles(n, epochs, seed)], "used once"),
        (lambda n, epochs, seed: [[*o, o[0]] for o in shuffles(n, epochs, seed)], "used once"),
        (lambda n, epochs, seed: torch.randint(n, (epochs, n), generator=torch.Generator()
                                               .manual_seed(seed)), "used once"),
        (lambda n, epochs, seed: shuffles(n, epochs - 1, seed), "expected the weights after"),
    ],
)  # fmt: skip
def test_a_loop_over_single_examples_is_judged_by_its_orders(orders, reason, capsys):
    assert reason in said(capsys, checks.check_by_ones, by_ones(orders))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda f, t, w, lr, *rest: by_ones(shuffles)(f, t, w, lr / 2, *rest), "with this lr"),
        (lambda f, t, w, *rest: by_ones(shuffles)(f, t, w * 0, *rest), "should be the start"),
        (lambda *args: by_ones(shuffles)(*args)[-1], "expected the weights after"),
        (lambda *args: by_ones(shuffles)(*args).T, "expected the weights after"),
        (lambda f, t, w, *rest: [w] * 41, "used once"),
        (lambda f, t, w, *rest: (w for _ in iter(int, 1)), "expected the weights after"),
        (by_ones(shuffles, pack=lambda path: [f"{w}" for w in path]), "Not yet."),
    ],
)
def test_a_path_that_is_none_is_refused(answer, reason, capsys):
    assert reason in said(capsys, checks.check_by_ones, answer)


def test_a_check_keeps_its_own_data_from_an_answer_that_overwrites_what_it_gets(capsys):
    def greedy(features, targets, w, lr, epochs, seed):
        path = by_ones(shuffles)(features, targets, w, lr, epochs, seed)
        for given in (features, targets, w):
            given.zero_()
        return path

    assert said(capsys, checks.check_by_ones, greedy).startswith("Right.")
