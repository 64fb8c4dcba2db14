import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

from gdlib.data import in_order, noisy_parabola, shuffled, with_replacement
from gdlib.descent import descend
from gdlib.landscapes import (
    Game,
    Landscape,
    huber,
    initial_weights,
    network_loss,
    network_output,
    parabola,
    ravine,
    saddle,
)
from gdlib.rules import adam, gd, momentum

mse = nn.functional.mse_loss


def small_network():
    return nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()


def test_descent_on_a_ravine_follows_its_closed_form():
    run = descend(ravine(10.0), gd(lr=0.05), steps=30)

    k = torch.arange(31)[:, None]
    eigenvalues = torch.tensor([1.0, 10.0])
    torch.testing.assert_close(run.w, run.w[0] * (1 - 0.05 * eigenvalues.double()) ** k)
    torch.testing.assert_close(run.loss, (eigenvalues * run.w**2).sum(-1) / 2)
    assert torch.equal(run.step, torch.arange(31)) and torch.equal(run.final, run.w[-1])


@pytest.mark.parametrize("steps", [5, 200])  # too few to be traced, and traced
def test_runs_together_are_the_runs_one_by_one(steps):
    lrs = torch.tensor([0.01, 0.05, 0.1], dtype=torch.float64)
    betas = torch.tensor([0.0, 0.9], dtype=torch.float64)
    grid = descend(ravine(10.0), momentum(lr=lrs[:, None], beta=betas), steps)
    assert grid.w.shape == (3, 2, steps + 1, 2) and grid.loss.shape == (3, 2, steps + 1)
    for i, lr in enumerate(lrs.tolist()):
        for j, beta in enumerate(betas.tolist()):
            alone = descend(ravine(10.0), momentum(lr=lr, beta=beta), steps)
            torch.testing.assert_close(grid.w[i, j], alone.w, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("steps", [10, 150])
def test_mini_batches_of_a_network_are_the_plain_pytorch_loop(steps):
    x, y = noisy_parabola()
    model = small_network()
    run = descend(
        network_loss(model, mse), adam(lr=0.01), steps, data=(x, y), batches=in_order(16),
        record=("w", "loss", "batch_loss", "grad"),
    )  # fmt: skip
    optimizer, seen = torch.optim.Adam(model.parameters(), lr=0.01), in_order(16).batches(100)
    for k, index in zip(range(steps), seen, strict=False):
        optimizer.zero_grad()
        loss = mse(model(x[index]), y[index])
        loss.backward()
        flat = torch.cat([p.grad.flatten() for p in model.parameters()])
        torch.testing.assert_close(run.grad[k], flat, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(run.batch_loss[k], loss.detach())
        optimizer.step()
    last = torch.cat([p.detach().flatten() for p in model.parameters()])
    torch.testing.assert_close(run.final, last, rtol=1e-8, atol=1e-10)
    torch.testing.assert_close(run.loss[-1], mse(model(x), y).detach(), rtol=1e-8, atol=0)


def test_each_run_has_its_own_start_and_its_own_stream_of_examples():
    x, y = noisy_parabola()
    network = network_loss(small_network(), mse)
    starts, seeds = initial_weights(small_network, range(4)), torch.arange(10, 14)
    together = descend(
        network, gd(lr=0.1), 120, start=starts, data=(x, y), batches=shuffled(8, seed=seeds)
    )
    for k in range(4):
        alone = descend(
            network, gd(lr=0.1), 120, start=starts[k], data=(x, y),
            batches=shuffled(8, seed=int(seeds[k])),
        )  # fmt: skip
        torch.testing.assert_close(together.w[k], alone.w, rtol=1e-8, atol=1e-10)


def test_rates_starts_and_seeds_broadcast_to_one_grid():
    x, y = noisy_parabola()
    run = descend(
        network_loss(small_network(), mse),
        gd(lr=torch.tensor([0.01, 0.1], dtype=torch.float64)[:, None]),
        40,
        start=initial_weights(small_network, range(3)),
        data=(x, y),
        batches=with_replacement(4, seed=torch.arange(3)),
        record=("loss",),
        every=10,
    )
    assert run.loss.shape == (2, 3, 5)
    with pytest.raises(AttributeError, match=r"w was not recorded: record=\('loss', 'w'\)"):
        _ = run.w
    assert run.step.tolist() == [0, 10, 20, 30, 40] and run.final.shape == (2, 3, 31)


def test_recording_every_few_steps_gives_the_same_rows():
    whole = descend(ravine(), gd(lr=0.05), 50)
    thin = descend(ravine(), gd(lr=0.05), 50, every=7)
    torch.testing.assert_close(thin.w, whole.w[::7], rtol=0, atol=0)
    torch.testing.assert_close(thin.final, whole.w[-1], rtol=0, atol=0)


def test_no_steps_give_the_start():
    run = descend(ravine(), gd(lr=0.05), 0)
    assert run.w.shape == (1, 2) and torch.equal(run.final, ravine().start)


def test_a_run_that_blows_up_is_recorded_and_marked_and_leaves_the_others_alone():
    lrs = torch.tensor([0.1, 1e3], dtype=torch.float64)
    runs = descend(parabola(1.0), gd(lr=lrs), 200)
    assert runs.diverged.tolist() == [False, True]
    assert runs.loss[0].isfinite().all() and not runs.loss[1, -1].isfinite()
    torch.testing.assert_close(runs.w[0], descend(parabola(1.0), gd(lr=0.1), 200).w)


def test_float32_stays_float32_whatever_the_settings_are():
    start = torch.tensor([1.0, 1.0], dtype=torch.float32)
    lrs = torch.tensor([0.1, 0.2], dtype=torch.float64)
    run = descend(saddle(), momentum(lr=lrs, beta=0.5), 40, start=start)
    assert run.w.dtype == run.loss.dtype == torch.float32


def test_records_can_be_differentiated_through_afterwards():
    w = descend(ravine(), gd(lr=0.05), 50).final.requires_grad_()
    ravine().loss(w).backward()
    assert w.grad is not None and w.grad.shape == (2,)


def test_the_number_of_threads_is_given_back_even_after_an_error():
    calls, before = [], torch.get_num_threads()

    def breaks_later(w):
        calls.append(torch.get_num_threads())
        if len(calls) > 3:
            raise RuntimeError("enough")
        return (w**2).sum()

    torch.set_num_threads(2)
    try:
        descend(ravine(), gd(lr=0.05), 5)
        assert torch.get_num_threads() == 2
        with pytest.raises(RuntimeError, match="enough"):
            descend(Landscape(breaks_later, torch.ones(2)), gd(lr=0.05), 5)
        assert calls[-1] == 1 and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


LOSSES_ALONE = """
import resource, torch
from gdlib.data import shuffled, noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import network_loss
from gdlib.rules import gd

network = network_loss(torch.nn.Linear(1, 20).double(), torch.nn.functional.mse_loss)
lrs = torch.full((256,), 0.01, dtype=torch.float64)

def run(steps):
    descend(network, gd(lr=lrs), steps, data=noisy_parabola(), batches=shuffled(1),
            record=("batch_loss",))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

before = run(100)
print(run(2000) - before)
"""


def test_recording_losses_alone_keeps_no_weights():
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", LOSSES_ALONE], capture_output=True, text=True, check=True
    )
    grown, losses, weights = float(done.stdout), 256 * 2001 * 8 / 2**20, 256 * 2001 * 40 * 8 / 2**20
    assert grown < 4 * losses < weights / 2, f"grew by {grown:.0f} MiB for {losses:.0f} of losses"


@pytest.mark.parametrize("bad", [-1, 2.5, float("nan"), True, "10"])
def test_steps_that_are_no_count_are_refused(bad):
    with pytest.raises(
        ValueError, match=f"steps must be a whole number of at least 0, got {bad!r}"
    ):
        descend(ravine(), gd(lr=0.1), bad)


@pytest.mark.parametrize("bad", [0, -1, 1.5])
def test_a_record_interval_that_is_no_count_is_refused(bad):
    with pytest.raises(ValueError, match=f"every must be .* got {bad!r}"):
        descend(ravine(), gd(lr=0.1), 10, every=bad)


@pytest.mark.parametrize("bad", [("weights",), "loss", ("w", 3)])
def test_an_unknown_record_is_refused(bad):
    with pytest.raises(ValueError, match="record must be a tuple out of"):
        descend(ravine(), gd(lr=0.1), 10, record=bad)


@pytest.mark.parametrize(
    ("start", "error", "message"),
    [
        (torch.zeros(3).double(), ValueError, r"start must have shape \(2,\) .* got \(3,\)"),
        (torch.tensor(1.0), ValueError, r"got \(\)"),
        (torch.tensor([1, 2]), TypeError, "floating-point tensor .*got torch.int64"),
        ([1.0, 2.0], TypeError, "floating-point tensor .*got list"),
        (torch.tensor([1.0, float("nan")]), ValueError, "start must be finite"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start, error, message):
    with pytest.raises(error, match=message):
        descend(ravine(), gd(lr=0.1), 10, start=start)


def test_a_landscape_without_a_start_asks_for_one():
    with pytest.raises(ValueError, match="give start"):
        descend(Landscape(lambda w: (w**2).sum()), gd(lr=0.1), 10)


def test_settings_that_do_not_fit_the_starts_are_refused_with_their_shapes():
    starts = torch.zeros(4, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"settings \(3,\), start \(4,\)"):
        descend(ravine(), gd(lr=torch.ones(3)), 10, start=starts)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda w: w**2, r"one number, a tensor of shape \(\), got \(2,\)"),
        (lambda w: 1.0, "one number, .* got float"),
        (lambda w: torch.tensor(1.0), "must depend on w"),
        (lambda w: (w.detach() ** 2).sum(), "must depend on w"),
    ],
)
def test_a_loss_that_is_none_is_refused(loss, message):
    with pytest.raises(ValueError, match=message):
        descend(Landscape(loss, torch.ones(2)), gd(lr=0.1), 10)


