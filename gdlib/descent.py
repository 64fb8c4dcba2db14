"""Many descents at once: one loss written for one run, one step of kernels for all of them."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor

from gdlib.data import Sampler, check_count
from gdlib.kernels import Undrawn, replayed
from gdlib.landscapes import Landscape
from gdlib.rules import Rule, broadcast
from gdlib.step import check_pure, over_runs, step_of

RECORDS = ("w", "loss", "batch_loss", "grad")
LOCK = threading.RLock()  # one descent at a time: to write a step down patches PyTorch itself
DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Run:
    """What happened at the recorded steps; row 0 is the start. ``runs…`` is ``()`` for one run.

    step        ``(rows,)``          which steps were recorded: 0, every, 2 · every, …
    final       ``(runs…, d)``       weights after the last step
    diverged    ``(runs…,)``         True where the last weights are not finite
    w           ``(runs…, rows, d)`` weights
    loss        ``(runs…, rows)``    loss over all the data at those weights
    batch_loss  ``(runs…, rows)``    loss over the batch that the next step sees
    grad        ``(runs…, rows, d)`` gradient that the next step follows

    The last four are there if they were asked for; else they raise ``AttributeError``.
    """

    step: Tensor
    final: Tensor
    diverged: Tensor
    records: dict[str, Tensor]

    def __getattr__(self, name: str) -> Tensor:
        if name not in RECORDS:
            raise AttributeError(f"a Run has no {name!r}")
        if name not in self.records:
            asked = (*self.records, name)
            raise AttributeError(f"{name} was not recorded: record={asked} would keep it")
        return self.records[name]


def descend(
    landscape: Landscape, rule: Rule, steps: int, *, start: Tensor | None = None,
    data: tuple[Tensor, ...] = (), batches: Sampler | None = None,
    record: tuple[str, ...] = ("w", "loss"), every: int = 1,
) -> Run:  # fmt: skip
    """Follow a rule for ``steps`` steps, down a loss or in a game: one run or hundreds at once.

    start    ``(d,)`` or ``(runs…, d)``; the landscape's own start if omitted
    data     tensors whose first axis counts the examples; the loss is called as ``loss(w, *data)``
    batches  which examples each step sees; all of them if omitted
    record   what to keep, out of ``w loss batch_loss grad``; nothing else takes memory
    every    keep every so many steps

    The shape of the runs is what the rule's settings, the start's leading axes and the sampler's
    seeds broadcast to. A run that blows up is data: it is recorded and marked ``diverged``.

    Loss and rule are pure: they return the same for the same tensors, and remember nothing outside
    the rule's state. Random numbers may come from PyTorch's generators; each step draws once, and
    what is recorded draws nothing. Raises ``TypeError`` or ``ValueError`` for arguments that do not
    fit together, and for a loss or rule that is not pure.
    """
    check_count("steps", steps, least=0)
    check_count("every", every)
    record = _names(record)
    _check_kinds(landscape, rule, batches)
    if steps > rule.steps:
        raise ValueError(f"{rule.name} has factors for {rule.steps} steps, got {steps} steps")
    w = _start(landscape, rule, start, batches.seeds.shape if batches else torch.Size())
    _check_data(data, batches)
    with LOCK:
        _check_loss(landscape, w, data)
    rows = steps // every + 1
    *runs, d = w.shape
    sizes = {"w": (rows, d), "grad": (rows, d), "loss": (rows,), "batch_loss": (rows,)}
    keep = {name: w.new_empty((*runs, *sizes[name])) for name in record}
    with LOCK, one_thread(), torch.inference_mode():
        step, state = step_of(landscape, rule, data, batches, w)
        indices = zip(batches.batches(len(data[0]))) if batches else repeat(())
        before, index = state, next(indices)
        steady, random = check_pure(step, w, *state, *index)
        quietly = Undrawn if random else nullcontext
        advance = replayed(step, steps if steady else 0)
        over_all = replayed(lambda w: (over_runs(landscape.loss, w)(w, *data),), steps // every)
        # What a step computes: the new weights and state; the loss; the gradient.
        moved, watched = 1 + len(state), not set(keep) <= ({"w", "loss"} if batches else {"w"})
        for k in range(steps + 1 if keep and steps % every == 0 else steps):
            recorded = keep and k % every == 0
            # The last row makes no move: any state will do, and a schedule has none for it.
            args = (w, *(state if k < steps else before), *index)
            with quietly() if k == steps else nullcontext():
                results = advance(moved + 2 if recorded and watched else moved, *args)
            if recorded:
                seen = dict(zip(("batch_loss", "grad"), results[moved:], strict=False), w=w)
                if "loss" in keep and batches:
                    with quietly():
                        (seen["loss"],) = over_all(1, w)
                for name, buffer in keep.items():
                    value = seen["batch_loss" if name == "loss" and not batches else name]
                    buffer.select(w.dim() - 1, k // every).copy_(value)
            if k < steps:
                before, (w, *state), index = state, results[:moved], next(indices)
    return Run(torch.arange(rows) * every, w.clone(), ~w.isfinite().all(-1), keep)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread, as a second one gains less than it takes from others; given back after."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _start(landscape: Landscape, rule: Rule, start: Tensor | None, seeds: torch.Size) -> Tensor:
    """The weights to start from, ``(runs…, d)``, with everything that has one value per run."""
    w = landscape.start if start is None else start
    if w is None:
        raise ValueError("the landscape has no start of its own: give start, of shape (d,)")
    if not isinstance(w, Tensor) or w.dtype not in DTYPES or w.is_meta:
        kind = type(w).__name__ if not isinstance(w, Tensor) else w.dtype
        raise TypeError(f"start must be a floating-point tensor with values, got {kind}")
    d = "d" if landscape.start is None else len(landscape.start)
    if w.dim() == 0 or not w.shape[-1] or d not in ("d", w.shape[-1]):
        raise ValueError(f"start must have shape ({d},) or (runs…, {d}), got {tuple(w.shape)}")
    if not w.isfinite().all():
        raise ValueError("start must be finite, got NaN or infinity in it")
    runs = broadcast(settings=rule.runs, start=w.shape[:-1], seeds=seeds)
    if not runs.numel():
        raise ValueError(f"there must be at least one run, got runs of shape {tuple(runs)}")
    return w.detach().expand(*runs, w.shape[-1]).clone(memory_format=torch.contiguous_format)


def _names(record: Iterable[str]) -> tuple:
    many = isinstance(record, Iterable) and not isinstance(record, str | Tensor)
    names: tuple = tuple(record) if many else (None,)
    if any(name not in RECORDS for name in names):
        raise ValueError(f"record must be a tuple out of {RECORDS}, got {record!r}")
    return names


def _check_kinds(landscape: Landscape, rule: Rule, batches: Sampler | None) -> None:
    if not isinstance(landscape, Landscape):
        raise TypeError(f"landscape must be a Landscape, such as Landscape(f), got {landscape!r}")
    if not isinstance(rule, Rule):
        raise TypeError(f"rule must be a Rule, such as gd(lr=0.1), got {rule!r}")
    if batches is not None and not isinstance(batches, Sampler):
        raise TypeError(f"batches must be a Sampler, such as shuffled(16), got {batches!r}")


def _check_data(data: tuple[Tensor, ...], batches: Sampler | None) -> None:
    if isinstance(data, Tensor) or not all(isinstance(x, Tensor) and x.dim() for x in data):
        raise TypeError("data must be a tuple of tensors whose first axis counts the examples")
    if batches is not None and not data:
        raise ValueError("batches were asked for, but there is no data to draw them from")
    if len({len(x) for x in data}) > 1:
        raise ValueError(f"data must agree on the number of examples, got {[len(x) for x in data]}")
    if data and not len(data[0]):
        raise ValueError("data must hold at least one example, got none")
    if any(x.is_floating_point() and not x.isfinite().all() for x in data):
        raise ValueError("data must be finite, got NaN or infinity in it")


def _check_loss(landscape: Landscape, w: Tensor, data: tuple[Tensor, ...]) -> None:
    """Try the loss once, on one run, in ordinary PyTorch, whose errors are the clearest."""
    with torch.inference_mode(False), torch.enable_grad(), Undrawn():
        one = w.reshape(-1, w.shape[-1])[0].clone().requires_grad_()
        loss = landscape.loss(one, *data)
    if not isinstance(loss, Tensor) or loss.shape != ():
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"the loss must return one number, a tensor of shape (), got {got}")
    if not loss.requires_grad:
        raise ValueError("the loss must depend on w, got one that has no gradient")
