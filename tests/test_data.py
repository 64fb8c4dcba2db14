import gzip
import itertools
import math
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import pytest
import torch
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, RandomSampler

from gdlib.data import (
    chance,
    customers,
    digits,
    in_order,
    mnist,
    mnist_sample,
    noisy_parabola,
    shuffled,
    with_replacement,
)
from tests.conftest import ROOT


def take(sampler, examples, steps):
    return list(itertools.islice(sampler.batches(examples), steps))


def test_the_parabola_lies_between_its_curve_and_the_noise_above_it():
    x, y = noisy_parabola(seed=3)
    assert x.shape == y.shape == (100, 1) and x.dtype == y.dtype == torch.float64
    noise = y - x**2
    assert noise.min() >= 0 and noise.max() <= 0.2
    assert abs(noise.mean() - 0.1) < 0.02
    torch.testing.assert_close(y, noisy_parabola(seed=3)[1], rtol=0, atol=0)
    assert not torch.equal(y, noisy_parabola(seed=4)[1])


def test_making_data_leaves_the_global_generator_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    noisy_parabola()
    take(shuffled(4, seed=torch.arange(3)), 10, 5)
    assert torch.equal(before, torch.get_rng_state())


def test_an_epoch_in_order_is_the_data_as_it_lies():
    assert torch.equal(torch.cat(take(in_order(16), 100, 7)), torch.arange(100))
    assert [len(b) for b in take(in_order(16), 100, 8)] == [16] * 6 + [4, 16]
    assert [len(b) for b in take(in_order(16, drop_last=True), 100, 7)] == [16] * 7


def test_a_shuffled_epoch_holds_every_example_once_and_no_two_epochs_agree():
    first, second = torch.cat(take(shuffled(16, seed=1), 100, 14)).split(100)
    assert torch.equal(first.sort().values, torch.arange(100))
    assert torch.equal(second.sort().values, torch.arange(100))
    assert not torch.equal(first, second)


def test_the_orders_of_pytorch_s_sampler_with_that_seed_are_every_other_one():
    ours = take(shuffled(50, seed=3), 50, 7)
    sampler = RandomSampler(range(50), generator=torch.Generator().manual_seed(3))
    for k in range(4):
        assert list(sampler) == ours[2 * k].tolist()


def test_a_data_loader_draws_a_number_of_the_generator_before_each_epoch():
    generator, g = (torch.Generator().manual_seed(3) for _ in range(2))
    loader = DataLoader(torch.arange(50), batch_size=50, shuffle=True, generator=generator)
    first = take(shuffled(50, seed=3), 50, 1)[0]
    for _ in range(3):
        torch.empty((), dtype=torch.int64).random_(generator=g)  # the workers' seed
        order, _ = (torch.randperm(50, generator=g) for _ in range(2))  # and one to throw away
        dealt = torch.cat(list(loader))
        assert torch.equal(dealt, order) and not torch.equal(dealt, first)


def test_drawing_with_replacement_repeats_examples_and_never_ends_short():
    batches = take(with_replacement(16, seed=1), 100, 70)
    assert {len(b) for b in batches} == {16}
    draws = torch.cat(batches)
    counts = draws.bincount(minlength=100)
    assert counts.min() < 7 < counts.max() and abs(draws.double().mean() - 49.5) < 3


def test_a_stream_per_run_is_that_run_alone():
    together = take(shuffled(8, seed=torch.tensor([5, 6])), 20, 6)
    for k, seed in enumerate((5, 6)):
        alone = take(shuffled(8, seed=seed), 20, 6)
        assert all(torch.equal(a[k], b) for a, b in zip(together, alone, strict=True))


def test_steps_per_epoch_count_the_short_batch_unless_it_is_dropped():
    assert shuffled(16).steps_per_epoch(100) == 7
    assert shuffled(16, drop_last=True).steps_per_epoch(100) == 6
    assert shuffled(100).steps_per_epoch(100) == 1