@pytest.mark.parametrize(
    ("data", "batches", "error", "message"),
    [
        ((torch.zeros(0, 1), torch.zeros(0, 1)), None, ValueError, "at least one example"),
        ((torch.zeros(5, 1), torch.zeros(4, 1)), None, ValueError, r"got \[5, 4\]"),
        ((torch.tensor([[float("nan")]]), torch.zeros(1, 1)), None, ValueError, "NaN"),
        (torch.zeros(5, 1), None, TypeError, "tuple of tensors"),
        ((), shuffled(2), ValueError, "no data to draw them from"),
        ((torch.zeros(5, 1), torch.zeros(5, 1)), shuffled(6), ValueError, "examples, 5, got 6"),
    ],
)
def test_data_that_does_not_fit_is_refused(data, batches, error, message):
    with pytest.raises(error, match=message):
        descend(network_loss(nn.Linear(1, 1), mse), gd(lr=0.1), 5, data=data, batches=batches)


def test_huber_from_the_worst_start_meets_its_bound_with_equality():
    for k in (5, 20, 100):
        run = descend(huber(1 / (2 * k + 1)), gd(lr=1.0), k)
        assert run.loss[-1].item() == pytest.approx(1 / (4 * k + 2), rel=1e-12)


@pytest.mark.parametrize("steps", [5, 100])  # too few to be traced, and traced
def test_simultaneous_steps_in_the_bilinear_game_grow_by_their_closed_form(steps):
    lrs = torch.tensor([0.05, 0.3], dtype=torch.float64)
    game = Game(lambda w: w[0] * w[1], rival=lambda w: -w[0] * w[1], first=1)
    run = descend(game, gd(lr=lrs), steps, start=torch.tensor([1.0, -2.0], dtype=torch.float64))
    growth = (1 + lrs[:, None] ** 2).sqrt() ** torch.arange(steps + 1)
    torch.testing.assert_close(run.w.norm(dim=-1), 5**0.5 * growth)
    torch.testing.assert_close(run.loss, run.w.prod(-1))


