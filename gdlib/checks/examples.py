"""Exercises on examples: one at a time, and in batches."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters
from torch.utils.data import DataLoader, TensorDataset

from gdlib.analysis import noise_trace, per_example_grads
from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola, shuffled
from gdlib.landscapes import Landscape, initial_weights
from gdlib.training import train


@check
def check_genie(answer: Callable[[], dict[str, float]]) -> str:
    """Double the data and compare the answer's factors with what that does."""
    x, y = noisy_parabola()
    line = Landscape(lambda w, x, y: (w[0] + w[1] * x - y).square().mean())
    w = torch.tensor([1.0, 0.5], dtype=torch.float64)
    once, twice = (per_example_grads(line, w, x.repeat(n, 1), y.repeat(n, 1)) for n in (1, 2))
    truth = {
        "length of the full gradient": float(twice.mean(0).norm() / once.mean(0).norm()),
        "examples that a step of gradient descent looks at": len(twice) / len(once),
        "examples that a step of SGD looks at": 1.0,
        "variance of one example's gradient": noise_trace(twice) / noise_trace(once),
        "steps of SGD in an epoch": shuffled(1).steps_per_epoch(200) / 100,
    }
    said = ask(answer, about="After the genie")
    if not isinstance(said, dict) or set(said) != set(truth):
        raise NotYet(f"Expected a dictionary with the keys {list(truth)}.")
    for what, factor in truth.items():
        if abs(number(said[what], what) - factor) > 1e-6:
            raise NotYet(f"The {what}: you say × {said[what]:g}, measured × {factor:.3g}.")
    return "Gradient descent pays twice for the same path; SGD does not notice."


@check
def check_lr_for_floor(answer: Callable[[float, float, float], float]) -> str:
    """Follow the variance of a noisy quadratic to where the answer's learning rate takes it."""
    for h, noise, target in ((1.0, 1.0, 0.01), (0.1, 4.0, 2.0), (20.0, 1.0, 0.5), (1.0, 0.01, 5.0)):
        about = f"Curvature {h:g}, noise {noise:g}, target {target:g}"
        lr = number(ask(answer, h, noise, target, about=about), about)
        if not 0 < lr < 2 / h:
            raise NotYet(f"{about}: lr = {lr:.3g} is not between 0 and 2/h = {2 / h:.3g}.")
        variance = 0.0
        for _ in range(20_000):
            variance = (1 - lr * h) ** 2 * variance + lr**2 * noise
        if not math.isclose(variance, target, rel_tol=1e-3):
            raise NotYet(f"{about}: with lr = {lr:.3g} the variance settles at {variance:.3g}.")
    return "All four settle at their targets, the one near the border of stability too."


@check
def check_lr_schedule(answer: Callable[[int], float]) -> str:
    """The exact mean square of w after 3,000 steps of the answer, for two curvatures."""
    rates = ask(lambda: [answer(k) for k in range(3000)], about="The first 3,000 steps")
    left = {}
    for h in (1.0, 0.1):
        square = 100.0
        for k, rate in enumerate(rates):
            lr = number(rate, f"Step {k}")
            square = (1 - lr * h) ** 2 * square + lr**2
            if not square < 101:
                raise NotYet(f"h = {h:g}: step {k} takes the mean square of w to {square:.2g}.")
        left[h] = square
        if not square < 0.06:
            raise NotYet(f"h = {h:g}: the mean square of w is {square:.2g}; below 0.06 is asked.")
    return f"The mean square is {left[1.0]:.1g} for h = 1 and {left[0.1]:.1g} for h = 0.1."


@check
def check_by_ones(answer: Callable[..., Tensor]) -> str:
    """Run the answer with three seeds and look at how it behaves from epoch to epoch."""
    x, y = noisy_parabola()
    features = torch.cat([torch.ones_like(x), x], 1)
    best = torch.linalg.lstsq(features, y).solution[:, 0]
    args, ends = (features, y[:, 0], torch.zeros(2, dtype=torch.float64), 0.02, 20), []
    for seed in (0, 1, 2, 0):
        path = ask(answer, *args, seed, about=f"20 epochs with seed {seed}")
        if not isinstance(path, Tensor) or path.shape != (21, 2):
            raise NotYet(f"Expected the weights after 0 … 20 epochs, (21, 2), got {path!r:.60}.")
        ends.append(path[10:])
    if (still := (ends[0][1:] - ends[0][:-1]).norm(dim=1).max()) < 1e-3:
        raise NotYet(f"From epoch 10 on the weights move by {still:.0e} an epoch: they are still.")
    if not torch.equal(ends[0], ends[3]):
        raise NotYet("Seed 0 gave two different runs; your colleague wanted to repeat them.")
    if torch.equal(ends[0], ends[1]):
        raise NotYet("Seeds 0 and 1 gave the same run: is the seed used?")
    error = float(torch.stack(ends[:3]).sub(best).square().sum(-1).mean())
    if not error < 0.0026:
        raise NotYet(f"The mean square distance is {error:.2g}: is every example used once?")
    return f"It never rests, it can be repeated, and its mean square distance is {error:.1g}."


