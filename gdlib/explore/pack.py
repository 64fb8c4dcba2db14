"""Numbers on their way to the browser: 16-bit, differenced, split into byte planes, deflated.

The script undoes this in a dozen lines. Neighbouring points and neighbouring runs differ little, so
differences are small and mostly fit one byte; the high bytes are then a plane of zeros, which costs
nothing.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

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
        points = values.ndim - 1
        # Differences from point to point, and perhaps from run to run along one slider.
        runs = [axis for axis in range(points) if values.shape[axis] > 1]
        ways = [[points], *([points, axis] for axis in runs)]
        planes = [_difference(values, way) for way in ways]
        best = min(range(len(ways)), key=lambda i: len(zlib.compress(planes[i], 1)))
        wide = len(planes[best]) == 2 * values.size
        self.specs.append({"shape": list(values.shape), "delta": ways[best], "wide": wide})
        self.planes.append(planes[best])
        self.arrays.append(values)
        return len(self.specs) - 1

    def deflated(self) -> bytes:
        """All channels in one piece."""
        return zlib.compress(b"".join(self.planes), 9)


def _difference(values: np.ndarray, axes: list[int]) -> bytes:
    for axis in axes:
        values = np.diff(values, axis=axis, prepend=np.int16(0))
    # Zigzag: small negative numbers become small positive ones, so their high byte is zero too.
    zigzag = ((values << 1) ^ (values >> 15)).astype(np.uint16).ravel()
    low, high = (zigzag & 255).astype(np.uint8), (zigzag >> 8).astype(np.uint8)
    return low.tobytes() + (high.tobytes() if high.any() else b"")
