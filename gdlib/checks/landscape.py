"""Exercises on the landscape: the size of a start, the price of restarts, one network's marks."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gdlib.checks.judging import NotYet, ask, check, number

LAYERS, NETS, SIGNALS = 30, 6, 20  # of a plain network; of each kind; through each network
LOTTERIES = 500


@check
def check_weight_std(answer: Callable[[int, float, int], float]) -> str:
    """Draw networks with the answer's weights and follow a signal through them."""
    for fan_in, slope, blocks in ((300, 0.0, 0), (200, 0.5, 0), (400, 1.0, 0), (350, 0.7, 0),
                                  (300, 0.0, 12), (250, 1.0, 2), (200, 0.6, 30)):  # fmt: skip
        kind = {0.0: "ReLU", 1.0: "linear"}.get(slope, f"slope {slope:g}")
        about = f"fan_in {fan_in}, {kind}, {f'{blocks} blocks' if blocks else 'no blocks'}"
        std = number(ask(answer, fan_in, slope, blocks, about=about), about)
        if not std > 0:
            raise NotYet(f"{about}: a standard deviation must be positive, got {std:g}.")
        growth = _growth(std, fan_in, slope, blocks)  # its logarithm, of the mean square
        layers = blocks or LAYERS
        wanted = layers * math.log(1 + 1 / blocks) if blocks else 0.0
        if not abs(growth - wanted) < (0.1 if blocks else 0.06 * layers):
            raise NotYet(
                f"{about}: after {layers} {'blocks' if blocks else 'layers'} the mean square is "
                f"{_power(growth)} times what it was, {math.exp(growth / layers):.3g} "
                f"times in each; wanted {math.exp(wanted / layers):.3g} in each."
            )
    return f"Signals pass {LAYERS} layers of four kinds unchanged, and grow as asked in 3 stacks."


def _growth(std: float, width: int, slope: float, blocks: int) -> float:
    """The logarithm of what the layers do to a signal's mean square, in the mean."""
    dice = torch.Generator().manual_seed(0)
    signal = torch.randn(NETS, width, SIGNALS, generator=dice, dtype=torch.float32)
    total, std = torch.zeros(()), min(max(std, 1e-100), 1e100)  # or the squares overflow
    for _ in range(blocks or LAYERS):
        signal = (signal / signal.square().mean(1, keepdim=True).sqrt()).float()
        weights = torch.randn(NETS, width, width, generator=dice, dtype=torch.float32)
        branch = std * (weights @ torch.where(signal > 0, signal, slope * signal)).double()
        signal = signal + branch if blocks else branch
        total = total + signal.square().mean(1).log().mean()
    return float(total)


def _power(log: float) -> str:
    """The exponential of ``log``, however large or small."""
    return f"{math.exp(log):.2g}" if abs(log) < 700 else f"10^{log / math.log(10):.0f}"


@check
def check_restarts(answer: Callable[[float, int, float], float]) -> str:
    """Compare the answer with the fewest restarts that do, then hold a lottery with it."""
    cases = [(0.09815, 2, 0.95), (0.09815, 1, 0.95), (0.09815, 10, 0.95), (0.5, 3, 0.99),
             (0.9, 4, 0.5), (0.23, 5, 0.9), (0.02, 1, 0.3), (1.0, 7, 0.99)]  # fmt: skip
    said = {}
    for p1, d, sure in cases:
        about = f"p₁ = {p1:g}, d = {d}, sure = {sure:g}"
        count = said[p1, d] = number(ask(answer, p1, d, sure, about=about), about)
        if count < 1 or count != round(count):
            raise NotYet(f"{about}: restarts are counted, 1, 2, 3 …; you say {count:g}.")
        missed = math.log1p(-(p1**d)) if p1 < 1 else -math.inf  # the logarithm of its chance
        fewest = max(1, math.ceil(math.log1p(-sure) / missed))
        if count < fewest * (1 - 1e-4):
            found = -math.expm1(count * missed)
            raise NotYet(f"{about}: {count:,.0f} restarts find it with probability {found:.2g}.")
        if count > fewest * (1 + 1e-4):
            raise NotYet(f"{about}: you say {count:,.0f}, but {count - 1:,.0f} would do, too.")
    count = int(said[0.09815, 2])
    return (
        f"All {len(cases)} counts are the fewest that do. In {LOTTERIES} lotteries on Rastrigin's "
        f"function of two weights {count} restarts found the lowest point {_lottery(count):.0%} "
        "of the time."
    )


