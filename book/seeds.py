"""Shift every seed of torch, NumPy and scikit-learn: do the book's verdicts survive other draws?

``make seeds SHIFT=1000`` executes the chapters with this in place. A statement that holds for the
chosen seeds only is then a cell that fails.
"""

from typing import Any

import numpy as np
import torch


def shift(by: int) -> None:
    """From now on every seed that is given is that seed plus ``by``, in this process."""

    def shifted(seed: Any) -> Any:
        return seed + by if isinstance(seed, int | np.integer) else seed

    torch_seed = torch.manual_seed

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            return super().manual_seed(shifted(int(seed)))

    class RandomState(np.random.RandomState):  # scikit-learn's random_state, too
        def __init__(self, seed: Any = None) -> None:
            super().__init__(shifted(seed))

    default_rng = np.random.default_rng
    torch.Generator = Generator
    torch.manual_seed = torch.random.manual_seed = lambda seed: torch_seed(shifted(int(seed)))
    np.random.RandomState = RandomState
    np.random.default_rng = lambda seed=None: default_rng(shifted(seed))
