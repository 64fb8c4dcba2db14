"""Numbers on their way to the browser: 16-bit, differenced, split into byte planes, deflated.

The script undoes this in a dozen lines. Neighbouring points and neighbouring runs differ little, so
differences are small and mostly fit one byte; the high bytes are then a plane of zeros, which costs
nothing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from itertools import chain

import numpy as np


@dataclass
class Payload:
    """Channels of shape (*slider axes, items), each packed once; ``specs`` tells how to unpack."""

    specs: list[dict[str, object]] = field(default_factory=list)
    planes: list[bytes] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)

    def add(self, channel: np.ndarray) -> int:
        """Add an array of whole numbers that fit 16 bits; return its number."""
        values = channel.astype(np.int64).astype(np.uint16).view(np.int16)
        delta = min(_candidates(values.shape), key=lambda axes: _cost(_difference(values, axes)))
        plane = _difference(values, delta)
        wide = len(plane) == 2 * values.size
        self.specs.append({"shape": list(values.shape), "delta": delta, "wide": wide})
        self.planes.append(plane)
        self.arrays.append(values)
        return len(self.specs) - 1

    def deflated(self) -> bytes:
        return zlib.compress(b"".join(self.planes), 9)


def _candidates(shape: tuple[int, ...]) -> list[list[int]]:
    """Axes along which differences are tried: points (never, once, twice), up to two sliders."""
    last = len(shape) - 1
    points = [[], [last], [last, last]] if shape[-1] > 1 else [[]]
    others = [[axis] for axis in range(last) if shape[axis] > 1]
    pairs = [a + b for a in others for b in others if a < b]
    return [list(chain(p, o)) for p in points for o in [[], *others, *pairs]]


def _difference(values: np.ndarray, axes: list[int]) -> bytes:
    for axis in axes:
        values = np.diff(values, axis=axis, prepend=np.int16(0))
    # Zigzag: small negative numbers become small positive ones, so their high byte is zero too.
    zigzag = ((values << 1) ^ (values >> 15)).astype(np.uint16).ravel()
    low, high = (zigzag & 255).astype(np.uint8), (zigzag >> 8).astype(np.uint8)
    return low.tobytes() + (high.tobytes() if high.any() else b"")


def _cost(plane: bytes) -> float:
    """An estimate of the deflated size from eight samples; deflating everything takes seconds."""
    step = max(len(plane) // 8, 16_384)
    sample = b"".join(plane[at : at + 16_384] for at in range(0, len(plane), step))
    return len(zlib.compress(sample, 6)) / len(sample) * len(plane)
