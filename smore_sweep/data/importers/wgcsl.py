"""Import the pickles of WGCSL and GoFAR, which the paper trains on.

There is one file per task and policy, ``.../{random,expert}/<Task>/buffer.pkl``: a dictionary of float64 arrays ``o``
[N, 50, o], ``u`` [N, 49, a], ``g`` [N, 49, g] (the commanded goal, the same at every step) and ``ag`` [N, 50, g]. The
50th step is missing, so an episode has T = 49 transitions; evaluation keeps the task's horizon of 50. Parent folders
differ (``offline_data``, ``offline_data_wgcsl``, ``hard_tasks_2e6``) and do not matter. FetchReach has noisy variants,
``buffer-noise0.5.pkl``, which are data of separate tasks, ``FetchReachNoise0.5``.

It is not known whether GoFAR's files equal WGCSL's: give them a separate source (``--source gofar``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data.importers.ingest import ingest, origin_of
from smore_sweep.data.importers.safe_pickle import arrays
from smore_sweep.data.refusal import RefusedError, to_float32
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError
from smore_sweep.tasks import TASKS

POLICIES = ("random", "expert")


def import_dataset(path: Path, source: str, say: Callable[[str], None], *, allow_large: bool = False) -> None:
    """Import a file, or every such file under a folder. Raises :class:`DatasetError` if one cannot be used."""
    files = find(path)
    if not files:
        raise DatasetError(f"{path} holds no {{random,expert}}/<Task>/buffer.pkl")
    for (name, policy), file in files.items():
        if name in TASKS:
            ingest(name, policy, read(file), source, origin_of(file), say, allow_large=allow_large)
        else:
            say(f"left out {file}: there is no task {name}")


def find(path: Path) -> dict[tuple[str, str], Path]:
    """Return the files under a path, by (task, policy)."""
    if not path.exists():
        raise DatasetError(f"there is no {path}")
    files: dict[tuple[str, str], Path] = {}
    for file in [path] if path.is_file() else sorted(path.rglob("buffer*.pkl")):
        variant = re.fullmatch(r"buffer(?:-noise(\d+\.\d))?\.pkl", file.name)
        folder, policy = file.absolute().parent.name, file.absolute().parent.parent.name
        if not variant or policy not in POLICIES:
            continue
        pool = (folder if variant[1] is None else f"{folder}Noise{variant[1]}", policy)
        if pool in files:
            raise DatasetError(f"{files[pool]} and {file} are both of {' '.join(pool)}; import one of their folders")
        files[pool] = file
    return files


def read(path: Path) -> Episodes:
    """Read the episodes of one file."""
    try:
        content = arrays(path)
    except RefusedError as error:
        raise DatasetError(f"{path} is refused: it {error}") from None
    try:
        o, u, g, ag = (_array(content, key) for key in ("o", "u", "g", "ag"))
        episodes, steps = u.shape[:2]
        shapes = {"o": (o, steps + 1), "g": (g, steps), "ag": (ag, steps + 1)}
        for key, (array, length) in shapes.items():
            if array.shape[:2] != (episodes, length):
                raise ValueError(
                    f"{key} has shape {array.shape}, with {u.shape} of u it should start {(episodes, length)}"
                )
        if (g != g[:, :1]).any():
            raise ValueError("its commanded goal changes within an episode")
    except ValueError as error:
        raise DatasetError(f"{path} is not in the format of WGCSL: {error}") from None
    return Episodes(*(to_float32(array) for array in (o, u, ag, g[:, 0])))


def _array(content: dict[str, object], key: str) -> NDArray[np.generic]:
    array = content.get(key)
    if not isinstance(array, np.ndarray) or array.ndim != 3:
        keys = ", ".join(f"{name!a}"[1:-1] for name in list(content)[:10])
        raise ValueError(f"its keys are {keys}; o, u, g and ag must be arrays of three dimensions")
    return array
