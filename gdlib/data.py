"""The book's data, and samplers: which examples each step of a descent sees."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Integral

import torch
from torch import Tensor


def check_count(name: str, value: int, least: int = 1) -> int:
    """The value, if it is a whole number of at least ``least``; else raises ``ValueError``."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def noisy_parabola(seed: int = 0, examples: int = 100) -> tuple[Tensor, Tensor]:
    """Points of x² with uniform noise between 0 and 0.2: ``x`` and ``y``, each ``(examples, 1)``.

    Source: Sobh, "PyTorch: Gradient Descent, Stochastic Gradient Descent and Mini Batch Gradient
    Descent", with 100 points; here in float64 and seeded.
    """
    check_count("examples", examples)
    generator = torch.Generator().manual_seed(seed)
    x = torch.linspace(-1, 1, examples, dtype=torch.float64)[:, None]
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    return x, x**2 + 0.2 * noise


@dataclass(frozen=True)
class Sampler:
    """Which examples each step sees; made by ``shuffled``, ``in_order`` or ``with_replacement``.

    batch_size  examples per step
    drop_last   leave out the short batch at the end of an epoch
    seeds       ``()``: one order shared by all runs; ``(runs…)``: one stream of orders per run
    """

    batch_size: int
    drop_last: bool
    seeds: Tensor
    _order: Callable[[int, torch.Generator], Tensor] = field(repr=False)

    def steps_per_epoch(self, examples: int) -> int:
        """Steps that one pass over ``examples`` examples takes."""
        self._fits(examples)
        return examples // self.batch_size if self.drop_last else -(-examples // self.batch_size)

    def batches(self, examples: int) -> Iterator[Tensor]:
        """Index tensors ``(B,)`` or ``(runs…, B)``, epoch after epoch, without end."""
        steps = self.steps_per_epoch(examples)
        streams = [torch.Generator().manual_seed(int(s)) for s in self.seeds.flatten()]
        while True:
            orders = torch.stack([self._order(examples, stream) for stream in streams])
            orders = orders.reshape(*self.seeds.shape, -1)
            for k in range(steps):
                yield orders[..., k * self.batch_size : (k + 1) * self.batch_size]

    def _fits(self, examples: int) -> None:
        if self.batch_size > examples:
            raise ValueError(
                f"batch_size must be at most the number of examples, {examples}, "
                f"got {self.batch_size}"
            )


def shuffled(batch_size: int, seed: int | Tensor = 0, drop_last: bool = False) -> Sampler:
    """A new random order every epoch, as ``DataLoader(shuffle=True)`` deals it.

    ``seed`` may be a tensor of integers, one per run. Raises ``ValueError`` for a bad batch size.
    """
    return _sampler(batch_size, seed, drop_last, lambda n, g: torch.randperm(n, generator=g))


def in_order(batch_size: int, drop_last: bool = False) -> Sampler:
    """The examples as they lie, the same every epoch: ``DataLoader``'s default."""
    return _sampler(batch_size, 0, drop_last, lambda n, g: torch.arange(n))


def with_replacement(batch_size: int, seed: int | Tensor = 0) -> Sampler:
    """Every example of every batch drawn independently of all others; no batch is short."""

    def order(examples: int, stream: torch.Generator) -> Tensor:
        draws = -(-examples // batch_size) * batch_size
        return torch.randint(examples, (draws,), generator=stream)

    return _sampler(batch_size, seed, False, order)


def _sampler(
    batch_size: int,
    seed: int | Tensor,
    drop_last: bool,
    order: Callable[[int, torch.Generator], Tensor],
) -> Sampler:
    check_count("batch_size", batch_size)
    whole = isinstance(seed, Integral) or (
        isinstance(seed, Tensor) and seed.numel() > 0 and seed.dtype in (torch.int64, torch.int32)
    )
    if not whole:
        raise TypeError(f"seed must be an integer or a tensor of integers, got {seed!r}")
    return Sampler(int(batch_size), drop_last, torch.as_tensor(seed), order)
