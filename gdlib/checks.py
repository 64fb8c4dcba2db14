"""What the exercises call: each check runs the reader's answer and says what happened."""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters
from torch.utils.data import DataLoader, TensorDataset

from gdlib.data import noisy_parabola
from gdlib.descent import descend
from gdlib.landscapes import Landscape, initial_weights, network_loss, ravine
from gdlib.rules import gd
from gdlib.training import train

SECONDS = 5.0


class _NotYet(Exception):
    """What is wrong with an answer, in a sentence for the reader."""


class _TooSlow(BaseException):
    """Not an Exception, so that ``except Exception`` in an answer cannot swallow it."""


def _check(judge: Callable[[Any], str]) -> Callable[[Any], None]:
    """A judge, which returns praise or raises ``_NotYet``, as a check that prints either."""

    @wraps(judge)
    def check(answer: Any) -> None:
        try:
            print(f"Right. {judge(answer)}")
        except _NotYet as reason:
            print(f"Not yet. {reason}")

    return check


def _ask(answer: Any, *args: Any, about: str) -> Any:
    """What the answer returns for ``args``, which ``about`` names; ``_NotYet`` if it cannot."""
    if not callable(answer):
        raise _NotYet(f"The check needs the function itself, got {answer!r}.")
    try:
        with _time_limit():
            return answer(*args)
    except _TooSlow:
        raise _NotYet(f"{about}: no answer within {SECONDS:g} s; does a loop never end?") from None
    except (Exception, SystemExit) as error:
        raise _NotYet(f"{about}: your code stopped with {type(error).__name__}: {error}") from None


def _number(value: Any, about: str) -> float:
    """The value as a float; ``_NotYet`` unless it is one finite number."""
    if value is None:
        raise _NotYet(f"{about}: your function returned None; is there a return?")
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except (TypeError, ValueError, RuntimeError):
        number = math.nan
    if not math.isfinite(number):
        raise _NotYet(f"{about}: expected one finite number, got {value!r:.60}.")
    return number


@contextmanager
def _time_limit() -> Iterator[None]:
    """Stop Python code that runs too long; unlike a signal, this works on Windows as well."""
    before, deadline = sys.gettrace(), time.monotonic() + SECONDS

    def watch(frame: FrameType, event: str, arg: Any) -> Callable:
        frame.f_trace_opcodes = True  # a loop on one line has no line events
        if time.monotonic() > deadline:
            raise _TooSlow
        return watch

    sys.settrace(watch)
    try:
        yield
    finally:
        sys.settrace(before)


# Chapter 1


@_check
def check_largest_lr(answer: Callable[[Tensor], float]) -> str:
    """Descend on quadratics just below and just above the learning rate that the answer gives."""
    for rows in ([[1, 0], [0, 10]], [[0.01, 0], [0, 0.01]], [[3, 2], [2, 3]], [[50, -7], [-7, 1]]):
        hessian, about = torch.tensor(rows, dtype=torch.float64), f"Hessian {rows}"
        lr = _number(_ask(answer, hessian.clone(), about=about), about)
        if lr <= 0:
            raise _NotYet(f"{about}: lr = {lr:.4g} does not go downhill; it must be positive.")
        bowl = Landscape(lambda w, hessian=hessian: w @ hessian @ w / 2)
        rule, start = gd(torch.tensor([0.99 * lr, 1.01 * lr])), torch.tensor([1, 0.5]).double()
        loss = descend(bowl, rule, 1000, start=start, every=1000).loss
        below, above = loss[:, 1] < loss[:, 0]
        if not below:
            raise _NotYet(f"{about}: lr = {lr:.4g} is too large; just below it descent runs away.")
        if above:
            raise _NotYet(
                f"{about}: lr = {lr:.4g} is too small; descent still converges just above it."
            )
    return "On 4 bowls descent converges just below your lr, and runs away just above it."


@_check
def check_next_lr(answer: Callable[[Callable, Tensor, Tensor, float], float]) -> str:
    """Descend with the step lengths that the answer finds, and count what they cost."""
    quartic = Landscape(lambda w: (w**4).sum() / 4, torch.tensor([3.0, -1.0]).double())
    for name, landscape in {"The ravine, κ = 30": ravine(30.0), "The loss w⁴ / 4": quartic}.items():
        calls: list[Tensor] = []

        def loss(w: Tensor, calls: list = calls, landscape: Landscape = landscape) -> Tensor:
            calls.append(w)
            return landscape.loss(w)

        w, lr = landscape.start, 1.0
        for k in range(60):
            about = f"{name}, step {k}"
            grad, here = torch.func.grad_and_value(landscape.loss)(w)
            lr = _number(_ask(answer, loss, w, grad, lr, about=about), about)
            w = w - lr * grad
            there = landscape.loss(w)
            if not (lr > 0 and there <= here - lr * grad @ grad / 2 + 1e-9):
                raise _NotYet(
                    f"{about}: lr = {lr:.3g} takes the loss from {here:.3g} to {there:.3g}; "
                    "that fails Armijo's test."
                )
        left = float(landscape.loss(w) / landscape.loss(landscape.start))
        if left > 1e-4:
            raise _NotYet(f"{name}: after 60 steps {left:.1g} of the loss is left, lr = {lr:.2g}.")
        if len(calls) > 60 * 4:
            raise _NotYet(f"{name}: {len(calls) / 60:.2g} evaluations a step, where 4 are enough.")
    return "Every step passes Armijo's test, with at most 4 evaluations of the loss a step."


