"""The checks of chapter 4: right answers in several styles, and wrong ones."""

import math

import pytest

from gdlib import checks
from tests.exercises import said


def plan(kind):
    """A training that draws its schedule first, in one of several ways."""

    def fit(net, x, y):
        drawn = [0.5] * 30 + [0.05] * 20 + [0.005] * 10
        used = {"constant": [0.5] * 60, "short": drawn[:50]}[kind]
        return drawn, used

    return fit


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        (
            "steps_needed",
            lambda lr, h, eps: math.log(1 / eps) / -math.log(abs(1 - lr * h)),
            "you say",
        ),
        ("steps_needed", lambda lr, h, eps: math.ceil(math.log(1 / eps) / (lr * h)), "1382 steps"),
        (
            "schedule",
            lambda k, steps: (1 + math.cos(math.pi * k / steps)) / 2,
            "cosine ends at 0.14",
        ),
        ("schedule", lambda k, steps: 1 - 2 * k / steps, "lie in 0 … 1"),
        ("fit", plan("constant"), "used 60 rates out of [0.5]"),
        ("fit", plan("short"), "used 50 rates"),
    ],
)
def test_wrong_rates_and_schedules_are_told_what_they_do(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)
