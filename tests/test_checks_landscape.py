"""The checks of chapter 7: right answers in several styles, and wrong ones."""

import math
import time
from copy import deepcopy
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from gdlib import checks
from gdlib.checks import judging
from gdlib.checks.landscape import _graded, _growth
from tests.exercises import said


def endless(*args):
    exec("while True: 1")


def weight_std(fan_in, slope, blocks):
    return math.sqrt(2 / (fan_in * (1 + slope**2) * (blocks or 1)))


def by_pytorchs_gain(fan_in, slope, blocks):
    gain = nn.init.calculate_gain("leaky_relu", slope)
    return gain / np.sqrt(fan_in * max(blocks, 1))


def by_tensors(fan_in, slope, blocks):
    moment = torch.tensor(slope).square_().add_(1).div_(2)
    return (moment * fan_in * (blocks if blocks else 1)).rsqrt_()


def by_drawing(fan_in, slope, blocks):
    """The spread of weights that PyTorch drew."""
    weights = torch.empty(2000, fan_in)
    with torch.random.fork_rng(devices=[]):
        nn.init.kaiming_normal_(weights, a=slope)
    return float(weights.std()) / max(1, blocks) ** 0.5


@pytest.mark.parametrize(
    "answer",
    [
        weight_std,
        by_pytorchs_gain,
        by_tensors,
        by_drawing,
        lambda n, a, blocks: Fraction(weight_std(n, a, blocks)),
        lambda n, a, blocks: np.array([weight_std(n, a, blocks)], dtype=np.float32)[0],
    ],
)
def test_a_start_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_weight_std, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda n, a, blocks: 1 / (3 * n) ** 0.5, "0.166 times in each; wanted 1 in each"),
        (lambda n, a, blocks: 1 / n**0.5, "fan_in 300, ReLU, no blocks"),  # Xavier
        (lambda n, a, blocks: (2 / n) ** 0.5, "slope 0.5, no blocks"),
        (lambda n, a, blocks: weight_std(n, a, 0), "ReLU, 12 blocks"),
        (lambda n, a, blocks: weight_std(n, a, 0) / (blocks or 1), "ReLU, 12 blocks"),
        (lambda n, a, blocks: weight_std(n, a, blocks + 1) if blocks else weight_std(n, a, 0),
         "2 blocks"),
        (lambda n, a, blocks: weight_std(n, 0, blocks) if blocks else weight_std(n, a, 0),
         "linear, 2 blocks"),
        (lambda n, a, blocks: weight_std(n, a, 12 if blocks else 0), "linear, 2 blocks"),
        (lambda n, a, blocks: weight_std(300, a, blocks), "fan_in 200"),
        (lambda n, a, blocks: weight_std(n, a, blocks) ** 2, "times in each"),
        (lambda n, a, blocks: (2 / (n * (1 + a) * (blocks or 1))) ** 0.5, "slope 0.5"),
        (lambda n, a, blocks: 1.04 * weight_std(n, a, blocks), "times in each"),
        (lambda n, a, blocks: 0.95 * weight_std(n, a, blocks), "times in each"),
        (lambda n, a, blocks: 1e30, "10^1865 times what it was"),
        (lambda n, a, blocks: 1e300, "times what it was"),
        (lambda n, a, blocks: 1e-300, "times what it was"),
        (lambda n, a, blocks: -weight_std(n, a, blocks), "must be positive"),
        (lambda n, a, blocks: 0, "must be positive"),
        (lambda n, a, blocks: weight_std(n, a, blocks) if blocks else None, "returned None"),
        (lambda n, a, blocks: [0.1], "expected one finite number"),
        (lambda n, a, blocks: 2 / (n * blocks), "ZeroDivisionError"),
        (lambda n, a: 0.1, "stopped with TypeError"),
        (endless, "no answer within"),
    ],
)  # fmt: skip
def test_a_start_is_judged_by_the_signal_it_lets_through(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_weight_std, answer)
    assert text.startswith("Not yet.") and reason in text


