"""The curves' colours: told apart by every eye, on light and on dark pages."""

import re
from itertools import combinations

import numpy as np
import pytest

from gdlib.palette import COLORS, CURVES
from tests.conftest import ROOT

# Machado, Oliveira & Fernandes 2009, full severity: what is seen of linear red, green and blue.
EYES = {
    "all cones": np.eye(3),
    "deuteranope": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "protanope": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
}
TO_XYZ = np.array(
    [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.9503]]
)
CSS = (ROOT / "gdlib" / "static" / "explorer.css").read_text(encoding="utf8")
TWINS = re.findall(r"--explorer-\d: (#[0-9a-f]{6})", CSS)
PAGES = {
    "light": ([COLORS[role] for role in CURVES], COLORS["surface"], "#fffefb"),
    "dark": (TWINS, COLORS["surface"], "#12181c"),
}


def linear(color: str) -> np.ndarray:
    c = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b*, in which a distance of about 2.3 is just seen."""
    xyz = TO_XYZ @ rgb.clip(0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(one: str, other: str, eye: str) -> float:
    return float(np.linalg.norm(lab(EYES[eye] @ linear(one)) - lab(EYES[eye] @ linear(other))))


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("page", PAGES)
def test_every_eye_tells_the_curves_apart(page, eye):
    curves, background_lines, _ = PAGES[page]
    assert len(curves) == len(CURVES)
    for one, other in combinations(curves, 2):
        assert distance(one, other, eye) >= 25, (one, other)
    for curve in curves:
        assert distance(curve, background_lines, eye) >= 20, curve


def test_the_measure_sees_what_deuteranopes_do_not():
    assert distance("#009E73", "#8c8c8c", "all cones") > 40  # the green and grey of a first palette
    assert distance("#009E73", "#8c8c8c", "deuteranope") < 12


@pytest.mark.parametrize("page", PAGES)
def test_curves_stand_out_from_the_page(page):
    curves, _, ground = PAGES[page]
    for color in curves:
        dark, light = sorted(
            float(TO_XYZ[1] @ linear(c)) for c in (color, ground)
        )  # relative luminance
        assert (light + 0.05) / (dark + 0.05) >= 3, color
