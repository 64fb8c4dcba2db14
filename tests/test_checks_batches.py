"""The checks of chapter 3: right answers in several styles, and wrong ones."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from gdlib import checks
from gdlib.checks import judging
from tests.exercises import said


def shuffle(n, b, g):
    return torch.randperm(n, generator=g)


def by_rows(n, b, g):
    return torch.stack([row[torch.randperm(n // b, generator=g)]
                        for row in torch.arange(n).view(b, -1)]).T.flatten()  # fmt: skip


def as_list(n, b, g):
    rows = [[s * n // b + int(i) for i in torch.randperm(n // b, generator=g)] for s in range(b)]
    return [rows[s][k] for k in range(n // b) for s in range(b)]


def batch_by_batch(n, b, g):
    yield from by_rows(n, b, g).tolist()


def mixed_within(n, b, g):
    batches = by_rows(n, b, g).view(-1, b)
    return torch.cat([batch[torch.randperm(b, generator=g)] for batch in batches]).numpy()


@pytest.mark.parametrize("answer", [by_rows, as_list, batch_by_batch, mixed_within,
                                    lambda n, b, g: tuple(as_list(n, b, g))])  # fmt: skip
def test_a_stratified_order_is_right_in_any_style(answer, capsys):
    assert said(capsys, checks.check_stratified, answer).startswith("Right.")


def axes_swapped(n, b, g):
    stretches = torch.arange(n).view(-1, b)
    return stretches.gather(1, torch.rand(stretches.shape, generator=g).argsort(1)).T.flatten()


def half_the_stretches(n, b, g):
    return by_rows(n, max(1, b // 2), g) if n % max(1, b // 2) == 0 else by_rows(n, b, g)


def all_alike(n, b, g):
    return torch.arange(n).view(b, -1)[:, torch.randperm(n // b, generator=g)].T.flatten()


def only_tens(n, b, g):
    return by_rows(n, 10, g) if n % 10 == 0 else shuffle(n, b, g)


def own_seed(n, b, g):
    return by_rows(n, b, torch.Generator().manual_seed(3))


def own_dice(n, b, g):
    with torch.random.fork_rng(devices=[]):
        return by_rows(
            n, b, torch.Generator().manual_seed(int(np.random.default_rng().integers(9**9)))
        )


def forwards_or_backwards(n, b, g):
    plain = torch.arange(n).view(b, -1).T.flatten()
    return plain if torch.rand((), generator=g) < 0.8 else plain.view(-1, b).flip(0).flatten()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n, b, g: torch.arange(n), "same order"),
        (lambda n, b, g: torch.arange(n).view(b, -1).T.flatten(), "same order"),
        (shuffle, "stretches only"),
        (axes_swapped, "stretches only"),
        (half_the_stretches, "stretches only"),
        (only_tens, "stretches only"),
        (all_alike, "times as much as if every stretch"),
        (own_seed, "same order"),
        (own_dice, "the same seed gives two orders"),
        (forwards_or_backwards, "the same end"),
        (lambda n, b, g: shuffle(n, b, g)[: n // 2], "expected 100 numbers"),
        (lambda n, b, g: torch.randint(n, (n,), generator=g), "each of 0 … 99 once"),
        (lambda n, b, g: by_rows(n, b, g) + 1, "each of 0 … 99 once"),
        (lambda n, b, g: itertools.cycle([0]), "expected 100 numbers"),
    ],
)
def test_an_order_must_be_complete_new_fair_and_better_than_chance(answer, reason, capsys):
    assert reason in said(capsys, checks.check_stratified, answer)


def scale(b, small, c, large):
    return (small - large) / (1 / b - 1 / c) / ((c * large - b * small) / (c - b))


def by_solving(b, small, c, large):
    return np.divide(*np.linalg.solve([[1 / b, 1], [1 / c, 1]], [small, large]))


@pytest.mark.parametrize(
    "answer", [scale, by_solving, lambda *a: torch.tensor(scale(*a), dtype=torch.float64)]
)
def test_a_noise_scale_is_right_in_any_style(answer, capsys):
    assert said(capsys, checks.check_noise_scale, answer).startswith("Right.")


@pytest.mark.parametrize(
    "answer",
    [
        lambda b, small, c, large: small / large,
        lambda b, small, c, large: (small - large) / (1 / b - 1 / c) / large,
        lambda b, small, c, large: 1 / scale(b, small, c, large),
        lambda b, small, c, large: scale(c, small, b, large),
        lambda b, small, c, large: 2 * scale(b, small, c, large),
    ],
)
def test_a_noise_scale_must_separate_noise_from_signal(answer, capsys):
    assert "the noise scale is 20" in said(capsys, checks.check_noise_scale, answer)


@pytest.mark.parametrize(
    "answer", [lambda *a: 20.0, lambda *a: {}["b"], lambda *a: [scale(*a)] * 2,
               lambda b, small, c, large: scale(b, small, 16 * b, large),
               lambda b, small, c, large: scale(4, small, 64, large)]
)  # fmt: skip
def test_a_noise_scale_that_is_right_once_is_not_right(answer, capsys):
    assert said(capsys, checks.check_noise_scale, answer).startswith("Not yet.")


def seeded(seed, **more):
    dice = torch.Generator().manual_seed(seed)
    return lambda data: DataLoader(data, 64, shuffle=True, generator=dice, **more)


@pytest.mark.parametrize("seed", [0, 9, 21, 23, 40, 77, 1000, 31337])
def test_every_shuffling_loader_is_right(seed, capsys):
    assert said(capsys, checks.check_loader, seeded(seed)).startswith("Right.")
    verdict = said(capsys, checks.check_loader, seeded(seed, drop_last=True))
    assert verdict.startswith("Right.") and "left out" in verdict


class ByHand:
    """No DataLoader, and its numbers come as arrays."""

    def __init__(self, data):
        self.x, self.y = data.tensors

    def __iter__(self):
        for rows in torch.randperm(len(self.x)).split(64):
            yield self.x[rows].numpy(), self.y[rows].numpy()


@pytest.mark.parametrize(
    "answer",
    [
        lambda data: DataLoader(data, batch_size=64, shuffle=True),
        lambda data: DataLoader(data, batch_size=64, sampler=RandomSampler(data), num_workers=1),
        lambda data: DataLoader(list(zip(*data.tensors, strict=True)), 64, shuffle=True),
        lambda data: DataLoader(TensorDataset(*(t.float() for t in data.tensors)), 64, True),
        ByHand,
    ],
)
def test_a_loader_is_right_in_any_style(answer, capsys):
    assert said(capsys, checks.check_loader, answer).startswith("Right.")


def windows(data):
    """Shuffled inside stretches of 128."""

    class Windows:
        def __iter__(self):
            for stretch in torch.arange(len(data)).split(128):
                yield from stretch[torch.randperm(len(stretch))].tolist()

        def __len__(self):
            return len(data)

    return DataLoader(data, batch_size=64, sampler=Windows())


def batches_shuffled(data):
    class Batches:
        def __iter__(self):
            rows = torch.arange(len(data)).split(64)
            for k in [*torch.randperm(len(rows) - 1).tolist(), len(rows) - 1]:
                yield rows[k].tolist()

    return DataLoader(data, batch_sampler=Batches())


def wrong_targets(data):
    x, y = data.tensors
    return DataLoader(TensorDataset(x, y.roll(1, 0)), batch_size=64, shuffle=True)


def mutates(data):
    data.tensors[0].zero_()
    return DataLoader(data, batch_size=64, shuffle=True)


def epochs_of_one(data):
    return ((x, y) for x, y in DataLoader(data, batch_size=64, shuffle=True))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda data: DataLoader(data, batch_size=64), "do not look like the data"),
        (lambda data: DataLoader(data, 64, sampler=range(len(data) - 1, -1, -1)), "do not look"),
        (windows, "do not look like the data"),
        (batches_shuffled, "do not look like the data"),
        (lambda data: DataLoader(data, 64, sampler=torch.randperm(len(data)).tolist()),
         "in 1 different order."),
        (lambda data: DataLoader(data, batch_size=1000, shuffle=True), "batches of 64"),
        (lambda data: DataLoader(data, batch_size=32, shuffle=True), "batches of 64"),
        (lambda data: DataLoader(data, 64, sampler=RandomSampler(data, replacement=True)), "once"),
        (lambda data: DataLoader(data, 64, sampler=RandomSampler(range(640))), "once each"),
        (lambda data: DataLoader(data, 64, sampler=RandomSampler(range(1000))), "points"),
        (wrong_targets, "the y of another"),
        (mutates, "not those of the data"),
        (epochs_of_one, "epoch 2: it must come in batches of 64, got nothing"),
        (lambda data: DataLoader(data[:64][0], batch_size=64), "stopped with ValueError"),
        (lambda data: itertools.repeat(data[:64]), "64064 draws hold 64"),
        (lambda data: data, "batches of 64"),
        (lambda data: DataLoader(data, 64, True, collate_fn=dict), "stopped with ValueError"),
        (lambda data: [(torch.full((64, 1), torch.nan),) * 2] * 15, "not those of the data"),
        (lambda data: itertools.cycle("ab"), "stopped with ValueError"),
        (lambda data: 64, "stopped with TypeError"),
        (lambda data: None, "stopped with TypeError"),
    ],
)  # fmt: skip
def test_a_loader_is_judged_by_the_orders_it_gives(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 2.0)
    verdict = said(capsys, checks.check_loader, answer)
    assert verdict.startswith("Not yet.") and reason in verdict, verdict


def test_what_the_starter_is_told_does_not_name_the_fault(capsys):
    verdict = said(capsys, checks.check_loader, lambda data: DataLoader(data, batch_size=64))
    assert "shuffl" not in verdict and "order" not in verdict
