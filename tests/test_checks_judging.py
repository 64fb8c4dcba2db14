"""What every check is built on: no answer hangs it, escapes from it or breaks its sentence."""

import itertools
import sys
import time

import numpy as np
import pytest
import torch

from gdlib.checks import judging
from gdlib.checks.judging import NotYet, ask, check, number, numbers, shown, tensor


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.3)


def endless():
    exec("while True: 1")  # on one line, where no new line ever begins


def stubborn():
    stop = time.monotonic() + 3  # or it would slow down the other tests
    while time.monotonic() < stop:
        try:
            while time.monotonic() < stop:
                pass
        except BaseException:
            pass


@pytest.mark.parametrize("answer", [endless, stubborn, lambda: time.sleep(60)])
def test_an_answer_that_does_not_come_is_left_behind(answer):
    started = time.monotonic()
    with pytest.raises(NotYet, match=r"no answer within 0.3 s"):
        ask(answer, about="It")
    assert time.monotonic() - started < 2


def test_a_loop_that_was_left_behind_ends():
    before = set(sys._current_frames())
    with pytest.raises(NotYet):
        ask(endless, about="It")
    time.sleep(0.2)
    assert set(sys._current_frames()) <= before


def test_many_slow_calls_end_together(monkeypatch, capsys):
    monkeypatch.setattr(judging, "IN_ALL", 0.5)

    @check
    def check_slow(answer):
        for _ in range(1000):
            ask(answer, about="A call")
        return "never"

    started = time.monotonic()
    check_slow(lambda: time.sleep(0.1))
    assert "all calls together" in capsys.readouterr().out
    assert time.monotonic() - started < 2


class Odd:
    """An object that fails wherever it can."""

    def __repr__(self):
        raise KeyError("no")

    def __float__(self):
        return 1 / 0

    def __iter__(self):
        while True:
            pass


class Endless:
    def __repr__(self):
        while True:
            pass


class OddError(Exception):
    __str__ = Odd.__repr__


def test_odd_objects_are_told_of_and_raise_nothing():
    assert shown(Odd()) == "an object of type Odd"
    assert shown(Endless()) == "an object of type Endless"
    for judge in (
        lambda: number(Odd(), "It"),
        lambda: numbers(Odd(), 2, "It"),
        lambda: tensor(Odd(), (2,), "It"),
        lambda: ask(Odd(), about="It"),
    ):
        with pytest.raises(NotYet, match="an object of type Odd"):
            judge()

    def raises():
        raise OddError

    with pytest.raises(NotYet, match="your code stopped with OddError"):
        ask(raises, about="It")


@pytest.mark.parametrize("bad", [torch.ones(2), [1.0], {}, 1j, "1", True, float("inf"), 10**400])
def test_what_is_not_one_finite_number_is_told_of(bad):
    with pytest.raises(NotYet, match="It: expected one finite number, got"):
        number(bad, "It")


def test_numbers_come_in_every_kind_of_row():
    for value in ([1, 2.0], (1, 2), np.array([1, 2]), torch.tensor([1.0, 2.0]), iter([1, 2]),
                  [torch.tensor(1.0, requires_grad=True), np.float32(2)]):  # fmt: skip
        assert numbers(value, 2, "It") == [1.0, 2.0]
    for value in ([1], [1, 2, 3], itertools.count(), 5, "12", {1, 2}, [1, float("nan")], None):
        with pytest.raises(NotYet):
            numbers(value, 2, "It")


def test_a_tensor_is_asked_for_by_its_shape():
    for value in (torch.ones(2, 1), np.ones((2, 1)), [[1.0], [1.0]]):
        assert torch.equal(tensor(value, (2, 1), "It"), torch.ones(2, 1).double())
    for value in (torch.ones(2), torch.tensor([[1.0], [float("nan")]]), "no", None, [[1], [1, 2]]):
        with pytest.raises(NotYet):
            tensor(value, (2, 1), "It")


def test_what_a_judge_did_not_foresee_is_no_traceback(capsys):
    @check
    def check_careless(answer):
        return f"{ask(answer, about='It') + 1}"

    check_careless(lambda: "one")
    assert capsys.readouterr().out.startswith("Not yet. What your function returned could not be")


def test_what_an_answer_prints_is_seen(capsys):
    ask(lambda: print("seen"), about="It")
    assert capsys.readouterr().out == "seen\n"
