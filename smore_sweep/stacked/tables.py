"""Tables of rows on a device."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numpy.typing import NDArray


def on_device(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """Return the array as a tensor on ``device``. On a CPU it is the same memory, which nothing writes to: Ray's arrays
    are read-only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)


def take(table: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Read rows ``[M, B]`` of a table ``[rows, n]``; returns ``[M, B, n]``."""
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)
