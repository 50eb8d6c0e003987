"""Refusal of foreign files whose content is not plain arrays of numbers."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e30
"""Largest magnitude that passes for data. Squares of larger numbers are infinite in float32."""


class RefusedError(Exception):
    """A file is refused. The message continues the sentence ``FILE is refused: it ...``."""


def check_regular(path: Path) -> None:
    """Refuse FIFOs, devices and folders, whose opening may hang.

    Raises:
        RefusedError: The file is missing or not a regular one.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise RefusedError(f"cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(mode):
        raise RefusedError("is not a regular file")


def to_float32(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """Copy an array as float32. Numbers beyond its range become infinite, without a warning."""
    with np.errstate(over="ignore"):
        return np.array(array, np.float32)


def check_numbers(array: NDArray[np.float32], name: str, *, allow_large: bool) -> None:
    """Refuse numbers that are not finite or beyond :data:`LARGEST`, with their place.

    Args:
        array: ``[N, T, size]``, or ``[N, size]`` for one row per episode.
        name: The array's name in the message.
        allow_large: Accept every finite number.
    """
    # Minimum and maximum need no temporary array and pass on NaN.
    low, high = (float(bound) for bound in (array.min(), array.max()))
    if np.isfinite([low, high]).all() and (allow_large or max(-low, high) <= LARGEST):
        return
    for valid, remedy in (
        (np.isfinite, "every number must be finite in float32"),
        (lambda row: np.abs(row) <= LARGEST, f"numbers beyond {LARGEST:g} are imported only with --allow-large"),
    ):
        for episode, rows in enumerate(array):
            if not (fits := valid(rows)).all():
                index = tuple(map(int, np.argwhere(~fits)[0]))
                place = f"episode {episode}" + (f", step {index[0]}" if rows.ndim > 1 else "")
                raise RefusedError(f"holds {rows[index]:g} among its {name} ({place}); {remedy}")
