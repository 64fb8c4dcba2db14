"""Ten thousand odd calls: each ends in a result that other code confirms, or in a clear refusal.

Arguments are drawn from what fits and from what does not: wrong types, shapes, kinds of numbers,
NaN, infinities, empty tensors, objects that fail. A refusal is a TypeError or ValueError that
gdlib itself raises, in one sentence.
"""

import contextlib
import itertools
import random
from pathlib import Path
from time import process_time

import numpy as np
import pytest
import torch
from torch import nn

import gdlib
from gdlib import analysis, data, landscapes, rules
from gdlib.descent import descend
from gdlib.predictions import PredictionFailed, check_prediction

CALLS = 10_000
OWN = Path(gdlib.__file__).parent
NAN, INF = float("nan"), float("inf")
ODD = [
    None, True, "0.1", "", b"x", 1j, NAN, INF, -INF, -1, -0.5, 0, 1e308, 5e-324, 10**30, [], (), {},
    [0.1, 0.2], object(), torch.ones(0), torch.ones(2, 0), torch.tensor(NAN), torch.tensor([True]),
    torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.uint8), np.float64(0.1),
    np.ones(2), torch.ones(2, device="meta"), lambda *args: None, nn.Linear(1, 1), float, torch,
]  # fmt: skip


def odd(dice, *fitting, share=0.3):
    """One of the arguments that fit, or, in some calls, one that may not."""
    return dice.choice(ODD) if dice.random() < share else dice.choice(fitting)


def close(found, expected):
    found, expected = (torch.as_tensor(x, dtype=torch.float64) for x in (found, expected))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-9, equal_nan=True)


# Each of these makes one call and holds its result against other code.

OPTIMIZERS = {
    "gd": lambda p, lr: torch.optim.SGD(p, lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9),
    "nesterov": lambda p, lr: torch.optim.SGD(p, lr, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}
LRS = [0.1, 0.01, 0, 1, torch.tensor(0.2), torch.tensor([0.1, 0.05]), torch.tensor([[1], [2]])]


def call_descend(dice):
    name, share = dice.choice(sorted(OPTIMIZERS)), dice.choice([0, 0, 0.15])
    lr, surface = odd(dice, *LRS, share=share), dice.choice(["ravine", "saddle", "himmelblau"])
    steps = odd(dice, 0, 1, 2, 4, share=share)
    landscape = getattr(landscapes, surface)()
    starts = (
        None,
        torch.tensor([0.3, -0.2]).double(),
        torch.tensor([[0.1, 0.5], [1.0, 0.0]]).double(),
    )
    start = odd(dice, *starts, share=share)
    record = odd(dice, ("w", "loss"), ("w", "grad"), ["w"], share=share)
    every = odd(dice, 1, 1, 2, share=share)
    run = descend(
        landscape, getattr(rules, name)(lr), steps, start=start, record=record, every=every
    )
    if "w" not in run.records or run.w.dtype != torch.float64:
        return
    begin = landscape.start if start is None else start
    lr = torch.as_tensor(lr, dtype=torch.float64)
    shape = run.final.shape[:-1]
    begins, lrs = begin.expand(*shape, 2).reshape(-1, 2), lr.expand(shape).flatten().tolist()
    for w, begin, rate in zip(run.w.reshape(len(lrs), -1, 2), begins, lrs, strict=True):
        if not w.isfinite().all() or w.abs().max() > 1e3:
            continue
        p = begin.clone().requires_grad_()
        optimizer, path = OPTIMIZERS[name]([p], rate), [begin]
        for _ in range(int(steps)):
            optimizer.zero_grad()
            landscape.loss(p).backward()
            optimizer.step()
            path.append(p.detach().clone())
        close(w, torch.stack(path)[:: int(every)])


def call_batches(dice):
    share = dice.choice([0, 0, 0.2])
    x, y = data.noisy_parabola(odd(dice, 0, 1, share=share), odd(dice, 1, 5, 12, share=share))
    make = dice.choice([data.shuffled, data.with_replacement, data.in_order])
    size = odd(dice, 1, 3, 5, 12, share=share)
    sampler = make(size) if make is data.in_order else make(size, odd(dice, 0, 7, share=share))
    indices = list(itertools.islice(sampler.batches(len(x)), 6))
    assert all(0 <= int(i) < len(x) for index in indices for i in index.flatten())
    if make is not data.with_replacement and sampler.seeds.dim() == 0:
        epoch = torch.cat(indices[: sampler.steps_per_epoch(len(x))])
        assert sorted(epoch.tolist()) == list(range(len(x))) or len(indices) < len(x) / size
    model = nn.Linear(1, 1).double()
    network = landscapes.network_loss(model, nn.functional.mse_loss)
    run = descend(network, rules.gd(0.1), 2, data=(x, y), batches=sampler, record=("grad",))
    if sampler.seeds.dim() == 0:
        i = indices[0]
        error = (model(x[i]) - y[i]).detach()
        close(run.grad[0], torch.stack([(2 * error * x[i]).mean(), (2 * error).mean()]))


def call_slope(dice):
    x = odd(dice, torch.tensor([0.1, 1.0, 3.0]), torch.linspace(1, 9, 20).double())
    y = odd(dice, torch.tensor([5.0, 2.0, 0.3]), torch.linspace(2, 1, 20).double() ** 3)
    slope = analysis.loglog_slope(x, y)
    close(slope, np.polyfit(np.log(x.double().numpy()), np.log(y.double().numpy()), 1)[0])


def call_sharpness(dice):
    d = dice.choice([1, 2, 5, 20])
    generator = torch.Generator().manual_seed(dice.randrange(10**6))
    matrix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    hessian = matrix + matrix.T
    value, vector = analysis.sharpness(
        landscapes.Landscape(lambda w: w @ hessian @ w / 2), torch.zeros(d, dtype=torch.float64)
    )
    close(abs(value), np.abs(np.linalg.eigvalsh(hessian.numpy())).max())
    close(hessian @ vector, value * vector)


def call_noise(dice):
    n, d = dice.choice([1, 2, 7]), dice.choice([1, 3])
    grads = torch.randn(n, d, generator=torch.Generator().manual_seed(dice.randrange(99))).double()
    close(analysis.noise_trace(grads), float(np.cov(grads.numpy().T, bias=True).sum()) if d == 1
          else np.trace(np.cov(grads.numpy().T, bias=True)))  # fmt: skip


def call_prediction(dice):
    predicted, measured = odd(dice, 1.0, 2), odd(dice, 1.0, 2.04, torch.tensor([1.0, 1.02]))
    how = dice.choice(["within", "relative", "interval"])
    fitting = (0.1, 0.5) if how != "interval" else ((0.5, 1.5), (2, 3))
    allowed = odd(dice, *fitting)
    try:
        check_prediction("P0.1", "odd", predicted=predicted, measured=measured, **{how: allowed})
        held = True
    except PredictionFailed:
        held = False
    low, high = {
        "within": lambda: (predicted - allowed, predicted + allowed),
        "relative": lambda: (
            predicted - abs(predicted) * allowed,
            predicted + abs(predicted) * allowed,
        ),
        "interval": lambda: allowed,
    }[how]()
    values = np.atleast_1d(np.asarray(measured, dtype=float))
    values = np.where(np.isnan(values), INF, values)
    assert held == all(low - 1e-12 <= value <= high + 1e-12 for value in values.flatten())


def call_surface(dice):
    name = dice.choice(["parabola", "ravine", "huber", "double_well"])
    landscape = getattr(landscapes, name)(odd(dice, 1.0, 1.4, 0.3, 30))
    w = torch.tensor([dice.uniform(-3, 3) for _ in landscape.start], dtype=torch.float64)
    slope, value = landscape.grad_and_value(w)
    if not abs(float(value)) < 1e100:
        return
    for k, h in enumerate(1e-6 * torch.eye(len(w), dtype=torch.float64)):
        difference = (landscape.loss(w + h) - landscape.loss(w - h)) / 2e-6
        assert abs(float(slope[k] - difference)) <= 1e-4 * (1 + abs(float(value)))


def call_schedule(dice):
    factors = odd(dice, torch.tensor([1.0, 0.5, 0.1]), torch.ones(3, 2))
    run = descend(
        landscapes.parabola(1.0), rules.scheduled(rules.gd(odd(dice, 0.1, 1)), factors), 3
    )
    lr = run.w[..., 1, 0] / -4 - 1
    w = torch.full_like(run.w[..., 0, 0], -4.0)
    for k in range(3):
        close(run.w[..., k, 0], w)
        w = w * (1 + lr * (factors[k] / factors[0]).double())


def call_weights(dice):
    seeds = odd(dice, [0], range(3), torch.arange(2))
    found = landscapes.initial_weights(lambda: nn.Linear(2, 1), seeds)
    for row, seed in zip(found, seeds, strict=True):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed))
            model = nn.Linear(2, 1)
        close(row, torch.cat([model.weight.detach().flatten(), model.bias.detach()]))


