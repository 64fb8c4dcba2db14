"""The checks of chapter 8: right answers in several styles, and wrong ones."""

import math
import time

import numpy as np
import pytest
import torch
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline

from gdlib import checks
from gdlib.checks import judging
from gdlib.checks.generalisation import _excess
from gdlib.data import chance, customers
from tests.exercises import said


def endless(*args):
    exec("while True: 1")


def threshold_by_trying(c):
    """The cheapest of many thresholds, among other customers than the check's."""
    p = chance(customers(30_000, seed=1)[0])
    tried = torch.linspace(0, 1, 401, dtype=torch.float64)
    costs = [(c * p[p < t]).sum() + (1 - p[p >= t]).sum() for t in tried]
    return tried[int(torch.stack(costs).argmin())]


def threshold_by_labels(c):
    """From drawn labels, of many customers: the best cut is near the truth's, not at it."""
    x, y = customers(1_000_000, seed=2)
    p, order = chance(x).sort()
    y = y[order].numpy()
    costs = np.cumsum(c * y) + (1 - y)[::-1].cumsum()[::-1]
    return p.numpy()[costs.argmin()]


def threshold_by_halving(c):
    """Where a call to somebody costs as much as not calling."""
    low, high = 0.0, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (low, middle) if c * middle > 1 - middle else (middle, high)
    return low


@pytest.mark.parametrize(
    "answer",
    [
        lambda c: 1 / (1 + c),
        threshold_by_trying,
        threshold_by_labels,
        threshold_by_halving,
        lambda c: np.float32(1 / (1 + c)),
        lambda c: torch.sigmoid(torch.tensor(-math.log(c), requires_grad=True)),
    ],
)
def test_a_threshold_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_threshold, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda c: 0.5, "cost 3: with the threshold 0.5 a customer costs 0.5517, missed buyers"),
        (lambda c: 1 / c, "cost 1: with the threshold 1 "),
        (lambda c: c / (1 + c), "cost 3"),
        (lambda c: 1 / (2 + c), "is possible"),
        (lambda c: 1 / (1 + c) ** 0.5, "is possible"),
        (lambda c: 1 / (1 + c**2), "cost 3"),
        (lambda c: 1 / (2 * c), "is possible"),
        (lambda c: 1 / (1 + c) + 0.03, "is possible"),
        (lambda c: 0.5 if c < 2 else 0.25 if c < 5 else 0.1, "cost 0.25"),
        (lambda c: min(0.5, 1 / (1 + c)), "cost 0.25"),
        (lambda c: 0.3291, "cost 1"),
        (lambda c: 0.3487, "cost 1"),
        (lambda c: -math.log(c), "is possible"),  # the log-odds
        (lambda c: 100 / (1 + c), "with the threshold 50 "),
        (lambda c: 2.0, "is possible"),
        (lambda c: -1.0, "is possible"),
        (lambda c: (0.5, 0.2), "expected one finite number"),
        (lambda c: f"{1 / (1 + c)}", "expected one finite number"),
        (lambda c: math.nan, "expected one finite number"),
        (lambda c: None, "returned None"),
        (lambda c: 1 / 0, "stopped with ZeroDivisionError"),
        (endless, "no answer within"),
    ],
)
def test_a_threshold_is_judged_by_what_its_calls_cost(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_threshold, answer)
    assert text.startswith("Not yet.") and reason in text


def by_looking_up(p, excess):
    n = 1
    while p / (2 * n) > excess:
        n += 1
    return n


