"""The Explorer's numbers, sentences, errors and weight; in a browser: test_explore_page.py."""

import gzip
import re
import subprocess
import sys
import zlib
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gdlib import figures
from gdlib.explore import Explorer
from gdlib.explore.pack import Payload
from gdlib.palette import CURVES

RATES, BETAS = [0.1, 0.2, 0.4], [0.0, 0.9]


def explorer(sliders=None, name="test", alt="a test", **settings) -> tuple[Explorer, Axes]:
    figure = Figure(figsize=(5, 4), layout="constrained")
    ax = figure.subplots()
    ax.set(xlim=(-1, 1), ylim=(-2, 2))
    sliders = sliders or {"rate": RATES, "beta": BETAS}
    return Explorer(figure, sliders, name=name, alt=alt, **settings), ax


def in_svg(ax: Axes, xy: np.ndarray) -> np.ndarray:
    """matplotlib's own place for a data point, in points from the top left: the truth."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    inches = ax.transData.transform(xy) / figure.dpi
    inches[..., 1] = figure.get_size_inches()[1] - inches[..., 1]
    return 72 * inches


def drawn(html: str) -> np.ndarray:
    """The first path's points as the page shows them, in points."""
    [(scale, text)] = re.findall(r'scale\(([\d.]+)\)"><polyline[^>]* points="([^"]*)"', html)[:1]
    return float(scale) * np.array([[int(n) for n in pair.split(",")] for pair in text.split()])


# ---- numbers


@pytest.mark.parametrize("scales", [("linear", "linear"), ("log", "linear"), ("log", "log")])
def test_a_path_lies_where_matplotlib_would_draw_it(scales):
    show, ax = explorer()
    ax.set(xscale=scales[0], yscale=scales[1], xlim=(0.01, 1), ylim=(0.1, 2))
    points = np.random.default_rng(0).uniform(0.1, 1, (3, 2, 20, 2))
    show.path(ax, points)

    np.testing.assert_allclose(drawn(show.html()), in_svg(ax, points[1, 1]), atol=0.5 / 8 + 1e-9)


def test_tensors_with_a_gradient_lists_and_ranges_are_taken_as_they_are():
    show, ax = explorer({"rate": torch.tensor(RATES), "epoch": range(3)})
    w = torch.linspace(-1, 1, 6).reshape(3, 2).requires_grad_()
    show.path(ax, w)
    show.path(ax, [0, 0.5, 1], w[:, 0], upto="epoch")

    np.testing.assert_allclose(drawn(show.html()), in_svg(ax, w.detach().numpy()), atol=0.07)


def test_packed_numbers_come_back_to_the_bit():
    shapes = [(3, 2, 20), (1, 2, 5), (1, 1, 1), (4, 1, 7)]
    rng = np.random.default_rng(1)
    channels = [rng.integers(-(2**15), 2**15, shape) for shape in shapes]
    payload = Payload()
    for channel in channels:
        payload.add(channel)

    back = unpack(payload)
    for channel, again in zip(channels, back, strict=True):
        np.testing.assert_array_equal(channel, again)


def unpack(payload: Payload) -> list[np.ndarray]:
    """The browser's work, written a second time with numpy."""
    data, found = zlib.decompress(payload.deflated()), []
    for spec in payload.specs:
        spec: dict[str, Any] = spec
        size = int(np.prod(spec["shape"]))
        planes = np.frombuffer(data[: size * (1 + spec["wide"])], np.uint8).reshape(-1, size)
        data = data[planes.size :]
        zigzag = planes[0].astype(int) + (planes[1].astype(int) << 8 if spec["wide"] else 0)
        values = ((zigzag >> 1) ^ -(zigzag & 1)).reshape(spec["shape"])
        for axis in spec["delta"]:
            values = np.cumsum(values, axis=axis)
        found.append(values.astype(np.uint16).view(np.int16))
    assert not data
    return found


def test_what_does_not_depend_on_a_slider_is_sent_once():
    show, ax = explorer({"rate": RATES, "beta": BETAS, "epoch": range(50)})
    show.path(ax, np.linspace(-1, 1, 30), np.zeros((3, 1, 1, 30)))
    shapes = [spec["shape"] for spec in show._page.meta["channels"]]

    assert shapes == [[1, 1, 1, 30], [3, 1, 1, 30]]