def call_customers(dice):
    x, y = data.customers(odd(dice, 1, 3, 50), odd(dice, 0, 7))
    assert x.shape == (len(y), 3) and ((y == 0) | (y == 1)).all()
    given = odd(dice, x, x[0], x.float(), x[:, None])
    found = data.chance(given)
    age, income, education = np.moveaxis(given.double().numpy(), -1, 0)
    score = -1.5 - 0.06 * (age - 44) + (income - 30_000) / 20_000 + (education - 12) / 4
    close(found, 1 / (1 + np.exp(-score)))


KINDS = {
    call_descend: 4, call_batches: 2, call_slope: 3, call_sharpness: 1, call_noise: 1,
    call_prediction: 4, call_surface: 3, call_schedule: 1, call_weights: 1, call_customers: 1,
}  # fmt: skip


def raised_by_gdlib(error):
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    return OWN in Path(trace.tb_frame.f_code.co_filename).parents


def arguments(trace):
    """What the odd call looked like, for the message of a failure."""
    inner = trace.tb_next
    return {k: v for k, v in inner.tb_frame.f_locals.items() if k != "dice"} if inner else {}


@pytest.mark.filterwarnings("ignore")
def test_ten_thousand_odd_calls_end_in_a_right_result_or_in_a_clear_refusal(capsys):
    for call in KINDS:  # what the first calls import is not their fault
        with contextlib.suppress(TypeError, ValueError):
            call(random.Random(0))
    dice, kinds = random.Random(20261128), [k for k, n in KINDS.items() for _ in range(n)]
    refused, slowest = 0, 0.0
    for number in range(CALLS):
        call = dice.choice(kinds)
        started = process_time()
        try:
            call(dice)
        except (TypeError, ValueError) as error:
            where = f"call {number}, {call.__name__}: {arguments(error.__traceback__)}"
            assert raised_by_gdlib(error), f"{where}: {error!r}"
            assert len(str(error)) > 20, f"{where}: {error!r}"
            refused += 1
        except Exception as error:
            where = f"call {number}, {call.__name__}: {arguments(error.__traceback__)}"
            pytest.fail(f"{where}: {error!r}")
        slowest = max(slowest, process_time() - started)
        capsys.readouterr()
    assert 0.1 * CALLS < refused < 0.7 * CALLS, refused
    assert slowest < 1, f"a call took {slowest:.1f} s"
