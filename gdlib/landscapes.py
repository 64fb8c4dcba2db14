"""Losses over a weight vector: surfaces to look at, and neural networks as the same thing."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value
from torch.nn.utils import parameters_to_vector


@dataclass(frozen=True)
class Landscape:
    """A loss over a weight vector ``w`` of shape ``(d,)``, written for one run.

    loss    ``loss(w)`` or ``loss(w, *batch)``; returns a tensor of shape ``()``
    start   ``(d,)`` where a descent begins unless told otherwise
    box     ``((low, high), …)`` one pair per weight: the part worth drawing
    minima  ``(m, d)`` the global minima that are known
    """

    loss: Callable[..., Tensor]
    start: Tensor | None = None
    box: tuple[tuple[float, float], ...] | None = None
    minima: Tensor | None = None

    def grad_and_value(self, w: Tensor, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """The gradient ``(d,)`` that a descent follows at ``w``, and the loss there."""
        return grad_and_value(self.loss)(w, *batch)


@dataclass(frozen=True)
class Game(Landscape):
    """Two players share ``w``, and each descends a loss of its own by its own weights alone.

    loss   what the first player pays, and what a run records
    rival  what the second player pays, written like ``loss``
    first  the first player has ``w[:first]``, the second the rest

    In place of a gradient a descent follows the vector field that both own gradients make: both
    players move at once. Raises ``ValueError`` if ``first`` leaves one of them without weights.
    """

    rival: Callable[..., Tensor] = field(kw_only=True)
    first: int = field(kw_only=True)

    def grad_and_value(self, w: Tensor, *batch: Tensor) -> tuple[Tensor, Tensor]:
        """The vector field ``(d,)`` at ``w``, and the first player's loss there."""
        if not 0 < self.first < len(w):
            raise ValueError(f"first must be between 1 and {len(w) - 1}, got {self.first}")
        one, two = w[: self.first], w[self.first :]
        own, loss = grad_and_value(lambda v: self.loss(torch.cat([v, two]), *batch))(one)
        other = grad(lambda v: self.rival(torch.cat([one, v]), *batch))(two)
        return torch.cat([own, other]), loss


