"""Every prediction can fail: were the theory a tenth off, the measurement would refute it."""

import re
from typing import NamedTuple

import nbformat
import pytest
import torch

from gdlib.predictions import PredictionFailed, check_prediction
from tests.conftest import ROOT

# Where a tenth more or less means nothing, and what shows in its place that the line can fail.
EXEMPT: dict[str, str] = {
    # Chapter 1
    #
    # Chapter 2
    #
    # Chapter 3
    #
    # Chapter 4
    "P4.3a": "a lower bound, not a value; P4.3c is the same ratio where it is 1",
    "P4.3b": "found on a grid of rates √2 apart; without warm-up, printed below it, it is a sixth",
    "P4.3c": "found on a grid of rates √2 apart; P4.3a is the same ratio where it is not 1",
    #
    # Chapter 5
    #
    # Chapter 10
    #
    # Chapter 11
    #
}
LINE = re.compile(
    r"^(?P<id>P\d+\.\d+[a-z]?)  .*: predicted (?P<predicted>\S+), measured (?P<measured>\S+) "
    r"\(allowed (?P<allowed>.+)\): holds$",
    re.DOTALL,
)


class Stated(NamedTuple):
    """A prediction as the chapter in git prints it."""

    predicted: float
    measured: float
    low: float
    high: float


def stated() -> dict[str, Stated]:
    """Every prediction of the book, from the outputs that are stored with the chapters."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                name = output.get("metadata", {}).get("scrapbook", {}).get("name", "")
                if re.fullmatch(r"P\d+\.\d+[a-z]?", name):
                    line = LINE.match(output["data"]["text/plain"])
                    assert line, f"{name}: {output['data']['text/plain']}"
                    found[name] = read(**line.groupdict())
    return found


def read(id: str, predicted: str, measured: str, allowed: str) -> Stated:
    value = float(predicted)
    if "…" in allowed:
        low, high = map(float, allowed.split(" … "))
    else:
        amount = float(allowed.removeprefix("± ").removesuffix(" %"))
        reach = abs(value) * amount / 100 if allowed.endswith("%") else amount
        low, high = value - reach, value + reach
    return Stated(value, float(measured), low, high)


STATED = stated()


@pytest.mark.parametrize("id", STATED)
def test_a_theory_that_is_a_tenth_off_is_refuted(id):
    _, measured, low, high = STATED[id]
    for factor in (0.9, 1.1):
        a, b = sorted((factor * low, factor * high))
        if id in EXEMPT:
            continue
        assert not a <= measured <= b, f"{factor} × theory would hold, too: {a:.4g} … {b:.4g}"


def test_no_exemption_is_stale():
    unknown = set(EXEMPT) - set(STATED)
    assert not unknown
    needless = []
    for id in EXEMPT:
        _, measured, low, high = STATED[id]
        ends = [sorted((factor * low, factor * high)) for factor in (0.9, 1.1)]
        if not any(a <= measured <= b for a, b in ends):
            needless.append(id)
    assert not needless, "these need no exemption"


def test_a_prediction_that_holds_prints_one_line(capsys):
    check_prediction("P9.1", "the slope", predicted=-1.0, measured=-1.0234, within=0.05)
    line = "P9.1  the slope: predicted -1, measured -1.023 (allowed ± 0.05): holds\n"
    assert capsys.readouterr().out == line


def test_of_many_measurements_the_worst_is_shown(capsys):
    check_prediction(
        "P9.1", "ratio", predicted=1, measured=torch.tensor([0.99, 1.04]), relative=0.05
    )
    assert "measured 1.04 (allowed ± 5 %)" in capsys.readouterr().out


@pytest.mark.parametrize("allowed", [{"within": 0.1}, {"relative": 0.05}, {"interval": (1.9, 2.1)}])
@pytest.mark.parametrize("bad", [2.2, float("nan"), float("inf"), torch.tensor([2.0, 1.7])])
def test_a_prediction_that_fails_stops_and_says_so(capsys, allowed, bad):
    with pytest.raises(PredictionFailed, match=r"P9\.2 .* FAILS"):
        check_prediction("P9.2", "two", predicted=2.0, measured=bad, **allowed)
    assert "FAILS" in capsys.readouterr().out


@pytest.mark.parametrize(
    "allowed",
    [{}, {"within": 0.1, "relative": 0.1}, {"interval": (2, 1)}, {"within": float("nan")}],
)
def test_a_prediction_needs_one_interval(allowed):
    with pytest.raises(ValueError, match=r"one of within|from low to high|must be a finite number"):
        check_prediction("P9.3", "two", predicted=2.0, measured=2.0, **allowed)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1j, "2"])
def test_what_is_predicted_is_a_number(bad):
    with pytest.raises(ValueError, match="predicted must be a finite number"):
        check_prediction("P9.5", "two", predicted=bad, measured=2.0, within=1)


def test_what_is_predicted_may_be_a_tensor_of_one_number(capsys):
    check_prediction("P9.6", "two", predicted=torch.tensor([2.0]), measured=2.0, within=0.1)
    assert "predicted 2, measured 2" in capsys.readouterr().out


def test_a_measurement_is_not_rounded_to_float32():
    check_prediction("P9.7", "a tenth", predicted=0.1, measured=[0.1], within=1e-12)


def test_nothing_measured_is_no_measurement():
    with pytest.raises(ValueError, match="nothing was measured"):
        check_prediction("P9.4", "two", predicted=2, measured=torch.tensor([]), within=1)
