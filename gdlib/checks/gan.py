"""Exercises on games: a step for two players, a stable learning rate, a GAN's two steps."""

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim.optimizer import register_optimizer_step_pre_hook

from gdlib.checks.judging import NotYet, ask, check, number, tensor


@check
def check_extragradient(answer: object) -> str:
    """How far ``answer(field, w, lr)`` on curved fields ends from where it should."""
    chance, draws = random.Random(11), torch.Generator().manual_seed(11)
    for size in chance.sample(range(3, 9), 3):
        turn = torch.randn(size, size, generator=draws).double()
        w = torch.randn(size, generator=draws).double()

        def field(w: Tensor, turn: Tensor = turn) -> Tensor:
            return (turn - turn.T).to(w.dtype) @ w + w**3

        lr = chance.uniform(0.05, 0.2)
        right, about = w - lr * field(w - lr * field(w)), f"{size} weights, lr = {lr:.2g}"
        got = tensor(ask(answer, field, w.clone(), lr, about=about), (size,), about)
        if (off := torch.dist(got, right)) > 1e-4 * (1 + right.norm()):
            plain = torch.dist(w - lr * field(w), right)
            raise NotYet(
                f"{about}: it ends {off:.2g} from where it should (simultaneous: {plain:.2g})."
            )
    return "Look ahead, come back, and step with what you saw there."


@check
def check_largest_dirac_lr(answer: object) -> str:
    """The rates of the Dirac-GAN with R1, for steps 1 % below and above ``answer(gamma)``."""
    chance = random.Random(11)
    gammas = [chance.uniform(*ends) for ends in ((0.1, 0.4), (0.5, 0.9), (1.2, 1.8), (2.5, 5))]
    for gamma in (*gammas, 1.0):
        about = f"γ = {gamma:.3g}"
        lr = number(ask(answer, gamma, about=about), about)
        field = torch.tensor([[0, -0.5], [0.5, gamma]], dtype=torch.float64)
        steps = (torch.eye(2) - lr * f * field for f in (0.99, 1.01))
        low, high = (torch.linalg.eigvals(step).abs().max().item() for step in steps)
        if not (lr > 0 and low < 1 < high):
            raise NotYet(f"{about}, lr = {lr:.4g}: rate {low:.4f} below, {high:.4f} above.")
    return "For five penalties the players arrive just below your lr, and leave just above it."


@check
def check_gan_steps(answer: object) -> str:
    """Whom the two steps of ``answer(generator, discriminator)`` move, and by which gradients."""
    torch.optim.Adam([torch.zeros(1)])  # what it imports takes seconds under ask's watch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        size = random.Random(11).randint(5, 9)
        g = nn.Sequential(nn.Linear(3, size), nn.Tanh(), nn.Linear(size, 2))
        d = nn.Sequential(nn.Linear(2, size + 1), nn.Tanh(), nn.Linear(size + 1, 1))
        turns = [(torch.randn(7, 2) + 1, torch.randn(7, 3)) for _ in range(4)]
    steps = ask(lambda two: tuple(two), ask(answer, g, d, about="Both"), about="Both steps")
    if len(steps) != 2:
        raise NotYet(f"Return the discriminator's step and the generator's; got {len(steps)}.")
    for turn, (x, z) in enumerate(turns, 1):
        for name, step, data in (
            ("discriminator", steps[0], (x, z)),
            ("generator", steps[1], (z,)),
        ):
            mover, other = (d, g) if name == "discriminator" else (g, d)
            own, rival = _weights(mover), _weights(other)
            wanted, about = _own_gradient(name, g, d, x, z), f"Turn {turn}, the {name}'s step"
            with _watched(mover) as used:
                ask(step, *(t.clone() for t in data), about=about)
            if moved := torch.dist(_weights(other), rival).item():
                raise NotYet(f"{about} moved the other player's weights by {moved:.2g}.")
            _judge_move(about, _weights(mover) - own, used, wanted)
    return "Each step moves its own player alone, by the gradient of its own loss, turn by turn."


def _weights(player: nn.Module) -> Tensor:
    return nn.utils.parameters_to_vector(player.parameters()).detach().clone()


def _own_gradient(name: str, g: nn.Module, d: nn.Module, x: Tensor, z: Tensor) -> Tensor:
    """The gradient of a player's own loss at the present weights, on copies."""
    g, d = copy.deepcopy(g), copy.deepcopy(d)
    if name == "generator":
        loss, player = softplus(-d(g(z))).mean(), g
    else:
        loss, player = softplus(-d(x)).mean() + softplus(d(g(z))).mean(), d
    slopes = torch.autograd.grad(loss, list(player.parameters()))
    return torch.cat([slope.flatten() for slope in slopes])


@contextmanager
def _watched(player: nn.Module) -> Iterator[list[Tensor]]:
    """The gradients that optimisers use for this player's weights, one tensor a step."""
    used: list[Tensor] = []

    def note(optimizer: torch.optim.Optimizer, *_: object) -> None:
        signs = {id(p): -1 if group.get("maximize") else 1
                 for group in optimizer.param_groups for p in group["params"]}  # fmt: skip
        if any(id(p) in signs for p in player.parameters()):
            slopes = [
                torch.zeros_like(p) if p.grad is None else signs.get(id(p), 0) * p.grad
                for p in player.parameters()
            ]
            used.append(torch.cat([slope.detach().flatten() for slope in slopes]))

    handle = register_optimizer_step_pre_hook(note)
    try:
        yield used
    finally:
        handle.remove()


def _judge_move(about: str, move: Tensor, used: list[Tensor], wanted: Tensor) -> None:
    """The gradients that were used, or without an optimiser the move, must point as they should."""
    if not move.isfinite().all() or not move.any():
        raise NotYet(f"{about} did not move its own player, or made its weights infinite.")
    if len(used) > 1:
        raise NotYet(f"{about} took {len(used)} optimiser steps; take one.")
    slope = used[0] if used else -move
    cosine = torch.nn.functional.cosine_similarity(slope.double(), wanted.double(), dim=0).item()
    if cosine < 0.9999:
        raise NotYet(
            f"{about} does not follow the gradient of its own loss (cosine {cosine:.2f}): is there "
            "something in it from an earlier step, or another loss?"
        )