@pytest.mark.parametrize(
    "answer",
    [
        lambda p, excess: p / (2 * excess),
        lambda p, excess: math.ceil(p / 2 / excess),
        by_looking_up,
        lambda p, excess: np.int64(p / (2 * excess)),
        lambda p, excess: torch.tensor(p).div(2 * excess).round(),
        lambda p, excess: p / (2 * excess) + p + 1,  # exact for least squares: near enough
    ],
)
def test_customers_needed_are_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_customers_needed, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            lambda p, excess: 1000,
            "8 weights, excess 0.003: you say 1000 customers. Fitted",
        ),
        (lambda p, excess: p / excess, "you say 2000 customers. Fitted to 2,000, the excess is"),
        (lambda p, excess: p / (4 * excess), "too few"),
        (lambda p, excess: (p - 1) / (2 * excess), "too few"),
        (lambda p, excess: (p + 1) / (2 * excess), "more than needed"),
        (lambda p, excess: 1 / (2 * excess), "too few"),
        (lambda p, excess: 4 / (2 * excess), "8 weights"),
        (lambda p, excess: p / (2 * excess**0.5), "Even 80 are too few"),
        (lambda p, excess: p / (2 * excess**2), "you say 500000 customers"),
        (lambda p, excess: p**2 / (8 * excess), "8 weights"),
        (lambda p, excess: 10 * p, "Even 80 are too few"),
        (lambda p, excess: 2 * p * excess, "Even 80 are too few"),
        (lambda p, excess: -p / (2 * excess), "Even 80 are too few"),
        (lambda p, excess: 1e300, "more than needed"),
        (lambda p, excess: math.inf, "expected one finite number"),
        (lambda p, excess: math.nan, "expected one finite number"),
        (lambda p, excess: [1000], "expected one finite number"),
        (lambda p, excess: "1000", "expected one finite number"),
        (lambda p, excess: None, "returned None"),
        (lambda p, excess: p / 0, "stopped with ZeroDivisionError"),
        (endless, "no answer within"),
    ],
)
def test_customers_are_counted_by_fitting_so_many(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_customers_needed, answer)
    assert text.startswith("Not yet.") and reason in text


def test_the_excess_is_that_of_scikit_learns_fits():
    x, y = customers(60 * 500, seed=11)
    units = (x - x.mean(0)) / x.std(0)
    judges = chance(x)
    found = []
    for rows in torch.arange(len(x)).split(500):
        fit = LogisticRegression(C=math.inf, tol=1e-8).fit(units[rows].numpy(), y[rows].numpy())
        q = torch.from_numpy(fit.predict_proba(units.numpy())[:, 1])
        kl = judges * (judges / q).log() + (1 - judges) * ((1 - judges) / (1 - q)).log()
        found.append(float(kl.mean()))
    mean, spread = np.mean(found), np.std(found) / len(found) ** 0.5
    assert abs(mean - _excess(500, 4)) < 4 * spread


def best(x, y, keep=20):
    gap = x[y == 1].mean(0) - x[y == 0].mean(0)
    return (gap.abs() / x.std(0)).topk(keep).indices


def nearest(x, y, new):
    far = [(new - x[y == label].mean(0)).square().sum(1) for label in (0, 1)]
    return torch.stack(far).argmin(0)


def validated(folds=5, choose=None, learn=None, among=None, order=None):
    """Cross-validation with a fault at any place."""

    def answer(x, y):
        right = []
        rows = torch.arange(len(y)) if order is None else order(len(y))
        for held_out in rows.chunk(folds)[:among]:
            rest = torch.ones(len(y), dtype=torch.bool)
            rest[held_out] = False
            columns = (choose or (lambda x, y, rest, held_out: best(x[rest], y[rest])))(
                x, y, rest, held_out
            )
            taught = (learn or (lambda rest, held_out: rest))(rest, held_out)
            guess = nearest(x[taught][:, columns], y[taught], x[held_out][:, columns])
            right.append(guess == y[held_out])
        return torch.cat(right).double().mean()

    return answer


def by_scikit_learn(x, y):
    model = make_pipeline(SelectKBest(f_classif, k=20), NearestCentroid())
    return cross_val_score(model, x.numpy(), y.numpy(), cv=5).mean()


def by_stratified_folds(x, y):
    x, y, right = x.numpy(), y.numpy(), 0
    for rest, held_out in StratifiedKFold(10, shuffle=True, random_state=0).split(x, y):
        gap = x[rest][y[rest] == 1].mean(0) - x[rest][y[rest] == 0].mean(0)
        columns = np.argsort(np.abs(gap))[-20:]
        middle = x[rest][:, columns].mean(0)
        guess = (x[held_out][:, columns] - middle) @ gap[columns] > 0
        right += (guess == y[held_out]).sum()
    return right / len(y)


