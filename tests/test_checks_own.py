"""The checks of chapter 12: right answers in several styles, and wrong ones."""

import itertools
import math
import time

import numpy as np
import pytest
import torch
from sklearn.model_selection import TimeSeriesSplit
from sklearn.neural_network import MLPRegressor
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gdlib import checks
from gdlib.checks import judging
from gdlib.checks.own import _gains
from tests.exercises import said


def endless(*args):
    exec("while True: 1")


def cut(before=0, after=0, first=0.6, second=0.8, drop="later"):
    """A cut in time that drops so many rows (of a function of lags) at each border."""

    def answer(rows, lags):
        a, b = int(first * rows), int(second * rows)
        k = lags + before if drop == "later" else 0
        j = lags + after if drop == "earlier" else 0
        return range(a - j), range(a + k, b - j), range(b + k, rows)

    return answer


def masks(rows, lags):
    t = torch.arange(rows)
    a, b = round(0.6 * rows), round(0.8 * rows)
    return t < a, (t >= a + lags) & (t < b), t >= b + lags


def by_arrays(rows, lags):
    """The rows that are kept are shared out, then moved apart."""
    kept = rows - 2 * lags
    a, b = int(0.6 * kept), int(0.8 * kept)
    return np.arange(a), np.arange(a, b) + lags, np.arange(b, kept) + 2 * lags


def by_looking(rows, lags):
    """Row by row: a row that shares a day with the part before is left out."""
    days = [set(range(t, t + lags + 1)) for t in range(rows)]
    parts, seen = [[], [], []], set()
    for k, end in enumerate((int(0.6 * rows), int(0.8 * rows), rows)):
        start = max(map(max, filter(None, parts)), default=-1) + 1
        parts[k] = [t for t in range(start, end) if not days[t] & seen]
        seen = set().union(*(days[t] for t in parts[k]))
    return tuple(parts)


def by_scikit_learn(rows, lags):
    size = round(0.2 * rows)
    splitter = TimeSeriesSplit(n_splits=2, test_size=size, gap=lags)
    (train, _), (rest, test) = splitter.split(np.zeros(rows))
    return train, rest[rest >= train[-1] + 1 + lags], test


@pytest.mark.parametrize(
    "answer",
    [
        cut(),
        cut(drop="earlier"),
        masks,
        by_arrays,
        by_looking,
        by_scikit_learn,
        lambda rows, lags: [torch.tensor(list(part)) for part in cut()(rows, lags)],
        lambda rows, lags: map(iter, cut()(rows, lags)),
        lambda rows, lags: [slice(part.start, part.stop) for part in cut()(rows, lags)],
        lambda rows, lags: [list(part)[::-1] for part in cut()(rows, lags)],
    ],
)
def test_a_cut_in_time_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_time_split, answer).startswith("Right.")


def one_border_only(rows, lags):
    train, valid, _ = cut()(rows, lags)
    return train, valid, range(valid[-1] + 1, rows)


def at_random(rows, lags):
    mixed = torch.randperm(rows, generator=torch.Generator().manual_seed(0))
    return mixed.split([int(0.6 * rows), int(0.2 * rows), rows - int(0.8 * rows)])


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (cut(before=-1), "60 rows, 3 lags: row 35, the last of the training part, and row 38, the"),
        (lambda rows, lags: cut()(rows, 0), "share 3 of their 4 numbers"),
        (lambda rows, lags: cut()(rows, 1), "60 rows, 3 lags"),
        (lambda rows, lags: cut()(rows, 3), "97 rows, 1 lag: no number is shared, but 6 rows"),
        (lambda rows, lags: cut()(rows, 5), "10 rows are in no part; to leave out 6 is enough"),
        (cut(before=1), "8 rows are in no part; to leave out 6 is enough"),
        (lambda rows, lags: cut()(rows, 2 * lags), "12 rows are in no part"),
        (one_border_only, "row 47, the last of the validation part, and row 48"),
        (at_random, "All of the training part must come before the validation part"),
        (lambda r, lags: cut()(r, lags)[::-1], "All of the training part must come before"),
        (cut(first=0.3, second=0.6), "the training part has 18 rows; it should have about 36"),
        (cut(first=0.6, second=0.9), "the test part has 3 rows; it should have about 12"),
        (cut(first=0.6, second=0.95), "the test part: expected row numbers, whole and not none"),
        (lambda r, lags: (range(r), range(r), range(r)), "must come before"),
        (lambda r, lags: cut()(r + lags, lags), "there is no row 60"),
        (lambda r, lags: [range(1, 37), range(40, 49), range(52, 61)], "there is no row 60"),
        (lambda r, lags: [range(-1, 36), range(39, 48), range(51, 60)], "there is no row -1"),
        (lambda r, lags: [[0, 0], [5], [9]], "a row is in it twice"),
        (lambda r, lags: cut()(r, lags)[:2], "expected three parts"),
        (lambda r, lags: (0.6 * r, 0.2 * r, 0.2 * r), "expected row numbers"),
        (lambda r, lags: (36, 9, 9), "expected row numbers"),
        (lambda r, lags: ([], [1], [9]), "the training part: expected row numbers"),
        (lambda r, lags: (torch.zeros(r) > 0,) * 3, "expected row numbers"),
        (lambda r, lags: (torch.zeros(r, r) > 0,) * 3, "expected row numbers"),
        (lambda r, lags: ([0.5], [1.5], [2.5]), "expected row numbers"),
        (lambda r, lags: (range(36), itertools.count(39), range(51, 60)), "there is no row 60"),
        (lambda r, lags: itertools.repeat(range(9)), "expected three parts"),
        (lambda r, lags: "abc", "expected three parts"),
        (lambda r, lags: None, "expected three parts"),
        (lambda r, lags: r / 0, "stopped with ZeroDivisionError"),
        (endless, "no answer within"),
    ],
)
def test_a_cut_is_judged_by_the_numbers_that_its_parts_share(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_time_split, answer)
    assert text.startswith("Not yet.") and reason in text, text