def test_a_path_ends_where_its_run_blew_up():
    show, ax = explorer()
    points = np.full((3, 2, 6, 2), 0.5)
    points[:, :, 3] = [np.nan, 0.1]
    points[0] = np.inf
    show.path(ax, points)

    assert len(drawn(show.html())) == 3


def test_a_masked_point_ends_a_path_as_one_that_is_not_finite():
    show, ax = explorer()
    show.path(ax, np.ma.masked_equal(np.array([[0, 0], [0.5, 0.5], [9, 9], [0, 0]]), 9))

    assert len(drawn(show.html())) == 2


def test_a_path_of_more_than_32767_points_ends_where_its_run_blew_up():
    show, ax = explorer({"rate": [1.0]})
    points = np.linspace(-1, 1, 80_000).reshape(-1, 2)
    points[35_000:] = np.nan
    show.path(ax, points)

    assert len(drawn(show.html())) == 35_000
    bad(lambda: show.path(ax, np.zeros((70_000, 2))), "70000 points; at most 65535")


@pytest.mark.parametrize("inches", [16, 40])
def test_on_a_very_wide_figure_a_path_lies_where_matplotlib_would_draw_it(inches):
    figure = Figure(figsize=(inches, 4))
    ax = figure.subplots(1, 8)[-1]
    show = Explorer(figure, {"rate": [1.0]}, name="wide", alt="a wide one")
    show.path(ax, np.array([[0.2, 0.2], [0.9, 0.9], [1e9, 0.9]]))

    near = drawn(show.html())
    np.testing.assert_allclose(near[:2], in_svg(ax, np.array([[0.2, 0.2], [0.9, 0.9]])), atol=0.13)
    assert near[2, 0] > inches * 72
    figure.set_size_inches(200, 4)
    show.dots(ax, [[0.5, 0.5]])
    bad(show.html, "at most 180 inches wide and high, got 200 × 4")


def test_points_far_outside_keep_their_direction():
    show, ax = explorer({"rate": [1.0]})
    show.path(ax, np.array([[0.0, 0.0], [3e200, 3e200]]))
    start, end = drawn(show.html())
    truth = in_svg(ax, np.array([[0.0, 0.0], [3.0, 3.0]]))

    direction = (end - start) / np.linalg.norm(end - start)
    expected = (truth[1] - truth[0]) / np.linalg.norm(truth[1] - truth[0])
    np.testing.assert_allclose(direction, expected, atol=1e-3)


def test_drawn_up_to_a_slider_it_stops_at_its_position():
    show, ax = explorer({"rate": RATES, "epoch": range(11)}, default={"epoch": 4})
    show.path(ax, np.linspace(-1, 1, 11), np.zeros((3, 11)), upto="epoch")

    assert len(drawn(show.html())) == 5


# ---- sentences


def test_python_formats_every_value_of_a_sentence():
    show, _ = explorer(default={"rate": 0.39})
    show.readout(
        "{verdict} at {rate:.2f}, {beta:g}: {loss:.1e|diverged}, {loss:.3g} {{}}",
        verdict=np.array(["low", "mid", "high"]),
        loss=np.array([[1, 2], [3, 4], [5, np.inf]]),
    )
    show.pytorch("SGD(params, lr={rate})")

    assert ">high at 0.40, 0.9: diverged, ∞ {}<" in show.html()
    assert "SGD(params, lr=0.4)" in show.html()


def test_a_negative_number_has_a_minus_in_the_sentence_and_a_hyphen_in_the_code():
    show, _ = explorer()
    show.readout("moves {move:.1e}", move=-0.25)
    show.pytorch("w.add_({move})", move=-0.25)

    assert ">moves −2.5·10⁻¹<" in show.html()
    assert ">w.add_(-0.25)<" in show.html()


def test_a_hyphen_between_words_stays_one():
    show, _ = explorer()
    show.readout("{word}, {loss:g|re-run it}", word="full-batch", loss=float("inf"))

    assert ">full-batch, re-run it<" in show.html()


def test_texts_are_escaped():
    show, _ = explorer(alt='<b>"', task="is 1 < 2 </script>?")
    show.readout("{x}", x="</script><script>alert(1)</script>")

    assert "<script>alert" not in show.html()
    assert "</script>?" not in show.html()


