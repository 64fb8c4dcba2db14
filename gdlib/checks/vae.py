"""Exercises on variational autoencoders."""

from collections.abc import Callable

import torch
from torch import Tensor, distributions

from gdlib.checks.judging import NotYet, ask, check, number, shown, tensor


def _randn(*sizes: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*sizes, generator=generator, dtype=torch.float64)


@check
def check_kl_between(answer: Callable[..., Tensor]) -> str:
    """Compare the answer with torch.distributions, for several numbers of pairs and dimensions."""
    for n, k in ((2, 1), (5, 3), (3, 7)):
        about, clouds = f"{n} pairs of clouds, k = {k}", _randn(4, n, k, seed=k)
        kl = tensor(ask(answer, *clouds.clone(), about=about), (n,), about)
        p, q = (distributions.Normal(m, (v / 2).exp()) for m, v in clouds.split(2))
        truth = distributions.kl_divergence(p, q).sum(-1)
        if ((kl - truth).abs() > 1e-4 * (1 + truth)).any():
            raise NotYet(f"{about}: expected {_few(truth)}, got {_few(kl)}.")
    return "In one, three and seven dimensions the prices are those of torch.distributions."


@check
def check_logistic(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Draw with the answer: quantiles, and slopes of the means of z and z²."""
    u, deciles = (torch.arange(50_000).double() + 0.5) / 50_000, torch.arange(1, 10) / 10.0
    for m, s in torch.tensor([[0.5, 1.0], [-2.0, 0.3], [1.2, 2.5]]).double():
        about = f"m = {m:g}, s = {s:g}"
        knobs = [v.clone().requires_grad_() for v in (m, s)]
        z = ask(answer, *(v * 1 for v in knobs), u.clone(), about=about)
        if not isinstance(z, Tensor) or z.shape != u.shape or not z.is_floating_point():
            raise NotYet(f"{about}: expected a tensor of {len(u)} draws, got {shown(z)}.")
        values = tensor(z, u.shape, about)
        found, truth = values.quantile(deciles.double()), m + s * deciles.double().logit()
        if ((found - truth).abs() > 0.02 * s).any():
            raise NotYet(f"{about}: the deciles are {_few(found)}, not {_few(truth)}.")
        slopes = ask(lambda z=z, knobs=knobs: _slopes(z, knobs), about=about)
        truth = torch.stack([torch.ones(()), torch.zeros(()), 2 * m, s * torch.pi**2 / 1.5])
        if ((slopes - truth).abs() > 0.02 + 0.01 * truth.abs()).any():
            raise NotYet(f"{about}: E z and E z² have slopes {_few(truth)}, not {_few(slopes)}.")
    return "The quantiles fit, and the slopes of E z and E z² flow through the draws."


def _slopes(z: Tensor, knobs: list[Tensor]) -> Tensor:
    """Of the mean of z, then of z², to m and to s."""
    means = (0 * sum(knobs) + power for power in (z.double().mean(), z.double().square().mean()))
    return torch.stack([g for f in means for g in torch.autograd.grad(f, knobs, retain_graph=True)])


@check
def check_vae_loss(answer: Callable[..., Tensor]) -> str:
    """Compare the answer's loss and its slopes with torch.distributions, for several sizes."""
    for n, k, pixels in ((16, 4, 64), (1, 3, 5), (7, 2, 9), (6, 11, 4)):
        about, sigma = f"A batch of {n}, {k} latent numbers", 0.3 + n / 10
        x, recon = _randn(2, n, pixels, seed=n)
        mean, log_var = _randn(2, n, k, seed=k)
        inputs = [v.clone().requires_grad_() for v in (recon, mean, log_var)]
        fit = distributions.Normal(inputs[0], sigma).log_prob(x).sum(1).mean()
        cloud = distributions.Normal(inputs[1], (inputs[2] / 2).exp())
        kl = distributions.kl_divergence(cloud, distributions.Normal(0.0, 1.0)).sum(1).mean()
        loss = ask(answer, x.clone(), *(v * 1 for v in inputs), sigma, about=about)
        if isinstance(loss, Tensor) and loss.numel() != 1:
            raise NotYet(f"{about}: expected one number, got shape {tuple(loss.shape)}.")
        times = (number(loss, about) + fit.item()) / kl.item()
        if abs(times - 1) > 1e-4:
            raise NotYet(f"{about}: beside the fit the KL counts {times:.3g} times, not once.")
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise NotYet(f"{about}: the number is right, but no gradient leads back from it.")
        right = torch.autograd.grad(kl - fit, inputs)
        slopes = ask(lambda loss=loss, at=inputs: _gradients(loss, at), about=about)
        for name, one, two in zip(("recon", "mean", "log_var"), slopes, right, strict=True):
            if not torch.allclose(one, two, rtol=1e-4, atol=1e-6):
                raise NotYet(f"{about}: the loss is right, but its slope to {name} is not.")
    return "In batches of 16, 1, 7 and 6 the KL counts once, whatever the number of latent numbers."


def _gradients(loss: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    total = loss.double() + 0 * sum(v.sum() for v in inputs)
    return list(torch.autograd.grad(total.sum(), inputs))


def _few(values: Tensor) -> str:
    return "[" + " ".join(f"{round(v, 2) + 0:g}" for v in values[:9].tolist()) + "]"