@pytest.mark.parametrize("bad", [0, -1, 2.5, float("nan"), "8", True])
def test_a_batch_size_that_is_no_count_is_refused_with_its_value(bad):
    for sampler in (shuffled, in_order, with_replacement):
        with pytest.raises(ValueError, match=f"batch_size must be .*, got {bad!r}"):
            sampler(bad)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match="at most the number of examples, 100, got 101"):
        next(shuffled(101).batches(100))


@pytest.mark.parametrize("bad", [0.5, torch.tensor([0.5]), torch.tensor([], dtype=torch.long), "a"])
def test_a_seed_that_is_no_integer_is_refused(bad):
    with pytest.raises(TypeError, match="seed must be an integer"):
        shuffled(4, seed=bad)


def test_the_digits_are_scikit_learns_each_in_one_of_the_two_sets():
    train, held_out = digits()
    assert (len(train), len(held_out)) == (1437, 360)
    images, labels = (
        torch.cat(parts) for parts in zip(train.tensors, held_out.tensors, strict=True)
    )
    assert images.dtype == torch.float32 and labels.dtype == torch.int64
    bunch = load_digits()
    assert sorted(map(tuple, (images * 16).tolist())) == sorted(map(tuple, bunch.data))
    # The pairs are kept: the label of every image is the one that it ships with.
    label = dict(zip(map(tuple, bunch.data), bunch.target, strict=True))
    assert all(
        label[tuple(i)] == t for i, t in zip((images * 16).tolist(), labels.tolist(), strict=True)
    )


def test_the_split_depends_on_the_seed_alone():
    (first, _), (again, _), (other, _) = digits(), digits(), digits(seed=1)
    assert torch.equal(first.tensors[0], again.tensors[0])
    assert not torch.equal(first.tensors[0], other.tensors[0])


@pytest.mark.parametrize("bad", [0, -1, 1797, 2.5])
def test_holding_out_none_or_all_of_the_digits_is_refused(bad):
    with pytest.raises(ValueError, match=f"held_out must be .*, got {bad}"):
        digits(held_out=bad)


def idx(*sizes: int, numbers: bytes | None = None) -> bytes:
    """An IDX file of bytes, as the format is written down: big-endian sizes, then the numbers."""
    body = bytes(i % 10 for i in range(math.prod(sizes))) if numbers is None else numbers
    return struct.pack(f">HBB{len(sizes)}I", 0, 8, len(sizes), *sizes) + body


@pytest.fixture
def mnist_files(tmp_path):
    """MNIST's four files with three and two images; the test set's are gzipped."""
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx(3, 28, 28))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(3))
    for name, data in {"images-idx3": idx(2, 28, 28), "labels-idx1": idx(2)}.items():
        (tmp_path / f"t10k-{name}-ubyte.gz").write_bytes(gzip.compress(data))
    return tmp_path


