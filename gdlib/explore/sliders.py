"""Sliders, and how an array is fitted to them: one leading axis for each slider, in their order."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gdlib.explore.arguments import VALUES, as_array, as_number, as_text, shown, written

LIMIT = 65_535  # positions and texts are sent as 16-bit numbers


@dataclass(frozen=True)
class Slider:
    """A named row of values; the reader sees ``labels``, ``start`` is the first position."""

    name: str
    values: tuple[float | str, ...]
    labels: tuple[str, ...]
    start: int

    @property
    def slug(self) -> str:
        """The name as it stands in an address."""
        return slug(self.name)

    def meta(self) -> dict[str, object]:
        """What the browser's script needs to know; strings have no values, only labels."""
        values = None if isinstance(self.values[0], str) else self.values
        return {
            "name": self.name, "slug": self.slug, "labels": self.labels, "values": values,
            "log": self.is_log,
        }  # fmt: skip

    @property
    def is_choice(self) -> bool:
        """Whether its values are few enough to stand side by side, to be chosen with one tap."""
        return len(self.values) <= (6 if isinstance(self.values[0], str) else 4)

    @property
    def is_log(self) -> bool:
        """Whether the values are floats that grow by a constant ratio, as ``logspace`` does."""
        if self.is_choice or not all(isinstance(v, float) and v > 0 for v in self.values):
            return False
        steps = np.diff(np.log(np.array(self.values)))
        return bool(steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-4))


def slug(name: str) -> str:
    """A name as it stands in an address: small letters, digits and ``-``."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def make_sliders(
    values: Mapping[str, Iterable], default: Mapping[str, float | str] | None, what: str = "default"
) -> tuple[Slider, ...]:
    """The sliders of a mapping name → values. Raises ``ValueError`` naming the bad one."""
    if not isinstance(values, Mapping):
        raise TypeError(f"sliders must be a mapping name → values, got {shown(values)}")
    if default is not None and not isinstance(default, Mapping):
        raise TypeError(f"{what} must be a mapping slider → value, got {shown(default)}")
    if not values:
        raise ValueError("an Explorer needs at least one slider, got none")
    starts = dict(default or {})
    for name in starts:
        if name not in values:
            raise ValueError(f"{what} names the slider {shown(name)}; {known(values)}")
    sliders = tuple(_slider(n, row, starts.get(n), what) for n, row in values.items())
    if len({s.slug for s in sliders}) < len(sliders):
        raise ValueError(f"slider names must differ in letters or digits, got {list(values)}")
    return sliders


def moved(sliders: Sequence[Slider], to: Mapping[str, float | str]) -> tuple[Slider, ...]:
    """The sliders at other values. Raises ``ValueError`` as for their defaults."""
    to = {s.name: s.values[s.start] for s in sliders} | dict(to) if isinstance(to, Mapping) else to
    return make_sliders({s.name: s.values for s in sliders}, to, "answer")


def known(names: Iterable[str]) -> str:
    """The end of an error about a name that no slider has."""
    return f"the sliders are {', '.join(map(repr, names))}"


def index_of(name: str, sliders: Sequence[Slider], what: str) -> int:
    """The position of a slider among the sliders. Raises ``ValueError`` for an unknown name."""
    for i, slider in enumerate(sliders):
        if isinstance(name, str) and slider.name == name:
            return i
    raise ValueError(f"{what} names the slider {shown(name)}; {known(s.name for s in sliders)}")


def _slider(name: str, row: Iterable, default: float | str | None, start: str) -> Slider:
    what = f"slider {as_text(name, 'name of a slider')!r}"
    if isinstance(row, str | bytes | Mapping | set | frozenset) or not isinstance(row, Iterable):
        raise TypeError(f"{what} needs a row of values, such as a list, got {shown(row)}")
    array = as_array(row if hasattr(row, "__array__") else list(row), what, VALUES)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"{what} needs a row of at least one value, got shape {array.shape}")
    if not slug(name):
        raise ValueError(f"a slider's name needs a letter from a to z or a digit, got {name!r}")
    if array.size > LIMIT:
        raise ValueError(f"{what} has {array.size} values; at most {LIMIT} are possible")
    if array.dtype.kind == "b":
        raise TypeError(f"{what} needs {VALUES}, got {array.dtype}")
    values, seen = tuple(array.tolist()), set()
    for position, value in enumerate(values):
        if isinstance(value, str):
            as_text(value, what)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{what} must be finite, got {value} at position {position}")
        if value in seen:
            raise ValueError(f"{what} has {value!r} twice; its values must differ")
        seen.add(value)
    return Slider(name, values, _labels(values), _start(f"{start} of {what}", values, default))


def _labels(values: Sequence[float | str]) -> tuple[str, ...]:
    """The shortest texts of two digits or more that tell all values apart."""
    if not isinstance(values[0], float):
        return tuple(v if isinstance(v, str) else written(str(v)) for v in values)
    for digits in range(2, 18):
        labels = tuple(written(f"{v:.{digits}g}") for v in values)
        if len(set(labels)) == len(values):
            break
    return labels


def _start(what: str, values: Sequence, default: float | str | None) -> int:
    if default is None:
        return len(values) // 2
    if isinstance(default, str) or isinstance(values[0], str):
        if not isinstance(default, str) or default not in values:
            raise ValueError(f"{what} must be one of {shown(values)}, got {shown(default)}")
        return values.index(default)
    return int(np.argmin(np.abs(np.array(values) - as_number(default, what))))


def fit(array: np.ndarray, sliders: Sequence[Slider], tail: Sequence[str], what: str) -> np.ndarray:
    """``array`` with one leading axis for every slider, of the slider's length or 1.

    Axes of the last sliders may be left out: the array does not depend on those. ``tail`` names
    the axes that follow. Raises ``ValueError`` that says which axis does not fit and what would.
    """
    lead = array.ndim - len(tail)
    sizes = [f"{len(s.values)} or 1" for s in sliders]
    wanted = f"expected ({', '.join([*sizes, *tail])}), trailing slider axes may be left out"
    if not 0 <= lead <= len(sliders):
        raise ValueError(f"{what} has shape {array.shape}; {wanted}")
    for axis, slider in enumerate(sliders[:lead]):
        if array.shape[axis] not in (1, len(slider.values)):
            raise ValueError(
                f"{what} has shape {array.shape}, which does not fit the slider {slider.name!r}: "
                f"axis {axis} has {array.shape[axis]}, the slider {len(slider.values)}; {wanted}"
            )
    return array.reshape(array.shape[:lead] + (1,) * (len(sliders) - lead) + array.shape[lead:])
