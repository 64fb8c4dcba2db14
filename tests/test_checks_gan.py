"""The checks of chapter 11: right answers in several styles, and wrong ones."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, softplus

from gdlib import checks
from tests.exercises import said


def two_steps(field, w, lr):
    ahead = w - lr * field(w)
    return ahead - lr * field(ahead)


def in_place(field, w, lr):
    w -= lr * field(w - lr * field(w))
    return w


def border(gamma):
    return 4 * gamma if gamma <= 1 else 4 / (gamma + math.sqrt(gamma**2 - 1))


def gan_steps(
    clear=("d", "g"), optimizer=torch.optim.Adam, detach=True, g_loss=None, d_loss=None, **settings
):
    """An answer to 11.3 with one thing about it changed."""
    settings = settings or {"lr": 0.01, "betas": (0.0, 0.99)}

    def answer(generator, discriminator):
        g_opt = optimizer(generator.parameters(), **settings)
        d_opt = optimizer(discriminator.parameters(), **settings)

        def discriminator_step(real, noise):
            if "d" in clear:
                d_opt.zero_grad()
            fake = generator(noise)
            fake = fake.detach() if detach else fake
            (d_loss or usual_d)(discriminator(real), discriminator(fake)).backward()
            d_opt.step()

        def generator_step(noise):
            if "g" in clear:
                g_opt.zero_grad()
            (g_loss or usual_g)(discriminator(generator(noise))).backward()
            g_opt.step()

        return discriminator_step, generator_step

    return answer


def usual_d(on_real, on_fake):
    return softplus(-on_real).mean() + softplus(on_fake).mean()


def usual_g(on_fake):
    return softplus(-on_fake).mean()


def by_cross_entropy(on_real, on_fake):
    ones, zeros = torch.ones_like(on_real), torch.zeros_like(on_fake)
    both = binary_cross_entropy_with_logits(on_real, ones)
    return both + binary_cross_entropy_with_logits(on_fake, zeros)


def by_hand(generator, discriminator):
    def move(player, loss):
        slopes = torch.autograd.grad(loss, list(player.parameters()))
        with torch.no_grad():
            for weight, slope in zip(player.parameters(), slopes, strict=True):
                weight -= 0.1 * slope

    return [
        lambda x, z: move(
            discriminator, usual_d(discriminator(x), discriminator(generator(z).detach()))
        ),
        lambda z: move(generator, usual_g(discriminator(generator(z)))),
    ]


def one_for_both(generator, discriminator):
    both = [*generator.parameters(), *discriminator.parameters()]
    optimizer = torch.optim.SGD(both, lr=0.1)

    def generator_step(noise):
        optimizer.zero_grad()
        usual_g(discriminator(generator(noise))).backward()
        optimizer.step()

    return gan_steps()(generator, discriminator)[0], generator_step


def no_discriminator(generator, discriminator):
    optimizer = torch.optim.Adam(generator.parameters(), lr=0.01)
    seen = []

    def generator_step(noise):
        optimizer.zero_grad()
        (generator(noise).mean(0) - seen[-1].mean(0)).norm().backward()
        optimizer.step()

    step = gan_steps()(generator, discriminator)[0]
    return lambda x, z: (seen.append(x), step(x, z)), generator_step


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [
        ("extragradient", lambda field, w, lr: w - lr * field(w - lr * field(w))),
        ("extragradient", lambda field, w, lr: (w - lr * field(w - lr * field(w))).numpy()),
        ("extragradient", lambda field, w, lr: (w - lr * field(w - lr * field(w))).tolist()),
        ("extragradient", in_place),
        ("largest_dirac_lr", border),
        ("largest_dirac_lr", lambda gamma: np.float64(border(gamma))),
        ("largest_dirac_lr", lambda gamma: torch.tensor([border(gamma)])),
        ("largest_dirac_lr", lambda g: 4 * g if g < 1 else 4 * (g - (g * g - 1) ** 0.5)),
        ("gan_steps", gan_steps()),
        ("gan_steps", gan_steps(lr=1e-3)),
        ("gan_steps", gan_steps(optimizer=torch.optim.SGD, lr=0.05, momentum=0.5)),
        ("gan_steps", gan_steps(optimizer=torch.optim.RMSprop, lr=0.01)),
        ("gan_steps", gan_steps(d_loss=by_cross_entropy)),
        ("gan_steps", gan_steps(d_loss=lambda *scores: usual_d(*scores) / 2)),
        ("gan_steps", by_hand),
    ],
)
def test_right_answers_in_other_styles_are_right(exercise, answer, capsys):
    assert said(capsys, getattr(checks, f"check_{exercise}"), answer).startswith("Right.")


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("extragradient", two_steps, "from where it should"),
        ("extragradient", lambda field, w, lr: w - lr * field(w - lr), "from where it should"),
        ("extragradient", lambda field, w, lr: w - 0.1 * field(w - 0.1 * field(w)), "where"),
        ("extragradient", lambda field, w, lr: w, "from where it should"),
        ("extragradient", lambda field, w, lr: w[:2], "expected finite numbers of shape"),
        ("largest_dirac_lr", lambda gamma: 0.1, "below"),
        ("largest_dirac_lr", lambda gamma: 4 / gamma, "rate"),
        ("largest_dirac_lr", lambda gamma: min(4 * gamma, 4), "rate"),
        ("largest_dirac_lr", lambda gamma: -border(gamma), "rate"),
        ("largest_dirac_lr", lambda gamma: 4 * (math.sqrt(1 + gamma**2) - gamma), "rate"),
        ("gan_steps", gan_steps(clear=()), "something in it from an earlier step"),
        ("gan_steps", gan_steps(clear="g"), "something in it from an earlier step"),
        ("gan_steps", gan_steps(clear="d"), "something in it from an earlier step"),
        ("gan_steps", gan_steps(detach=False, clear="d"), "something in it from an earlier"),
        ("gan_steps", gan_steps(g_loss=lambda s: -softplus(s).mean()), "another loss"),
        ("gan_steps", gan_steps(g_loss=lambda s: softplus(s).mean()), "cosine"),
        ("gan_steps", gan_steps(d_loss=lambda real, fake: usual_d(fake, real)), "cosine"),
        ("gan_steps", gan_steps(d_loss=lambda real, fake: softplus(-real).mean()), "cosine"),
        ("gan_steps", gan_steps(maximize=True, lr=0.01), "cosine"),
        ("gan_steps", one_for_both, "moved the other player's weights"),
        ("gan_steps", no_discriminator, "another loss"),
        ("gan_steps", lambda g, d: gan_steps()(g, d)[::-1], "stopped with"),
        ("gan_steps", lambda g, d: gan_steps()(g, d)[:1], "got 1"),
        ("gan_steps", lambda g, d: (lambda x, z: None, lambda z: None), "did not move"),
        ("gan_steps", lambda g, d: (1, 2), "needs the function itself"),
    ],
)
def test_answers_on_games_are_judged_by_where_they_lead(exercise, answer, reason, capsys):
    answer_said = said(capsys, getattr(checks, f"check_{exercise}"), answer)
    assert answer_said.startswith("Not yet.") and reason in answer_said


def test_the_check_of_the_steps_leaves_no_hook_behind():
    checks.check_gan_steps(gan_steps())
    weight = nn.Parameter(torch.ones(1))
    weight.grad = torch.ones(1)
    torch.optim.SGD([weight], lr=0.1).step()
    from torch.optim import optimizer

    assert not optimizer._global_optimizer_pre_hooks
