"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary name to write to, which becomes ``path`` at the end: a reader never sees half a file, and a writer
    that fails or is killed leaves the old one. The folder is made if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())  # on the disk, before it has the name
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
