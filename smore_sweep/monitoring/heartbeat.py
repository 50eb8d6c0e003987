"""Heartbeat file for monitoring a sweep from another process.

The driver replaces ``<results>/live.json`` every few seconds while a sweep trains. The file is for display only: the
records decide what is done. An old file shows that the driver was killed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from smore_sweep.monitoring.usage import Gpu
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

SECONDS = 10.0
"""Seconds between two writes of the file."""


@dataclass(frozen=True)
class Training:
    """A stack in training. ``latest`` is the mean return of its runs' last evaluation."""

    name: str
    host: str
    update: int
    updates: int
    latest: float | None


@dataclass(frozen=True)
class Snapshot:
    """State of a sweep. Times are in seconds since 1970.

    Attributes:
        by: User, host and process of the driver.
        ended: How the sweep ended, or an empty string.
        share: Completed share of the work.
        rate: Member-updates per second.
        left: Estimated remaining seconds, if known.
        cores: Number of cores that the workers keep busy, of ``cpus``.
        news: Latest failures.
    """

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
    """Write the heartbeat file. Raises OSError, or StorageError for an object store, if that fails."""
    paths.write(results / "live.json", json.dumps(asdict(snapshot), indent=1).encode())


def load(results: StoragePath) -> Snapshot | None:
    """Return the last snapshot, or None if there is no readable one."""
    try:
        content = json.loads(paths.read(results / "live.json"))
        stacks, gpus = [Training(**row) for row in content["stacks"]], [Gpu(**row) for row in content["gpus"]]
        return Snapshot(**{**content, "stacks": stacks, "gpus": gpus})
    except (OSError, ValueError, TypeError, KeyError):
        return None