def test_mnist_is_read_from_its_files_plain_or_gzipped(mnist_files):
    train, test = mnist(mnist_files)
    images, labels = train.tensors
    assert images.shape == (3, 784) and test.tensors[0].shape == (2, 784)
    assert images.dtype == torch.float32 and labels.tolist() == [0, 1, 2]
    expected = torch.arange(3 * 784) % 10 / 255
    torch.testing.assert_close(images, expected.reshape(3, 784))


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        (
            "train-images-idx3-ubyte",
            idx(3, 28, 28)[:-1],
            "must have 2368 bytes of images, got 2367",
        ),
        ("train-images-idx3-ubyte", idx(3, 28, 28) + b"0", "must have 2368 bytes .*, got 2369"),
        ("train-images-idx3-ubyte", idx(3), "begin with 00 00 08 03, got 00 00 08 01"),
        ("train-images-idx3-ubyte", idx(3, 32, 32), r"sizes \[3, 32, 32\]"),
        (
            "train-images-idx3-ubyte",
            b"<!DOCTYPE html>",
            "must hold MNIST's images, .*got 3c 21 44 4f",
        ),
        ("train-images-idx3-ubyte", b"", "must hold MNIST's images"),
        ("train-labels-idx1-ubyte", idx(4), "each of its 3 images, got 4 labels"),
        ("train-labels-idx1-ubyte", idx(3, numbers=bytes([1, 2, 26])), "labels up to 26"),
        (
            "train-images-idx3-ubyte",
            idx(3, 28, 28) + b"0" * 9,
            "must have 2368 bytes .*, got 2369 or more",
        ),
        ("train-images-idx3-ubyte", b"\0\0\x08", "must hold MNIST's images"),
        (
            "train-labels-idx1-ubyte",
            struct.pack(">HBBI", 0, 8, 1, 60_001),
            "must have at most 60000 labels, got 60001",
        ),
        ("train-labels-idx1-ubyte", idx(0), "must have 8 bytes of labels"),
        ("t10k-images-idx3-ubyte.gz", gzip.compress(idx(2, 28, 28))[:40], "a whole gzip file"),
        ("t10k-images-idx3-ubyte.gz", idx(2, 28, 28), "a whole gzip file"),
    ],
)
def test_a_file_that_is_cut_short_or_another_is_refused_by_name(mnist_files, name, data, reason):
    (mnist_files / name).write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        mnist(mnist_files)