# ---- colours


def test_every_curve_has_a_colour_of_its_own_and_a_twin_for_dark_pages():
    show, ax = explorer()
    for _ in CURVES:
        show.path(ax, np.zeros((2, 2)))
    drawn = re.findall(r"<g data-actor[^>]*stroke: var\((--explorer-\d), (#\w+)\)", show.html())
    style = (Path(figures.__file__).parent / "static" / "explorer.css").read_text()

    assert [c.lower() for _, c in drawn] == [figures.COLORS[role].lower() for role in CURVES]
    assert [twin for twin, _ in drawn] == re.findall(r"(--explorer-\d):", style)


def test_any_colour_of_matplotlib_is_one_of_css_and_black_is_the_pages_ink():
    show, ax = explorer()
    for color in ("tab:red", (1, 0, 0, 0.5), "0.5", "k"):
        show.path(ax, np.zeros((2, 2)), color=color)

    strokes = re.findall(r'<g data-actor[^>]*stroke: ([^"]*)"', show.html())
    assert strokes == ["#d62728", "#ff000080", "#808080", "currentColor"]


# ---- errors


def bad(call: Callable, text: str, error: type[Exception] = ValueError) -> None:
    with pytest.raises(error, match=text):
        call()


def test_an_array_that_does_not_fit_names_its_slider_and_the_shape_that_would():
    show, ax = explorer()
    bad(lambda: show.path(ax, np.zeros((3, 3, 9, 2))), r"'beta': axis 1 has 3, the slider 2")
    bad(lambda: show.path(ax, np.zeros((3, 3, 9, 2))), r"\(3 or 1, 2 or 1, points, 2\)")
    bad(lambda: show.path(ax, np.zeros((1, 3, 2, 9, 2))), r"shape \(1, 3, 2, 9, 2\)")
    bad(lambda: show.path(ax, np.zeros((9, 3))), "last axis must be 2")
    bad(lambda: show.path(ax, np.zeros(9), np.zeros(8)), "9 x for 8 y")
    bad(lambda: show.path(ax, np.zeros((0, 2))), "no points")
    bad(lambda: show.dots(ax, np.zeros((2, 9, 2))), "dots has shape")
    bad(lambda: show.image(ax, np.zeros((2, 8, 8))), "image has shape")
    bad(lambda: show.image(ax, np.full((8, 8), np.nan)), "no finite value")
    bad(lambda: show.readout("{loss}", loss=np.zeros(2)), "readout: loss has shape")
    bad(lambda: show.path(ax, np.zeros((9, 2), complex)), "real numbers", TypeError)
    bad(lambda: show.path(ax), "x and y, got 0", TypeError)


def test_upto_needs_a_point_for_every_value():
    show, ax = explorer({"rate": RATES, "epoch": range(5)})
    bad(lambda: show.path(ax, np.zeros((3, 6, 2)), upto="epoch"), "needs 5 points")
    bad(lambda: show.path(ax, np.zeros((3, 5, 5, 2)), upto="epoch"), "size 1 in axis 1")
    bad(lambda: show.path(ax, np.zeros((5, 2)), upto="epochs"), "'epochs'; the sliders are 'rate'")


def test_a_mark_out_of_sight_says_that_the_limits_are_missing():
    show, ax = explorer()
    show.path(ax, np.full((5, 2), 7.0))
    bad(show.html, "no point of the path lies inside its axes; set the limits")


@pytest.mark.parametrize(
    ("values", "text", "error"),
    [
        ([], "at least one value", ValueError),
        ([[1, 2]], "at least one value, got shape", ValueError),
        ([1, 2, 1], "has 1 twice", ValueError),
        ([1.0, float("nan")], "got nan at position 1", ValueError),
        ([1.0, float("inf")], "got inf at position 1", ValueError),
        ([True, False], "numbers or strings, got bool", TypeError),
        (range(70_000), "at most 65535", ValueError),
    ],
)
def test_a_bad_slider_is_refused(values, text, error):
    bad(lambda: explorer({"rate": values}), f"slider 'rate'.*{text}", error)


