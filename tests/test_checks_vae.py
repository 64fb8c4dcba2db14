"""The checks of chapter 10: right answers in several styles, and wrong ones."""

import pytest
import torch

from gdlib import checks
from tests.exercises import said


def vae_loss(over):
    """The loss of a VAE whose KL, one number per picture and latent, is averaged by ``over``."""

    def loss(x, recon, mean, log_var, sigma):
        fit = torch.distributions.Normal(recon, sigma).log_prob(x).sum(-1).mean()
        return over((mean**2 + log_var.exp() - 1 - log_var) / 2) - fit

    return loss


@pytest.mark.parametrize(
    ("exercise", "answer", "reason"),
    [
        ("kl_between", lambda a, a_var, b, b_var: ((a - b) ** 2).sum(-1), "k = 1: expected ["),
        (
            "kl_between",
            lambda a, a_var, b, b_var: (
                (a_var - b_var).exp() + (a - b) ** 2 / b_var.exp() - 1 - a_var + b_var
            ).mean(-1) / 2,
            "k = 3: expected [",
        ),
        ("logistic", lambda m, s, u: m + s * (u - 0.5), "below the deciles"),
        ("logistic", lambda m, s, u: m + s.detach() * u.logit(), "not [1. 0.]"),
        ("vae_loss", vae_loss(lambda kl: kl.sum(0).mean()), "the KL counts 4 times"),
        ("vae_loss", vae_loss(lambda kl: -kl.sum(-1).mean()), "the KL counts -1 times"),
    ],
)  # fmt: skip
def test_answers_on_autoencoders_are_held_against_the_truth(exercise, answer, reason, capsys):
    assert reason in said(capsys, getattr(checks, f"check_{exercise}"), answer)