@check
def check_stratified(answer: Callable[[int, int, torch.Generator], Tensor]) -> str:
    """Deal two epochs with the answer's orders and compare the scatter of their batches' means."""
    dice, about = torch.Generator().manual_seed(0), "100 examples in batches of 10"
    orders = [ask(answer, 100, 10, dice, about=about) for _ in range(200)]
    for order in orders:
        if not isinstance(order, Tensor) or sorted(order.flatten().tolist()) != [*range(100)]:
            raise NotYet(f"{about}: an epoch must be a tensor with each of 0 … 99 once.")
    if all(torch.equal(order, orders[0]) for order in orders):
        raise NotYet(f"{about}: every epoch has the same order.")
    places = torch.stack(orders).view(-1, 10, 10).double()
    if (middle := places.mean((0, 2)).sub(49.5).abs().max()) > 5:
        raise NotYet(f"{about}: some batch is {middle:.0f} places off the middle on average.")
    ratio = float(places.mean(2).var(correction=0)) / (99 * 101 / 12 / 10 * 90 / 99)
    if ratio > 0.1:
        raise NotYet(f"{about}: the batch means scatter {ratio:.2g} times as much as at random.")
    return f"The variance of the batch means is {ratio:.1g} of that of random batches."


@check
def check_noise_scale(answer: Callable[[int, float, int, float], float]) -> str:
    """Ask for noise scales that are known, from exact mean square norms."""
    for signal, trace, small, large in ((1.0, 20.0, 4, 64), (0.3, 0.1, 1, 2), (2.0, 900.0, 16, 32)):
        norms = [signal + trace / b for b in (small, large)]
        about = f"B = {small}, {large} with mean squares {norms[0]:.3g}, {norms[1]:.3g}"
        scale = number(ask(answer, small, norms[0], large, norms[1], about=about), about)
        if not math.isclose(scale, trace / signal, rel_tol=1e-6):
            raise NotYet(f"{about}: you say {scale:.4g}, the noise scale is {trace / signal:.4g}.")
    return "All three noise scales are found, from two batch sizes each."


@check
def check_loader(answer: Callable[[TensorDataset], DataLoader]) -> str:
    """Train five networks 1–10–1 on a thousand sorted points with the answer's loader."""
    x, y = noisy_parabola(examples=1000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loader = ask(answer, TensorDataset(x, y), about="A thousand points")
        first, second = (ask(_epoch_of, loader, about="An epoch of your loader") for _ in "12")
        sizes = [len(batch) for batch in first]
        if sum(sizes) < 950 or max(sizes) != 64:
            raise NotYet(f"An epoch has {sum(sizes)} of 1000 examples, {max(sizes)} to a batch.")
        ends = [_end_of_training(w, loader, x, y) for w in initial_weights(_small_net, range(5))]
    said = f"Five starts end at losses of {min(ends):.2g} to {max(ends):.2g}"
    same = torch.equal(torch.cat(first), torch.cat(second))
    if max(ends) > 0.007:
        why = "both epochs came in the same order" if same else "what does the first batch hold?"
        raise NotYet(f"{said}; all five can get below 0.007. A clue: {why}")
    return f"{said}, and {'both epochs had the same' if same else 'every epoch has a new'} order."


def _epoch_of(loader: DataLoader) -> list[Tensor]:
    batches = [(x.reshape(-1), y) for x, y in loader]
    return [x for x, _ in batches] or [torch.empty(0)]


def _small_net() -> nn.Module:
    return nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()


def _end_of_training(w: Tensor, loader: DataLoader, x: Tensor, y: Tensor) -> float:
    model = _small_net()
    vector_to_parameters(w, model.parameters())
    sgd = torch.optim.SGD(model.parameters(), lr=0.3)
    try:
        train(model, loader, sgd, nn.functional.mse_loss, 20, progress=False)
    except Exception as error:
        raise NotYet(f"Training on it stopped with {type(error).__name__}: {error}") from None
    return nn.functional.mse_loss(model(x), y).item()
