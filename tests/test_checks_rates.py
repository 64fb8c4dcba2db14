"""The checks of chapter 4: right answers in several styles, and wrong ones."""

import itertools
import math
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gdlib import checks
from tests.conftest import ROOT
from tests.exercises import EXERCISES, said, tagged

PLAN = [0.5] * 30 + [0.05] * 20 + [0.005] * 10


def counted(lr, h, eps):
    w, steps = 1.0, 0
    while abs(w) > eps:
        if abs(w) > 10 or steps > 10_000:
            return float("inf")
        w, steps = w * (1 - lr * h), steps + 1
    return steps


def in_numpy(lr, h, eps):
    left = np.abs(1 - lr * h)
    if left >= 1:
        return np.inf
    with np.errstate(divide="ignore"):
        return np.maximum(1, np.ceil(np.log(eps) / np.log(left)))


def in_torch(lr, h, eps):
    left = torch.tensor(1 - lr * h, dtype=torch.float64).abs()
    if left >= 1:
        return torch.tensor(math.inf)
    return (math.log(eps) / left.log()).ceil().clamp(min=1)[None]


def law(lr, h, eps):
    left = abs(1 - lr * h)
    return 1 if left == 0 else math.ceil(math.log(eps) / math.log(left)) if left < 1 else math.inf


def descends(net, x, y, rates):
    for lr in rates:
        net.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        with torch.no_grad():
            for p in net.parameters():
                p -= lr * p.grad


def fit(drawn=PLAN, used=PLAN, trained=PLAN, made=list):
    """An answer that reports these rates, in some container, and trains with those."""

    def answer(net, x, y):
        descends(net, x, y, trained)
        return made(drawn), made(used)

    return answer


def adam(net, x, y):
    optimizer = torch.optim.Adam(net.parameters())
    for lr in PLAN:
        optimizer.param_groups[0]["lr"] = lr
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
    return PLAN, PLAN


def trains_a_copy(net, x, y):
    import copy

    descends(copy.deepcopy(net), x, y, PLAN)
    return PLAN, PLAN


def plans_and_never_clears(net, x, y):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for lr in PLAN:
        optimizer.param_groups[0]["lr"] = lr
        nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
    return PLAN, PLAN


def moves_the_weights(net, x, y):
    vector_to_parameters(0.9 * parameters_to_vector(net.parameters()).detach(), net.parameters())
    return PLAN, PLAN


def the_untouched_bug(net, x, y):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [30, 50], gamma=0.1)
    drawn = []
    for _ in range(60):
        drawn.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    for _ in range(60):
        optimizer.zero_grad()
        nn.functional.mse_loss(net(x), y).backward()
        optimizer.step()
        scheduler.step()
    return drawn, drawn


@pytest.mark.parametrize("answer", [counted, in_numpy, in_torch, law], ids=lambda f: f.__name__)
def test_steps_are_counted_in_any_style(answer, capsys):
    assert said(capsys, checks.check_steps_needed, answer).startswith("Right.")


@pytest.mark.parametrize(
    "answer",
    [
        lambda k, steps: 1 - k / steps,
        lambda k, steps: np.float64(0.03) ** (k / steps),
        lambda k, steps: torch.tensor(1 - k / steps),
        lambda k, steps: torch.tensor([0.03]) ** (k / steps),
        lambda k, steps: 1 - math.sqrt(k / steps),
    ],
)
def test_a_schedule_that_beats_the_cosine_is_praised(answer, capsys):
    assert said(capsys, checks.check_schedule, answer).startswith("Right.")


@pytest.mark.parametrize("made", [list, tuple, np.array, torch.tensor, iter])
def test_a_fit_may_report_its_rates_in_any_container(made, capsys):
    assert said(capsys, checks.check_fit, fit(made=made)).startswith("Right.")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("width", range(4, 8))
def test_a_fit_is_judged_alike_at_every_width_and_default_dtype(width, dtype, capsys, monkeypatch):
    monkeypatch.setattr(random.Random, "randint", lambda self, low, high: width)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        assert said(capsys, checks.check_fit, fit()).startswith("Right.")
    finally:
        torch.set_default_dtype(before)


