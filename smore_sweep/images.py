"""Images: vectors of uint8 on disk and in memory, numbers from 0 to 1 wherever something is computed of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

WHITE = 255
"""The value that counts as 1."""


def as_numbers(array: NDArray[Any]) -> NDArray[Any]:
    """Return an image as float32 from 0 to 1, and an array of anything else as it is."""
    return array.astype(np.float32) / WHITE if array.dtype == np.uint8 else array
