import pytest
import torch
from torch import nn

from gdlib.analysis import (
    loglog_slope,
    noise_scale,
    noise_trace,
    noisy_quadratic_loss,
    per_example_grads,
    sharpness,
)
from gdlib.data import noisy_parabola
from gdlib.landscapes import Landscape, network_loss


def grads():
    x, y = noisy_parabola()
    model = nn.Sequential(nn.Linear(1, 10), nn.Tanh(), nn.Linear(10, 1)).double()
    network = network_loss(model, nn.functional.mse_loss)
    return model, x, y, per_example_grads(network, network.start, x, y)


def test_per_example_gradients_are_those_of_backward_one_by_one():
    model, x, y, per_example = grads()
    for i in (0, 50, 99):
        model.zero_grad()
        nn.functional.mse_loss(model(x[i]), y[i]).backward()
        expected = torch.cat([p.grad.flatten() for p in model.parameters()])
        torch.testing.assert_close(per_example[i], expected, rtol=1e-10, atol=1e-12)


def test_their_mean_is_the_gradient_of_the_whole():
    model, x, y, per_example = grads()
    nn.functional.mse_loss(model(x), y).backward()
    whole = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(per_example.mean(0), whole, rtol=1e-12, atol=1e-14)


def test_the_noise_is_the_trace_of_the_covariance_of_the_population():
    _, _, _, per_example = grads()
    trace = torch.cov(per_example.T, correction=0).trace()
    assert noise_trace(per_example) == pytest.approx(float(trace), rel=1e-10)
    scale = trace / per_example.mean(0).square().sum()
    assert noise_scale(per_example) == pytest.approx(float(scale), rel=1e-10)


def test_the_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    model, x, y, _ = grads()
    network = network_loss(model, nn.functional.mse_loss)
    assert network.start is not None
    hessian = torch.func.hessian(lambda w: network.loss(w, x, y))(network.start)
    values, vectors = torch.linalg.eigh(hessian)
    value, vector = sharpness(network, network.start, x, y)
    assert value == pytest.approx(float(values[values.abs().argmax()]), rel=1e-6)
    assert abs(float(vector @ vectors[:, values.abs().argmax()])) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("loss", "truth"),
    [
        # The first guess must not be orthogonal to the answer, nor two answers fight.
        (lambda w: 0.25 * (w[0] + w[1]) ** 2 + 5 * (w[0] - w[1]) ** 2, 20.0),
        (lambda w: w[0] ** 2 - w[1] ** 2, 2.0),
        (lambda w: (torch.arange(40.0).double() * w**2).sum() / 2 - 100 * w[3] ** 2, -197.0),
    ],
)
def test_the_sharpness_is_found_from_any_side(loss, truth):
    w = torch.ones(40, dtype=torch.float64)
    assert abs(sharpness(Landscape(loss), w)[0]) == pytest.approx(abs(truth), rel=1e-9)
    if truth < 0:
        assert sharpness(Landscape(loss), w)[0] == pytest.approx(truth, rel=1e-9)


def test_a_rate_in_whole_numbers_does_not_round_the_momentum():
    h = torch.ones(1).double()
    whole, exact = (
        noisy_quadratic_loss(h, h, torch.ones(3).to(kind), beta=0.5)
        for kind in (torch.int64, torch.float64)
    )
    torch.testing.assert_close(whole, exact)


def test_a_flat_landscape_has_no_sharpness():
    with pytest.raises(ValueError, match="no curvature"):
        sharpness(Landscape(lambda w: w.sum()), torch.ones(2))


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_the_noisy_quadratic_recursion_is_the_mean_of_many_runs(beta):
    h, c = torch.tensor([1.0, 0.2]).double(), torch.tensor([1.0, 0.5]).double()
    lr, chains = torch.linspace(0.3, 0.05, 40, dtype=torch.float64), 20_000
    generator = torch.Generator().manual_seed(0)
    x, v, losses = torch.ones(chains, 2).double(), torch.zeros(chains, 2).double(), []
    for rate in lr:
        noise = torch.randn(x.shape, generator=generator, dtype=x.dtype) * (c / 4).sqrt()
        v = beta * v + h * x + noise
        x = x - rate * v
        losses.append((h * x**2).sum(-1) / 2)
    exact = noisy_quadratic_loss(h, c, lr, batch_size=4, beta=beta)
    for k in (0, 10, 39):
        error = losses[k].std() / chains**0.5 + 1e-12
        assert abs(losses[k].mean() - exact[k + 1]) < 4 * error


def test_noisy_quadratics_with_different_settings_run_together():
    h = 1 / torch.arange(1, 6).double()
    lr = torch.full((30, 3), 0.1, dtype=torch.float64)
    sizes, beta = torch.tensor([1.0, 8.0, 64.0]), torch.tensor([0.0, 0.5, 0.9])
    together = noisy_quadratic_loss(h, h, lr, sizes, beta)
    alone = noisy_quadratic_loss(h, h, lr[:, 1], 8.0, 0.5)
    torch.testing.assert_close(together[1], alone)


@pytest.mark.parametrize("power", [-2.0, 0.5, 3.0])
def test_the_slope_of_a_power_law_is_its_power(power):
    x = torch.tensor([0.1, 1.0, 3.0, 50.0])
    assert loglog_slope(x, 7 * x**power) == pytest.approx(power, rel=1e-5)


@pytest.mark.parametrize("bad", [[1.0], [1.0, 0.0], [1.0, -2.0], [1.0, float("nan")]])
def test_a_slope_needs_positive_numbers(bad):
    with pytest.raises(ValueError, match="must be two or more positive numbers"):
        loglog_slope(torch.tensor(bad), torch.tensor(bad))
