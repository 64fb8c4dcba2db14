"""A descent gives the same result whether its step is replayed or run as written."""

import random
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from gdlib import kernels
from gdlib.data import in_order, noisy_parabola, shuffled, with_replacement
from gdlib.descent import descend
from gdlib.kernels import Undrawn, replayed, traced
from gdlib.landscapes import Game, Landscape, initial_weights, network_loss, ravine
from gdlib.rules import Rule, adam, adamw, gd, momentum, nesterov, rmsprop, scheduled
from gdlib.simplify import simplify

MANY = kernels.TRACE_FROM + 20
mse = nn.functional.mse_loss


def small_network(activation=nn.ReLU):
    return nn.Sequential(nn.Linear(1, 10), activation(), nn.Linear(10, 1)).double()


def bowl(*extra):
    return Landscape(lambda w: (w**2).sum(), torch.ones(2, dtype=torch.float64))


# What remembers or draws behind PyTorch's back is refused, at any number of steps.


def counting():
    count = [0]

    def loss(w):
        count[0] += 1
        return (w**2).sum() * count[0]

    return loss


def adding():
    total = torch.zeros((), dtype=torch.float64)

    def loss(w):
        total.add_(1)
        return (w**2).sum() * total

    return loss


@pytest.mark.parametrize("steps", [1, 29, 30, MANY])
@pytest.mark.parametrize("runs", [(), (3,)])
@pytest.mark.parametrize(
    "loss",
    [
        counting(),
        adding(),
        lambda w: (w**2).sum() * np.random.rand(),
        lambda w: (w**2).sum() * random.random(),
    ],
    ids=["a counter", "a tensor that is added to", "NumPy's dice", "Python's dice"],
)
def test_a_loss_with_a_memory_of_its_own_is_refused(loss, steps, runs):
    start = torch.ones(*runs, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"for the same weights|write to a tensor from outside"):
        descend(Landscape(loss), gd(0.1), steps, start=start)


@pytest.mark.parametrize("steps", [1, MANY])
def test_a_rule_that_counts_in_python_is_refused(steps):
    count = [0]

    def step(grad, state, w):
        count[0] += 1
        return -grad / count[0], state

    with pytest.raises(ValueError, match="keep counters in the rule's state"):
        descend(bowl(), Rule("counts", torch.Size(), lambda w: (), step), steps)


def test_a_state_of_python_numbers_is_refused():
    rule = Rule("counts", torch.Size(), lambda w: (0,), lambda g, s, w: (-g, (s[0] + 1,)))
    with pytest.raises(TypeError, match="state must hold tensors only, got 0"):
        descend(bowl(), rule, 5)


@pytest.mark.parametrize("move", [0.1, torch.zeros(3), None])
def test_a_move_of_another_shape_is_refused(move):
    rule = Rule("odd", torch.Size(), lambda w: (), lambda g, s, w: (move, s))
    with pytest.raises(ValueError, match=r"a move of shape \(2,\)"):
        descend(bowl(), rule, 5)


# What is pure works as written, whatever make_fx makes of it.


