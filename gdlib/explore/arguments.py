"""What a caller may hand over; everything else is refused in a sentence, with the value."""

from __future__ import annotations

import math
import re

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, to_hex

REAL, VALUES = "real numbers", "numbers or strings"
KINDS = {REAL: "biuf", VALUES: "biufU"}  # numpy's letters for them
UNSHOWN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def shown(value: object) -> str:
    """A value in an error: one line, and not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:79]}…"


def written(number: str) -> str:
    """A number as people write it: 2·10⁻⁵ for 2e-05, and a minus for a hyphen."""
    digits, _, power = number.partition("e")
    if power and digits[-1:].isdigit():
        raised = str(int(power)).translate(RAISED)
        number = f"10{raised}" if digits == "1" else f"{digits}·10{raised}"
    return number.replace("-", "−")


def as_text(value: object, what: str) -> str:
    """Text that a page can hold; ``ValueError`` for control characters."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be text, got {shown(value)}")
    if UNSHOWN.search(value):
        raise ValueError(f"{what} must be free of control characters, got {shown(value)}")
    return value


def as_number(value: object, what: str, least: float = -math.inf) -> float:
    """A finite number, at least ``least``; a tensor or an array of one number is none."""
    if isinstance(value, bool | str | bytes) or getattr(value, "shape", ()) != ():
        raise TypeError(f"{what} must be a number, got {shown(value)}")
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise TypeError(f"{what} must be a number, got {shown(value)}") from None
    if not math.isfinite(number) or number < least:
        bound = f" and at least {least:g}" if math.isfinite(least) else ""
        raise ValueError(f"{what} must be finite{bound}, got {shown(value)}")
    return number


def as_color(value: object, what: str) -> str:
    """matplotlib's colour as ``#rrggbb``, or ``#rrggbbaa`` where one sees through it."""
    try:
        return to_hex(value, keep_alpha=True).removesuffix("ff")  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be a colour that matplotlib knows, such as '#0072B2' or 'gray', "
            f"got {shown(value)}"
        ) from None


def as_colormap(value: object, what: str) -> Colormap:
    """matplotlib's colour map, itself or by its name."""
    try:
        return colormaps.get_cmap(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise ValueError(
            f"{what} must be one of matplotlib's colour maps, such as 'viridis', got {shown(value)}"
        ) from None


def as_array(values: object, what: str, kind: str) -> np.ndarray:
    """numpy's view of an array, a list, a range or a tensor (with or without a gradient).

    What is masked becomes NaN. Raises ``TypeError`` unless it holds what ``kind`` says.
    """
    try:
        if detach := getattr(values, "detach", None):
            array = detach().cpu().numpy()
        elif isinstance(values, np.ma.MaskedArray):
            array = np.ma.filled(values.astype(float), np.nan)
        else:
            array = np.asarray(values)
        if array.dtype.kind == "O":  # Python's own strings or numbers, such as a table's column
            array = np.array(array.tolist())
    except Exception as error:
        raise TypeError(f"{what} needs {kind}, got {shown(values)}: {error}") from None
    if array.dtype.kind not in KINDS[kind]:
        raise TypeError(f"{what} needs {kind}, got {array.dtype}, {shown(values)}")
    return array
