import pytest
import torch
from torch import nn

from gdlib.analysis import (
    PredictionFailed,
    check_prediction,
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
    value, vector = sharpness(network, network.start, x, y, iterations=300)
    assert value == pytest.approx(float(values[values.abs().argmax()]), rel=1e-6)
    assert abs(float(vector @ vectors[:, values.abs().argmax()])) == pytest.approx(1, abs=1e-4)


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


def test_a_prediction_that_holds_prints_one_line(capsys):
    check_prediction("P9.1", "the slope", predicted=-1.0, measured=-1.0234, within=0.05)
    line = "P9.1  the slope: predicted -1, measured -1.023 (allowed ± 0.05): holds\n"
    assert capsys.readouterr().out == line


def test_of_many_measurements_the_worst_is_shown(capsys):
    check_prediction(
        "P9.1", "ratio", predicted=1, measured=torch.tensor([0.99, 1.04]), relative=0.05
    )
    assert "measured 1.04 (allowed ± 5 %)" in capsys.readouterr().out


@pytest.mark.parametrize("allowed", [{"within": 0.1}, {"relative": 0.05}, {"interval": (1.9, 2.1)}])
@pytest.mark.parametrize("bad", [2.2, float("nan"), float("inf"), torch.tensor([2.0, 1.7])])
def test_a_prediction_that_fails_stops_and_says_so(capsys, allowed, bad):
    with pytest.raises(PredictionFailed, match=r"P9\.2 .* FAILS"):
        check_prediction("P9.2", "two", predicted=2.0, measured=bad, **allowed)
    assert "FAILS" in capsys.readouterr().out


@pytest.mark.parametrize(
    "allowed",
    [{}, {"within": 0.1, "relative": 0.1}, {"interval": (2, 1)}, {"within": float("nan")}],
)
def test_a_prediction_needs_one_interval(allowed):
    with pytest.raises(ValueError, match=r"one of within|from low to high"):
        check_prediction("P9.3", "two", predicted=2.0, measured=2.0, **allowed)


def test_nothing_measured_is_no_measurement():
    with pytest.raises(ValueError, match="nothing was measured"):
        check_prediction("P9.4", "two", predicted=2, measured=torch.tensor([]), within=1)
