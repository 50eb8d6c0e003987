"""The record of one run, and its two files. A run's state - done, partial, missing - is what these files say.

``<results>/runs/<run id>/partial.npz``   everything that the run needs to go on, replaced at each evaluation
``<results>/runs/<run id>/done.npz``      its outcomes and its policy, written once

Files are written whole (:mod:`smore_sweep.storage.paths`), so a kill leaves the old one or the new. They are plain
NumPy archives without pickled objects, so reading them executes nothing."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from smore_sweep.errors import StorageError
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

if TYPE_CHECKING:
    from upath import UPath

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


def run_folder(results: StoragePath, run_id: str) -> StoragePath:
    """Where a run's files lie."""
    return results / "runs" / run_id


def state(results: StoragePath, run_id: str) -> str:
    """A run's state; see :func:`states`."""
    return states(results, [run_id])[run_id]


def states(results: StoragePath, run_ids: Sequence[str]) -> dict[str, str]:
    """``done``, ``partial`` or ``missing`` for each run, by which files are there. (A diverged run is done: it has its
    outcome.) A file that is cut short does not count. Objects are never cut short: one listing says it all."""
    if isinstance(results, Path):
        folder = results / "runs"
        return {run_id: _state(run_id, lambda name: zipfile.is_zipfile(folder / name)) for run_id in run_ids}
    found = _names(results, run_ids)
    return {run_id: _state(run_id, found.__contains__) for run_id in run_ids}


def _state(run_id: str, whole: Callable[[str], bool]) -> str:
    return next((state for state in (DONE, PARTIAL) if whole(f"{run_id}/{state}.npz")), MISSING)


def _names(results: UPath, run_ids: Sequence[str]) -> set[str]:
    """The files of runs, as ``<run id>/<name>``: of all that there are, unless one is meant."""
    if len(run_ids) == 1:
        return {f"{run_ids[0]}/{name}" for name in paths.list_names(results / "runs" / run_ids[0])}
    return paths.list_names(results / "runs")


def run_ids(results: StoragePath) -> list[str]:
    """The ids of all runs that are there, sorted."""
    if isinstance(results, Path):
        return sorted(path.name for path in (results / "runs").glob("*"))
    return sorted({name.split("/")[0] for name in paths.list_names(results / "runs")})


def save(results: StoragePath, run_id: str, record: Record) -> StoragePath:
    """Write a run's file: ``partial.npz``, or ``done.npz`` in its place once the run has ended."""
    folder = run_folder(results, run_id)
    ended = record.status != PARTIAL
    path = folder / ("done.npz" if ended else "partial.npz")
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
    archive = io.BytesIO()
    np.savez(archive, **arrays)  # type: ignore[arg-type]  # not compressed: five times as fast, and a tenth larger
    paths.write(path, archive.getvalue())
    if ended:
        paths.remove(folder / "partial.npz")
    return path


def load(results: StoragePath, run_id: str) -> Record | None:
    """A run's record, or None if it has no file that is whole: a broken one is put aside, and the run made again.
    Raises :class:`StorageError` if the disk gives it in error, which says nothing of the file."""
    return _read(results, run_id, _parse)


def load_each(results: StoragePath, run_ids: Sequence[str]) -> dict[str, Record]:
    """The records of those runs that have one. From an object store they are read many at a time."""
    return _read_each(results, run_ids, _parse)


def peek_each(results: StoragePath, run_ids: Sequence[str]) -> dict[str, Summary]:
    """The summaries of those runs that have one, as for :func:`load_each`. From a disk half a millisecond each,
    whatever the size of the networks."""
    return _read_each(results, run_ids, _summarise)


def _read_each(results: StoragePath, run_ids: Sequence[str], parse: Callable[[BinaryIO], T]) -> dict[str, T]:
    found: dict[str, T | None] = {}
    if isinstance(results, Path):
        found = {run_id: _read(results, run_id, parse) for run_id in run_ids}
    else:
        there = {run_id: state for run_id, state in states(results, run_ids).items() if state != MISSING}
        files = [results / "runs" / run_id / f"{state}.npz" for run_id, state in there.items()]
        for run_id, held in zip(there, paths.read_many(files), strict=True):
            try:
                found[run_id] = parse(io.BytesIO(held or b""))
            except BROKEN:  # or gone, as that of a run which ends meanwhile
                found[run_id] = _read(results, run_id, parse)
    return {run_id: parsed for run_id, parsed in found.items() if parsed is not None}


def _read(results: StoragePath, run_id: str, parse: Callable[[BinaryIO], T]) -> T | None:
    folder = run_folder(results, run_id)
    for name in ("done.npz", "partial.npz", "done.npz"):  # a run that ends meanwhile goes from partial to done
        path = folder / name
        try:
            with paths.open_binary(path) as file:
                return parse(file)
        except FileNotFoundError:
            continue
        except StorageError:  # of an object store that is away
            raise
        except BROKEN as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                # The disk's fault, not the file's.
                raise StorageError(f"{path} cannot be read: {error.strerror}") from None
            paths.put_aside(path)
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


def note_published(results: StoragePath, run_id: str, store: str) -> None:
    """Remember that an ended run is shown in that tracking store
    (:attr:`smore_sweep.results.tracking.Tracker.store`)."""
    paths.write(run_folder(results, run_id) / _published(store), b"")


def published(results: StoragePath, run_ids: Sequence[str], store: str) -> set[str]:
    """Those of the runs that are shown there."""
    name = _published(store)
    if isinstance(results, Path):
        return {run_id for run_id in run_ids if (run_folder(results, run_id) / name).exists()}
    found = _names(results, run_ids)
    return {run_id for run_id in run_ids if f"{run_id}/{name}" in found}


def _published(store: str) -> str:
    """The name of the file that says so. A URI may hold a password, so it is a hash."""
    return f"published-{hashlib.sha256(store.encode()).hexdigest()[:16]}"