def test_a_game_of_networks_is_two_optimisers_that_step_together():
    generator, critic = nn.Linear(2, 3).double(), nn.Linear(3, 1).double()
    make, judge = network_output(generator), network_output(critic)
    a, b = (network_loss(net, mse).start for net in (generator, critic))

    def pays(w, real, noise):
        return nn.functional.softplus(-judge(w[len(a) :], make(w[: len(a)], noise))).mean()

    def rival(w, real, noise):
        fake = judge(w[len(a) :], make(w[: len(a)], noise))
        return (
            nn.functional.softplus(fake).mean()
            + nn.functional.softplus(-judge(w[len(a) :], real)).mean()
        )

    dice = torch.Generator().manual_seed(0)
    real = torch.randn(40, 3, generator=dice, dtype=torch.float64)
    noise = torch.randn(40, 2, generator=dice, dtype=torch.float64)
    run = descend(
        Game(pays, torch.cat([a, b]), rival=rival, first=len(a)), adam(lr=0.01), 60,
        data=(real, noise), batches=in_order(8), record=("w",),
    )  # fmt: skip
    both = [torch.optim.Adam(net.parameters(), lr=0.01) for net in (generator, critic)]
    for k in range(60):
        here = slice(8 * (k % 5), 8 * (k % 5) + 8)
        made = generator(noise[here])
        first = nn.functional.softplus(-critic(made)).mean()
        second = nn.functional.softplus(critic(made.detach())).mean()
        second = second + nn.functional.softplus(-critic(real[here])).mean()
        grads = [
            torch.autograd.grad(loss, list(net.parameters()))
            for loss, net in ((first, generator), (second, critic))
        ]
        for optimizer, net, found in zip(both, (generator, critic), grads, strict=True):
            for p, g in zip(net.parameters(), found, strict=True):
                p.grad = g
            optimizer.step()
    end = torch.cat([network_loss(net, mse).start for net in (generator, critic)])
    torch.testing.assert_close(run.final, end)