def test_no_larger_cut_shares_nothing():
    """Of all cuts of a small table into three runs: at most rows − 2 lags rows without sharing."""
    rows, lags = 11, 2
    days = [set(range(t, t + lags + 1)) for t in range(rows)]
    most = 0
    for ends in itertools.combinations(range(rows + 1), 6):
        parts = [set().union(*days[a:b]) for a, b in zip(ends[::2], ends[1::2], strict=True)]
        if not (parts[0] & parts[1] or parts[1] & parts[2]):
            most = max(most, sum(b - a for a, b in zip(ends[::2], ends[1::2], strict=True)))
    # Runs that share an end are the only ones left out above; without a gap they share days.
    assert most == rows - 2 * lags


def by_people(draws=1000, level=0.95):
    def answer(gains, person):
        g = torch.Generator().manual_seed(1)
        people, who = person.unique(return_inverse=True)
        again = torch.randint(len(people), (draws, len(people)), generator=g)
        sums, rows = who.bincount(gains), who.bincount()
        means = sums[again].sum(1) / rows[again].sum(1)
        return means.quantile(gains.new_tensor([(1 - level) / 2, (1 + level) / 2]))

    return answer


def by_normal(gains, person):
    n, rest = len(gains), gains - gains.mean()
    sums = [float(rest[person == who].sum()) for who in person.unique()]
    error = math.sqrt(sum(s * s for s in sums)) / n
    mean = float(gains.mean())
    return mean - 1.96 * error, mean + 1.96 * error


def by_jackknife(gains, person):
    people = person.unique()
    left = torch.stack([gains[person != who].mean() for who in people])
    spread = ((left - left.mean()).square().sum() * (len(people) - 1) / len(people)).sqrt()
    return [gains.mean() - 1.96 * spread, gains.mean() + 1.96 * spread]


def by_numpy(gains, person):
    dice, means = np.random.default_rng(0), []
    rows = {who: gains[person == who].numpy() for who in person.unique().tolist()}
    for _ in range(400):
        drawn = dice.choice(list(rows), len(rows))
        means.append(np.concatenate([rows[who] for who in drawn]).mean())
    return np.percentile(means, [2.5, 97.5])


def by_basic_bootstrap(gains, person):
    low, high = by_people()(gains, person)
    return iter([2 * gains.mean() - high, 2 * gains.mean() - low])


@pytest.mark.parametrize(
    "answer", [by_people(), by_people(5000), by_normal, by_jackknife, by_numpy, by_basic_bootstrap]
)
def test_an_interval_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_interval, answer).startswith("Right.")


def by_rows(gains, person):
    g = torch.Generator().manual_seed(0)
    again = torch.randint(len(gains), (1000, len(gains)), generator=g)
    return gains[again].mean(1).quantile(gains.new_tensor([0.025, 0.975]))


def by_means_of_people(gains, person):
    _, who = person.unique(return_inverse=True)
    means = who.bincount(gains) / who.bincount()
    error = 1.96 * means.std() / len(means) ** 0.5
    return means.mean() - error, means.mean() + error


