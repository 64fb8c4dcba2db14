"""Exercises on mini-batches: orders, the noise scale, a loader."""

import math
from collections.abc import Callable, Iterable
from itertools import islice

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from gdlib.checks.judging import NotYet, ask, check, number, numbers
from gdlib.data import noisy_parabola

EPOCHS = 100  # orders that are compared with chance


@check
def check_stratified(answer: Callable[[int, int, torch.Generator], Tensor]) -> str:
    """Look for one example of each stretch in every batch, dealt anew and evenly."""
    chance = torch.Generator()
    chance.seed()
    batch_size, batches = torch.randperm(8, generator=chance)[:2].add(3).tolist()
    ratios = [_scatter(answer, *sizes) for sizes in ((100, 5), (100, 20))]
    _scatter(answer, batch_size * batches, batch_size)
    return (
        f"The variance of the batch means is {ratios[0]:.1g} (batches of 5) and {ratios[1]:.1g} "
        "(of 20) of that of random batches."
    )


def _scatter(answer: Callable, examples: int, batch_size: int) -> float:
    """Variance of the batch means over that of random batches, of orders that are stratified."""
    about, length = f"{examples} examples in batches of {batch_size}", examples // batch_size

    def order(dice: torch.Generator) -> Tensor:
        found = ask(answer, examples, batch_size, dice, about=about)
        places = torch.tensor(numbers(found, examples, about), dtype=torch.float64)
        if not torch.equal(places.sort().values, torch.arange(float(examples)).double()):
            raise NotYet(f"{about}: an epoch must hold each of 0 … {examples - 1} once.")
        return places.view(length, batch_size)

    dice = torch.Generator().manual_seed(0)
    orders = torch.stack([order(dice) for _ in range(EPOCHS)])
    if (orders == orders[0]).all():
        raise NotYet(f"{about}: every epoch has the same order.")
    stretches = orders.div(length, rounding_mode="floor").sort(-1).values
    distinct = 1 + (stretches.diff(dim=-1) > 0).sum(-1)
    if (distinct < batch_size).any():
        raise NotYet(
            f"{about}: some batch holds examples out of {distinct.min()} stretches only; "
            f"there are {batch_size} stretches of {length}."
        )
    if not torch.equal(order(torch.Generator().manual_seed(0)), orders[0]):
        raise NotYet(f"{about}: the same seed gives two orders; draw from the generator.")
    within = orders.remainder(length).mean((0, 2)) - (length - 1) / 2
    if within.abs().max() > 5 * ((length**2 - 1) / 12 / batch_size / EPOCHS) ** 0.5:
        raise NotYet(f"{about}: some batch gets the same end of its stretches too often.")
    variance = orders.mean(2).sub((examples - 1) / 2).square().mean()
    if (alike := variance / ((length**2 - 1) / 12 / batch_size)) > 2:
        raise NotYet(
            f"{about}: the batch means scatter {alike:.2g} times as much as if every stretch "
            "were shuffled on its own."
        )
    return float(variance / _at_random(examples, batch_size))


def _at_random(examples: int, batch_size: int) -> float:
    """The variance of the mean place of a batch that is drawn without replacement."""
    return (examples + 1) * (examples - batch_size) / 12 / batch_size


@check
def check_noise_scale(answer: Callable[[int, float, int, float], float]) -> str:
    """Ask for noise scales that are known, from exact mean square norms."""
    chance = torch.Generator()
    chance.seed()
    cases = [(1.0, 20.0, 4, 64)]
    for u, v in torch.rand(5, 2, generator=chance).tolist():
        small, times = (int(torch.randint(2, 12, (), generator=chance)) for _ in "12")
        cases.append((10 ** (2 * u - 1), 10 ** (3 * v), small, small * times))
    for signal, trace, small, large in cases:
        norms = [signal + trace / b for b in (small, large)]
        about = f"B = {small}, {large} with mean squares {norms[0]:.3g}, {norms[1]:.3g}"
        scale = number(ask(answer, small, norms[0], large, norms[1], about=about), about)
        if not math.isclose(scale, trace / signal, rel_tol=1e-6):
            raise NotYet(f"{about}: you say {scale:.4g}, the noise scale is {trace / signal:.4g}.")
    return f"All {len(cases)} noise scales are found, from two batch sizes each."


@check
def check_loader(answer: Callable[[TensorDataset], DataLoader]) -> str:
    """Follow the examples through five epochs: all there, well mixed, in new orders?"""
    chance = torch.Generator()
    chance.seed()
    left_out = 0
    for examples in (1000, int(torch.randint(700, 990, (), generator=chance))):
        x, y = noisy_parabola(examples=examples)
        data, about = TensorDataset(x.clone(), y.clone()), f"{examples} points"
        with torch.random.fork_rng(devices=[]):
            loader = ask(answer, data, about=about)
            epochs = [_places(loader, x, y, f"{about}, epoch {k}") for k in range(1, 6)]
        full = torch.cat([order[: len(order) // 64 * 64].view(-1, 64) for order in epochs])
        scatter = full.double().mean(1).var(correction=0) / _at_random(examples, 64)
        if scatter > 3:
            low, high = y[full].mean((1, 2)).aminmax()
            raise NotYet(
                f"{about}: the batches do not look like the data. Their mean y goes from "
                f"{low:.2g} to {high:.2g}; that of all points is {y.mean():.2g}."
            )
        if (new := len({tuple(order.tolist()) for order in epochs})) < 5:
            raise NotYet(f"{about}: five epochs came in {new} different order{'s'[: new > 1]}.")
        left_out = max(left_out, examples - len(epochs[0]))
    kept = f"at most {left_out} left out of each" if left_out else "with every example in each"
    return f"Five epochs have five orders, {kept}, and every batch is like the data."


def _places(loader: Iterable, x: Tensor, y: Tensor, about: str) -> Tensor:
    """Which example stands where in one epoch of the loader; ``NotYet`` if it is no epoch."""

    def dealt() -> list[tuple[Tensor, Tensor]]:
        pairs = islice(loader, len(x) + 1)
        return [(_numbers(inputs), _numbers(targets)) for inputs, targets in pairs]

    batches = ask(dealt, about=about)
    sizes = [len(inputs) for inputs, _ in batches]
    if not sizes or sizes[:-1] != [64] * (len(sizes) - 1) or sizes[-1] > 64:
        got = f"{len(sizes)} batches of {min(sizes)} to {max(sizes)}" if sizes else "nothing"
        raise NotYet(f"{about}: it must come in batches of 64, got {got}.")
    inputs, targets = (torch.cat(column) for column in zip(*batches, strict=True))
    nearest = ((inputs + 1) / 2 * (len(x) - 1)).nan_to_num().round().long()
    places = nearest.clamp(0, len(x) - 1)
    if len(targets) != len(inputs) or not torch.allclose(x[places, 0], inputs, atol=1e-6):
        raise NotYet(f"{about}: its x are not those of the data.")
    if not torch.allclose(y[places, 0], targets, atol=1e-6):  # float32 will do, too
        raise NotYet(f"{about}: some x came with the y of another example.")
    seen = len(places.unique())
    if seen < len(places) or seen < len(x) // 64 * 64:
        raise NotYet(f"{about}: {len(places)} draws hold {seen} of {len(x)} examples, once each.")
    return places


def _numbers(column: Tensor) -> Tensor:
    return torch.as_tensor(column).detach().cpu().double().flatten().clone()
