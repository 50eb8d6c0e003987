"""Import OGBench's files, such as ``cube-single-play-v0.npz``, of states or of images.

A file's name says its task. The validation set beside it, ``cube-single-play-v0-val.npz``, becomes a source of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from smore_sweep.data.importers import npz
from smore_sweep.errors import DatasetError, unknown
from smore_sweep.tasks import ogbench

VALIDATION = "-val"
"""Ending of a validation set's name, and of its source's."""


def import_dataset(path: Path, source: str, say: Callable[[str], None], *, allow_large: bool = False) -> None:
    """Import a file and the validation set beside it, or all of OGBench's files in a folder.

    Args:
        path: The file, or the folder.
        source: The source; validation sets go to ``source-val``.
        say: Receives messages.
        allow_large: As in :func:`~smore_sweep.data.importers.ingest.ingest`.

    Raises:
        DatasetError: There is no such file, its name is no dataset's, or it cannot be used.
    """
    if not path.exists():
        raise DatasetError(f"there is no file or folder {path}")
    if path.is_dir():
        paths = sorted(file for file in path.glob("*.npz") if _parts(file))
        if not paths:
            raise DatasetError(f"{path} holds no file with a name such as cube-single-play-v0.npz")
    else:
        beside = path.with_name(f"{path.stem}{VALIDATION}.npz")
        paths = [path, *([beside] if beside.exists() else [])]
    for file in paths:
        parts = _parts(file)
        if parts is None:
            raise DatasetError(f"{file.name} is no name of an OGBench file; it must be such as cube-single-play-v0.npz")
        name, ending = parts
        if name not in ogbench():
            raise DatasetError(unknown("OGBench task", name, ogbench()))
        row = ogbench()[name]
        goals = slice(0, row.sizes.goal)
        npz.import_dataset(file, name, row.dataset, source + ending, say, goal=goals, allow_large=allow_large)


def _parts(path: Path) -> tuple[str, str] | None:
    """Return the task in a file's name, and :data:`VALIDATION` or nothing; None for another name."""
    match = re.fullmatch(rf"(.+)-v\d+({VALIDATION})?\.npz", path.name)
    return (match[1], match[2] or "") if match else None
