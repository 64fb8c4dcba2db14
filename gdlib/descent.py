"""Many descents at once: one loss written for one run, one traced step for all of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import repeat

import torch
from torch import Tensor
from torch.func import vmap
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._pytree import tree_map

from gdlib.data import Sampler, check_count
from gdlib.landscapes import Landscape
from gdlib.rules import Rule, State

RECORDS = ("w", "loss", "batch_loss", "grad")
TRACE_FROM = 30  # steps; below, tracing costs more than it saves
SMALL = 1 << 20  # numbers touched per step; below, one thread is fastest


@dataclass(frozen=True)
class Run:
    """What happened at the recorded steps; row 0 is the start. ``runs…`` is ``()`` for one run.

    step      ``(rows,)``      which steps were recorded: 0, every, 2 · every, …
    final     ``(runs…, d)``   weights after the last step
    diverged  ``(runs…,)``     True where the last weights are not finite
    records   what was asked for, by name; each is an attribute too, and asking for one that was not
              recorded raises ``AttributeError``
    """

    step: Tensor
    final: Tensor
    diverged: Tensor
    records: dict[str, Tensor]

    @property
    def w(self) -> Tensor:
        """Weights, ``(runs…, rows, d)``."""
        return self._record("w")

    @property
    def loss(self) -> Tensor:
        """Loss over all the data at those weights, ``(runs…, rows)``."""
        return self._record("loss")

    @property
    def batch_loss(self) -> Tensor:
        """Loss over the batch that the next step sees, ``(runs…, rows)``."""
        return self._record("batch_loss")

    @property
    def grad(self) -> Tensor:
        """Gradient that the next step follows, ``(runs…, rows, d)``."""
        return self._record("grad")

    def _record(self, name: str) -> Tensor:
        if name not in self.records:
            asked = tuple(self.records)
            raise AttributeError(f"{name} was not recorded: record={(*asked, name)} would keep it")
        return self.records[name]


def descend(
    landscape: Landscape,
    rule: Rule,
    steps: int,
    *,
    start: Tensor | None = None,
    data: tuple[Tensor, ...] = (),
    batches: Sampler | None = None,
    record: tuple[str, ...] = ("w", "loss"),
    every: int = 1,
) -> Run:
    """Follow a rule for ``steps`` steps, down a loss or in a game: one run or hundreds at once.

    start    ``(d,)`` or ``(runs…, d)``; the landscape's own start if omitted
    data     tensors whose first axis counts the examples; the loss is called as ``loss(w, *data)``
    batches  which examples each step sees; all of them if omitted
    record   what to keep, out of ``w loss batch_loss grad``; nothing else takes memory
    every    keep every so many steps

    The shape of the runs is what the rule's settings, the start's leading axes and the sampler's
    seeds broadcast to. A run that blows up is data: it is recorded and marked ``diverged``.
    Raises ``TypeError`` or ``ValueError`` for arguments that do not fit together.
    """
    _check_counts(steps, every, record)
    w = _start(landscape, rule, start, batches)
    _check_data(data, batches)
    _check_loss(landscape, w, data)
    rows = steps // every + 1
    keep = {name: _buffer(name, w, rows) for name in record}
    with _threads_for(w, data, batches), torch.inference_mode():
        final = _follow(landscape, rule, steps, w, data, batches, keep, every)
    diverged = ~final.isfinite().all(-1)
    return Run(torch.arange(rows) * every, final.clone(), diverged, keep)


def _follow(
    landscape: Landscape,
    rule: Rule,
    steps: int,
    w: Tensor,
    data: tuple[Tensor, ...],
    batches: Sampler | None,
    keep: dict[str, Tensor],
    every: int,
) -> Tensor:
    """Take the steps and fill the buffers in ``keep``; returns the weights after the last step."""
    advance = _traced(_step(landscape.grad_and_value, rule, data, batches), steps)
    over_all = _traced(lambda w: _over_runs(landscape.loss, w)(w, *data), steps // every)
    indices = batches.batches(len(data[0])) if batches else repeat(None)
    state = before = rule.init(w)
    for k, index in zip(range(steps + 1), indices, strict=False):
        recorded = k % every == 0 and bool(keep)
        if k == steps and not recorded:
            break
        # The last row makes no move: any state will do, and a schedule has none for it.
        w_next, state_next, loss, grad = advance(w, state if k < steps else before, index)
        if recorded:
            seen = {"w": w, "batch_loss": loss, "grad": grad}
            if "loss" in keep:
                seen["loss"] = over_all(w) if batches else loss
            for name, buffer in keep.items():
                buffer.select(w.dim() - 1, k // every).copy_(seen[name])
        if k < steps:
            w, before, state = w_next, state, state_next
    return w


def _step(
    grad_and_value: Callable, rule: Rule, data: tuple[Tensor, ...], batches: Sampler | None
) -> Callable[..., tuple[Tensor, State, Tensor, Tensor]]:
    """One step of all runs as a function of tensors alone, so that it can be traced."""
    per_run = batches is not None and batches.seeds.dim() > 0

    def step(w: Tensor, state: State, index: Tensor | None):
        batch = data
        if index is not None:
            index = index.expand(*w.shape[:-1], -1) if per_run else index
            batch = tuple(x[index] for x in data)
        grad, value = _over_runs(grad_and_value, w, per_run)(w, *batch)
        move, state = rule.step(grad, state, w)
        return w + move.to(w.dtype), state, value, grad

    return step


def _over_runs(function: Callable, w: Tensor, per_run: bool = False) -> Callable:
    """A function of one run's weights, mapped over the leading axes of ``w``.

    The batch is shared by the runs, or has the runs' axes too if ``per_run``.
    """
    runs = w.shape[:-1]
    if not runs:
        return function

    def mapped(w: Tensor, *batch: Tensor) -> Tensor | tuple[Tensor, ...]:
        flat = [x.reshape(-1, *x.shape[len(runs) :]) if per_run else x for x in batch]
        along = (0, *(0 if per_run else None for _ in batch))
        over = vmap(function, in_dims=along, randomness="different")
        out = over(w.reshape(-1, w.shape[-1]), *flat)
        return tree_map(lambda x: x.reshape(*runs, *x.shape[1:]), out)

    return mapped


def _traced(function: Callable, calls: int) -> Callable:
    """The function as a flat graph of kernels, traced once for every shape of its arguments.

    A call then costs the kernels and not the dispatch. Not worth it for a few calls.
    """
    if calls < TRACE_FROM:
        return function
    graphs = {}

    def replay(*args):
        shape = args[-1].shape if isinstance(args[-1], Tensor) else None
        if shape not in graphs:
            with torch.inference_mode(False):
                graphs[shape] = _lean(make_fx(function)(*args))
        return graphs[shape](*args)

    return replay


def _lean(graph: GraphModule) -> Callable:
    """The graph without operations that change nothing."""
    aten = torch.ops.aten
    reshapes = (aten.view.default, aten.expand.default, aten._unsafe_view.default)
    for node in graph.graph.nodes:
        if node.op != "call_function" or not node.all_input_nodes:
            continue
        before = node.all_input_nodes[0]
        values = node.meta.get("val"), before.meta.get("val")
        same = all(isinstance(v, Tensor) for v in values) and values[0].shape == values[1].shape
        if (same and node.target in reshapes) or node.target == aten.detach.default:
            node.replace_all_uses_with(before)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return graph.forward


@contextmanager
def _threads_for(w: Tensor, data: tuple[Tensor, ...], batches: Sampler | None) -> Iterator[None]:
    """One thread for small problems, where threads cost more than they give; given back after."""
    examples = batches.batch_size if batches else len(data[0]) if data else 1
    before = torch.get_num_threads()
    if w.numel() * examples <= SMALL:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _buffer(name: str, w: Tensor, rows: int) -> Tensor:
    """Room for one record of every recorded step, with the steps after the runs."""
    *runs, d = w.shape
    shape = (*runs, rows, d) if name in ("w", "grad") else (*runs, rows)
    return torch.empty(shape, dtype=w.dtype, device=w.device)


def _start(
    landscape: Landscape, rule: Rule, start: Tensor | None, batches: Sampler | None
) -> Tensor:
    """The weights to start from, ``(runs…, d)``, with everything that has one value per run."""
    w = landscape.start if start is None else start
    if w is None:
        raise ValueError("the landscape has no start of its own: give start, of shape (d,)")
    if not isinstance(w, Tensor) or not w.is_floating_point():
        kind = w.dtype if isinstance(w, Tensor) else type(w).__name__
        raise TypeError(f"start must be a floating-point tensor, got {kind}")
    if w.dim() == 0 or (landscape.start is not None and w.shape[-1] != len(landscape.start)):
        d = "d" if landscape.start is None else len(landscape.start)
        raise ValueError(f"start must have shape ({d},) or (runs…, {d}), got {tuple(w.shape)}")
    if not w.isfinite().all():
        raise ValueError("start must be finite, got NaN or infinity in it")
    seeds = batches.seeds.shape if batches else ()
    parts = {"settings": rule.runs, "start": w.shape[:-1], "seeds": seeds}
    try:
        runs = torch.broadcast_shapes(*parts.values())
    except RuntimeError:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in parts.items() if shape)
        raise ValueError(f"the runs must broadcast to one shape, got {listed}") from None
    return w.detach().expand(*runs, w.shape[-1]).contiguous()


def _check_counts(steps: int, every: int, record: tuple[str, ...]) -> None:
    check_count("steps", steps, least=0)
    check_count("every", every)
    unknown = [name for name in record if name not in RECORDS]
    if isinstance(record, str) or unknown:
        raise ValueError(f"record must be a tuple out of {RECORDS}, got {record!r}")


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
    if batches is not None:
        batches.steps_per_epoch(len(data[0]))


def _check_loss(landscape: Landscape, w: Tensor, data: tuple[Tensor, ...]) -> None:
    """Try the loss once, on one run, in ordinary PyTorch, whose errors are the clearest."""
    one = w.reshape(-1, w.shape[-1])[0].clone().requires_grad_()
    loss = landscape.loss(one, *data)
    if not isinstance(loss, Tensor) or loss.shape != ():
        got = tuple(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
        raise ValueError(f"the loss must return one number, a tensor of shape (), got {got}")
    if not loss.requires_grad:
        raise ValueError("the loss must depend on w, got one that has no gradient")
