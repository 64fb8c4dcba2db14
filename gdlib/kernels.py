"""A step of all runs as a flat list of kernels, written down once and replayed.

A step written in PyTorch costs its kernels and, several times that, the way to them: Python, vmap,
autograd. So the step is run once under ``make_fx``, which writes down every kernel that was called,
with what. From that list go the entries that change nothing: views of views, products with 1,
matrix products over an inner size of 1, whatever was computed twice or is never used. What is left
becomes a Python function of one line a kernel, which is all that a later step costs. It is used
only if it gives what the step as written gives.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cache, partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from gdlib.simplify import acts, simplify

Step = Callable[..., tuple[Tensor, ...]]

TRACE_FROM = 100  # calls; below, writing down costs more than it saves
# PyTorch's own bindings of these cost a third of a microsecond less than the general way.
BOUND = {
    torch: "add sub mul div neg exp relu sum cat mm bmm addmm transpose t pow split_with_sizes",
    Tensor: "view expand",
}
BOUND = {name: getattr(home, name) for home, names in BOUND.items() for name in names.split()}


class Undrawn(TorchDispatchMode):
    """Random numbers are drawn inside as ever; afterwards the generators are as before.

    before  the generators that were drawn from, and their states before it
    """

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[torch.Generator, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if torch.Tag.nondeterministic_seeded in func.tags:
            generator = (kwargs or {}).get("generator") or _default_generator(args, kwargs or {})
            if generator not in self.before:
                self.before[generator] = generator.get_state()
        return func(*args, **(kwargs or {}))

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        for generator, state in self.before.items():
            generator.set_state(state)


def _default_generator(args: tuple, kwargs: dict[str, Any]) -> torch.Generator:
    devices = [x.device for x in args if isinstance(x, Tensor)]
    device = torch.device(kwargs.get("device") or (devices or ["cpu"])[0])
    if device.type == "cuda":
        return torch.cuda.default_generators[device.index or torch.cuda.current_device()]
    return torch.default_generator


def same(one: Sequence[Tensor], other: Sequence[Tensor], exact: bool = False) -> bool:
    """Whether tensors agree in shape, kind and every number, up to rounding unless ``exact``."""
    return all(
        a.shape == b.shape and a.dtype == b.dtype and _close(a, b, exact)
        for a, b in zip(one, other, strict=True)
    )


def _close(a: Tensor, b: Tensor, exact: bool) -> bool:
    if not a.is_floating_point():
        return torch.equal(a, b)
    tolerance = 0.0 if exact else min(1e3 * torch.finfo(a.dtype).eps, 0.05)
    size = a[a.isfinite()].abs().max().item() if a.isfinite().any() else 0.0
    return torch.allclose(a, b, rtol=0.0, atol=tolerance * size, equal_nan=True)


def traced(step: Step, args: Sequence[Tensor]) -> Callable[[int], Step] | None:
    """A step, a pure function of tensors, as kernels for arguments of these shapes.

    Returns ``first``, where ``first(n)`` gives the step's first n results and computes no more than
    they need; None if the step cannot be written down or does otherwise when it is replayed.
    """
    for tidy in (simplify, lambda graph: None):  # a layout may forbid what a rule proposes
        with suppress(Exception):  # whatever cannot be written down runs as it was written
            with torch.inference_mode(False), Undrawn():
                module = make_fx(step)(*args)
            tidy(module.graph)
            with Undrawn():
                expected = step(*args)
            with Undrawn():
                found = _written(module, len(expected))(*args)
            if same(expected, found):
                return cache(partial(_written, module))
    return None


def replayed(step: Step, calls: int) -> Callable[..., tuple[Tensor, ...]]:
    """``results(n, *args)``, the step's first n results, by its kernels if that is worth it.

    Arguments keep their shapes from call to call, but for the last one.
    """
    firsts: dict[torch.Size, Callable[[int], Step]] = {}

    def results(count: int, *args: Tensor) -> tuple[Tensor, ...]:
        shape = args[-1].shape
        if shape not in firsts:
            firsts[shape] = traced(step, args) or (lambda count: step)
        return firsts[shape](count)(*args)[:count]

    return results if calls >= TRACE_FROM else lambda count, *args: step(*args)[:count]


def _written(module: GraphModule, count: int) -> Step:
    """The kernels that the first results need as a Python function, one line a kernel."""
    graph = Graph()
    results: Any = graph.graph_copy(module.graph, {})
    graph.output(results[:count])
    graph.eliminate_dead_code(lambda node: acts(node) or node.op in ("placeholder", "output"))
    pure = not any(acts(node) for node in graph.nodes)
    space: dict[str, Any] = {}
    lines = []
    for node in graph.nodes:
        if node.op == "get_attr":
            space[node.name] = attrgetter(node.target)(module)
        elif pure and node.op == "call_function" and not node.all_input_nodes:
            space[node.name] = node.target(*node.args, **node.kwargs)  # the same at every step
        elif node.op == "call_function":
            last = [used.name for used in node.all_input_nodes if [*used.users][-1] is node]
            free = "".join(f"; {name} = None" for name in last if name not in space)
            lines.append(f"    {node.name} = {_call(node, space)}{free}")
    names = ", ".join(node.name for node in graph.find_nodes(op="placeholder"))
    back = "".join(f"{node.name}, " for node in results[:count])
    exec("\n".join([f"def replay({names}):", *lines, f"    return ({back})"]), space)
    return space["replay"]


def _call(node: Node, space: dict[str, Any]) -> str:
    """The call of the C function behind a kernel; what is no tensor gets a name in ``space``."""

    def text(value: Any) -> str:
        if isinstance(value, Node):
            return value.name
        if isinstance(value, list | tuple):
            return f"[{', '.join(map(text, value))}]"
        name = f"c_{len(space)}"
        space[name] = value
        return name

    target: Any = node.target
    function = BOUND.get(getattr(target, "_opname", ""), getattr(target, "_op", target))
    values = [*map(text, node.args), *(f"{k}={text(v)}" for k, v in node.kwargs.items())]
    return f"{text(function)}({', '.join(values)})"