def _vector(*values: float | tuple[float, float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _positive(name: str, value: float) -> float:
    if not _between(value, 0):
        raise ValueError(f"{name} must be a positive number, got {value!r}")
    return float(value)


def _between(value: float, low: float, high: float = math.inf) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and low < value < high


def parabola(curvature: float = 1.0) -> Landscape:
    """The one-weight loss ``curvature · w² / 2``; its second derivative is ``curvature``.

    Gradient descent multiplies w by ``1 - lr · curvature`` at every step.
    Raises ``ValueError`` if the curvature is not positive.
    """
    curvature = _positive("curvature", curvature)
    return Landscape(
        lambda w: curvature * (w**2).sum() / 2, _vector(-4.0), ((-5.0, 5.0),), _vector(0.0)[None]
    )


def ravine(curvature: float = 10.0) -> Landscape:
    """The quadratic ravine ``(x² + curvature · y²) / 2``.

    ``curvature`` is the ratio of the Hessian's eigenvalues, the condition number κ; plain descent
    is stable while ``lr < 2 / curvature``. Raises ``ValueError`` if it is below 1.

    Source: Goh, "Why Momentum Really Works", Distill 2017.
    """
    if not _between(curvature, 0) or curvature < 1:
        raise ValueError(f"curvature must be at least 1, got {curvature!r}")
    eigenvalues = _vector(1.0, curvature)
    return Landscape(
        lambda w: (eigenvalues * w**2).sum() / 2,
        _vector(-4.0, 1.5),
        ((-5.0, 5.0), (-2.5, 2.5)),
        _vector(0.0, 0.0)[None],
    )


def huber(corner: float = 1.0) -> Landscape:
    """The one-weight Huber loss: ``w² / 2`` up to ``|w| = corner``, a straight line beyond.

    Convex, and its gradient changes by at most 1 per unit of w (L = 1). From a start at R, the
    corner ``R / (2k + 1)`` is the worst case for k steps of length 1 / L.
    Raises ``ValueError`` if the corner is not positive.

    Source: Drori & Teboulle, Mathematical Programming 145, 2014.
    """
    corner = _positive("corner", corner)

    def loss(w: Tensor) -> Tensor:
        line = corner * (w.abs() - corner / 2)
        return torch.where(w.abs() <= corner, w**2 / 2, line).sum()

    return Landscape(loss, _vector(1.0), ((-1.5, 1.5),), _vector(0.0)[None])


def double_well(tilt: float = 0.3) -> Landscape:
    """The one-weight loss ``(w² - 1)² + tilt · w``: two valleys, the left one deeper if tilt > 0.

    Raises ``ValueError`` unless ``|tilt| < 8 / (3√3) ≈ 1.54``, beyond which one valley is gone.
    """
    if not _between(tilt, -8 / (3 * 3**0.5), 8 / (3 * 3**0.5)):
        raise ValueError(f"|tilt| must be below 8 / (3√3), about 1.54, got {tilt!r}")
    # The outermost root of 4w³ - 4w + tilt, the slope, on the side of the deeper valley.
    depth = 2 / 3**0.5 * math.cos(math.acos(3 * 3**0.5 / 8 * abs(tilt)) / 3)
    minima = _vector(-math.copysign(depth, tilt))[None] if tilt else _vector(-1.0, 1.0)[:, None]
    return Landscape(
        lambda w: ((w**2 - 1) ** 2 + tilt * w).sum(), _vector(1.8), ((-2.0, 2.0),), minima
    )


def himmelblau() -> Landscape:
    """Himmelblau's surface ``(x² + y - 11)² + (x + y² - 7)²``: four minima, all with loss 0.

    Source: Himmelblau, Applied Nonlinear Programming, 1972.
    """
    minima = _vector(
        (3.0, 2.0),
        (-2.805118086952745, 3.131312518250573),
        (-3.779310253377747, -3.283185991286170),
        (3.584428340330492, -1.848126526964404),
    )

    def loss(w: Tensor) -> Tensor:
        x, y = w[0], w[1]
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    return Landscape(loss, _vector(0.0, 0.0), ((-5.0, 5.0), (-5.0, 5.0)), minima)


def saddle() -> Landscape:
    """The saddle ``x² / 2 + (y² - 1)² / 4``: a ridge along y = 0 between two minima at (0, ±1).

    The default start lies exactly on the ridge, where the gradient points to the saddle point.
    """
    return Landscape(
        lambda w: w[0] ** 2 / 2 + (w[1] ** 2 - 1) ** 2 / 4,
        _vector(-2.0, 0.0),
        ((-2.5, 2.5), (-1.75, 1.75)),
        _vector((0.0, -1.0), (0.0, 1.0)),
    )


def _trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that a descent moves, by name."""
    found = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if not found:
        raise ValueError(f"the module has no parameters to train: {module}")
    return found


def _check_norms(module: nn.Module) -> None:
    for name, part in module.named_modules():
        if part.training and getattr(part, "track_running_stats", False):
            raise ValueError(
                f"{name or 'the module'}, a {type(part).__name__} in train mode, would change its "
                "running statistics at every call: call eval() first, or make it with "
                "track_running_stats=False"
            )


def network_output(module: nn.Module) -> Callable[[Tensor, Tensor], Tensor]:
    """The module as a function ``f(w, x)`` of the flat vector ``w`` of its trainable parameters.

    ``w`` has shape ``(d,)`` and the order of ``module.parameters()``, as in ``network_loss``; what
    does not require a gradient is frozen, and stays as it is now.
    """
    _check_norms(module)
    trained = _trainable(module)
    sizes = [p.numel() for p in trained.values()]
    rest = (item for item in module.named_parameters() if item[0] not in trained)
    frozen = {name: p.detach().clone() for name, p in rest}

    def output(w: Tensor, x: Tensor) -> Tensor:
        _check_norms(module)
        parts = zip(trained.items(), w.split(sizes), strict=True)
        weights = {name: part.view(p.shape) for (name, p), part in parts}
        return functional_call(module, {**frozen, **weights}, (x,))

    return output


def network_loss(module: nn.Module, criterion: Callable[[Tensor, Tensor], Tensor]) -> Landscape:
    """A neural network as a landscape: ``loss(w, x, y) = criterion(module(x), y)``.

    ``start`` is a copy of the module's present parameters, flattened to shape ``(d,)``; frozen
    ones (``requires_grad=False``) are left out of it and stay. Batch normalisation works in eval
    mode or without running statistics; ``jacrev`` differentiates its gradient, ``jacfwd`` cannot.
    Raises ``ValueError`` if the module has no parameters to train.
    """
    output = network_output(module)
    return Landscape(lambda w, x, y: criterion(output(w, x), y), _flat(module))


def initial_weights(make_module: Callable[[], nn.Module], seeds: Sequence[int]) -> Tensor:
    """The flat initial parameters ``(len(seeds), d)`` of one fresh module per seed.

    PyTorch initialises from its global generator; here that generator is seeded for each module
    and put back afterwards. Raises ``ValueError`` for a seed that is no whole number.
    """
    if isinstance(seeds, Tensor):
        seeds = [] if seeds.is_meta else seeds.flatten().tolist()
    whole = isinstance(seeds, Sequence) and all(isinstance(seed, Integral) for seed in seeds)
    if not whole or not seeds:
        raise ValueError(f"seeds must be whole numbers, at least one seed, got {seeds!r}")
    rows = []
    with torch.random.fork_rng(devices=[]):
        for seed in seeds:
            torch.manual_seed(int(seed))
            rows.append(_flat(make_module()))
    return torch.stack(rows)


def _flat(module: nn.Module) -> Tensor:
    return parameters_to_vector(_trainable(module).values()).detach().clone()
