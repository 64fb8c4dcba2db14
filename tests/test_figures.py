import pytest
import torch
from matplotlib.figure import Figure

from gdlib import figures
from gdlib.descent import descend
from gdlib.landscapes import double_well, himmelblau, parabola, ravine
from gdlib.palette import CURVES
from gdlib.rules import gd


@pytest.fixture
def ax():
    return Figure().subplots()


def contrast(colour, background):
    def luminance(hexed):
        parts = torch.tensor([int(hexed[i : i + 2], 16) / 255 for i in (1, 3, 5)])
        linear = torch.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
        return float(linear @ torch.tensor([0.2126, 0.7152, 0.0722]))

    low, high = sorted([luminance(colour), luminance(background)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("role", figures.COLORS)
def test_every_colour_is_seen_on_white(role):
    assert contrast(figures.COLORS[role], "#ffffff") >= 3


@pytest.mark.parametrize("role", CURVES)
def test_the_colours_of_curves_are_seen_on_black_too(role):
    assert contrast(figures.COLORS[role], "#121212") >= 3


def test_contours_are_level_sets_with_equal_aspect(ax):
    surface = himmelblau()
    contours = figures.draw_contours(ax, surface)
    assert ax.get_aspect() == 1
    for level, segments in zip(contours.levels, contours.allsegs, strict=True):
        for x, y in [point for segment in segments for point in segment[::20]]:
            loss = float(surface.loss(torch.tensor([x, y])))
            assert loss == pytest.approx(level, rel=0.05, abs=0.5)


def test_a_curve_is_the_loss(ax):
    line = figures.draw_curve(ax, double_well(0.3))
    w, loss = line.get_data()
    torch.testing.assert_close(
        torch.as_tensor(loss),
        (torch.as_tensor(w).squeeze() ** 2 - 1) ** 2 + 0.3 * torch.as_tensor(w).squeeze(),
    )


def test_a_path_is_the_run_until_it_is_no_longer_finite(ax):
    run = descend(ravine(), gd(lr=0.05), 20)
    line = figures.draw_path(ax, run.w)
    torch.testing.assert_close(torch.as_tensor(line.get_xydata()), run.w)
    broken = run.w.clone()
    broken[5:] = float("nan")
    assert len(figures.draw_path(ax, broken).get_xdata()) == 5


def test_runs_show_their_median_and_count_infinity_as_highest(ax):
    curves = torch.tensor([[1.0, 5.0], [2.0, float("nan")], [3.0, 6.0]])
    line = figures.draw_runs(ax, torch.tensor([0.0, 1.0]), curves, label="five")
    assert line.get_ydata().tolist() == [2.0, 6.0]


def test_a_map_s_cells_are_centred_on_their_values(ax):
    lrs, sizes = torch.tensor([0.01, 0.1, 1.0]), [1.0, 10.0]
    values = torch.tensor([[1.0, 2.0, float("inf")], [3.0, 4.0, 5.0]])
    mesh = figures.draw_map(ax, lrs, sizes, values, label="loss")
    corners = torch.as_tensor(mesh.get_coordinates())
    centres = (corners[:-1, :-1, 0] * corners[:-1, 1:, 0]).sqrt()
    torch.testing.assert_close(centres[0], lrs.double())
    assert mesh.get_array().mask.sum() == 1


@pytest.mark.parametrize("good", ["low", "high"])
def test_on_a_map_bright_is_good(ax, good):
    mesh = figures.draw_map(ax, [1.0, 2.0], [1.0, 2.0], torch.eye(2), label="loss", good=good)
    low, high = (sum(mesh.to_rgba(v)[:3]) for v in (0.0, 1.0))
    assert (high > low) == (good == "high")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda ax: figures.draw_contours(ax, parabola()), "two weights"),
        (lambda ax: figures.draw_curve(ax, ravine()), "one weight"),
        (lambda ax: figures.draw_path(ax, torch.zeros(3, 4, 2)), r"got \(3, 4, 2\)"),
        (lambda ax: figures.draw_runs(ax, torch.zeros(4), torch.zeros(3, 5)), r"\(runs, 4\)"),
        (lambda ax: figures.draw_map(ax, [1.0], [1.0], torch.zeros(2, 2), label=""), r"\(1, 1\)"),
        (lambda ax: figures.draw_map(ax, [1], [1], torch.zeros(1, 1), label="", good="x"), "'x'"),
    ],
)
def test_what_cannot_be_drawn_is_refused(ax, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(ax)
