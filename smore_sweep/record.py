"""The record of one run, and its two files. A run's state - done, partial, missing - is what these files say.

``<results>/runs/<run id>/partial.npz``   everything that the run needs to go on, replaced at each evaluation
``<results>/runs/<run id>/done.npz``      its outcomes and its policy, written once

Files are written under a temporary name and renamed, so a kill leaves the old one or the new. They are plain NumPy
archives without pickled objects, so reading them executes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from smore_sweep.outcomes import Outcomes

BROKEN = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy and its parts raise for an archive that is cut short or damaged."""

T = TypeVar("T")

DONE, DIVERGED, PARTIAL, MISSING = "done", "diverged", "partial", "missing"


@dataclass
class Record:
    """``content`` is the run's (:meth:`RunSpec.content`). ``evaluations`` maps the number of updates to the outcomes
    then, ``metrics`` to losses and diagnostics. ``learner`` holds the member's parameters while the run is partial,
    ``policy`` what is kept of them when it is done. ``facts`` say how it came about: dataset, stack, git revision.
    ``log`` tells its story in lines for people: starts, evaluations, failures."""

    content: dict[str, Any]
    status: str = PARTIAL
    update: int = 0
    seconds: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)
    metrics: dict[int, dict[str, float]] = field(default_factory=dict)
    evaluations: dict[int, Outcomes] = field(default_factory=dict)
    learner: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    policy: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def note(self, what: str) -> None:
        """Add to the log, with the time."""
        self.log.append(log_line(what))

    def summary(self) -> dict[str, float]:
        """The numbers of the last evaluation, which is the final one of a done run."""
        return self.evaluations[max(self.evaluations)].summary()


def log_line(what: str) -> str:
    """A line of a run's log."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC  {what}"


@dataclass(frozen=True)
class Summary:
    """What tables need of a record, read without its arrays: ``evaluations`` maps the number of updates to the numbers
    of :meth:`Outcomes.summary` then."""

    status: str
    update: int
    seconds: float
    facts: dict[str, Any]
    evaluations: dict[int, dict[str, float]]


def run_folder(results: Path, run_id: str) -> Path:
    """Where a run's files lie."""
    return results / "runs" / run_id


def state(results: Path, run_id: str) -> str:
    """``done``, ``partial`` or ``missing``, by which files are there. (A diverged run is done: it has its outcome.)"""
    folder = run_folder(results, run_id)
    for name, found in (("done.npz", DONE), ("partial.npz", PARTIAL)):
        if zipfile.is_zipfile(folder / name):  # false for a file that is cut short
            return found
    return MISSING


def save(results: Path, run_id: str, record: Record) -> Path:
    """Write a run's file: ``partial.npz``, or ``done.npz`` in its place once the run has ended."""
    folder = run_folder(results, run_id)
    folder.mkdir(parents=True, exist_ok=True)
    ended = record.status != PARTIAL
    path = folder / ("done.npz" if ended else "partial.npz")
    for left_behind in folder.glob(".*.npz.*"):
        left_behind.unlink(missing_ok=True)  # by a writer that was killed; there is one writer at a time
    temporary = folder / f".{path.name}.{os.getpid()}"
    header = {
        "content": record.content,
        "status": record.status,
        "update": record.update,
        "seconds": record.seconds,
        "facts": record.facts,
        "log": record.log,
        "metrics": record.metrics,
        "summaries": {update: outcomes.summary() for update, outcomes in record.evaluations.items()},
    }
    arrays: dict[str, NDArray[Any]] = {"header": np.array(json.dumps(header))}
    for update, outcomes in record.evaluations.items():
        for name, array in vars(outcomes).items():
            arrays[f"evaluation/{update}/{name}"] = array
    for kind in ("learner", "policy"):
        for name, array in getattr(record, kind).items():
            arrays[f"{kind}/{name}"] = array
    try:
        with temporary.open("wb") as file:
            if ended:
                np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            else:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if ended:
        (folder / "partial.npz").unlink(missing_ok=True)
    return path


def load(results: Path, run_id: str) -> Record | None:
    """A run's record, or None if it has no file that is whole: a broken one is put aside, and the run made again."""
    return _read(results, run_id, _parse)


def peek(results: Path, run_id: str) -> Summary | None:
    """A run's summary, or None as for :func:`load`. Half a millisecond, whatever the size of the networks."""
    return _read(results, run_id, _summarise)


def _read(results: Path, run_id: str, parse: Callable[[BinaryIO], T]) -> T | None:
    folder = run_folder(results, run_id)
    for name in ("done.npz", "partial.npz", "done.npz"):  # a run that ends meanwhile goes from partial to done
        path = folder / name
        try:
            with path.open("rb") as file:
                return parse(file)
        except FileNotFoundError:
            continue
        except BROKEN:
            path.replace(path.with_name(f"{name}.broken"))
    return None


def _header(archive: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(str(archive["header"]))
    return found


def _summarise(file: BinaryIO) -> Summary:
    with np.load(file, allow_pickle=False) as archive:
        header = _header(archive)
    evaluations = {int(update): values for update, values in header["summaries"].items()}
    return Summary(header["status"], header["update"], header["seconds"], header["facts"], evaluations)


def _parse(file: BinaryIO) -> Record:
    with np.load(file, allow_pickle=False) as archive:
        header = _header(archive)
        record = Record(
            **{name: header[name] for name in ("content", "status", "update", "seconds", "facts")},
            metrics={int(update): values for update, values in header["metrics"].items()},
            log=header.get("log", []),
        )
        evaluations: dict[int, dict[str, Any]] = {}
        for name in archive.files:
            kind, _, rest = name.partition("/")
            if kind == "evaluation":
                update, _, array = rest.partition("/")
                evaluations.setdefault(int(update), {})[array] = archive[name]
            elif kind in ("learner", "policy"):
                getattr(record, kind)[rest] = archive[name]
        record.evaluations = {update: Outcomes(**arrays) for update, arrays in evaluations.items()}
    return record


def note_published(results: Path, run_id: str, tracking_uri: str) -> None:
    """Remember that an ended run is shown in the tracking store at that address."""
    (run_folder(results, run_id) / "published").write_text(_address(tracking_uri))


def is_published(results: Path, run_id: str, tracking_uri: str) -> bool:
    """Whether an ended run is shown there."""
    path = run_folder(results, run_id) / "published"
    return path.exists() and path.read_text() == _address(tracking_uri)


def _address(tracking_uri: str) -> str:
    """A URI may hold a password, so its hash is noted."""
    return hashlib.sha256(tracking_uri.encode()).hexdigest()[:16]