@_check
def check_train_network(answer: Callable[..., list[float]]) -> str:
    """Train a network 1–10–1 with the answer and compare its weights with descent's."""
    x, y = noisy_parabola()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(1, 10), nn.ReLU(), nn.Linear(10, 1)).double()
    landscape = network_loss(model, nn.functional.mse_loss)
    truth = descend(landscape, gd(0.2), 100, data=(x, y), record=("w", "grad"))
    grads, weights = truth.grad, truth.w
    assert grads is not None and weights is not None
    for epochs in (1, 2, 100):
        about, trained = f"After {epochs} step{'s'[: epochs > 1]}", copy.deepcopy(model)
        losses = _ask(answer, trained, x, y, 0.2, epochs, about=about)
        w = parameters_to_vector(trained.parameters()).detach()
        if torch.equal(w, weights[0]):
            raise _NotYet(f"{about} the weights have not moved.")
        if not torch.allclose(w, weights[epochs]):
            both = weights[0] - 0.2 * (2 * grads[0] + grads[1])
            summed = torch.allclose(w, both)
            why = "The last step followed the sum of both gradients." if summed else ""
            raise _NotYet(f"{about} the weights are not those of gradient descent. {why}")
        if not isinstance(losses, list) or len(losses) != epochs:
            raise _NotYet(f"{about}: expected a list of {epochs} losses, got {losses!r:.60}.")
    return "After 1, 2 and 100 steps the weights are those of gradient descent."


# Chapter 3


@_check
def check_stratified(answer: Callable[[int, int, torch.Generator], Tensor]) -> str:
    """Deal two epochs with the answer's orders and compare the scatter of their batches' means."""
    dice, about = torch.Generator().manual_seed(0), "100 examples in batches of 10"
    orders = [_ask(answer, 100, 10, dice, about=about) for _ in range(200)]
    for order in orders:
        if not isinstance(order, Tensor) or sorted(order.flatten().tolist()) != [*range(100)]:
            raise _NotYet(f"{about}: an epoch must be a tensor with each of 0 … 99 once.")
    if all(torch.equal(order, orders[0]) for order in orders):
        raise _NotYet(f"{about}: every epoch has the same order.")
    places = torch.stack(orders).view(-1, 10, 10).double()
    if (middle := places.mean((0, 2)).sub(49.5).abs().max()) > 5:
        raise _NotYet(f"{about}: some batch is {middle:.0f} places off the middle on average.")
    ratio = float(places.mean(2).var(correction=0)) / (99 * 101 / 12 / 10 * 90 / 99)
    if ratio > 0.1:
        raise _NotYet(f"{about}: the batch means scatter {ratio:.2g} times as much as at random.")
    return f"The variance of the batch means is {ratio:.1g} of that of random batches."


@_check
def check_noise_scale(answer: Callable[[int, float, int, float], float]) -> str:
    """Ask for noise scales that are known, from exact mean square norms."""
    for signal, trace, small, large in ((1.0, 20.0, 4, 64), (0.3, 0.1, 1, 2), (2.0, 900.0, 16, 32)):
        norms = [signal + trace / b for b in (small, large)]
        about = f"B = {small}, {large} with mean squares {norms[0]:.3g}, {norms[1]:.3g}"
        scale = _number(_ask(answer, small, norms[0], large, norms[1], about=about), about)
        if not math.isclose(scale, trace / signal, rel_tol=1e-6):
            raise _NotYet(f"{about}: you say {scale:.4g}, the noise scale is {trace / signal:.4g}.")
    return "All three noise scales are found, from two batch sizes each."


@_check
def check_loader(answer: Callable[[TensorDataset], DataLoader]) -> str:
    """Train five networks 1–10–1 on a thousand sorted points with the answer's loader."""
    x, y = noisy_parabola(examples=1000)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loader = _ask(answer, TensorDataset(x, y), about="A thousand points")
        first, second = (_ask(_epoch_of, loader, about="An epoch of your loader") for _ in "12")
        sizes = [len(batch) for batch in first]
        if sum(sizes) < 950 or max(sizes) != 64:
            raise _NotYet(f"An epoch has {sum(sizes)} of 1000 examples, {max(sizes)} to a batch.")
        ends = [_end_of_training(w, loader, x, y) for w in initial_weights(_small_net, range(5))]
    said = f"Five starts end at losses of {min(ends):.2g} to {max(ends):.2g}"
    if max(ends) > 0.007:
        same = torch.equal(torch.cat(first), torch.cat(second))
        why = "both epochs came in the same order" if same else "what does the first batch hold?"
        raise _NotYet(f"{said}; all five can get below 0.007. A clue: {why}")
    return f"{said}, and every epoch has a new order."


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
        raise _NotYet(f"Training on it stopped with {type(error).__name__}: {error}") from None
    return nn.functional.mse_loss(model(x), y).item()
