"""A sign of life: what a sweep's driver shows, in a small file for those who look from elsewhere.

``<results>/live.json`` is replaced every few seconds while a sweep trains. Nothing is decided by it: what is done is
read off the records, and that a driver was killed is seen by the file's age.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from smore_sweep.monitoring.usage import Gpu
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

SECONDS = 10.0
"""How often the file is written."""


@dataclass(frozen=True)
class Training:
    """A stack that trains now; ``latest`` is the mean return of its runs' last evaluation."""

    name: str
    host: str
    update: int
    updates: int
    latest: float | None


@dataclass(frozen=True)
class Snapshot:
    """A sweep in training. Times are seconds since 1970; ``ended`` says how it ended, if it has. ``share`` and ``left``
    (seconds) are of its member-updates; ``cores`` of ``cpus`` are kept busy by its workers."""

    sweep: str
    scale: str
    by: str
    started: float
    written: float
    ended: str
    runs_ended: int
    runs: int
    share: float
    rate: float
    left: float | None
    cores: float
    cpus: int
    gpus: list[Gpu]
    stacks: list[Training]
    news: list[str]


def save(results: StoragePath, snapshot: Snapshot) -> None:
    """Replace the sign of life. Raises OSError, or StorageError for an object store, if it cannot be written."""
    paths.write(results / "live.json", json.dumps(asdict(snapshot), indent=1).encode())


def load(results: StoragePath) -> Snapshot | None:
    """The last sign of life, or None if there is none that can be read."""
    try:
        found = json.loads(paths.read(results / "live.json"))
        stacks, gpus = [Training(**row) for row in found["stacks"]], [Gpu(**row) for row in found["gpus"]]
        return Snapshot(**{**found, "stacks": stacks, "gpus": gpus})
    except (OSError, ValueError, TypeError, KeyError):
        return None