def people_once(gains, person):
    """Whoever is drawn twice counts once."""
    g, means, people = torch.Generator().manual_seed(0), [], person.unique()
    for _ in range(200):
        drawn = people[torch.randint(len(people), people.shape, generator=g)]
        means.append(gains[torch.isin(person, drawn)].mean())
    return torch.stack(means).quantile(gains.new_tensor([0.025, 0.975]))


def people_then_rows(gains, person):
    """Ten rows each, whoever it is: right for the first kind only."""
    _, who = person.unique(return_inverse=True)
    means = who.bincount(gains) / who.bincount()
    g = torch.Generator().manual_seed(0)
    again = torch.randint(len(means), (1000, len(means)), generator=g)
    return means[again].mean(1).quantile(gains.new_tensor([0.025, 0.975]))


def stretched(by, factor=1.0, shift=0.0):
    def answer(gains, person):
        low, high = (float(end) for end in by(gains, person))
        middle, half = (low + high) / 2, (high - low) / 2
        return middle + (shift - factor) * half, middle + (shift + factor) * half

    return answer


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (by_rows, "80 people, 10 rows each: your intervals are 0.1"),
        (by_means_of_people, "some with 24 rows and most with 3: the gains' mean is"),
        (people_then_rows, "some with 24 rows and most with 3"),
        (people_once, "80 people, 10 rows each: your intervals"),
        (stretched(by_rows, 10**0.5), "80 people, 10 rows each"),
        (stretched(by_rows, 1.85), "200 people, one row each: your intervals"),
        (by_people(level=0.9), "80 people, 10 rows each: your intervals"),
        (by_people(level=0.99), "the middle 95 % of the means lie within"),
        (stretched(by_people(), 1 / 1.96), "80 people"),
        (stretched(by_people(), 2), "80 people"),
        (stretched(by_people(), 1, 0.5), "has its middle at"),
        (stretched(by_people(), -1), "80 people, 10 rows each: the low end comes first, got 0."),
        (lambda g, p: g.quantile(g.new_tensor([0.025, 0.975])), "your interval"),
        (lambda g, p: (g.mean() - g.std(), g.mean() + g.std()), "your intervals are 2"),
        (lambda g, p: by_people()(g, p) - g.mean(), "has its middle at"),
        (lambda g, p: by_people()(g, torch.arange(len(g))), "80 people"),
        (lambda g, p: by_people()(g, torch.zeros_like(p)), "your intervals are 0.000 wide"),
        (lambda g, p: (0.0, 0.2), "has its middle at"),
        (lambda g, p: (-math.inf, math.inf), "expected one finite number"),
        (lambda g, p: (math.nan, 1), "expected one finite number"),
        (lambda g, p: g.mean(), "expected 2 numbers"),
        (lambda g, p: (g.mean(), 0, 1), "expected 2 numbers"),
        (lambda g, p: "ab", "expected 2 numbers"),
        (lambda g, p: None, "returned None"),
        (lambda g, p: g[len(g)], "stopped with IndexError"),
        (endless, "no answer within"),
    ],
)
def test_an_interval_is_judged_by_fresh_test_parts(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 1.0)
    text = said(capsys, checks.check_interval, answer)
    assert text.startswith("Not yet.") and reason.lower() in text.lower(), text


def test_the_gains_of_test_parts_have_the_spread_that_theory_says():
    sizes = [10] * 20 + [1] * 30
    dice = torch.Generator().manual_seed(0)
    gains, who = _gains(20_000, sizes, dice)
    n = sum(sizes)
    assert sorted(who.unique(return_counts=True)[1].tolist()) == sorted(sizes)
    expected = math.sqrt(0.36 * sum(k * k for k in sizes) / n**2 + 1 / n)
    assert abs(float(gains.mean(1).std()) / expected - 1) < 0.02
    assert abs(float(gains.mean()) - 0.1) < 0.005


