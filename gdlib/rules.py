"""Update rules as two pure functions; every setting may hold one value per run.

Each equals its ``torch.optim`` namesake step for step. A setting is a number or a tensor; tensor
settings broadcast together to the shape of the runs, which ``torch.optim`` cannot do.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import torch
from torch import Tensor

Setting = float | Tensor
BELOW_1 = ("momentum", "beta", "beta1", "beta2")  # settings that are the factor of an average
State = tuple[Tensor, ...]


@dataclass(frozen=True)
class Rule:
    """How weights move: ``init(w) -> state`` and ``step(grad, state, w) -> (move, state)``.

    ``w`` and ``grad`` have shape ``(runs…, d)``; the new weights are ``w + move``.
    ``runs`` is the shape that the settings broadcast to, ``()`` if all are plain numbers.
    ``steps`` is how many steps it can take at most, if there is such a limit.
    """

    name: str
    runs: torch.Size
    init: Callable[[Tensor], State]
    step: Callable[[Tensor, State, Tensor], tuple[Tensor, State]]
    steps: float = math.inf


def _settings(**settings: Setting) -> tuple[list, torch.Size]:
    """The settings, checked and ready to broadcast against ``(runs…, d)``, and the runs' shape."""
    for name, value in settings.items():
        odd = isinstance(value, Tensor) and (
            value.is_complex() or value.dtype == torch.bool or value.is_meta
        )
        if odd or isinstance(value, bool) or not isinstance(value, Real | Tensor):
            raise TypeError(f"{name} must be a number or a tensor of numbers, got {value!r}")
        number = torch.as_tensor(value)
        if isinstance(value, Tensor):  # exact beside weights of any precision, whole numbers too
            settings[name] = value.double()
        wrong = number[~((number >= 0) & (number < (1 if name in BELOW_1 else math.inf)))]
        if wrong.numel():
            bound = "in [0, 1)" if name in BELOW_1 else "finite and not negative"
            raise ValueError(f"{name} must be {bound}, got {wrong.flatten()[0].item():g}")
    runs = broadcast(**{k: v.shape for k, v in settings.items() if isinstance(v, Tensor)})
    values = settings.values()
    return [v.unsqueeze(-1) if isinstance(v, Tensor) and v.dim() else v for v in values], runs


def broadcast(**shapes: torch.Size) -> torch.Size:
    """The one shape of runs that these broadcast to; raises ``ValueError`` if there is none."""
    try:
        return torch.broadcast_shapes(*shapes.values())
    except RuntimeError:
        listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items() if shape)
        raise ValueError(f"the runs must broadcast to one shape, got {listed}") from None


def gd(lr: Setting, weight_decay: Setting = 0.0) -> Rule:
    """Gradient descent, ``w ← w - lr · grad``: ``torch.optim.SGD(lr=lr)``."""
    (lr, decay), runs = _settings(lr=lr, weight_decay=weight_decay)
    return Rule("gd", runs, lambda w: (), lambda g, state, w: (-lr * _decayed(g, decay, w), state))


def momentum(
    lr: Setting, beta: Setting = 0.9, dampening: Setting = 0.0, weight_decay: Setting = 0.0
) -> Rule:
    """The heavy ball as PyTorch has it: ``v ← beta · v + grad``, ``w ← w - lr · v``.

    ``dampening`` scales every gradient but the first by ``1 - dampening``.
    Equal to ``torch.optim.SGD(lr=lr, momentum=beta, …)``. Source: Polyak 1964.
    """
    return _ball("momentum", lr=lr, beta=beta, dampening=dampening, weight_decay=weight_decay)


def nesterov(lr: Setting, beta: Setting = 0.9, weight_decay: Setting = 0.0) -> Rule:
    """Nesterov's momentum: the heavy ball that moves by ``grad + beta · v``.

    Equal to ``torch.optim.SGD(lr=lr, momentum=beta, nesterov=True)``. Source: Nesterov 1983.
    """
    return _ball("nesterov", lr=lr, beta=beta, dampening=0.0, weight_decay=weight_decay)


def _ball(name: str, **given: Setting) -> Rule:
    (lr, beta, dampening, decay), runs = _settings(**given)

    def step(grad: Tensor, state: State, w: Tensor) -> tuple[Tensor, State]:
        velocity, started = state  # 0 at the first step, 1 afterwards: dampening spares the first
        grad = _decayed(grad, decay, w)
        damped = grad if _is_zero(dampening) else grad * (1 - dampening * started * (beta != 0))
        velocity = beta * velocity + damped
        direction = grad + beta * velocity if name == "nesterov" else velocity
        return -lr * direction, (velocity, torch.ones_like(started))

    return Rule(name, runs, lambda w: (torch.zeros_like(w), _zero(w)), step)


