"""Exercises on scale: the longest step with a delay, a ring of ranks, four times the work."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from gdlib.checks.judging import NotYet, ask, check, number, shown, tensor

DELAYED_STEPS = 40_000


@check
def check_delayed_lr(answer: Callable[[float, int, float], float]) -> str:
    """Descend with stale slopes, a hundredth below the answer's learning rate and one above it."""
    cases = [(1.0, 1, 0.9), (4.0, 5, 0.5), (0.5, 0, 0.9), (9.0, 2, 0.0), (1.0, 9, 0.9),
             (0.2, 20, 0.3)]  # fmt: skip
    for case in cases:
        about = "curvature {:g}, delay {}, β = {:g}".format(*case)
        lr = number(ask(answer, *case, about=about), about)
        if lr <= 0:
            raise NotYet(f"{about}: a learning rate must be positive, got {lr:g}.")
        for factor, wanted in ((0.98, "shrink"), (1.02, "grow")):
            seen, steps = _delayed(factor * lr * case[0], *case[1:])
            if wanted not in seen:
                raise NotYet(
                    f"{about}: at {factor} times your learning rate {lr:.5g} the weight should "
                    f"{wanted}; within {steps:,} steps it {seen}."
                )
    return f"At 0.98 times your rates all {len(cases)} weights shrink, at 1.02 times they grow."


def _delayed(reach: float, delay: int, beta: float) -> tuple[str, int]:
    """What a weight does under slopes from ``delay`` steps ago, and in how many steps."""
    past, velocity = deque([1.0] * (delay + 1), maxlen=delay + 1), 0.0
    for step in range(1, DELAYED_STEPS + 1):
        velocity = beta * velocity + reach * past[0]
        past.append(past[-1] - velocity)
        if abs(past[-1]) > 1000:
            return "grows a thousandfold", step
        if max(map(abs, past)) + abs(velocity) < 0.001:
            return "shrinks to a thousandth", step
    return "does neither", DELAYED_STEPS


@check
def check_ring(answer: Callable[[list[Tensor], Callable], Sequence[Tensor]]) -> str:
    """Compare every rank's sums, and count the rounds and what each rank sends in them."""
    dice = torch.Generator().manual_seed(0)
    for p, n in ((4, 12), (2, 6), (3, 9), (5, 17), (4, 10), (4, 9), (8, 40)):
        about = f"{p} ranks, {n} numbers each"
        vectors, wire = torch.randn(p, n, generator=dice, dtype=torch.float64), _Wire(p)
        rows = _rows(ask(answer, list(vectors.clone()), wire, about=about), p, n, about)
        off = (rows - vectors.sum(0)).abs()
        if off.max() > 1e-4:
            rank, i = divmod(int(off.argmax()), n)
            raise NotYet(
                f"{about}: rank {rank} ends with {rows[rank, i]:.5g} as its number {i}; the sum "
                f"over the ranks is {vectors[:, i].sum():.5g}."
            )
        rounds, most = 2 * (p - 1), 2 * (p - 1) * -(-n // p)
        if sum(wire.sent) < rounds * n or not _listens(answer, vectors, about):
            raise NotYet(
                f"{about}: the sums are right, but they do not come from what was passed on "
                f"({sum(wire.sent)} numbers in all). A rank may add to its own numbers only what "
                "pass_on hands to it."
            )
        if max(wire.sent) > most or wire.rounds > rounds:
            raise NotYet(
                f"{about}: the sums are right. In {wire.rounds} rounds a rank sent "
                f"{max(wire.sent)} numbers; {most} in {rounds} rounds are enough."
            )
    return "All sums are right, and no rank sent more than 2(p − 1)/p of its numbers, rounded up."


class _Wire:
    """From every rank to its right neighbour, counting; ``broken`` makes it deliver NaN to one."""

    def __init__(self, ranks: int, broken: bool = False) -> None:
        self.ranks, self.broken, self.rounds, self.sent = ranks, broken, 0, [0] * ranks

    def __call__(self, messages: Sequence[Any]) -> list[Tensor]:
        made = [torch.as_tensor(message).detach().clone().double() for message in messages]
        if len(made) != self.ranks:
            raise ValueError(f"pass_on needs {self.ranks} messages, one a rank, got {len(made)}")
        self.rounds += 1
        self.sent = [old + part.numel() for old, part in zip(self.sent, made, strict=True)]
        if self.broken and self.rounds == 1:
            made = [part * math.nan for part in made]
        return made[-1:] + made[:-1]


def _listens(answer: Callable, vectors: Tensor, about: str) -> bool:
    """Whether broken wires break the sums of every rank."""
    said = ask(answer, list(vectors.clone()), _Wire(len(vectors), broken=True), about=about)
    return ask(lambda: all(torch.as_tensor(row).isnan().any() for row in said), about=about)


def _rows(said: Any, count: int, size: int, about: str) -> Tensor:
    """So many rows of so many numbers, whatever holds them."""
    try:
        rows = ask(lambda: list(islice(iter(said), count + 1)), about=about)
    except NotYet:
        rows = []
    if len(rows) != count or isinstance(said, str | bytes | dict | set):
        raise NotYet(f"{about}: expected {count} vectors, one for each rank, got {shown(said)}.")
    return torch.stack([tensor(row, (size,), about) for row in rows])


@check
def check_ranks(answer: Callable[..., Tensor]) -> str:
    """Count the examples that each rank computes, and compare the weights with one process's."""
    dice = torch.Generator().manual_seed(0)
    for ranks, size, n in ((4, 8, 96), (2, 16, 64), (3, 5, 60), (4, 8, 72)):
        about = f"{ranks} ranks, {n} examples, batches of {size}"
        data = torch.randn(n, 4, generator=dice, dtype=torch.float64)
        order, start = torch.randperm(n, generator=dice), torch.zeros(3, dtype=torch.float64)
        gradient, counts = _counting(data[:, :3], data[:, 3], ranks)
        said = ask(answer, start.clone(), gradient, order.clone(), 0.3, size, ranks, about=about)
        w = tensor(said, (3,), about)
        if counts != [n // ranks] * ranks:
            raise NotYet(
                f"{about}: the ranks computed {', '.join(map(str, counts))} gradients, "
                f"{sum(counts)} in all; the epoch has {n} examples, {n // ranks} for each rank."
            )
        one = start
        for batch in order.split(ranks * size):
            one = one - 0.3 * gradient(0, one, batch)
        if (w - one).abs().max() > 1e-5:
            ends, end = w.round(decimals=4).tolist(), one.round(decimals=4).tolist()
            raise NotYet(
                f"{about}: the ranks end at {ends}; one process with batches of {ranks * size} "
                f"ends at {end}."
            )
    return "Every rank computes its share, and the weights are those of one process."


def _counting(x: Tensor, y: Tensor, ranks: int) -> tuple[Callable, list[int]]:
    """The gradient of a mean square over examples, and how many each rank has asked it for."""
    counts = [0] * ranks

    def gradient(rank: int, w: Tensor, examples: Any) -> Tensor:
        counts[rank] += len(examples)
        return x[examples].T @ (x[examples] @ w - y[examples]) / len(examples)

    return gradient, counts
