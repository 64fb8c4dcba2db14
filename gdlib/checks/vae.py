"""Exercises on variational autoencoders."""

from collections.abc import Callable

import torch
from torch import Tensor, distributions

from gdlib.checks.judging import NotYet, ask, check, number


@check
def check_kl_between(answer: Callable[..., Tensor]) -> str:
    """Compare the answer with torch.distributions, in one dimension and in three."""
    for k in (1, 3):
        about, dice = f"Two pairs of clouds, k = {k}", torch.Generator().manual_seed(k)
        a, a_var, b, b_var = torch.randn(4, 2, k, generator=dice).double()
        said = ask(answer, a, a_var, b, b_var, about=about)
        p, q = (distributions.Normal(m, v.exp() ** 0.5) for m, v in ((a, a_var), (b, b_var)))
        truth = distributions.kl_divergence(p, q).sum(-1)
        if not isinstance(said, Tensor) or said.shape != (2,) or (said - truth).norm() > 1e-6:
            raise NotYet(f"{about}: expected {truth.numpy().round(3)}, got {said!r:.50}.")
    return "In one dimension and in three the prices are those of torch.distributions."


@check
def check_logistic(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Draw with the answer: quantiles, and the slopes of the mean of z² through the draws."""
    u, shares = (torch.arange(50_000).double() + 0.5) / 50_000, torch.tensor([0.1, 0.5, 0.9])
    for m, s in torch.tensor([[0.5, 1.0], [-2.0, 0.3]]).double():
        about, knobs = f"m = {m:g}, s = {s:g}", [v.clone().requires_grad_() for v in (m, s)]
        z = ask(answer, *knobs, u.clone(), about=about)
        if not isinstance(z, Tensor) or (z.shape, z.dtype) != (u.shape, u.dtype):
            raise NotYet(f"{about}: expected a tensor of {len(u)} draws, got {z!r:.60}.")
        below = (z[:, None] <= m + s * shares.logit()).double().mean(0)
        if (below - shares).abs().max() > 0.01:
            raise NotYet(f"{about}: below the deciles 1, 5, 9 lie {below.numpy().round(2)}.")
        slopes = torch.stack(torch.autograd.grad((0 * sum(knobs) + z**2).mean(), knobs)).numpy()
        if abs(slopes - (truth := torch.stack([2 * m, s * 6.58]).numpy())).max() > 0.1:
            raise NotYet(f"{about}: E z² has slopes {truth.round(2)}, not {slopes.round(2)}.")
    return "The quantiles fit, and both slopes of E z² flow through the draws."


@check
def check_vae_loss(answer: Callable[..., Tensor]) -> str:
    """Take the fit from the answer's loss, and see how often the KL is counted in what is left."""
    for n in (16, 1, 64):
        about, x, recon = f"A batch of {n}", torch.zeros(n, 64), torch.eye(64)[0].expand(n, 64)
        loss = number(ask(answer, x, recon, *torch.ones(2, n, 4), 0.5, about=about), about)
        fit = distributions.Normal(recon, 0.5).log_prob(x).sum(1).mean()
        if abs((times := float(loss + fit) / 3.43656) - 1) > 1e-3:  # the KL here: 2e - 2
            raise NotYet(f"{about}: beside the fit the KL counts {times:.3g} times, not once.")
    return "In batches of 1, 16 and 64 the KL counts once."
