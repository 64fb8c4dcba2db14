import pytest
import torch
from torch import nn

from gdlib import landscapes
from gdlib.descent import descend
from gdlib.landscapes import initial_weights, network_loss, network_output
from gdlib.rules import gd

SURFACES = {
    "parabola": landscapes.parabola(3.0),
    "ravine": landscapes.ravine(10.0),
    "huber": landscapes.huber(0.3),
    "double_well": landscapes.double_well(0.3),
    "himmelblau": landscapes.himmelblau(),
    "saddle": landscapes.saddle(),
}


def gradient(loss, w):
    w = w.clone().requires_grad_()
    loss(w).backward()
    return w.grad


def central_differences(loss, w, h=1e-5):
    sides = [w + s * h * e for e in torch.eye(len(w), dtype=w.dtype) for s in (1, -1)]
    up_down = torch.stack([loss(side) for side in sides]).reshape(len(w), 2)
    return (up_down[:, 0] - up_down[:, 1]) / (2 * h)


@pytest.mark.parametrize("name", SURFACES)
def test_the_gradient_is_that_of_finite_differences(name):
    surface = SURFACES[name]
    low, high = torch.tensor(surface.box, dtype=torch.float64).T
    for u in torch.rand(
        20, len(low), dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    ):
        w = low + u * (high - low)
        torch.testing.assert_close(
            gradient(surface.loss, w), central_differences(surface.loss, w), rtol=1e-6, atol=1e-6
        )


@pytest.mark.parametrize("name", SURFACES)
def test_the_known_minima_are_flat_and_no_drawn_point_is_lower(name):
    surface = SURFACES[name]
    for minimum in surface.minima:
        assert gradient(surface.loss, minimum).abs().max() < 1e-7
    axes = [torch.linspace(*side, 101, dtype=torch.float64) for side in surface.box]
    grid = torch.cartesian_prod(*axes).reshape(-1, len(axes))
    lowest = min(surface.loss(w) for w in grid)
    assert all(surface.loss(m) <= lowest + 1e-12 for m in surface.minima)


@pytest.mark.parametrize("tilt", [-1.5, -0.3, 0.0, 0.3, 1.5])
def test_the_deeper_valley_lies_on_the_side_that_the_tilt_says(tilt):
    minima = landscapes.double_well(tilt).minima.flatten()
    expected = [-1, 1] if tilt == 0 else [-1 if tilt > 0 else 1]
    assert minima.sign().tolist() == expected


def test_huber_is_a_parabola_inside_its_corner_and_a_line_of_slope_corner_outside():
    loss = landscapes.huber(0.3).loss
    assert gradient(loss, torch.tensor([0.2])).item() == pytest.approx(0.2)
    assert gradient(loss, torch.tensor([-5.0])).item() == pytest.approx(-0.3)
    inside, outside = loss(torch.tensor([0.3])), loss(torch.tensor([0.3 + 1e-6]))
    assert (outside - inside).item() == pytest.approx(0.3e-6, rel=0.2)


def test_a_network_is_the_module_that_it_was_made_from():
    module = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    x, y = torch.randn(7, 3).double(), torch.randn(7, 2).double()
    network = network_loss(module, nn.functional.mse_loss)

    torch.testing.assert_close(network_output(module)(network.start, x), module(x))
    nn.functional.mse_loss(module(x), y).backward()
    expected = torch.cat([p.grad.flatten() for p in module.parameters()])
    torch.testing.assert_close(gradient(lambda w: network.loss(w, x, y), network.start), expected)


def test_the_start_of_a_network_does_not_move_when_the_module_trains():
    module = nn.Linear(1, 1)
    network = network_loss(module, nn.functional.mse_loss)
    before = network.start.clone()
    with torch.no_grad():
        module.weight.add_(1.0)
    assert torch.equal(network.start, before)


def test_initial_weights_are_those_of_modules_made_after_seeding():
    def make():
        return nn.Linear(2, 3)

    torch.manual_seed(123)
    state = torch.get_rng_state()
    rows = initial_weights(make, [7, 8])
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(8)
    expected = torch.cat([p.detach().flatten() for p in make().parameters()])
    assert torch.equal(rows[1], expected) and rows.shape == (2, 9)


