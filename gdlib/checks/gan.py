"""Exercises on games: a step for two players, a stable learning rate, a GAN's two steps."""

import torch
from torch import nn

from gdlib.checks.judging import NotYet, ask, check, number


@check
def check_extragradient(answer: object) -> str:
    """How far ``answer(field, w, lr)`` on a curved field ends from where it should."""
    field, w = (lambda w: torch.stack([w[1] + w[0] ** 3, -w[0]])), torch.tensor([0.8, 0.5])
    right, step = w - 0.3 * field(w - 0.3 * field(w)), ask(answer, field, w, 0.3, about="A step")
    if (off := number(ask(torch.dist, step, right, about="A step"), "A step")) > 1e-5:
        raise NotYet(f"It ends {off:.2g} from where it should (a simultaneous step: 0.1).")
    return "Look ahead, come back, and step with what you saw there."


@check
def check_largest_dirac_lr(answer: object) -> str:
    """The rates of the Dirac-GAN with R1, for steps 1 % below and above ``answer(gamma)``."""
    for gamma in (0.2, 0.7, 1.0, 1.5, 4.0):
        lr = number(ask(answer, gamma, about=f"γ = {gamma:g}"), f"γ = {gamma:g}")
        field = torch.tensor([[0, -0.5], [0.5, gamma]], dtype=torch.float64)
        steps = (torch.eye(2) - lr * f * field for f in (0.99, 1.01))
        low, high = (torch.linalg.eigvals(step).abs().max().item() for step in steps)
        if not low < 1 < high:
            raise NotYet(f"γ = {gamma:g}, lr = {lr:.4g}: rate {low:.4f} below, {high:.4f} above.")
    return "For five penalties the players arrive just below your lr, and leave just above it."


@check
def check_gan_steps(answer: object) -> str:
    """Take the two steps of ``answer(generator, discriminator)``: whom they move, and where to."""
    torch.optim.Adam([torch.zeros(1)])  # what it imports takes seconds under ask's watch
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        g, d = (nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, n)) for n in (2, 1))
        x, z = torch.tensor([2.0, -1.0]) + 0.3 * torch.randn(64, 2), torch.randn(64, 2)
    steps = ask(lambda two: (two[0], two[1]), ask(answer, g, d, about="Both"), about="Both steps")
    for k, (step, data, other) in enumerate([(steps[0], (x, z), g), (steps[1], (z,), d)] * 150):
        before = nn.utils.parameters_to_vector(other.parameters()).detach()
        ask(step, *data, about=(name := ("discriminator's step", "generator's step")[k % 2]))
        if moved := torch.dist(nn.utils.parameters_to_vector(other.parameters()), before).item():
            raise NotYet(f"The {name} moved the other player's weights by {moved:.2g}.")
    if (gap := torch.dist(g(z).mean(0), x.mean(0)).item()) > 0.5:
        raise NotYet(f"After 150 turns the samples are {gap:.2g} from the data on average.")
    return f"Each step moves its own player alone, and the samples come within {gap:.1g}."