@pytest.mark.parametrize("first", [0, 2, 3])
def test_a_game_with_a_player_without_weights_is_refused(first):
    game = Game(lambda w: w.prod(), rival=lambda w: -w.prod(), first=first)
    with pytest.raises(ValueError, match=f"first must be between 1 and 1, got {first}"):
        descend(game, gd(lr=0.1), 3, start=torch.ones(2))


def test_a_generator_of_names_is_a_record():
    run = descend(ravine(), gd(0.05), 5, record=(name for name in ("w", "grad")))
    assert set(run.records) == {"w", "grad"}


def test_gradients_are_found_where_none_are_wanted():
    landscape = ravine()
    with torch.no_grad():
        quiet = descend(landscape, gd(0.05), 5)
    with torch.inference_mode():
        mute = descend(landscape, gd(0.05), 5)
    expected = descend(ravine(), gd(0.05), 5).w
    assert torch.equal(quiet.w, expected) and torch.equal(mute.w, expected)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((lambda w: (w**2).sum(), gd(0.1), 5), TypeError, r"such as Landscape\(f\), got <function"),
        ((ravine, gd(0.1), 5), TypeError, "landscape must be a Landscape"),
        (
            (ravine(), gd, 5),
            TypeError,
            r"such as gd\(lr=0.1\), got <function gd",
        ),
        ((ravine(), torch.optim.SGD, 5), TypeError, "rule must be a Rule"),
        ((ravine(), gd(torch.ones(0)), 5), ValueError, r"at least one run, got .* \(0,\)"),
        ((ravine(), gd(torch.ones(2, 0)), 5), ValueError, r"at least one run"),
    ],
)
def test_arguments_of_another_kind_are_named(args, error, message):
    with pytest.raises(error, match=message):
        descend(*args)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"batches": 16}, TypeError, r"batches must be a Sampler, such as shuffled\(16\), got 16"),
        ({"start": torch.ones(2, device="meta")}, TypeError, "with values, got"),
        ({"start": torch.ones(0)}, ValueError, r"got \(0,\)"),
        ({"start": torch.ones(2, dtype=torch.complex64)}, TypeError, "got torch.complex64"),
        ({"record": 3}, ValueError, "record must be a tuple out of"),
        ({"record": None}, ValueError, "record must be a tuple out of"),
    ],
)
def test_options_of_another_kind_are_named(given, error, message):
    with pytest.raises(error, match=message):
        descend(ravine(), gd(0.1), 5, **given)


def test_a_run_says_what_it_does_not_have():
    run = descend(ravine(), gd(0.1), 2)
    with pytest.raises(AttributeError, match="a Run has no 'weights'"):
        _ = run.weights
    assert copy.deepcopy(run).w.shape == (3, 2)
