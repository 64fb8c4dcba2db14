"""The checks of chapter 11: right answers in several styles, and wrong ones."""

import pytest
import torch
from torch import nn

from gdlib import checks
from tests.exercises import said


def two_steps(field, w, lr):
    ahead = w - lr * field(w)
    return ahead - lr * field(ahead)


def without_clearing(generator, discriminator):
    """A GAN whose discriminator also steps along what the generator's backward left."""
    optimizers = [
        torch.optim.Adam(m.parameters(), lr=0.01, betas=(0.0, 0.99))
        for m in (generator, discriminator)
    ]

    def discriminator_step(real, noise):
        real_loss = nn.functional.softplus(-discriminator(real)).mean()
        fake_loss = nn.functional.softplus(discriminator(generator(noise).detach())).mean()
        (real_loss + fake_loss).backward()
        optimizers[1].step()

    def generator_step(noise):
        optimizers[0].zero_grad()
        nn.functional.softplus(-discriminator(generator(noise))).mean().backward()
        optimizers[0].step()

    return discriminator_step, generator_step


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("extragradient", two_steps, "ends 0.39 from where"),
        ("extragradient", lambda field, w, lr: w - lr * field(w - lr), "from where it should"),
        ("largest_dirac_lr", lambda gamma: 0.1, "rate 0.9913 below, 0.9911 above"),
        ("largest_dirac_lr", lambda gamma: 4 / gamma, "rate"),
        ("gan_steps", without_clearing, "After 150 turns the samples are"),
        ("gan_steps", lambda g, d: (lambda x, z: None, lambda z: None), "After 150 turns"),
    ],
)
def test_answers_on_games_are_judged_by_where_they_lead(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)