def test_unknown_names_are_refused_with_the_known_ones():
    known = "the sliders are 'rate', 'beta'"
    show, ax = explorer()
    bad(lambda: explorer(default={"lr": 1}), f"'lr'; {known}")
    bad(lambda: explorer(play="epoch"), f"play names the slider 'epoch'; {known}")
    bad(lambda: show.pick(ax, x="lr"), f"pick names the slider 'lr'; {known}")
    bad(lambda: show.readout("{lr:.1f}"), f"field 'lr'; {known}")
    bad(lambda: show.readout("{lr}", loss=1.0), "and the arrays 'loss'")
    bad(lambda: show.readout("{rate}", loss=1.0), r"got \['loss'\], which its template does not")
    bad(lambda: show.readout("{rate:d}"), "cannot write 'rate' as 'd'")
    bad(lambda: explorer(default={"rate": float("nan")}), "finite, got nan")
    bad(lambda: explorer({"a": ["x", "y"]}, default={"a": "z"}), "one of .*got 'z'")


@pytest.mark.parametrize(
    ("argument", "value", "text"),
    [
        ("width", float("nan"), "path: width must be finite and at least 0, got nan"),
        ("width", -1, "path: width must be finite and at least 0, got -1"),
        ("width", '"/><script>', "path: width must be a number, got '\"/><script>'"),
        ("width", torch.ones(2), r"path: width must be a number, got tensor\(\[1., 1.\]\)"),
        ("dots", float("inf"), "path: dots must be finite and at least 0, got inf"),
        ("color", "blu", "path: color must be a colour that matplotlib knows, .*got 'blu'"),
        ("color", "red; x: y", "got 'red; x: y'"),
        ("label", 3, "path: label must be text, got 3"),
        ("label", "\0", r"must be free of control characters, got '\\x00'"),
        ("upto", np.zeros(2), r"path: upto names the slider array\(\[0., 0.\]\)"),
    ],
)
def test_a_path_refuses_what_it_cannot_draw_with(argument, value, text):
    show, ax = explorer()
    settings: Any = {argument: value}
    with pytest.raises((ValueError, TypeError), match=text):
        show.path(ax, np.zeros((2, 2)), **settings)
    assert not show.marks


def test_dots_images_and_axes_refuse_what_they_cannot_draw_with():
    show, ax = explorer()
    odd: Any = "big"
    bad(lambda: show.dots(ax, [[0, 0]], size=odd), "size must be a number, got 'big'", TypeError)
    bad(lambda: show.dots(ax, [[0, 0]], size=-3), "dots: size must be .* at least 0, got -3")
    bad(lambda: show.image(ax, np.eye(2), cmap="virids"), "such as 'viridis', got 'virids'")
    bad(lambda: show.image(ax, np.eye(2), vmin=float("nan")), "vmin must be finite, got nan")
    bad(lambda: show.image(ax, np.eye(2), vmin=2), "vmin must be at most vmax, got 2 and 1")
    bad(lambda: show.image(ax, [["a"]]), "image needs real numbers, got <U1", TypeError)
    bad(lambda: show.path(ax, [[0, 0], [1]]), "path needs real numbers, got .*shape", TypeError)
    several: Any = np.array([ax, ax])
    bad(lambda: show.path(several, [[0, 0]]), "in one Axes of its figure, got array", TypeError)
    show.path(ax, [[0, 0], [1, 1]])
    ax.remove()
    bad(show.html, "these axes are not in the Explorer's figure")


def test_names_and_texts_that_are_none_are_refused():
    no_text: Any = None
    bad(lambda: explorer(name=no_text), "name must be text, got None", TypeError)
    bad(lambda: explorer(alt=no_text), "alt must be text, got None", TypeError)
    bad(lambda: explorer(task=no_text), "task must be text, got None", TypeError)
    bad(lambda: explorer(alt="bell \a"), "alt must be free of control characters")
    bad(lambda: explorer({3: [1, 2]}), "name of a slider must be text, got 3", TypeError)
    bad(lambda: explorer([1, 2]), r"a mapping name → values, got \[1, 2\]", TypeError)
    bad(lambda: explorer(default=[1]), r"a mapping slider → value, got \[1\]", TypeError)
    bad(lambda: explorer(default={"rate": [1]}), r"'rate' must be a number, got \[1\]", TypeError)


