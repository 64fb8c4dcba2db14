import itertools

import pytest
import torch

from gdlib.data import in_order, noisy_parabola, shuffled, with_replacement


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
