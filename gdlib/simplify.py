"""What changes nothing in a list of kernels, and how it goes; every number stays as it is."""

from typing import Any

import torch
from torch.fx import Graph, Node

aten = torch.ops.aten
LARGEST = 1 << 20  # numbers in a tensor whose views are looked at


def acts(node: Node) -> bool:
    """True for a kernel that does more than to return a function of its arguments."""
    op: Any = node.target
    return isinstance(op, torch._ops.OpOverload) and (
        op._schema.is_mutable or torch.Tag.nondeterministic_seeded in op.tags
    )


def simplify(graph: Graph) -> None:
    """Replace nodes by simpler ones, in place; nothing is erased, but much is no longer used."""
    if any(acts(node) and node.target._schema.is_mutable for node in graph.nodes):  # pyright: ignore
        return  # whoever writes to a tensor may write to a view of another
    chains: dict[Node, Any] = {}
    seen: dict[Any, Node] = {}
    for node in graph.nodes:
        if node.op != "call_function" or acts(node):
            continue
        with graph.inserting_before(node):
            other = _simpler(graph, node) or _seen_through(graph, node, chains)
        if other is None:
            key = node.target, repr((node.args, node.kwargs))  # no two nodes share a name
            other = seen.setdefault(key, node)  # computed before?
        if other is not node:
            node.replace_all_uses_with(other)


def _simpler(graph: Graph, node: Any) -> Node | None:
    """A kernel that computes the same with less, where a rule knows one."""
    op, out, args = node.target, node.meta.get("val"), node.args
    if op in (aten.ones_like.default, aten.zeros_like.default):  # its shape is known by now
        number, kind = int("one" in op.name()), {"dtype": out.dtype, "device": out.device}
        return _new(graph, node, aten.full.default, list(out.shape), number, **kind)
    x = args[0].meta.get("val") if args and isinstance(args[0], Node) else None
    if not isinstance(x, torch.Tensor) or not isinstance(out, torch.Tensor):
        return None
    if op in (aten.mul.Scalar, aten.mul.Tensor, aten.div.Scalar, aten.div.Tensor):
        unchanged = (x.shape, x.dtype) == (out.shape, out.dtype)
        return args[0] if unchanged and _is_one(args[1]) else None
    if op in (aten.mm.default, aten.bmm.default) and x.shape[-1] == 1:
        # The product of a column and a row needs no sum, and mul broadcasts by itself.
        factors = [_narrowest(factor) for factor in args]
        shapes = [factor.meta["val"].shape for factor in factors]
        wide = torch.broadcast_shapes(*shapes) == out.shape
        return _new(graph, node, aten.mul.Tensor, *(factors if wide else args))
    if op in (aten.sum.dim_IntList, aten.mean.dim) and args[1] and x.dtype == out.dtype:
        single = all(x.shape[k] == 1 for k in args[1])
        return _new(graph, node, aten.view.default, args[0], list(out.shape)) if single else None
    return None


def _new(graph: Graph, like: Node, op: Any, *args: Any, **kwargs: Any) -> Node:
    node = graph.call_function(op, args, kwargs)
    node.meta["val"] = like.meta["val"]
    return node


def _narrowest(node: Any) -> Any:
    return _narrowest(node.args[0]) if node.target is aten.expand.default else node


def _is_one(value: Any) -> bool:
    while isinstance(value, Node) and value.target in (aten.view.default, aten.expand.default):
        value = value.args[0]
    if isinstance(value, Node):
        return value.target is aten.full.default and bool(value.args[1] == 1)
    return isinstance(value, int | float) and value == 1


def _seen_through(graph: Graph, node: Any, chains: dict[Node, Any]) -> Node | None:
    """The tensor that a view, a view of views, or a concatenation of views is a plain view of.

    ``chains[view]`` holds the tensors that it is a view of, the first one first and itself last,
    each with its place: for each of its numbers, the number of the first that it is.
    """
    if node.target is aten.cat.default:
        behind = [chains.get(part) for part in node.args[0]]
        if None in behind or len({chain[0][0] for chain in behind}) != 1:  # pyright: ignore
            return None
        chain = behind[0][:1]  # pyright: ignore
        place = torch.cat([chain[-1][1] for chain in behind], *node.args[1:])  # pyright: ignore
    elif isinstance(node.target, torch._ops.OpOverload):
        reshapes = node.target in (aten.view.default, aten._unsafe_view.default)
        if not (node.target.is_view or reshapes):
            return None
        shape = node.args[0].meta["val"].shape
        if shape.numel() > LARGEST:
            return None
        chain = chains.get(node.args[0])
        chain = chain or [(node.args[0], torch.arange(shape.numel()).view(shape))]
        look = torch.reshape if reshapes else node.target  # places have a layout of their own
        place = look(chain[-1][1], *node.args[1:], **node.kwargs)
    else:  # one of the tensors that a split returns
        if node.args[0] not in chains:
            return None
        *chain, (_, places) = chains[node.args[0]]
        place = places[node.args[1]]
    chains[node] = [*chain, (node, place)]
    if not isinstance(place, torch.Tensor):
        return None
    for source, other in [*_parts(*chain[0]), *chain]:
        if place.numel() == other.numel() and torch.equal(place.flatten(), other.flatten()):
            if place.shape == other.shape:
                return source
            view = _new(graph, node, aten.view.default, source, list(place.shape))
            chains[view] = [*chain, (view, place)]
            return view
    return None


def _parts(source: Any, place: torch.Tensor) -> list[tuple[Node, torch.Tensor]]:
    """What a tensor is a concatenation of, each part with its place."""
    if source.target is not aten.cat.default:
        return []
    parts, dim = source.args[0], source.args[1] if len(source.args) > 1 else 0
    sizes = [part.meta["val"].shape[dim] for part in parts]  # pyright: ignore
    return list(zip(parts, place.split(sizes, dim), strict=True))  # pyright: ignore