def _lottery(restarts: int) -> float:
    """How often descent from so many starts comes to the lowest point at least once."""
    dice = torch.Generator().manual_seed(0)
    w = torch.rand(LOTTERIES, restarts, 2, generator=dice, dtype=torch.float64) * 10.24 - 5.12
    for _ in range(60):
        w -= 0.001 * (2 * w + 20 * math.pi * (2 * math.pi * w).sin())
    return float((w.abs() < 0.1).all(-1).any(-1).double().mean())


@check
def check_accuracy(answer: Callable[[nn.Module, Tensor, Tensor, int], Any]) -> str:
    """Ask for the share of right answers of networks, in batches of several sizes."""
    for width, images, sizes in ((12, 90, (10, 30, 90)), (7, 48, (48, 7, 1)), (20, 60, (4, 60))):
        model, x, y = _graded(width, images)
        before = {name: value.clone() for name, value in model.state_dict().items()}
        truth, marks = float((_classes(model, x) == y).double().mean()), {}
        for batch_size in sizes:
            about = f"{images} images in batches of {batch_size}"
            said = ask(answer, model, x.clone(), y.clone(), batch_size, about=about)
            marks[batch_size] = number(said, about)
        if max(marks.values()) - min(marks.values()) > 1e-6:
            told = ", ".join(f"{mark:.2f} in batches of {size}" for size, mark in marks.items())
            raise NotYet(f"The same network and the same {images} images: {told}.")
        if abs(marks[sizes[0]] - truth) > 1e-6:
            raise NotYet(
                f"{images} images: you say {marks[sizes[0]]:.3f}; shown one by one, {truth:.3f} "
                "of them come out right."
            )
        for name, value in model.state_dict().items():
            if not torch.equal(value, before[name]):
                raise NotYet(f"{images} images: your function changed the network's {name}.")
    return "The marks do not depend on the batches, and the networks are as they were."


def _graded(width: int, images: int) -> tuple[nn.Module, Tensor, Tensor]:
    """A network with batch normalisation, and images class by class, of which it knows most."""
    dice = torch.Generator().manual_seed(width)
    with torch.random.fork_rng(devices=[]):
        model = nn.Sequential(
            nn.Linear(64, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 10)
        ).float()
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            drawn = torch.randn(value.shape, generator=dice, dtype=torch.float32)
            value.copy_(drawn.abs() if name.endswith("var") else drawn / value[0].numel() ** 0.5)
    x = torch.randn(9 * images, 64, generator=dice, dtype=torch.float32)
    model.state_dict()["3.bias"].sub_(_logits(model, x).mean(0))  # or one class takes all
    best = _logits(model, x).topk(2).values
    x = x[(best[:, 0] - best[:, 1]).topk(images).indices]  # no rounding may change a class
    y = _classes(model, x)
    y = (y + torch.randint(1, 10, y.shape, generator=dice) * (torch.arange(images) % 4 == 0)) % 10
    order = y.argsort(stable=True)
    return model, x[order], y[order]


def _classes(model: nn.Module, x: Tensor) -> Tensor:
    return _logits(model, x).argmax(1)


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    """What the network says of each image alone, from its running statistics, by hand."""
    p = {name: value.double() for name, value in model.state_dict().items()}
    hidden = x.double() @ p["0.weight"].T + p["0.bias"] - p["1.running_mean"]
    hidden = hidden / (p["1.running_var"] + 1e-5).sqrt() * p["1.weight"] + p["1.bias"]
    return hidden.relu() @ p["3.weight"].T + p["3.bias"]
