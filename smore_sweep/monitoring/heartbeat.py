"""Heartbeat file for monitoring a sweep from another process.

The driver replaces ``<results>/live.json`` every few seconds while a sweep trains, and each worker without a driver
(:mod:`smore_sweep.results.claims`) a file of its own. The files are for display only: the records decide what is done.
An old file shows that its process was killed.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from smore_sweep.errors import printable
from smore_sweep.monitoring.usage import Gpu
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

SECONDS = 10.0
"""Seconds between two writes of the file."""
GREATEST = 1e15
"""Bound of every number in the file; NaN and infinities are beyond it."""


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
    """State of a sweep. Times are in seconds since 1970, by the writer's clock.

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


def driver_file(results: StoragePath) -> StoragePath:
    """Return the heartbeat file of a results folder's driver."""
    return results / "live.json"


def save(path: StoragePath, snapshot: Snapshot) -> None:
    """Write a heartbeat file. Raises OSError, or StorageError for an object store, if that fails."""
    paths.write(path, json.dumps(asdict(snapshot), indent=1).encode())


def load(results: StoragePath) -> Snapshot | None:
    """Return the driver's last snapshot, or None if there is no readable one.

    The times of a sweep that trains are those of this machine's clock, as far as :func:`_by_this_clock` knows.
    """
    snapshots = _load_each([driver_file(results)])
    return snapshots[0] if snapshots else None


def load_workers(results: StoragePath) -> list[Snapshot]:
    """Return the snapshots of the workers without a driver that train, or were killed while they did.

    Times are as in :func:`load`.
    """
    return _load_each(sorted((results / "workers").glob("*.json"))) if isinstance(results, Path) else []


def _load_each(files: Sequence[StoragePath]) -> list[Snapshot]:
    found = [(path, snapshot) for path in files if (snapshot := _load(path)) is not None]
    now = None if all(snapshot.ended for _, snapshot in found) else _file_time(found[0][0].parent)
    return [snapshot if now is None else _by_this_clock(path, snapshot, now) for path, snapshot in found]


def _file_time(folder: StoragePath) -> float | None:
    """Return the time by the clock that dates the files of a folder, such as a file server's; None if none can be
    written there."""
    if not isinstance(folder, Path):
        return None
    probe = folder / f".probe.{secrets.token_hex(8)}"
    try:
        probe.touch()
        now = probe.stat().st_mtime
        probe.unlink()
    except OSError:
        return None
    return now


def _by_this_clock(path: StoragePath, snapshot: Snapshot, now: float) -> Snapshot:
    """Return the snapshot of a sweep that trains with times by this machine's clock.

    The clocks of two machines may differ by minutes. The age of the file is the file server's, to whom it is ``now``.
    """
    if snapshot.ended or not isinstance(path, Path):
        return snapshot
    try:
        written = time.time() - (now - path.stat().st_mtime)
    except FileNotFoundError:  # the worker has ended meanwhile
        return snapshot
    return replace(snapshot, written=written, started=snapshot.started + written - snapshot.written)


def _load(path: StoragePath) -> Snapshot | None:
    try:
        if isinstance(path, Path) and not path.is_file():
            return None  # a FIFO would never end
        content = json.loads(paths.read(path))
        snapshot: Snapshot = _checked(Snapshot, content)
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return snapshot


def _checked(kind: Any, value: Any) -> Any:
    """Return a value of JSON as a type of :class:`Snapshot`. Raises TypeError, KeyError or ValueError if it is none."""
    if kind is str and isinstance(value, str):
        return printable(value)
    if kind == (float | None) and value is None:
        return None
    if get_origin(kind) is list and isinstance(value, list):
        (row_kind,) = get_args(kind)
        return [_checked(row_kind, row) for row in value]
    if kind in (Snapshot, Training, Gpu) and isinstance(value, dict):
        types = get_type_hints(kind)
        return kind(**{name: _checked(types[name], part) for name, part in value.items()})
    numbers = {int: (int,), float: (int, float), float | None: (int, float)}
    if isinstance(value, bool) or not isinstance(value, numbers.get(kind, ())) or not abs(value) < GREATEST:
        raise ValueError(f"{value!r} is not valid")
    return value