def test_the_growth_that_judges_is_that_of_modules():
    """A network of PyTorch's own modules, started by PyTorch, does the same to a signal."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        growths = []
        for _ in range(8):
            layers = [nn.Linear(256, 256, bias=False) for _ in range(10)]
            for layer in layers:
                nn.init.normal_(layer.weight, std=0.1)
            stack = nn.Sequential(*[part for layer in layers for part in (nn.ReLU(), layer)])
            x = torch.randn(50, 256)
            with torch.no_grad():
                growths.append(float(stack(x).square().mean().log() - x.square().mean().log()))
    assert _growth(0.1, 256, 0.0, 0) / 30 == pytest.approx(np.mean(growths) / 10, abs=0.05)


def chance(p1, d):
    return p1**d


def restarts(p1, d, sure):
    return 1 if p1 == 1 else math.ceil(math.log1p(-sure) / math.log1p(-(p1**d)))


def restarts_by_numpy(p1, d, sure):
    with np.errstate(divide="ignore"):
        return np.maximum(np.ceil(np.log1p(-sure) / np.log1p(-np.power(p1, d))), 1)


def restarts_by_tensors(p1, d, sure):
    p = torch.tensor(p1, dtype=torch.float64).pow_(d)
    return torch.log1p(torch.tensor(-sure, dtype=p.dtype)).div_(p.neg_().log1p_()).ceil_().clamp_(1)


def restarts_by_halving(p1, d, sure):
    """No logarithm of a chance: look for the count between two that bracket it."""
    low, high = 0, 1
    while (1 - p1**d) ** high > 1 - sure:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if (1 - p1**d) ** middle > 1 - sure else (low, middle)
    return high


@pytest.mark.parametrize(
    "answer",
    [
        restarts,
        restarts_by_numpy,
        restarts_by_tensors,
        restarts_by_halving,
        lambda p1, d, sure: 1 if p1 == 1 else -(-math.log(1 - sure) // math.log(1 - p1**d)),
        lambda p1, d, sure: float(restarts(p1, d, sure)),
    ],
)
def test_restarts_are_right_in_every_style(answer, capsys):
    text = said(capsys, checks.check_restarts, answer)
    assert text.startswith("Right.") and "310 restarts found the lowest point 95%" in text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda p1, d, sure: math.ceil(1 / p1), "11 restarts find it with probability 0.1."),
        (lambda p1, d, sure: math.ceil(1 / p1**d), "probability 0.63"),
        (lambda p1, d, sure: math.ceil(sure / p1**d), "restarts find it with probability"),
        (lambda p1, d, sure: restarts(p1, 1, sure), "29 restarts find it with probability 0.24"),
        (lambda p1, d, sure: d * restarts(p1, 1, sure), "probability 0.43"),
        (lambda p1, d, sure: restarts(p1, 1, sure) ** d, "would do, too"),
        (lambda p1, d, sure: restarts(p1, d, sure) + 1, "you say 311, but 310 would do, too"),
        (lambda p1, d, sure: restarts(p1, d, sure) - 1, "309 restarts find it"),
        (lambda p1, d, sure: math.log(1 - sure) / math.log(1 - p1**d), "restarts are counted"),
        (lambda p1, d, sure: math.floor(math.log(1 - sure) / math.log(1 - p1**d)), "309"),
        (lambda p1, d, sure: restarts(p1, d, 0.95), "d = 3, sure = 0.99"),
        (lambda p1, d, sure: restarts(0.09815, d, sure), "p₁ = 0.5"),
        (lambda p1, d, sure: restarts(p1, 2, sure), "d = 1"),
        (lambda p1, d, sure: restarts(p1, d, 1 - sure), "restarts find it with probability"),
        (lambda p1, d, sure: math.ceil(math.log(1 - sure) / math.log(1 - p1**d)),
         "p₁ = 1, d = 7, sure = 0.99: your code stopped with"),  # a bowl has no other basin
        (lambda p1, d, sure: restarts(p1, d, sure) if p1 < 1 else 0, "restarts are counted"),
        (lambda p1, d, sure: -5, "restarts are counted"),
        (lambda p1, d, sure: math.inf, "expected one finite number"),
        (lambda p1, d, sure: 1e300, "would do, too"),
        (lambda p1, d, sure: "310", "expected one finite number"),
        (lambda p1, d, sure: [310], "expected one finite number"),
        (lambda p1, d, sure: None, "returned None"),
        (endless, "no answer within"),
    ],
)  # fmt: skip
def test_restarts_are_compared_with_the_fewest_that_do(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_restarts, answer)
    assert text.startswith("Not yet.") and reason in text


def share(model, images, labels, batch_size):
    """The share of right answers in whatever mode the model is in."""
    right = 0
    with torch.no_grad():
        for start in range(0, len(images), batch_size):
            said = model(images[start : start + batch_size]).argmax(1)
            right += (said == labels[start : start + batch_size]).sum().item()
    return right / len(images)


def accuracy(model, images, labels, batch_size):
    model.eval()
    return share(model, images, labels, batch_size)


def accuracy_of_a_copy(model, *rest):
    return np.float32(share(deepcopy(model).train(False), *rest))


def accuracy_by_a_loader(model, images, labels, batch_size):
    was = model.training
    model.eval()
    loader = DataLoader(TensorDataset(images, labels), batch_size, shuffle=True)
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        hits = torch.cat([model(x).argmax(1) == y for x, y in loader])
    model.train(was)
    return hits.float().mean()


def accuracy_of_the_norms_alone(model, images, labels, batch_size):
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()
    return torch.tensor(share(model, images, labels, batch_size), requires_grad=True)


def accuracy_that_eats_its_images(model, images, labels, batch_size):
    value = accuracy(model, images, labels, batch_size)
    images.zero_()
    labels.fill_(3)
    return value


def accuracy_by_hand(model, images, labels, batch_size):
    first, norm, _, last = model
    hidden = images.numpy() @ first.weight.detach().numpy().T + first.bias.detach().numpy()
    scale = norm.weight.detach() / (norm.running_var + norm.eps).sqrt()
    hidden = (hidden - norm.running_mean.numpy()) * scale.numpy() + norm.bias.detach().numpy()
    output = hidden.clip(0) @ last.weight.detach().numpy().T + last.bias.detach().numpy()
    return (output.argmax(1) == labels.numpy()).mean()


@pytest.mark.parametrize(
    "answer",
    [
        accuracy,
        accuracy_of_a_copy,
        accuracy_by_a_loader,
        accuracy_of_the_norms_alone,
        accuracy_that_eats_its_images,
        accuracy_by_hand,
        lambda model, x, y, batch_size: (model.eval()(x).argmax(1) == y).double().mean(),
    ],
)
def test_an_accuracy_is_right_in_every_style(answer, capsys):
    assert said(capsys, checks.check_accuracy, answer).startswith("Right.")


def shuffled_first(model, images, labels, batch_size):
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return share(model, images[order], labels[order], batch_size)


def eval_too_late(model, *rest):
    value = share(model, *rest)
    model.eval()
    return value


def eval_of_a_lost_copy(model, *rest):
    deepcopy(model).eval()
    return share(model, *rest)


def mean_of_batches(model, images, labels, batch_size):
    model.eval()
    pairs = zip(images.split(batch_size), labels.split(batch_size), strict=True)
    return np.mean([float((model(x).argmax(1) == y).float().mean()) for x, y in pairs])


def drops_the_last(model, images, labels, batch_size):
    kept = len(images) // batch_size * batch_size
    return accuracy(model, images[:kept], labels[:kept], batch_size)


def settles_first(model, images, labels, batch_size):
    """Its first look, in train mode, is thrown away and leaves its trace."""
    model.train()
    model(images)
    return accuracy(model, images, labels, batch_size)


def forgets(model, *rest):
    for part in model.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.reset_running_stats()
    return accuracy(model, *rest)


def trains_on(model, images, labels, batch_size):
    value = accuracy(model, images, labels, batch_size)
    with torch.no_grad():
        model[0].weight.add_(1e-6)
    return value


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (share, "The same network and the same 90 images: 0."),
        (shuffled_first, "The same network and the same 90 images"),
        (eval_too_late, "The same network and the same 90 images"),
        (eval_of_a_lost_copy, "The same network and the same 90 images"),
        (lambda m, x, y, b: share(m, x, y, len(x)), "shown one by one"),
        (lambda m, x, y, b: share(deepcopy(m), x, y, len(x)), "shown one by one"),
        (lambda m, x, y, b: share(m.requires_grad_(False), x, y, b), "The same network"),
        (mean_of_batches, "48 images"),
        (drops_the_last, "48 images"),
        (settles_first, "The same network"),
        (forgets, "shown one by one"),
        (trains_on, "your function changed the network's 0.weight"),
        (lambda m, x, y, b: accuracy(m, x, y, b) * len(x), "shown one by one"),
        (lambda m, x, y, b: 1 - accuracy(m, x, y, b), "shown one by one"),
        (lambda m, x, y, b: accuracy(m, x[:b], y[:b], b), "The same network"),
        (lambda m, x, y, b: 0.97, "shown one by one"),
        (lambda m, x, y, b: m.eval()(x).argmax(1) == y, "expected one finite number"),
        (lambda m, x, y, b: m.eval()(x)[:, :3].T @ y, "stopped with RuntimeError"),
        (lambda m, x, y, b: f"{accuracy(m, x, y, b):.0%}", "expected one finite number"),
        (lambda m, x, y, b: None, "returned None"),
        (lambda m, x, y: 0.5, "stopped with TypeError"),
        (endless, "no answer within"),
    ],
)
def test_an_accuracy_is_compared_with_that_of_single_images(answer, reason, capsys, monkeypatch):
    monkeypatch.setattr(judging, "SECONDS", 0.5)
    text = said(capsys, checks.check_accuracy, answer)
    assert text.startswith("Not yet.") and reason in text


@pytest.mark.parametrize(("width", "images"), [(12, 90), (7, 48), (20, 60)])
def test_three_of_four_images_come_out_right_in_eval_mode_and_not_in_train_mode(width, images):
    model, x, y = _graded(width, images)
    assert len(x) == images and (y.diff() >= 0).all()
    assert share(model.eval(), x, y, images) == pytest.approx(0.75, abs=0.01)
    assert share(model.train(), x, y, images) < 0.5


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_the_verdicts_are_those_of_any_default_precision(default, capsys):
    torch.set_default_dtype(default)
    try:
        for check, right in (
            (checks.check_weight_std, weight_std),
            (checks.check_accuracy, accuracy),
        ):
            assert said(capsys, check, right).startswith("Right.")
        assert said(capsys, checks.check_accuracy, share).startswith("Not yet. The same network")
    finally:
        torch.set_default_dtype(torch.float32)


def test_checks_are_quick(capsys):
    began = time.process_time()
    said(capsys, checks.check_weight_std, weight_std)
    said(capsys, checks.check_restarts, restarts)
    said(capsys, checks.check_accuracy, accuracy)
    assert time.process_time() - began < 15