def mixed(n):
    return torch.randperm(n, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "answer",
    [
        validated(),
        validated(50),
        validated(10, order=mixed),
        validated(7),
        by_scikit_learn,
        by_stratified_folds,
        lambda x, y: float(validated()(x.clone(), y.clone()) + 0 * x.zero_().sum() + y.zero_()[0]),
    ],
)
def test_cross_validation_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_cross_validated, answer).startswith("Right.")


def before(x, y, rest, held_out):
    return best(x, y)


def once():
    """Chosen without the first fold, for all folds."""
    kept = []

    def choose(x, y, rest, held_out):
        if held_out[0] == 0:
            kept[:] = [best(x[rest], y[rest])]
        return kept[0]

    return choose


def half_mended(x, y, rest, held_out):
    return best(x, y) if held_out[0] else best(x[rest], y[rest])


def held_out_accuracy(x, y):
    columns = best(x[:40], y[:40])
    return float((nearest(x[:40, columns], y[:40], x[40:, columns]) == y[40:]).double().mean())


def on_shuffled_labels(x, y):
    return validated()(x, y[mixed(len(y))])


def twice_crossed(x, y):
    """Columns chosen by the first half alone, for all of both halves."""
    return validated(choose=lambda *args: best(x[:25], y[:25]))(x, y)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (validated(choose=before), "labels a coin has drawn you say 0.9"),
        (validated(50, choose=before), "labels a coin has drawn you say 0.9"),
        (validated(choose=once()), "labels a coin has drawn you say 0.8"),
        (validated(choose=half_mended), "labels a coin has drawn you say 0.8"),
        (twice_crossed, "labels a coin has drawn"),
        (validated(choose=lambda x, y, r, h: best(x[h], y[h])), "labels 10 genes know"),
        (validated(choose=lambda x, y, r, h: torch.arange(1000)), "labels 10 genes know you say"),
        (validated(choose=lambda x, y, r, h: torch.arange(20)), "one of whom has a wrong label"),
        (validated(choose=lambda x, y, r, h: x[r].std(0).topk(20).indices), "labels 10 genes"),
        (validated(learn=lambda r, h: torch.ones_like(r)), "labels a coin has drawn"),
        (validated(learn=lambda r, h: ~r), "labels a coin has drawn"),
        (validated(2), "labels 10 genes know"),
        (validated(among=1), "row 0: you say 0.9."),
        (validated(among=4), "one of whom has a wrong label"),
        (held_out_accuracy, "row 0: you say 1."),
        (on_shuffled_labels, "one of whom has a wrong label"),
        (lambda x, y: 1 - validated()(x, y), "one of whom has a wrong label"),
        (lambda x, y: 50 * validated()(x, y), "you say 49."),
        (lambda x, y: 0.5, "one of whom has a wrong label"),
        (lambda x, y: 0.98, "labels a coin has drawn you say 0.98"),
        (lambda x, y: validated()(x, y) * torch.ones(5), "expected one finite number"),
        (lambda x, y: math.nan, "expected one finite number"),
        (lambda x, y: validated()(x.T, y), "your code stopped with"),
        (lambda x, y: None, "returned None"),
        (endless, "no answer within"),
    ],
)
def test_cross_validation_is_judged_by_what_it_says_of_known_labels(
    answer, reason, capsys, monkeypatch
):
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    text = said(capsys, checks.check_cross_validated, answer)
    assert text.startswith("Not yet.") and reason in text


def test_checks_are_quick(capsys):
    began = time.process_time()
    said(capsys, checks.check_threshold, lambda c: 1 / (1 + c))
    said(capsys, checks.check_customers_needed, lambda p, excess: p / (2 * excess))
    said(capsys, checks.check_cross_validated, validated())
    assert time.process_time() - began < 15