@pytest.mark.parametrize("row", ["abc", {0.1, 0.2}, {"a": 1}, 0.5, None, b"ab"])
def test_a_slider_needs_its_values_in_a_row(row):
    bad(lambda: explorer({"rate": row}), "slider 'rate' needs a row of values", TypeError)


def test_a_sentence_that_python_cannot_write_is_refused():
    show, _ = explorer()
    no_text: Any = 3
    bad(lambda: show.readout("{rate}", rate=1.0), r"arrays named like sliders: \['rate'\]; rename")
    bad(lambda: show.readout("{rate"), "expected '}' before end of string in '{rate'")
    bad(lambda: show.readout("{rate!r}"), "takes a format such as ':.2g', not '!r'")
    bad(lambda: show.readout(" "), "readout needs a sentence, got ' '")
    bad(lambda: show.pytorch(no_text), "pytorch must be text, got 3", TypeError)
    bad(lambda: show.readout("{x}", x=1j), "x needs numbers or strings, got complex128", TypeError)
    bad(lambda: show.readout("{x}", x=None), "numbers or strings, got object, None", TypeError)
    bad(lambda: show.readout("{x}", x="\ud800"), r"control characters, got '\\ud800'")


def test_a_thing_said_twice_is_refused():
    show, ax = explorer()
    show.readout("{rate}")
    show.pick(ax, x="rate")
    bad(lambda: show.readout("{beta}"), "has a readout already")
    bad(lambda: show.pick(ax, y="beta"), "a pick already")
    bad(lambda: show.pick(Figure().subplots(), x="rate"), "not in the Explorer's figure")
    bad(lambda: explorer({"a b": [1], "a-b": [1]}), "must differ in letters")
    no_figure: Any = None
    bad(lambda: Explorer(no_figure, {"a": [1]}, name="a", alt="a"), "Figure", TypeError)
    bad(lambda: explorer(name="Fig 1"), "got 'Fig 1'")
    bad(lambda: explorer(alt=" "), "say what the picture shows")
    bad(lambda: Explorer(Figure(), {}, name="a", alt="a"), "at least one slider, got none")


def test_a_pick_outside_its_axes_and_polar_axes_are_refused():
    show, ax = explorer({"rate": [0.5, 5.0]})
    show.pick(ax, x="rate")
    bad(show.html, r"slider 'rate' has values outside the axes' limits")
    figure = Figure()
    polar = figure.add_subplot(projection="polar")
    round_one = Explorer(figure, {"a": [1]}, name="a", alt="a")
    bad(lambda: round_one.path(polar, np.zeros((3, 2))), "rectilinear axes, got 'polar'", TypeError)


# ---- the page's HTML


def full(name="test") -> Explorer:
    show, ax = explorer(name=name, task="Try it.", play="beta")
    ax.plot([-1, 1], [0, 0], "k")
    show.path(ax, np.random.default_rng(0).uniform(-1, 1, (3, 2, 9, 2)), label="run")
    show.dots(ax, np.zeros((4, 2)))
    show.image(ax, np.random.default_rng(1).random((3, 1, 4, 4)))
    show.pick(ax, x="rate", y="beta")
    show.readout("at {rate}")
    show.pytorch("SGD(lr={rate})")
    return show


def test_the_html_is_the_same_every_time():
    assert full().html() == full().html()


def test_explorers_on_a_page_share_no_id():
    ids = [re.findall(r'\bid="([^"]+)"', full(name).html()) for name in ("one", "two")]

    assert len(set(ids[0] + ids[1])) == len(ids[0]) + len(ids[1])
    html = full("one").html()
    assert set(re.findall(r"url\(#([^)]+)\)", html)) <= set(ids[0])


def test_ink_is_the_pages_colour_and_text_stays_text():
    html = full().html()

    assert "#000000" not in html and "currentColor" in html
    assert "<style" not in html and "font-family" not in html and "<metadata" not in html
    assert re.search(r"<text[^>]*>−?1", html) or "−1.00</text>" in html


ODD_TEXTS = [
    "colour #000000 or #0072b2",
    'id="x"',
    "font-family: Arial; fill: url(#x)",
    "<style>*{}</style> <!-- & -->",
    'd="0.12345"  x=" />"',
]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_a_text_of_the_figure_says_what_its_author_wrote(text):
    show, ax = explorer()
    ax.set_title(text)
    texts = re.findall("<text[^>]*>([^<]*)</text>", show.html())

    assert text in map(unescape, texts)