@pytest.mark.parametrize("steps", [20, MANY])
def test_a_rule_may_start_from_the_weights_themselves(steps):
    def step(grad, state, w):
        (anchor,) = state
        return -0.1 * grad + 0.01 * (anchor - w), (0.9 * anchor + 0.1 * w,)

    start = torch.tensor([-4.0, 1.5], dtype=torch.float64)
    rule = Rule("anchored", torch.Size(), lambda w: (w,), step)
    run = descend(bowl(), rule, steps, start=start)
    w = anchor = start
    for _ in range(steps):
        w, anchor = w - 0.1 * 2 * w + 0.01 * (anchor - w), 0.9 * anchor + 0.1 * w
    torch.testing.assert_close(run.final, w, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("steps", [20, MANY])
def test_a_state_that_changes_its_shape_is_followed(steps):
    def step(grad, state, w):
        return -0.1 * grad + 0.5 * state[0], (-0.1 * grad + 0.5 * state[0],)

    rule = Rule("lazy", torch.Size(), lambda w: (torch.zeros((), dtype=w.dtype),), step)
    eager = Rule("eager", torch.Size(), lambda w: (torch.zeros_like(w),), step)
    torch.testing.assert_close(
        descend(ravine(3.0), rule, steps).w, descend(ravine(3.0), eager, steps).w
    )


@pytest.mark.parametrize("steps", [20, MANY])
@pytest.mark.parametrize(
    "loss",
    [
        lambda w: (w**2).sum() if w[0] > 0.5 else w.abs().sum(),
        lambda w: (w**2).sum() * (1 + (w[0].item() > 0.5)),
        lambda w: (w**2).sum() * (1 + (float(w[0].detach()) > 0.5)),
    ],
    ids=["if", "item", "float"],
)
def test_a_loss_that_asks_for_a_value_works_alone_and_says_why_not_in_company(loss, steps):
    w, lr, start = torch.ones(2).double(), 0.03, torch.ones(2).double()
    run = descend(Landscape(loss), gd(lr), steps, start=start)
    for _ in range(steps):
        w = w.detach().requires_grad_()
        (grad,) = torch.autograd.grad(loss(w), w)
        w = w - lr * grad
    torch.testing.assert_close(run.final, w.detach())
    with pytest.raises(ValueError, match=r"several runs at once a loss may not ask"):
        descend(Landscape(loss), gd(lr), steps, start=start.expand(3, 2))


# Random numbers of PyTorch


def noisy(generator=None):
    def loss(w):
        return ((w + torch.rand(w.shape, generator=generator, dtype=w.dtype)) ** 2).sum()

    return Landscape(loss, torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("steps", [29, 30, MANY - 40, MANY])
def test_observing_a_random_loss_changes_nothing(steps, own):
    ends, after = [], []
    x = torch.zeros(8, 3, dtype=torch.float64)
    for record, every, batches in (
        ((), 1, None), (("w", "loss"), 1, None), (("loss",), 7, None), (("grad",), 10, None),
        (("loss", "batch_loss"), 1, in_order(8)), ((), 3, in_order(8)),
    ):  # fmt: skip
        torch.manual_seed(5)
        generator = torch.Generator().manual_seed(5) if own else None
        plain = noisy(generator)
        landscape = Landscape(lambda w, *x, loss=plain.loss: loss(w), plain.start)
        data = () if batches is None else (x,)
        run = descend(landscape, gd(0.1), steps, record=record, every=every, data=data,
                      batches=batches)  # fmt: skip
        ends.append(run.final)
        after.append(torch.rand((), generator=generator).item())
    assert all(torch.equal(end, ends[0]) for end in ends)
    assert len(set(after)) == 1

    torch.manual_seed(5)
    w = torch.ones(3, dtype=torch.float64)
    for _ in range(steps):
        w = w - 0.1 * 2 * (w + torch.rand(3, dtype=torch.float64))
    torch.testing.assert_close(ends[0], w)


def test_dropout_draws_at_every_step():
    torch.manual_seed(0)
    landscape = Landscape(lambda w: (nn.functional.dropout(w, 0.5) ** 2).sum(), torch.ones(50))
    run = descend(landscape, gd(0.01), MANY, record=("grad",))
    dropped = run.grad == 0
    assert 0.45 < dropped.float().mean() < 0.55
    assert not (dropped[1:] == dropped[:-1]).all(1).any()


def test_the_generators_are_as_before_even_after_an_error():
    own = torch.Generator().manual_seed(1)
    before = torch.get_rng_state(), own.get_state()
    with pytest.raises(RuntimeError, match="enough"), Undrawn():
        torch.rand(3), torch.rand(3, generator=own)
        raise RuntimeError("enough")
    assert torch.equal(torch.get_rng_state(), before[0]) and torch.equal(own.get_state(), before[1])


# The property: records, the number of steps and company change nothing.

ACTIVATIONS = st.sampled_from([nn.ReLU, nn.Tanh, nn.Sigmoid, nn.SiLU, nn.GELU])
RULES = {
    "gd": lambda lr: gd(lr, weight_decay=0.01),
    "momentum": lambda lr: momentum(lr, 0.8, dampening=0.3),
    "nesterov": lambda lr: nesterov(lr, 0.8),
    "rmsprop": lambda lr: rmsprop(lr * 0.1, centered=True, momentum=0.5),
    "adam": adam,
    "adamw": adamw,
    "scheduled": lambda lr: scheduled(gd(lr), torch.linspace(1, 0.1, 200).double()),
}
CRITERIA = st.sampled_from([
    mse,
    nn.functional.smooth_l1_loss,
    lambda a, b: ((a - b).abs() + (a - b) ** 2).sum() / 10,
    lambda a, b: torch.logsumexp(torch.cat([(a - b), 0 * a], -1), -1).mean() + a.var(correction=0),
    lambda a, b: nn.functional.binary_cross_entropy_with_logits(a, b.clamp(0, 1)),
])  # fmt: skip
SAMPLERS = st.sampled_from([
    None, in_order(16), shuffled(7, seed=3), with_replacement(1, seed=2),
    shuffled(16, seed=torch.arange(3)),
])  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(
    activation=ACTIVATIONS, rule=st.sampled_from(sorted(RULES)), criterion=CRITERIA,
    batches=SAMPLERS, record=st.sets(st.sampled_from(["w", "loss", "batch_loss", "grad"])),
    every=st.sampled_from([1, 3, 50]),
    rates=st.lists(st.floats(0.001, 0.05), min_size=3, max_size=3),
)  # fmt: skip
def test_neither_records_nor_steps_nor_company_change_a_run(
    activation, rule, criterion, batches, record, every, rates
):
    network = network_loss(small_network(activation), criterion)
    lrs = torch.tensor(rates, dtype=torch.float64)
    given = {
        "start": initial_weights(lambda: small_network(activation), range(3)),
        "data": noisy_parabola(), "batches": batches,
    }  # fmt: skip
    whole = descend(network, RULES[rule](lrs), MANY, record=("w", "loss"), **given)
    seen = descend(network, RULES[rule](lrs), MANY, record=tuple(record), every=every, **given)
    torch.testing.assert_close(seen.final, whole.final, rtol=1e-9, atol=1e-12)
    for name in record & {"w", "loss"}:
        rows = getattr(whole, name)[:, ::every]
        torch.testing.assert_close(getattr(seen, name), rows, rtol=1e-9, atol=1e-12)
    short = descend(network, RULES[rule](lrs), 29, **given)  # as written, not replayed
    torch.testing.assert_close(short.w, whole.w[:, :30], rtol=1e-9, atol=1e-12)
    if batches is None or not batches.seeds.dim():
        alone = {**given, "start": given["start"][1]}
        one = descend(network, RULES[rule](rates[1]), 60, **alone)
        torch.testing.assert_close(one.w, whole.w[1, :61], rtol=1e-8, atol=1e-10)


def test_the_losses_of_the_book_are_replayed_with_few_kernels():
    x, y = noisy_parabola()
    network = network_loss(small_network(), mse)
    step = lambda w: (w - 0.1 * torch.func.grad(network.loss)(w, x, y),)  # noqa: E731
    first = traced(step, (network.start,))
    assert first is not None
    torch.testing.assert_close(first(1)(network.start)[0], step(network.start)[0])


def test_simplifying_leaves_at_most_half_of_the_kernels():
    x, y = noisy_parabola()
    network = network_loss(small_network(), mse)
    starts = initial_weights(small_network, range(4))
    over = torch.func.vmap(torch.func.grad(network.loss), in_dims=(0, None, None))
    module = kernels.make_fx(lambda w: w - 0.1 * over(w, x[:1], y[:1]))(starts)
    calls = lambda: sum(node.op == "call_function" for node in module.graph.nodes)  # noqa: E731
    expected, before = module(starts), calls()
    simplify(module.graph)
    module.graph.eliminate_dead_code()
    module.recompile()
    torch.testing.assert_close(module(starts), expected, rtol=0, atol=1e-15)
    assert calls() <= 0.62 * before, (calls(), before)


def test_a_step_that_writes_to_a_tensor_is_left_as_it_is():
    def loss(w):
        x = torch.zeros(3, dtype=w.dtype)
        x[0] = w[0]
        x[1:] += w[1] ** 2
        return (x**2).sum()

    run = descend(Landscape(loss, torch.ones(2).double()), gd(0.01), MANY)
    w = torch.ones(2).double()
    for _ in range(MANY):
        w = w - 0.01 * torch.stack([2 * w[0], 8 * w[1] ** 3])
    torch.testing.assert_close(run.final, w)


def test_a_game_computes_what_its_players_share_once():
    def both(w, x):
        return torch.tanh(x * w[0]).mean() * w[1]

    game = Game(both, torch.ones(2).double(), rival=lambda w, x: -both(w, x), first=1)
    step = lambda w, x: game.grad_and_value(w, x)  # noqa: E731
    x = torch.linspace(-1, 2, 5, dtype=torch.float64)
    module = kernels.make_fx(step)(torch.ones(2).double(), x)
    simplify(module.graph)
    module.graph.eliminate_dead_code()
    tanhs = [n for n in module.graph.nodes if n.target is torch.ops.aten.tanh.default]
    assert len(tanhs) == 1


def test_few_calls_are_not_worth_writing_down(monkeypatch):
    monkeypatch.setattr(kernels, "traced", lambda *args: pytest.fail("traced"))
    step = replayed(lambda w: (2 * w, w), kernels.TRACE_FROM - 1)
    assert len(step(1, torch.ones(2))) == 1


def test_descents_in_threads_do_not_disturb_each_other():
    x, y = noisy_parabola()
    network, found, threads = network_loss(small_network(), mse), {}, torch.get_num_threads()

    def work(k):
        found[k] = descend(
            network, adam(0.01 * (k + 1)), MANY, data=(x, y), batches=shuffled(8, seed=k)
        ).final

    workers = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert torch.get_num_threads() == threads
    for k in range(6):
        both = found[k], None
        work(k)
        torch.testing.assert_close(both[0], found[k], rtol=0, atol=0)