@pytest.mark.parametrize(
    "head", [idx(2, 28, 28), struct.pack(">HBB3I", 0, 8, 3, 2**32 - 1, 28, 28)]
)
def test_a_small_gzip_file_that_holds_a_gigabyte_is_not_unpacked(mnist_files, head):
    pack = zlib.compressobj(9, wbits=31)
    zeros = bytes(2**22)
    bomb = pack.compress(head) + b"".join(pack.compress(zeros) for _ in range(16)) + pack.flush()
    (mnist_files / "t10k-images-idx3-ubyte.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"1584 bytes .* or more|at most 60000 images"):
        mnist(mnist_files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_a_missing_file_is_named(mnist_files):
    (mnist_files / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(FileNotFoundError, match=r"must hold t10k-labels-idx1-ubyte or .*gz, got"):
        mnist(mnist_files)


def test_the_sample_of_mnist_has_500_of_each_digit_in_random_order():
    train, test = mnist_sample(seed=1, held_out=700)
    images, labels = (torch.cat(parts) for parts in zip(train.tensors, test.tensors, strict=True))
    assert images.shape == (5000, 784) and images.dtype == torch.float32 and len(test) == 700
    assert images.min() == 0 and images.max() == 1
    assert labels.bincount().tolist() == [500] * 10
    assert (labels[1:] != labels[:-1]).float().mean() > 0.85  # in order it would be 0.002
    # A 1 is narrow and a 0 has a hole: pixels and labels belong together.
    assert images[labels == 1].mean() < images[labels == 0].mean() / 2
    assert (
        images[labels == 0][:, 14 * 28 + 14].mean()
        < 0.2
        < images[labels == 1][:, 14 * 28 + 14].mean()
    )
    again, other = mnist_sample(seed=1, held_out=700)[0], mnist_sample(seed=2)[0]
    assert torch.equal(train.tensors[0], again.tensors[0])
    assert not torch.equal(train.tensors[1][:100], other.tensors[1][:100])
    with pytest.raises(ValueError, match="held_out must be below 5000, got 5000"):
        mnist_sample(held_out=5000)


def test_the_customers_are_what_the_docstring_says_they_are():
    x, y = customers(200_000, seed=5)
    assert x.shape == (200_000, 3) and y.shape == (200_000,)
    assert x.dtype == y.dtype == torch.float64 and (x == x.round()).all()
    age, income, education = x.unbind(1)
    assert age.unique().tolist() == list(range(18, 71)) and (income > 0).all()
    years, counts = education.unique(return_counts=True)
    assert years.tolist() == [9, 12, 16, 18]
    error = 5 / len(x) ** 0.5  # five standard errors of a share
    assert torch.allclose(counts / len(x), torch.tensor([0.15, 0.45, 0.28, 0.12]), atol=error)
    # Mean and spread of ages uniform on 18 … 70, and of the logarithm of an income given the rest.
    assert abs(age.mean() - 44) < error * 15.3 and abs(age.var() - (53**2 - 1) / 12) < error * 210
    luck = (income / 30_000).log() - 0.06 * (education - 12) - 0.01 * (age - 44)
    assert abs(luck.mean()) < error * 0.4 and abs(luck.std() - 0.4) < error * 0.3
    assert ((luck - luck.mean()).abs() < 0.4).double().mean() == pytest.approx(0.6827, abs=error)
    others = torch.stack([age, education, luck])
    assert (others.corrcoef() - torch.eye(3)).abs().max() < error
    assert set(y.tolist()) == {0.0, 1.0}


def test_customers_buy_with_the_chance_that_is_known():
    x, y = customers(200_000, seed=6)
    p = chance(x)
    assert p.shape == y.shape and abs(y.mean() - 0.3487) < 0.006
    for low in torch.linspace(0, 0.9, 10).tolist():  # a tenth of the chances at a time
        there = (p >= low) & (p < low + 0.1)
        spread = (p[there] * (1 - p[there])).sum().sqrt()
        assert abs((y - p)[there].sum()) < 4.5 * spread


def test_the_chance_is_the_formula():
    rows = [[44, 30_000, 12], [18, 12_345, 9], [70, 250_000, 18], [18.5, 0, 16]]
    expected = []
    for age, income, education in rows:
        score = -1.5 - 6 * (age - 44) / 100 + (income - 30_000) / 20_000 + (education - 12) / 4
        expected.append(1 / (1 + math.exp(-score)))
    x = torch.tensor(rows, dtype=torch.float64)
    torch.testing.assert_close(chance(x), torch.tensor(expected).double(), rtol=1e-6, atol=0)
    assert chance(x.reshape(2, 2, 3)).shape == (2, 2) and chance(x[0]).shape == ()
    assert chance(x.float()).dtype == torch.float64
    assert abs(chance(x[0]) - 1 / (1 + math.exp(1.5))) < 1e-15


def test_customers_depend_on_the_seed_alone():
    for one, same, other in zip(customers(50), customers(50), customers(50, seed=1), strict=True):
        assert torch.equal(one, same) and not torch.equal(one, other)


def test_customers_are_the_same_on_another_processor():
    code = (
        "import torch; from gdlib.data import customers; x, y = customers(20_000, seed=3); "
        "print(float(x.sum()), float((x[:, 1] * torch.arange(20_000.0)).sum()), float(y @ x[:, 0]))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
            env={**os.environ, "ATEN_CPU_CAPABILITY": kind},
        ).stdout
        for kind in ("default", "avx2")
    }  # fmt: skip
    assert len(told) == 1


@pytest.mark.parametrize("bad", [0, -1, 2.5, None, "8", True])
def test_a_number_of_customers_that_is_no_count_is_refused(bad):
    with pytest.raises(ValueError, match=f"n must be a whole number .*, got {bad!r}"):
        customers(bad)


@pytest.mark.parametrize(
    "bad",
    [
        None, 3.0, [[44.0, 30_000.0, 12.0]], torch.tensor([[44, 30_000, 12]]), torch.ones(3, 2),
        torch.tensor(1.0), torch.tensor([[44, math.nan, 12.0]]), torch.ones(2, 3, device="meta"),
    ],
)  # fmt: skip
def test_the_chance_of_what_is_no_customer_is_refused(bad):
    with pytest.raises(ValueError, match=r"x must hold age, income and education, .*got"):
        chance(bad)
