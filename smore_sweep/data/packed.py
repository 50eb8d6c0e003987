"""A pool's episodes as plain arrays, ``packed/*.npy``, which are mapped into memory: four, or two of images."""

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
    for name, array in episodes.own_arrays().items():
        with atomic_write(pool / FOLDER / f"{name}.npy") as unfinished, unfinished.open("wb") as file:
            np.save(file, array)


def digests(episodes: Episodes) -> dict[str, str]:
    """Return the digest of each array, by its name."""
    return {name: array_digest(array) for name, array in episodes.own_arrays().items()}


def read(pool: Path, newer_than: Path, dtype: str) -> Episodes | None:
    """Map the arrays of a pool's folder, read-only. ``dtype`` is that of the observations.

    Returns:
        The episodes, or None if there are no arrays, or some older than the file ``newer_than``.

    Raises:
        RefusedError: An array is missing or damaged.
    """
    names = ("observations", "actions") if dtype == "uint8" else tuple(Episodes.__dataclass_fields__)
    paths = [pool / FOLDER / f"{name}.npy" for name in names]
    if not any(path.exists() for path in paths):
        return None
    for path in paths:
        try:
            check_regular(path)
        except RefusedError as error:
            raise RefusedError(f"{path.name} {error}") from None
    if min(path.stat().st_mtime_ns for path in paths) < newer_than.stat().st_mtime_ns:
        return None
    mapped = {}
    for name, path in zip(names, paths, strict=True):
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except Exception as error:  # NumPy's parser raises nearly anything for a damaged header
            raise RefusedError(f"{path.name} cannot be read ({type(error).__name__})") from None
        if array.dtype != (dtype if name == "observations" else np.float32):
            raise RefusedError(f"{path.name} is of another type")
        mapped[name] = np.asarray(array)  # a plain array, whose memory is the file
    return Episodes.of(mapped)
