"""The checks judge starters, solutions and wrong answers as such, and never raise."""

import math
import os
import subprocess
import sys

import pytest
import torch

from gdlib import checks
from gdlib.checks import judging
from tests.conftest import ROOT
from tests.exercises import EXERCISES, namespace, said, tagged


@pytest.mark.parametrize(
    ("chapter", "exercise"), [(c, e) for c, names in EXERCISES.items() for e in names]
)
def test_the_starter_runs_and_is_not_yet_right_and_the_solution_is(chapter, exercise, capsys):
    names = namespace(chapter)
    exec(tagged(chapter, f"exercise-{exercise}"), names)
    assert capsys.readouterr().out.startswith("Not yet.")
    exec(tagged(chapter, f"solution-{exercise}"), names)
    assert capsys.readouterr().out.startswith("Right.")


def endless(*args):
    exec("while True: 1")  # on one line, where no new line ever begins


def raises(*args):
    raise KeyError("lr")


@pytest.mark.parametrize(
    "answer",
    [
        None, 0.2, "0.2", raises, endless,
        lambda *args: None, lambda *args: "0.2", lambda *args: math.nan,
        lambda *args: torch.ones(2), lambda: 0.2, lambda *args: exit(),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "name",
    [
        "largest_lr",
        "next_lr",
        "train_network",
        "genie",
        "lr_for_floor",
        "lr_schedule",
        "by_ones",
        "stratified",
        "noise_scale",
        "loader",
        "steps_needed",
        "schedule",
        "fit",
        "best_momentum",
        "change_lr",
        "ported",
        "scaled",
        "lion",
        "recipe",
        "weight_std",
        "restarts",
        "accuracy",
        "threshold",
        "customers_needed",
        "cross_validated",
        "delayed_lr",
        "ring",
        "ranks",
        "kl_between",
        "logistic",
        "vae_loss",
        "extragradient",
        "largest_dirac_lr",
        "gan_steps",
        "time_split",
        "interval",
        "foretell",
    ],
)
def test_no_answer_makes_a_check_raise(name, answer, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.2)
    assert said(capsys, getattr(checks, f"check_{name}"), answer).startswith("Not yet.")


def test_a_check_leaves_the_readers_random_numbers_alone():
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    checks.check_train_network(lambda model, x, y, lr, epochs: [])
    torch.testing.assert_close(torch.rand(2), expected)


FRESH = """
import os, sys
import matplotlib.pyplot, torch
import gdlib.checks
from tests.conftest import ROOT
from tests.exercises import EXERCISES, namespace, tagged

for chapter, names in EXERCISES.items():
    for name in names:
        print(f"# {name}", flush=True)
        child = os.fork()
        if not child:
            exec(tagged(chapter, f"solution-{name}"), namespace(chapter))
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a process for each exercise, cheaply")
def test_a_solution_is_right_as_the_first_thing_in_a_fresh_process():
    done = subprocess.run(
        [sys.executable, "-c", FRESH], cwd=ROOT, capture_output=True, text=True, check=True
    )
    said = dict(part.split("\n", 1) for part in done.stdout.split("# ")[1:])
    assert list(said) == [name for names in EXERCISES.values() for name in names]
    wrong = {name: text for name, text in said.items() if not text.startswith("Right.")}
    assert not wrong, wrong
