"""Figures that do not move: the same SVG as the Explorer's stage."""

import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from gdlib.explore import Picture


def two() -> Figure:
    figure = Figure(figsize=(6, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], color="#0072B2")
    mesh = right.pcolormesh(np.eye(3))
    figure.colorbar(mesh, ax=right, label="steepness")
    left.twinx().plot([0, 1], [3, 2])
    return figure


def panels(picture: Picture) -> list[str]:
    return re.findall(r"<svg.*?</svg>", picture._repr_html_(), re.DOTALL)


def test_a_colour_bar_and_a_twin_share_the_panel_of_their_axes():
    drawn = panels(Picture(two(), alt="A line and a map."))
    assert len(drawn) == 2
    assert ["steepness" in panel for panel in drawn] == [False, True]
    assert all(ElementTree.fromstring(panel) is not None for panel in drawn)


def test_the_first_panel_has_the_alt_text_and_the_others_are_passed_over():
    first, second = panels(Picture(two(), alt='A "line" & a map.'))
    assert 'aria-label="A &quot;line&quot; &amp; a map."' in first
    assert 'aria-hidden="true"' in second and "aria-label" not in second


def test_ink_and_curves_follow_the_page():
    html = Picture(two(), alt="A line and a map.")._repr_html_()
    assert "var(--explorer-0, #0072b2)" in html and "#000000" not in html


def test_pieces_of_one_picture_stay_together_and_dark_grey_follows_the_page():
    figure = Figure()
    for number, axes in enumerate(figure.subplots(2, 3).flat):
        axes.plot([0, 1], [number, 1], color="#595959")
        axes.set(xticks=[], yticks=[]) if number < 5 else None
    drawn = panels(Picture(figure, alt="Five pieces and a chart."))
    assert len(drawn) == 2
    assert "#595959" not in drawn[0] and "color-mix(in srgb, currentColor" in drawn[0]


def test_what_has_thousands_of_points_is_a_picture_inside():
    figure = Figure()
    axes = figure.subplots()
    axes.plot(range(100), range(100))
    light = len(Picture(figure, alt="A line.")._repr_html_())
    axes.scatter(*np.random.default_rng(0).random((2, 20_000)))
    html = Picture(figure, alt="A cloud.")._repr_html_()
    assert "data:image/png" in html
    assert len(html) < light + 200_000


def test_a_title_of_the_figure_is_not_lost():
    figure = two()
    figure.suptitle("All of it")
    assert "All of it" in panels(Picture(figure, alt="A line and a map."))[0]


def test_axes_of_subfigures_and_invisible_ones_are_panels_too():
    figure = Figure(figsize=(6, 3))
    left, right = figure.subfigures(1, 2)
    left.subplots().set_title("alpha")
    hidden, shown = right.subplots(1, 2)
    shown.set_title("omega")
    hidden.set_visible(False)
    drawn = panels(Picture(figure, alt="Two charts."))
    assert [("alpha" in panel, "omega" in panel) for panel in drawn] == [
        (True, False),
        (False, False),
        (False, True),
    ]


def test_pyplot_shows_it_no_second_time():
    figure, _ = plt.subplots()
    Picture(figure, alt="Nothing.")
    assert not plt.fignum_exists(figure.number)


def test_two_pictures_of_a_page_share_no_id():
    pages = [Picture(two(), alt=alt)._repr_html_() for alt in ("One.", "Another.")]
    ids = [set(re.findall(r' id="([^"]+)"', page)) for page in pages]
    assert ids[0] and not ids[0] & ids[1]


def test_the_html_is_the_same_every_time():
    assert Picture(two(), alt="One.")._repr_html_() == Picture(two(), alt="One.")._repr_html_()


@pytest.mark.parametrize("alt", ["", "  ", None, 3, "a\x00"])
def test_a_picture_says_what_it_shows(alt):
    with pytest.raises((TypeError, ValueError), match="alt"):
        Picture(two(), alt=alt)


def test_a_figure_is_a_figure():
    with pytest.raises(TypeError, match="figure must be a matplotlib Figure"):
        Picture(plt, alt="A module.")
