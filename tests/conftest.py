"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in training: one single-threaded process per core

Array = NDArray[np.float64]


def numeric_gradient(function: Callable[[Array], Any], at: Array, step: float = 1e-5) -> Array:
    """Central finite differences of a scalar float64 function."""
    gradient = np.empty_like(at)
    for place in np.ndindex(at.shape):
        moved = np.zeros_like(at)
        moved[place] = step
        gradient[place] = (float(function(at + moved)) - float(function(at - moved))) / (2 * step)
    return gradient