def scheduled(rule: Rule, factors: Tensor) -> Rule:
    """The rule with its learning rate multiplied by ``factors[k]`` at step k.

    factors  ``(steps,)``, or ``(steps, runs…)`` for one schedule per run

    Equal to the rule's ``torch.optim`` namesake under ``torch.optim.lr_scheduler.LambdaLR``. Raises
    ``ValueError`` for factors that are negative or not finite, and in a descent of more steps.
    """
    if not isinstance(factors, Tensor) or not factors.dim() or not len(factors):
        raise TypeError(f"factors must be a tensor with one row for each step, got {factors!r}")
    (factors,), shape = _settings(factors=factors)
    runs = broadcast(rule=rule.runs, factors=shape[1:])

    def init(w: Tensor) -> State:
        return torch.zeros((), dtype=torch.long, device=w.device), *rule.init(w)

    def step(grad: Tensor, state: State, w: Tensor) -> tuple[Tensor, State]:
        count, *inner = state
        move, inner = rule.step(grad, tuple(inner), w)
        now = factors.index_select(0, count.view(1))[0]  # factors[count] cannot be traced
        return now * move, (count + 1, *inner)

    return Rule(f"scheduled {rule.name}", runs, init, step, min(rule.steps, len(factors)))


def adagrad(
    lr: Setting, lr_decay: Setting = 0.0, eps: Setting = 1e-10, weight_decay: Setting = 0.0
) -> Rule:
    """Steps divided by the root of the sum of all squared gradients so far.

    Equal to ``torch.optim.Adagrad``. Source: Duchi, Hazan & Singer 2011.
    """
    (lr, lr_decay, eps, decay), runs = _settings(
        lr=lr, lr_decay=lr_decay, eps=eps, weight_decay=weight_decay
    )

    def step(grad: Tensor, state: State, w: Tensor) -> tuple[Tensor, State]:
        total, count = state
        grad = _decayed(grad, decay, w)
        total = total + grad**2
        rate = lr / (1 + count * lr_decay)
        return -rate * grad / (total.sqrt() + eps), (total, count + 1)

    return Rule("adagrad", runs, lambda w: (torch.zeros_like(w), _zero(w)), step)


def rmsprop(
    lr: Setting, beta: Setting = 0.99, eps: Setting = 1e-8,
    weight_decay: Setting = 0.0, momentum: Setting = 0.0, centered: bool = False,
) -> Rule:  # fmt: skip
    """Steps divided by the root of a running average of squared gradients.

    ``beta`` is the average's factor, PyTorch's ``alpha``. Equal to ``torch.optim.RMSprop``.
    Source: Tieleman & Hinton 2012.
    """
    if not isinstance(centered, bool):
        raise TypeError(f"centered must be True or False, got {centered!r}")
    (lr, beta, eps, decay, ball), runs = _settings(
        lr=lr, beta=beta, eps=eps, weight_decay=weight_decay, momentum=momentum
    )

    def step(grad: Tensor, state: State, w: Tensor) -> tuple[Tensor, State]:
        square, mean, velocity = state
        grad = _decayed(grad, decay, w)
        square = beta * square + (1 - beta) * grad**2
        mean = mean + (1 - beta) * (grad - mean) if centered else mean
        spread = (square - mean**2 if centered else square).sqrt() + eps
        velocity = ball * velocity + grad / spread
        return -lr * velocity, (square, mean, velocity)

    return Rule("rmsprop", runs, lambda w: tuple(torch.zeros_like(w) for _ in range(3)), step)


def adam(
    lr: Setting, beta1: Setting = 0.9, beta2: Setting = 0.999,
    eps: Setting = 1e-8, weight_decay: Setting = 0.0,
) -> Rule:  # fmt: skip
    """Running averages of the gradient and of its square, both corrected for their cold start.

    Equal to ``torch.optim.Adam(betas=(beta1, beta2))``. Source: Kingma & Ba 2015.
    """
    return _adam("adam", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def adamw(
    lr: Setting, beta1: Setting = 0.9, beta2: Setting = 0.999,
    eps: Setting = 1e-8, weight_decay: Setting = 0.01,
) -> Rule:  # fmt: skip
    """Adam whose weight decay shrinks the weights directly instead of entering the gradient.

    Equal to ``torch.optim.AdamW(betas=(beta1, beta2))``. Source: Loshchilov & Hutter 2019.
    """
    return _adam("adamw", lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)


def _adam(name: str, **given: Setting) -> Rule:
    (lr, beta1, beta2, eps, decay), runs = _settings(**given)
    decoupled = name == "adamw"

    def step(grad: Tensor, state: State, w: Tensor) -> tuple[Tensor, State]:
        mean, square, count = state
        count = count + 1
        grad = grad if decoupled else _decayed(grad, decay, w)
        mean = mean + (1 - beta1) * (grad - mean)
        square = beta2 * square + (1 - beta2) * grad**2
        spread = (square / (1 - beta2**count)).sqrt() + eps
        move = -lr / (1 - beta1**count) * mean / spread
        if decoupled:  # rounded as torch.optim rounds it: first the weights shrink, then they move
            move = w * (1 - lr * decay) - w + move
        return move, (mean, square, count)

    return Rule(name, runs, lambda w: (torch.zeros_like(w), torch.zeros_like(w), _zero(w)), step)


def _is_zero(setting: Setting) -> bool:
    return not isinstance(setting, Tensor) and setting == 0


def _decayed(grad: Tensor, decay: Setting, w: Tensor) -> Tensor:
    return grad if _is_zero(decay) else grad + decay * w


def _zero(w: Tensor) -> Tensor:
    """A count of steps, exact whatever the weights' own precision is."""
    return torch.zeros((), dtype=torch.float64, device=w.device)