def test_only_a_link_inside_the_picture_is_renamed():
    show, ax = explorer()
    for x, url in enumerate(("#fig-other", "#x", "https://example.org/?a&b")):
        ax.text(x / 9, 0, "link", url=url)
    ids = set(re.findall(r' id="([^"]+)"', show.html()))
    links = re.findall(r' href="([^"]+)"', show.html())

    assert links[-3:] == ["#fig-other", "#x", "https://example.org/?a&amp;b"]
    assert len(links) > 3 and {link[1:] for link in links[:-3]} <= ids
    assert "xlink" not in show.html() and "xmlns" not in show.html()


def test_a_text_that_no_svg_can_hold_is_refused():
    show, ax = explorer()
    ax.set_xlabel("bell \a")
    with pytest.warns(UserWarning, match="missing from font"):
        bad(show.html, r"control character, got '<text.*bell \\x07</text>'")


def test_its_text_form_is_one_line():
    assert repr(full()) == "Explorer 'test': rate × beta, 3 × 2 positions"
    assert full()._repr_mimebundle_()[0].keys() == {
        "text/html",
        "text/plain",
    }  # nobody to move a slider


def test_a_grid_of_800_runs_weighs_less_than_300_kb():
    rates, betas = np.linspace(0.005, 0.2, 40), np.linspace(0, 0.95, 20)
    w, v, h = np.full((40, 20, 101, 2), [-0.9, 1.5]), np.zeros((40, 20, 2)), np.array([1.0, 10.0])
    for k in range(100):
        v = betas[:, None] * v + h * w[:, :, k]
        w[:, :, k + 1] = w[:, :, k] - rates[:, None, None] * v
    show, ax = explorer({"rate": rates, "beta": betas})
    show.path(ax, w)
    show.path(ax, np.linspace(-1, 1, 101), (w**2).sum(-1))

    assert len(gzip.compress(show.html().encode())) < 300_000


def test_a_fitted_curve_for_every_epoch_weighs_less_than_300_kb():
    rng = np.random.default_rng(0)
    x, t = np.linspace(-1, 1, 50), np.linspace(0, 1, 61)[:, None]
    noise = rng.normal(0, 0.02, (8, 25, 61, 4)) @ np.array([x**0, x, x**2, np.abs(x)])
    curves = x**2 * (1 - np.exp(-9 * t * np.logspace(-2, 0, 25)[:, None, None])) + noise
    show, ax = explorer({"batch": range(8), "rate": np.logspace(-3, 0, 25), "epoch": range(61)})
    show.path(ax, x, curves)
    show.path(ax, np.linspace(-1, 1, 61), ((curves - x**2) ** 2).mean(-1), upto="epoch")
    show.readout("loss {loss:.2e}", loss=((curves - x**2) ** 2).mean(-1))

    assert len(gzip.compress(show.html().encode())) < 300_000


def test_importing_and_drawing_print_nothing_and_set_nothing():
    code = """
import matplotlib; before = matplotlib.rcParams.copy()
from gdlib.explore import Explorer
from matplotlib.figure import Figure
f = Figure(); ax = f.subplots(); e = Explorer(f, {"a": [1, 2]}, name="a", alt="a")
e.dots(ax, [[0.5, 0.5]]); e.html()
import sys
assert matplotlib.rcParams.copy() == before
assert "matplotlib.pyplot" not in sys.modules and "ipywidgets" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_in_jupyter_a_few_values_are_toggle_buttons_and_a_lone_marker_has_none():
    from gdlib.explore.widget import _build

    figure = Figure()
    ax = figure.subplots()
    ax.set(xlim=(0, 9), ylim=(0, 9))
    sliders = {"method": ["one", "two"], "x": range(9), "rate": np.logspace(-3, 0, 9)}
    show = Explorer(figure, sliders, name="test", alt="Nothing.")
    show.dots(ax, np.ones((2, 1, 1, 1)), np.ones((2, 1, 1, 1)))
    show.pick(ax, x="x", alone=True)
    box, links = _build(show._page)
    rows = [type(row).__name__ for row in box.children[1].children]
    assert rows == ["ToggleButtons", "FloatLogSlider"]
    assert [link.source[1] for link in links] == ["index", "value"]
