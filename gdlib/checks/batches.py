"""Exercises on mini-batches: orders, the noise scale, a loader."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils import vector_to_parameters
from torch.utils.data import DataLoader, TensorDataset

from gdlib.checks.judging import NotYet, ask, check, number
from gdlib.data import noisy_parabola
from gdlib.landscapes import initial_weights
from gdlib.training import train


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