def network_of(columns, hidden=16):
    dice = torch.Generator().manual_seed(0)
    network = nn.Sequential(nn.Linear(columns, hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()
    for w in network.parameters():
        w.data = torch.randn(w.shape, generator=dice, dtype=torch.float64) / w.shape[-1] ** 0.5
    return network


def trained(loss_of=None, lr=0.02, epochs=30, size=30, says=None, mend=lambda y: y):
    """The colleague's loop with something else at any place."""
    loss_of = loss_of or (lambda outputs, y: (outputs[:, 0] - y).square().mean())

    def answer(x, y, new):
        network = network_of(x.shape[1])
        g = torch.Generator().manual_seed(0)
        loader = DataLoader(TensorDataset(x, mend(y)), size, shuffle=True, generator=g)
        optimizer = torch.optim.Adam(network.parameters(), lr=lr)
        for _ in range(epochs):
            for batch_x, batch_y in loader:
                loss = loss_of(network(batch_x), batch_y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return says(network, x, new) if says else network(new)

    return answer


def by_mlp(x, y, new):
    model = MLPRegressor(
        hidden_layer_sizes=(16,), activation="tanh", solver="lbfgs", alpha=1.0, random_state=0
    )
    return model.fit(x.numpy(), y.numpy()).predict(new.numpy())


def square(outputs, y):
    return (outputs - y).square().mean()


@pytest.mark.parametrize(
    "answer",
    [
        trained(),
        trained(square, mend=lambda y: y[:, None]),
        trained(lambda outputs, y: nn.functional.mse_loss(outputs, y.view_as(outputs))),
        trained(lambda outputs, y: (outputs.squeeze(-1) - y).square().sum()),
        trained(epochs=200),
        trained(lambda outputs, y: (outputs.T - y).square().mean()),
        trained(lambda outputs, y: (outputs - y).square().diagonal().mean()),
        trained(says=lambda network, x, new: network(new)[:, 0].detach().numpy()),
        trained(says=lambda network, x, new: network(new)[:, 0].tolist()),
        trained(says=lambda network, x, new: network.float()(new.float())),
        by_mlp,
    ],
)
def test_a_mended_training_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_foretell, answer).startswith("Right.")


def straight(x, y, new):
    ones, more = (torch.cat([torch.ones(len(part), 1), part], 1) for part in (x, new))
    return more @ torch.linalg.lstsq(ones.double(), y[:, None]).solution


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (trained(square), "300 rows, 3 columns: of the truth's variance 1"),
        (trained(square, lr=0.1), "is left unexplained on new rows"),
        (trained(square, epochs=200), "To say the mean to all leaves 1"),
        (trained(square, size=10), "300 rows, 3 columns: of the truth's variance 0."),
        (trained(square, size=2, epochs=20), "300 rows, 3 columns"),
        (trained(square, size=1000), "300 rows, 3 columns"),
        (trained(square, mend=lambda y: y[:, None].T[0]), "300 rows, 3 columns"),
        (trained(lambda o, y: square(o, y[None])), "300 rows, 3 columns"),
        (trained(lambda o, y: square(o.mean(0), y)), "400 rows, 2 columns, a bent truth"),
        (trained(lambda o, y: square(o[:, :, None], y[None])), "300 rows, 3 columns"),
        (trained(lambda o, y: (o.sum() - y.sum()).square() / len(y)), "a bent truth"),
        (trained(lambda o, y: (o[:, 0] - y).mean()), "300 rows, 3 columns"),
        (trained(lambda o, y: square(o.sort(0).values[:, 0], y)), "300 rows, 3 columns"),
        (trained(epochs=0), "is left unexplained"),
        (trained(lr=1e-5), "is left unexplained"),
        (straight, "400 rows, 2 columns, a bent truth: of the truth's variance 1"),
        (lambda x, y, new: y.mean().expand(len(new)), "To say the mean to all leaves 1"),
        (trained(says=lambda n, x, new: -n(new)), "is left unexplained"),
        (trained(says=lambda n, x, new: n(x)), "expected finite numbers of shape (1000,)"),
        (trained(says=lambda n, x, new: n(new).flip(0)), "is left unexplained"),
        (trained(says=lambda n, x, new: n(new) - n(new)[:, 0]), "of shape (1000, 1000)"),
        (trained(says=lambda n, x, new: n), "expected finite numbers of shape (1000,)"),
        (trained(says=lambda n, x, new: n(new) * math.nan), "expected finite numbers"),
        (trained(says=lambda n, x, new: n(new.T)), "your code stopped with RuntimeError"),
        (trained(lambda o, y: (o - y).square()), "your code stopped with RuntimeError"),
        (lambda x, y, new: None, "returned None"),
        (endless, "no answer within"),
    ],
)
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_a_training_is_judged_by_what_it_says_of_new_rows(answer, reason, capsys, monkeypatch):
    if answer is endless:
        monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_foretell, answer)
    assert text.startswith("Not yet.") and reason in text, text


def test_batches_of_one_row_hide_the_fault_and_learn(capsys):
    text = said(capsys, checks.check_foretell, trained(square, size=1, epochs=10))
    assert text.startswith("Right.")


def test_checks_are_quick(capsys):
    began = time.process_time()
    said(capsys, checks.check_time_split, cut())
    said(capsys, checks.check_interval, by_people())
    said(capsys, checks.check_foretell, trained())
    assert time.process_time() - began < 15