def test_a_fit_may_change_the_data_that_it_was_handed(capsys):
    def answer(net, x, y):
        descends(net, x, y, PLAN)
        x.zero_()
        return PLAN, PLAN

    assert said(capsys, checks.check_fit, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("steps_needed", lambda lr, h, eps: math.log(eps) / math.log(abs(1 - lr * h)), "you say"),
        ("steps_needed", lambda lr, h, eps: math.ceil(math.log(1 / eps) / (lr * h)), "1382 steps"),
        ("steps_needed", lambda lr, h, eps: law(lr, h, eps) if lr * h != 1 else 0, "you say 0"),
        ("steps_needed", lambda lr, h, eps: math.ceil(math.log(eps) / math.log(abs(1 - lr * h))),
         "your code stopped with ValueError"),
        ("steps_needed", lambda lr, h, eps: -6 if lr * h >= 2 else law(lr, h, eps),
         "never arrives"),
        ("steps_needed", lambda lr, h, eps: law(lr, 1.0, eps), "curvature 1990"),
        ("steps_needed", lambda lr, h, eps: math.inf, "it takes 1375"),
        ("steps_needed", lambda lr, h, eps: law(lr, h, eps) if lr in (0.01, 0.9, 1.9, 0.001, 0.5,
         0.25, 1.0, 10.0) else 7, "you say 7"),
        ("steps_needed", lambda lr, h, eps: law(lr, h, eps) + 1, "you say 1376"),
        ("schedule", lambda k, steps: (1 + math.cos(math.pi * k / steps)) / 2,
         "cosine ends at 0.14"),
        ("schedule", lambda k, steps: 1 - 2 * k / steps, "lie in 0 … 1"),
        ("schedule", lambda k, steps: 0.0, "at its best peak it ends at 2.59"),
        ("schedule", lambda k, steps: 0.03 ** (k / 500), "With 200 steps"),
        ("schedule", lambda k, steps: max(0, 1 - k / 500), "With 200 steps"),
        ("schedule", lambda k, steps: k / steps, "cosine ends at"),
        ("schedule", lambda k, steps: 0.3 ** ((2 * k >= steps) + (4 * k >= 3 * steps)), "ends at"),
        ("schedule", lambda k, steps: [1.0] * steps, "one finite number"),
        ("schedule", lambda k, steps: math.nan, "one finite number"),
        ("fit", fit(used=[0.5] * 60), "used 60 rates out of [0.5]"),
        ("fit", fit(used=PLAN[:50]), "used 50 rates"),
        ("fit", fit(drawn=PLAN[::-1]), "drew 60 rates"),
        ("fit", fit(trained=[]), "nothing was trained"),
        ("fit", fit(trained=[0.005] * 60), "not those of descent"),
        ("fit", fit(trained=PLAN[:59]), "not those of descent"),
        ("fit", the_untouched_bug, "not those of descent"),
        ("fit", trains_a_copy, "nothing was trained"),
        ("fit", moves_the_weights, "not those of descent"),
        ("fit", plans_and_never_clears, "not those of descent"),
        ("fit", adam, "not those of descent"),
        ("fit", lambda net, x, y: PLAN, "rates drawn and the rates used"),
        ("fit", lambda net, x, y: (PLAN, PLAN, PLAN), "rates drawn and the rates used"),
        ("fit", lambda net, x, y: (["a"] * 60, PLAN), "one finite number"),
        ("fit", lambda net, x, y: (itertools.repeat(0.5), PLAN), "drew 1000 rates"),
    ],
)  # fmt: skip
def test_wrong_rates_and_schedules_are_told_what_they_do(exercise, answer, reason, capsys):
    told = said(capsys, getattr(checks, f"check_{exercise}"), answer)
    assert told.startswith("Not yet.") and reason in told


def test_no_check_draws_from_the_readers_random_numbers(capsys):
    torch.manual_seed(3)
    random.seed(3)
    expected = torch.rand(2), random.random()
    torch.manual_seed(3)
    random.seed(3)
    checks.check_steps_needed(law)
    checks.check_schedule(lambda k, steps: 1 - k / steps)
    checks.check_fit(fit())
    torch.testing.assert_close(torch.rand(2), expected[0])
    assert random.random() == expected[1]


@pytest.mark.parametrize("exercise", EXERCISES["04_learning_rates"])
def test_each_solution_passes_as_the_first_thing_in_a_fresh_process(exercise):
    solution = tagged("04_learning_rates", f"solution-{exercise}")
    imports = ["import math", "import torch", "from torch import nn",
               "from torch.optim import lr_scheduler",
               f"from gdlib.checks import check_{exercise.replace('-', '_')}"]  # fmt: skip
    code = "\n".join([*imports, solution])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.startswith("Right."), done.stdout + done.stderr
