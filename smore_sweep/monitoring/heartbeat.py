"""Heartbeat file for monitoring a sweep from another process.

The driver replaces ``<results>/live.json`` every few seconds while a sweep trains. The file is for display only: the
records decide what is done. An old file shows that the driver was killed.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from smore_sweep.errors import printable
from smore_sweep.monitoring.usage import Gpu
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

SECONDS = 10.0
"""Seconds between two writes of the file."""
GREATEST = 1e15
"""Bound of every number in the file; NaN and infinities are beyond it."""

T = TypeVar("T")


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
    path = results / "live.json"
    try:
        if isinstance(path, Path) and not path.is_file():
            return None  # a FIFO would never end
        content = json.loads(paths.read(path))
        rows: dict[str, Any] = {name: [_checked(kind, row) for row in content[name]] for name, kind in ROWS.items()}
        news = [_value(str, line) for line in content["news"]]
        return _checked(Snapshot, {**content, **rows, "news": news})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


ROWS: dict[str, type] = {"stacks": Training, "gpus": Gpu}
"""Lists of a snapshot, by the type of their rows."""


def _checked(kind: type[T], row: dict[str, Any]) -> T:
    """Make a dataclass of values of the right types. Raises TypeError or ValueError if one is not."""
    types = get_type_hints(kind)
    values = {name: value if name in (*ROWS, "news") else _value(types[name], value) for name, value in row.items()}
    return kind(**values)


def _value(kind: Any, value: Any) -> Any:
    if isinstance(value, str) and kind is str:
        return printable(value)
    if value is None and kind == (float | None):
        return None
    if kind is str or isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        raise TypeError(f"{value!r} is no {kind}")
    if not abs(value) < GREATEST:
        raise ValueError(f"{value} is out of range")
    return value