@pytest.mark.parametrize(
    ("make", "bad"),
    [
        (landscapes.parabola, 0.0),
        (landscapes.parabola, float("nan")),
        (landscapes.ravine, 0.5),
        (landscapes.ravine, float("inf")),
        (landscapes.huber, 0.0),
        (landscapes.double_well, 1.6),
        (landscapes.double_well, float("nan")),
    ],
)
def test_a_shape_that_is_none_is_refused_with_its_value(make, bad):
    with pytest.raises(ValueError, match=f"got {bad}"):
        make(bad)


def test_a_module_without_parameters_is_refused():
    with pytest.raises(ValueError, match=r"no parameters to train: ReLU\(\)"):
        network_loss(nn.ReLU(), nn.functional.mse_loss)


def test_no_seeds_give_no_weights():
    with pytest.raises(ValueError, match="at least one seed"):
        initial_weights(lambda: nn.Linear(1, 1), [])


def frozen_network():
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    model[0].requires_grad_(False)
    return model


def test_frozen_layers_stay_as_they_are():
    model, mse = frozen_network(), nn.functional.mse_loss
    x, y = torch.randn(5, 2).double(), torch.randn(5, 1).double()
    network = network_loss(model, mse)
    assert network.start.shape == (4,)
    assert initial_weights(frozen_network, [1, 2]).shape == (2, 4)
    run = descend(network, gd(0.1), 120, data=(x, y))
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(120):
        sgd.zero_grad()
        mse(model(x), y).backward()
        sgd.step()
    torch.testing.assert_close(run.final, torch.cat([p.flatten() for p in model[2].parameters()]))


def test_a_network_with_every_layer_frozen_is_refused():
    with pytest.raises(ValueError, match="no parameters to train"):
        network_loss(nn.Linear(2, 1).requires_grad_(False), nn.functional.mse_loss)


@pytest.mark.parametrize("late", [False, True])
def test_batch_normalisation_in_train_mode_is_refused_and_keeps_its_statistics(late):
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).train(not late)
    before = model[1].running_mean.clone()
    with pytest.raises(ValueError, match=r"1, a BatchNorm1d in train mode, .* call eval\(\) first"):
        network = network_loss(model, nn.functional.mse_loss)
        model.train()
        descend(network, gd(0.1), 3, data=(torch.randn(4, 2), torch.randn(4, 3)))
    assert torch.equal(model[1].running_mean, before)


@pytest.mark.parametrize("make", [
    lambda: nn.BatchNorm1d(2, track_running_stats=False), lambda: nn.BatchNorm1d(2).eval(),
])  # fmt: skip
def test_batch_normalisation_without_statistics_or_in_eval_mode_is_trained(make):
    model = nn.Sequential(make(), nn.Linear(2, 1))
    network, x, y = (
        network_loss(model, nn.functional.mse_loss),
        torch.randn(6, 2),
        torch.randn(6, 1),
    )
    alone = descend(network, gd(0.1), 110, data=(x, y)).final
    several = descend(network, gd(torch.tensor([0.1, 0.2])), 110, data=(x, y)).final[0]
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(110):
        sgd.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        sgd.step()
    for end in (alone, several):
        torch.testing.assert_close(
            end, torch.cat([p.detach().flatten() for p in model.parameters()]), rtol=1e-3, atol=1e-4
        )


@pytest.mark.parametrize("seeds", [[0.2, 0.7], torch.tensor([0.5])])
def test_seeds_that_would_be_rounded_into_twins_are_refused(seeds):
    with pytest.raises(ValueError, match="seeds must be whole numbers"):
        initial_weights(lambda: nn.Linear(1, 1), seeds)


def test_initial_weights_of_a_network_with_batch_normalisation_are_given():
    make = lambda: nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))  # noqa: E731
    assert initial_weights(make, [0]).shape == (1, 15)
