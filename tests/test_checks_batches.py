"""The checks of chapter 3: right answers in several styles, and wrong ones."""

import itertools

import pytest
import torch
from torch.utils.data import DataLoader

from gdlib import checks
from gdlib.checks import judging
from tests.exercises import said


def shuffle(examples, batch_size, generator):
    return torch.randperm(examples, generator=generator)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n, b, g: torch.arange(n), "same order"),
        (shuffle, "as much as at random"),
        (lambda n, b, g: shuffle(n, b, g)[: n // 2], "each of 0 … 99 once"),
        (lambda n, b, g: torch.arange(n) if torch.rand((), generator=g) < 0.5
         else torch.arange(n).roll(b), "off the middle"),
    ],
)  # fmt: skip
def test_an_order_must_be_complete_new_fair_and_better_than_chance(answer, reason, capsys):
    assert reason in said(capsys, checks.check_stratified, answer)


@pytest.mark.parametrize(
    "answer",
    [
        lambda b, small, c, large: small / large,
        lambda b, small, c, large: (small - large) / (1 / b - 1 / c) / large,
    ],
)
def test_a_noise_scale_must_separate_noise_from_signal(answer, capsys):
    assert "the noise scale is 20" in said(capsys, checks.check_noise_scale, answer)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda data: DataLoader(data, batch_size=64), "the same order"),
        (lambda data: DataLoader(data, batch_size=64, sampler=range(999, -1, -1)), "same order"),
        (lambda data: DataLoader(data, batch_size=1000, shuffle=True), "1000 to a batch"),
        (lambda data: DataLoader(data[:64][0], batch_size=64), "stopped with ValueError"),
        (lambda data: itertools.repeat(data[:64]), "no answer within"),
    ],
)
def test_a_loader_is_judged_by_the_training_it_gives(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 2.0)
    assert reason in said(capsys, checks.check_loader, answer)
