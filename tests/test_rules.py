"""Every rule equals its torch.optim namesake, step for step, from step 0."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gdlib import rules
from gdlib.descent import descend
from gdlib.landscapes import Landscape, parabola

rate = st.floats(1e-4, 0.5)
factor = st.floats(0.0, 0.99)
decay = st.sampled_from([0.0, 0.01, 0.3])
eps = st.sampled_from([1e-10, 1e-8, 1e-3])


def follow_rule(rule, start, grads):
    """The weights after every step, when these gradients come in."""
    w, state, path = start, rule.init(start), []
    for grad in grads:
        move, state = rule.step(grad, state, w)
        w = w + move
        path.append(w)
    return torch.stack(path)


def follow_optimizer(make, start, grads, after_step=lambda optimizer: None):
    w = start.clone().requires_grad_()
    optimizer, path = make([w]), []
    for grad in grads:
        w.grad = grad.clone()
        optimizer.step()
        after_step(optimizer)
        path.append(w.detach().clone())
    return torch.stack(path)


def assert_same_path(rule, make, seed):
    generator = torch.Generator().manual_seed(seed)
    start, *grads = torch.randn(13, 5, dtype=torch.float64, generator=generator)
    ours, theirs = follow_rule(rule, start, grads), follow_optimizer(make, start, grads)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), lr=rate, weight_decay=decay)
def test_gd_is_sgd(seed, lr, weight_decay):
    assert_same_path(
        rules.gd(lr, weight_decay),
        lambda w: torch.optim.SGD(w, lr=lr, weight_decay=weight_decay),
        seed,
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), lr=rate, beta=st.floats(0.01, 0.99),
    dampening=st.floats(0, 0.9), weight_decay=decay,
)  # fmt: skip
def test_momentum_is_sgd_with_momentum_and_dampening(seed, lr, beta, dampening, weight_decay):
    assert_same_path(
        rules.momentum(lr, beta, dampening, weight_decay),
        lambda w: torch.optim.SGD(
            w, lr=lr, momentum=beta, dampening=dampening, weight_decay=weight_decay
        ),
        seed,
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), lr=rate, beta=st.floats(0.01, 0.99), weight_decay=decay)
def test_nesterov_is_sgd_with_nesterov(seed, lr, beta, weight_decay):
    assert_same_path(
        rules.nesterov(lr, beta, weight_decay),
        lambda w: torch.optim.SGD(
            w, lr=lr, momentum=beta, nesterov=True, weight_decay=weight_decay
        ),
        seed,
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), lr=rate, lr_decay=st.floats(0, 1), eps=eps, weight_decay=decay)
def test_adagrad_is_adagrad(seed, lr, lr_decay, eps, weight_decay):
    assert_same_path(
        rules.adagrad(lr, lr_decay, eps, weight_decay),
        lambda w: torch.optim.Adagrad(
            w, lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay
        ),
        seed,
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6), lr=rate, beta=factor, eps=eps, weight_decay=decay,
    momentum=st.sampled_from([0.0, 0.5, 0.9]), centered=st.booleans(),
)  # fmt: skip
def test_rmsprop_is_rmsprop(seed, lr, beta, eps, weight_decay, momentum, centered):
    if centered:  # for a small beta the centred variance is nothing but rounding errors
        beta = max(beta, 0.5)
    assert_same_path(
        rules.rmsprop(lr, beta, eps, weight_decay, momentum, centered),
        lambda w: torch.optim.RMSprop(
            w,
            lr=lr,
            alpha=beta,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
            centered=centered,
        ),
        seed,
    )


@pytest.mark.parametrize(
    "name", ["adam", "adamw"]
)  # a small beta2 amplifies rounding: sign descent
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lr=rate,
    beta1=factor,
    beta2=st.floats(0.5, 0.999),
    eps=eps,
    weight_decay=decay,
)
def test_adam_is_adam_and_adamw_is_adamw(name, seed, lr, beta1, beta2, eps, weight_decay):
    theirs = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name]
    assert_same_path(
        getattr(rules, name)(lr, beta1, beta2, eps, weight_decay),
        lambda w: theirs(w, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay),
        seed,
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda lr: rules.gd(lr),
        lambda lr: rules.momentum(lr, beta=torch.tensor([0.0, 0.5, 0.9])),
        lambda lr: rules.nesterov(lr),
        lambda lr: rules.adagrad(lr),
        lambda lr: rules.rmsprop(lr),
        lambda lr: rules.adam(lr),
        lambda lr: rules.adamw(lr),
    ],
)
def test_settings_per_run_are_those_runs_one_by_one(make):
    lrs = torch.tensor([0.01, 0.1, 0.3], dtype=torch.float64)
    start, *grads = torch.randn(9, 3, 4, dtype=torch.float64)
    together = follow_rule(make(lrs), start, grads)
    assert make(lrs).runs == (3,)
    for k, lr in enumerate(lrs):
        alone = follow_rule(make(lr.expand(3)), start, grads)
        torch.testing.assert_close(together[:, k], alone[:, k], rtol=1e-13, atol=0)


def test_a_schedule_is_lambda_lr():
    factors = torch.tensor([1.0, 0.5, 0.25, 0.0, 2.0], dtype=torch.float64)
    start, *grads = torch.randn(6, 4, dtype=torch.float64)
    schedules = []

    def sgd(w):
        optimizer = torch.optim.SGD(w, lr=0.1, momentum=0.9)
        factor = lambda k: float(factors[min(k, 4)])  # noqa: E731
        schedules.append(torch.optim.lr_scheduler.LambdaLR(optimizer, factor))
        return optimizer

    theirs = follow_optimizer(sgd, start, grads, lambda optimizer: schedules[0].step())
    ours = follow_rule(rules.scheduled(rules.momentum(0.1, 0.9), factors), start, grads)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_one_schedule_per_run_and_none_beyond_its_end():
    factors = torch.tensor([[1.0, 0.5], [1.0, 0.25]], dtype=torch.float64)
    rule = rules.scheduled(rules.gd(0.1), factors)
    assert rule.runs == (2,)
    start, *grads = torch.randn(4, 2, 3, dtype=torch.float64)
    path = follow_rule(rule, start, grads[:2])
    alone = follow_rule(rules.scheduled(rules.gd(0.1), factors[:, 1]), start, grads[:2])
    torch.testing.assert_close(path[:, 1], alone[:, 1])
    with pytest.raises(IndexError):
        follow_rule(rule, start, grads)


@pytest.mark.parametrize("steps", [5, 60])  # 60: traced
def test_descend_follows_a_schedule_to_its_last_step_and_no_further(steps):
    factors = torch.linspace(1, 0, steps * 2, dtype=torch.float64).reshape(steps, 2)
    rule = rules.scheduled(rules.gd(torch.tensor([0.1, 0.5]).double()), factors)
    run = descend(parabola(1.0), rule, steps)
    shrunk = (1 - torch.tensor([0.1, 0.5]).double() * factors).cumprod(0)
    torch.testing.assert_close(run.w[:, 1:, 0], -4.0 * shrunk.T)
    with pytest.raises(ValueError, match=f"factors for {steps} steps, got {steps + 1} steps"):
        descend(parabola(1.0), rule, steps + 1)


@pytest.mark.parametrize("bad", [0.5, torch.tensor(0.5), torch.ones(0)])
def test_a_schedule_without_steps_is_refused(bad):
    with pytest.raises(TypeError, match="one row for each step"):
        rules.scheduled(rules.gd(0.1), bad)
    with pytest.raises(ValueError, match="factors must be finite and not negative, got -1"):
        rules.scheduled(rules.gd(0.1), torch.tensor([1.0, -1.0]))


def test_settings_broadcast_to_the_shape_of_the_runs():
    rule = rules.momentum(lr=torch.ones(4, 1) / 10, beta=torch.tensor([0.0, 0.5, 0.9]))
    assert rule.runs == (4, 3)


@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam"])
def test_a_learning_rate_that_is_no_rate_is_refused_with_its_value(name, bad):
    with pytest.raises(ValueError, match=f"lr must be finite and not negative, got {bad:g}"):
        getattr(rules, name)(lr=bad)


@pytest.mark.parametrize("bad", [-0.1, 1.0, 1.5, float("nan")])
def test_a_momentum_outside_its_interval_is_refused_with_its_value(bad):
    for rule in (rules.momentum, rules.nesterov):
        with pytest.raises(ValueError, match=rf"beta must be in \[0, 1\), got {bad:g}"):
            rule(lr=0.1, beta=bad)
        with pytest.raises(ValueError, match=rf"got {bad:g}"):
            rule(lr=0.1, beta=torch.tensor([0.5, bad]))


def test_settings_that_do_not_broadcast_name_their_shapes():
    with pytest.raises(ValueError, match=r"lr \(3,\), beta \(4,\)"):
        rules.momentum(lr=torch.ones(3), beta=torch.zeros(4))


@pytest.mark.parametrize("bad", ["0.1", None, True, torch.tensor([True]), torch.tensor([1j])])
def test_a_setting_that_is_no_number_is_refused(bad):
    with pytest.raises(TypeError, match="lr must be a number"):
        rules.gd(lr=bad)


NAMESAKES = {
    "gd": (rules.gd(0.1, 0.01), lambda w: torch.optim.SGD(w, lr=0.1, weight_decay=0.01)),
    "momentum": (
        rules.momentum(0.05, 0.9, 0.5),
        lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9, dampening=0.5),
    ),
    "nesterov": (
        rules.nesterov(0.05, 0.9),
        lambda w: torch.optim.SGD(w, lr=0.05, momentum=0.9, nesterov=True),
    ),
    "adagrad": (
        rules.adagrad(0.1, 0.01), lambda w: torch.optim.Adagrad(w, lr=0.1, lr_decay=0.01)
    ),
    "rmsprop": (
        rules.rmsprop(0.01, momentum=0.5, centered=True),
        lambda w: torch.optim.RMSprop(w, lr=0.01, momentum=0.5, centered=True),
    ),
    "adam": (rules.adam(0.03), lambda w: torch.optim.Adam(w, lr=0.03)),
    "adamw": (rules.adamw(0.03), lambda w: torch.optim.AdamW(w, lr=0.03)),
    "scheduled": (
        rules.scheduled(rules.momentum(0.05, 0.9), torch.full((300,), 0.5)),
        lambda w: torch.optim.SGD(w, lr=0.025, momentum=0.9),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", NAMESAKES)
def test_in_every_precision_a_rule_stays_within_two_roundings_of_its_namesake(name, dtype):
    rule, make = NAMESAKES[name]
    curvature = torch.tensor([1.0, 0.3, 0.05, 2.0], dtype=dtype)
    start = torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=dtype)
    bowl = Landscape(lambda w: (curvature * w**2).sum() / 2, start)
    run = descend(bowl, rule, 300)
    w = start.clone().requires_grad_()
    optimizer, path = make([w]), [start]
    for _ in range(300):
        optimizer.zero_grad()
        bowl.loss(w).backward()
        optimizer.step()
        path.append(w.detach().clone())
    assert run.w.dtype == dtype
    assert (run.w[-1] - start).abs().max() > 1  # it went somewhere
    apart = (run.w.double() - torch.stack(path).double()).abs().max()
    assert apart < 2 * 3 * torch.finfo(dtype).eps  # weights are up to 3 in size


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["adam", "momentum", "rmsprop"])
def test_settings_for_each_run_keep_the_precision_of_the_weights(name, dtype):
    start = torch.tensor([1.0, -2.0], dtype=dtype)
    bowl = Landscape(lambda w: (w**2).sum() / 2, start)
    lrs = torch.tensor([0.01, 0.05], dtype=torch.float64)
    both = descend(bowl, getattr(rules, name)(lrs), 150)
    assert both.w.dtype == dtype
    for k, lr in enumerate(lrs.tolist()):
        alone = descend(bowl, getattr(rules, name)(lr), 150)
        apart = (both.w[k].double() - alone.w.double()).abs().max()
        assert apart < 8 * torch.finfo(dtype).eps


def test_without_momentum_dampening_does_nothing():
    one = rules.momentum(1.0, 0.0, 0.5)
    several = rules.momentum(1.0, torch.tensor([0.0, 0.9]), 0.5)
    flat = Landscape(lambda w: w.sum(), torch.zeros(1))
    assert descend(flat, one, 3).w[:, 0].tolist() == [0, -1, -2, -3]
    assert descend(flat, several, 3).w[0, :, 0].tolist() == [0, -1, -2, -3]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_whole_numbers_as_settings_mean_what_they_say(dtype):
    lrs = torch.tensor([1, 3], dtype=dtype)
    run = descend(parabola(0.5), rules.gd(lrs), 3)
    assert run.w[:, 1, 0].tolist() == [-2.0, 2.0]


@pytest.mark.parametrize("bad", ["no", 1, None])
def test_centered_is_yes_or_no(bad):
    with pytest.raises(TypeError, match=f"centered must be True or False, got {bad!r}"):
        rules.rmsprop(0.1, centered=bad)
