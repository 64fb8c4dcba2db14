"""Matplotlib drawings: each takes axes and returns the artists it drew."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.contour import QuadContourSet
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor
from torch.func import vmap

from gdlib.landscapes import Landscape
from gdlib.palette import COLORS

Numbers = Tensor | Sequence[float]


def draw_contours(
    ax: Axes, landscape: Landscape, *, levels: int = 18, resolution: int = 161
) -> QuadContourSet:
    """Level sets of a landscape of two weights, over its box, with equal aspect.

    The levels are evenly spaced in the square root of the loss above its lowest drawn value, so a
    quadratic's are equally far apart. Raises ``ValueError`` without a box of two weights.
    """
    if landscape.box is None or len(landscape.box) != 2:
        raise ValueError(f"contours need a box of two weights, got {landscape.box}")
    x, y = (torch.linspace(*sides, resolution, dtype=torch.float64) for sides in landscape.box)
    grid = torch.cartesian_prod(x, y)
    height = vmap(landscape.loss)(grid).reshape(resolution, resolution).T
    low, high = height.min(), height.max()
    steps = torch.linspace(0, 1, levels + 1, dtype=torch.float64)[1:]
    contours = ax.contour(
        x, y, height, levels=low + (high - low) * steps**2,
        colors=COLORS["surface"], linewidths=0.6, alpha=0.7,
    )  # fmt: skip
    ax.set_aspect("equal")
    ax.set(xlim=landscape.box[0], ylim=landscape.box[1])
    if landscape.minima is not None:
        ax.plot(*landscape.minima.T, "x", color=COLORS["minimum"], markersize=7, zorder=4)
    return contours


def draw_curve(ax: Axes, landscape: Landscape, *, resolution: int = 401) -> Line2D:
    """The loss of a landscape of one weight, over its box."""
    if landscape.box is None or len(landscape.box) != 1:
        raise ValueError(f"a curve needs a box of one weight, got {landscape.box}")
    w = torch.linspace(*landscape.box[0], resolution, dtype=torch.float64)[:, None]
    (line,) = ax.plot(w, vmap(landscape.loss)(w), color=COLORS["surface"], linewidth=1.2)
    return line


def draw_path(
    ax: Axes, w: Tensor, *, color: str = COLORS["path"], label: str | None = None
) -> Line2D:
    """The weights of one run, ``(rows, 2)``, start to finish.

    It stops where the run is no longer finite. Raises ``ValueError`` for a batch of runs.
    """
    if w.dim() != 2 or w.shape[-1] != 2:
        raise ValueError(f"a path is one run of two weights, (rows, 2), got {tuple(w.shape)}")
    finite = w.isfinite().all(-1).cumprod(0).bool()
    (line,) = ax.plot(
        *w[finite].T, "-o", color=color, markersize=3, linewidth=1.2, label=label, zorder=3
    )
    ax.plot(*w[0], "o", color=COLORS["start"], markersize=6, zorder=5)
    return line


def draw_runs(
    ax: Axes, x: Tensor, curves: Tensor, *, color: str = COLORS["path"], label: str | None = None
) -> Line2D:
    """The median of several runs ``(runs, rows)`` against ``x`` ``(rows,)``, and their range.

    Infinite and missing values count as higher than any other. Raises ``ValueError`` for one run.
    """
    if curves.dim() != 2 or curves.shape[-1] != len(x):
        raise ValueError(f"curves must be (runs, {len(x)}), got {tuple(curves.shape)}")
    curves = curves.nan_to_num(nan=float("inf"))
    ax.fill_between(x, *curves.aminmax(dim=0), color=color, alpha=0.18, linewidth=0)
    (line,) = ax.plot(x, curves.quantile(0.5, dim=0, interpolation="nearest"), color=color)
    if label:
        label_end(ax, line, label)
    return line


def label_end(ax: Axes, line: Line2D, text: str) -> None:
    """Name a line at its last point, in its own colour: no legend box."""
    x, y = torch.as_tensor(line.get_xydata())[-1].tolist()
    ax.annotate(
        text, (x, y), xytext=(4, 0), textcoords="offset points",
        color=line.get_color(), va="center", annotation_clip=False,
    )  # fmt: skip


def draw_map(
    ax: Axes, x: Numbers, y: Numbers, values: Tensor, *, label: str, good: str = "low"
) -> QuadMesh:
    """A table of numbers ``(len(y), len(x))`` as a map on logarithmic axes, with a colour bar.

    Each cell is centred on its x and y. Bright is what is ``good``, the "low" values or the "high".
    What is not finite stays hatched.
    """
    cmaps = {"low": "cividis_r", "high": "cividis"}
    if good not in cmaps:
        raise ValueError(f"good must be 'low' or 'high', got {good!r}")
    x, y = torch.as_tensor(x).double(), torch.as_tensor(y).double()
    if values.shape != (len(y), len(x)):
        raise ValueError(f"values must be ({len(y)}, {len(x)}), got {tuple(values.shape)}")
    ax.set(xscale="log", yscale="log")
    ax.patch.set(hatch="////", edgecolor=COLORS["surface"], linewidth=0)
    shown = values.where(values.isfinite(), float("nan")).numpy()
    mesh = ax.pcolormesh(_edges(x), _edges(y), shown, cmap=cmaps[good], rasterized=True)
    ax.figure.colorbar(mesh, ax=ax, label=label, ticks=MaxNLocator(5))
    return mesh


def _edges(centres: Tensor) -> np.ndarray:
    """The borders between cells, halfway between centres in the logarithm."""
    log = centres.log()
    half = log.diff() / 2
    return torch.cat([log[:1] - half[:1], log[:-1] + half, log[-1:] + half[-1:]]).exp().numpy()
