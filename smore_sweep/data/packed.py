"""A pool's episodes as four plain arrays, ``packed/*.npy``, which are mapped into memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from smore_sweep.data.refusal import RefusedError, check_regular
from smore_sweep.episodes import Episodes
from smore_sweep.hashing import array_digest
from smore_sweep.storage.atomic import atomic_write

FOLDER = "packed"


def write(pool: Path, episodes: Episodes) -> None:
    """Write the arrays into a pool's folder, each atomically."""
    for name, array in vars(episodes).items():
        with atomic_write(pool / FOLDER / f"{name}.npy") as unfinished, unfinished.open("wb") as file:
            np.save(file, array)


def digests(episodes: Episodes) -> dict[str, str]:
    """Return the digest of each array, by its name."""
    return {name: array_digest(array) for name, array in vars(episodes).items()}


def read(pool: Path, newer_than: Path) -> Episodes | None:
    """Map the arrays of a pool's folder, read-only.

    Returns:
        The episodes, or None if there are no arrays, or some older than the file ``newer_than``.

    Raises:
        RefusedError: An array is missing or damaged.
    """
    paths = [pool / FOLDER / f"{name}.npy" for name in Episodes.__dataclass_fields__]
    if not any(path.exists() for path in paths):
        return None
    for path in paths:
        try:
            check_regular(path)
        except RefusedError as error:
            raise RefusedError(f"{path.name} {error}") from None
    if min(path.stat().st_mtime_ns for path in paths) < newer_than.stat().st_mtime_ns:
        return None
    mapped = []
    for path in paths:
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # NumPy's parser raises nearly anything for a damaged header
            raise RefusedError(f"{path.name} cannot be read ({type(error).__name__})") from None
        if array.dtype != np.float32:
            raise RefusedError(f"{path.name} is of another type")
        mapped.append(np.asarray(array))  # a plain array, whose memory is the file
    return Episodes(*mapped)
