"""One step of all runs: gradients by vmap, then the rule, as a function of tensors alone."""

from collections.abc import Callable, Sequence

from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from gdlib.data import Sampler
from gdlib.kernels import Step, Undrawn, same
from gdlib.landscapes import Landscape
from gdlib.rules import Rule


def step_of(
    landscape: Landscape, rule: Rule, data: Sequence[Tensor], batches: Sampler | None, w: Tensor
) -> tuple[Step, list[Tensor]]:
    """One step of all runs as a function of tensors alone, and the first state's tensors.

    It takes the weights, the state's tensors and, if there are batches, an index; it returns the
    new weights, the new state's tensors, the loss and the gradient.
    """
    first, form = tree_flatten(rule.init(w))
    for leaf in first:
        if not isinstance(leaf, Tensor):
            raise TypeError(f"a rule's state must hold tensors only, got {leaf!r}")
    per_run = batches is not None and batches.seeds.dim() > 0

    def step(w: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        leaves, batch = rest[: form.num_leaves], data
        if batches is not None:
            index = rest[-1].expand(*w.shape[:-1], -1) if per_run else rest[-1]
            batch = tuple(x[index] for x in data)
        grad, value = over_runs(landscape.grad_and_value, w, per_run)(w, *batch)
        move, state = rule.step(grad, tree_unflatten(leaves, form), w)
        after, new_form = tree_flatten(state)
        if not isinstance(move, Tensor) or move.shape != w.shape or new_form != form:
            got = tuple(move.shape) if isinstance(move, Tensor) else type(move).__name__
            raise ValueError(
                f"a rule's step must return a move of shape {tuple(w.shape)} and a state like "
                f"its first, got {got} and {type(state).__name__} of {len(after)}"
            )
        # Settings per run in float64 would otherwise turn a float32 state into another.
        both, real = zip(after, leaves, strict=True), Tensor.is_floating_point
        kept = [a.to(b.dtype) if real(a) and real(b) else a for a, b in both]
        return w + move.to(w.dtype), *kept, value, grad

    return step, [leaf.clone() for leaf in first]


def check_pure(step: Step, *args: Tensor) -> tuple[bool, bool]:
    """Whether the state keeps its shapes, and whether random numbers are drawn.

    Raises ``ValueError`` for a step that gives another result when it is taken again.
    """
    try:
        with Undrawn() as dice:
            first = step(*args)
    except RuntimeError as error:  # alone and in ordinary PyTorch the loss was tried before
        raise ValueError(
            "with several runs at once a loss may not ask for the value of a tensor (`if`, "
            "`.item()`, `float`, NumPy; torch.where decides instead), nor may it write to a tensor "
            f"from outside. PyTorch says: {error}"
        ) from error
    with Undrawn():
        second = step(*args)
    if not same(first, second, exact=args[0].device.type == "cpu"):
        raise ValueError(
            "the loss or the rule gives another result for the same weights when it is called "
            "again: keep counters in the rule's state, and draw random numbers with torch"
        )
    moved = zip(first[:-2], args, strict=False)  # the weights and the state, after and before
    return all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in moved), bool(dice.before)


def over_runs(function: Callable, w: Tensor, per_run: bool = False) -> Callable:
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
