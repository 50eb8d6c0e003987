"""Files that the scripts write for people: whole ones, or one sentence why not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smore_sweep.errors import StorageError
from smore_sweep.storage.atomic import atomic_write


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, as :func:`~smore_sweep.storage.atomic.atomic_write` does.

    Raises:
        StorageError: The file cannot be written.
    """
    try:
        with atomic_write(path) as unfinished:
            yield unfinished
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror or error}") from None
