"""The checks of chapter 10: right answers in several styles, and wrong ones."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from gdlib import checks
from tests.exercises import said


def log_normal(x, mean, sigma):
    return Normal(mean, sigma).log_prob(x).sum(-1)


def kl(mean, log_var):
    """One number per picture and latent."""
    return (mean**2 + log_var.exp() - 1 - log_var) / 2


def vae_loss(over, fit=log_normal):
    """The loss of a VAE whose KL, one number per picture and latent, is averaged by ``over``."""
    return lambda x, recon, mean, log_var, sigma: (
        over(kl(mean, log_var)) - fit(x, recon, sigma).mean()
    )


def by_distributions(a, a_var, b, b_var):
    p, q = Normal(a, (a_var / 2).exp()), Normal(b, (b_var / 2).exp())
    return kl_divergence(p, q).sum(-1)


def with_numpy(a, a_var, b, b_var):
    a, a_var, b, b_var = (v.numpy() for v in (a, a_var, b, b_var))
    each = np.exp(a_var - b_var) + (a - b) ** 2 / np.exp(b_var) - 1 - a_var + b_var
    return each.sum(-1) / 2


def in_place(a, a_var, b, b_var):
    a.sub_(b).square_().div_(b_var.exp())
    a_var.sub_(b_var)
    return (a + a_var.exp() - 1 - a_var).sum(-1) / 2


def pair_by_pair(*clouds):
    return [float(by_distributions(*one)) for one in zip(*clouds, strict=True)]


@pytest.mark.parametrize("answer", [by_distributions, with_numpy, in_place, pair_by_pair])
def test_right_prices_are_accepted_in_any_style(answer, capsys):
    assert said(capsys, checks.check_kl_between, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda a, a_var, b, b_var: ((a - b) ** 2).sum(-1), "k = 1: expected ["),
        (lambda a, a_var, b, b_var: by_distributions(b, b_var, a, a_var), "k = 1: expected ["),
        (lambda a, a_var, b, b_var: by_distributions(a, 2 * a_var, b, 2 * b_var), "expected ["),
        (lambda a, a_var, b, b_var: 1.1 * by_distributions(a, a_var, b, b_var), "expected ["),
        (lambda *clouds: by_distributions(*clouds) / clouds[0].shape[1], "k = 3: expected ["),
        (lambda *clouds: by_distributions(*clouds).mean(), "numbers of shape (2,)"),
        (lambda *clouds: by_distributions(*(v.T for v in clouds)), "numbers of shape (2,)"),
        (lambda *clouds: by_distributions(*clouds)[:, None], "numbers of shape (2,)"),
        (lambda *clouds: torch.tensor([1.0, 2.0]), "expected ["),
        (lambda *clouds: [None, None], "numbers of shape (2,)"),
    ],
)
def test_wrong_prices_are_held_against_torch(answer, reason, capsys):
    assert reason in said(capsys, checks.check_kl_between, answer)


def changes_u(m, s, u):
    u.div_(1 - u).log_()
    return m + s * u


@pytest.mark.parametrize(
    "answer",
    [
        lambda m, s, u: m + s * u.logit(),
        lambda m, s, u: m - s * (1 / u - 1).log(),
        lambda m, s, u: m + s * (1 - u).logit(),
        lambda m, s, u: m + 2 * s * torch.atanh(2 * u - 1),
        lambda m, s, u: (m + s * u.logit()).float(),
        changes_u,
    ],
)
def test_right_draws_are_accepted_in_any_style(answer, capsys):
    assert said(capsys, checks.check_logistic, answer).startswith("Right.")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda m, s, u: m + s * (u - 0.5), "the deciles are"),
        (lambda m, s, u: m + 1.05 * s * u.logit(), "the deciles are"),
        (lambda m, s, u: m + s * torch.erfinv(2 * u - 1) * 2.3, "the deciles are"),
        (lambda m, s, u: m + s**2 * u.logit(), "not [1 0 1 13.16]"),
        (lambda m, s, u: m + s.detach() * u.logit(), "not [1 0 1 0]"),
        (lambda m, s, u: m.detach() + s * u.logit(), "not [0 "),
        (lambda m, s, u: m - (m - s * u.logit()).detach() + s * 0, "the deciles are"),
        (lambda m, s, u: (m + s * u.logit()).detach(), "not [0 0 0 0]"),
        (lambda m, s, u: (m + s * u.logit()).detach().numpy(), "expected a tensor of 50000"),
        (lambda m, s, u: m + s * u[:9].logit(), "expected a tensor of 50000"),
        (lambda m, s, u: u * math.nan, "expected finite numbers"),
    ],
)
def test_wrong_draws_are_judged_by_quantiles_and_slopes(answer, reason, capsys):
    assert reason in said(capsys, checks.check_logistic, answer)


def with_a_loop(x, recon, mean, log_var, sigma):
    losses = [
        0.5 * (m**2 + v.exp() - 1 - v).sum()
        + ((a - b) ** 2).sum() / (2 * sigma**2)
        + len(a) * math.log(sigma * (2 * math.pi) ** 0.5)
        for a, b, m, v in zip(x, recon, mean, log_var, strict=True)
    ]
    return sum(losses) / len(losses)


def loss_in_place(x, recon, mean, log_var, sigma):
    price = mean.square_().add_(log_var.exp()).sub_(1 + log_var).sum() / 2 / len(x)
    return price - log_normal(x, recon, sigma).mean()


@pytest.mark.parametrize(
    "answer",
    [
        vae_loss(lambda kl: kl.sum(-1).mean()),
        vae_loss(lambda kl: kl.mean(0).sum()),
        with_a_loop,
        loss_in_place,
        lambda *given: vae_loss(lambda kl: kl.sum(-1).mean())(*given)[None],
    ],
)
def test_right_losses_are_accepted_in_any_style(answer, capsys):
    assert said(capsys, checks.check_vae_loss, answer).startswith("Right.")


def only_the_first_row(x, recon, mean, log_var, sigma):
    return kl(mean, log_var)[0].sum() - log_normal(x, recon, sigma).mean()


def absolute_means(x, recon, mean, log_var, sigma):
    price = (mean.abs() + log_var.exp() - 1 - log_var).sum(-1) / 2
    return price.mean() - log_normal(x, recon, sigma).mean()


def fourth_powers(x, recon, mean, log_var, sigma):
    price = (mean**4 + log_var.exp() - 1 - log_var**2).sum(-1) / 2
    return price.mean() - log_normal(x, recon, sigma).mean()


def without_a_slope(x, recon, mean, log_var, sigma):
    return kl(mean, log_var).sum(-1).mean() - log_normal(x, recon, sigma).mean().detach()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (vae_loss(lambda kl: kl.sum(0).mean()), "the KL counts 4 times"),
        (vae_loss(lambda kl: -kl.sum(-1).mean()), "the KL counts -1 times"),
        (vae_loss(lambda kl: kl.mean()), "the KL counts 0.25 times"),
        (vae_loss(lambda kl: 4 * kl.mean()), "A batch of 1, 3 latent numbers: beside the fit"),
        (vae_loss(lambda kl: kl.sum()), "the KL counts 16 times"),
        (vae_loss(lambda kl: 0 * kl.sum()), "the KL counts 0 times"),
        (vae_loss(lambda kl: kl.sum(-1)), "expected one number, got shape (16,)"),
        (only_the_first_row, "beside the fit"),
        (absolute_means, "beside the fit"),
        (fourth_powers, "beside the fit"),
        (lambda *given: with_a_loop(*given).item(), "no gradient leads back"),
        (without_a_slope, "its slope to recon is not"),
        (lambda *given: 42.0, "beside the fit"),
    ],
)
def test_a_loss_counts_its_kl_once_at_random_values_and_sizes(answer, reason, capsys):
    assert reason in said(capsys, checks.check_vae_loss, answer)
