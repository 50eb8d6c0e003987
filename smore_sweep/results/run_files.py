"""The files of a run in the results folder. A run's state (done, partial or missing) follows from which of them exist.

``<results>/runs/<run id>/partial.npz``       everything to resume from, replaced at each evaluation
``<results>/runs/<run id>/done.npz``          outcomes and policy, written once
``<results>/runs/<run id>/published-<hash>``  empty marker: a tracking store shows the ended run

Writes are atomic (:mod:`smore_sweep.storage.paths`): a kill leaves the old file or the new one.
"""

from __future__ import annotations

import errno
import hashlib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar
from zipfile import is_zipfile

from smore_sweep.errors import StorageError
from smore_sweep.results.record import (
    BROKEN,
    DONE,
    MISSING,
    PARTIAL,
    Record,
    Summary,
    decode,
    decode_summary,
    encode,
)
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

if TYPE_CHECKING:
    from upath import UPath

T = TypeVar("T")


def run_folder(results: StoragePath, run_id: str) -> StoragePath:
    """Return the folder of a run's files."""
    return results / "runs" / run_id


def run_ids(results: StoragePath) -> list[str]:
    """Return the ids of all stored runs, sorted."""
    if isinstance(results, Path):
        return sorted(path.name for path in (results / "runs").glob("*"))
    return sorted({name.split("/")[0] for name in paths.list_names(results / "runs")})


def state(results: StoragePath, run_id: str) -> str:
    """Return the state of one run; see :func:`states`."""
    return states(results, [run_id])[run_id]


def states(results: StoragePath, run_ids: Sequence[str]) -> dict[str, str]:
    """Return ``DONE``, ``PARTIAL`` or ``MISSING`` for each run, by which files exist.

    A diverged run is done: it has its outcome. A truncated file does not count. Objects are never truncated, so an
    object store takes one listing.
    """
    if isinstance(results, Path):
        folder = results / "runs"
        return {run_id: _state(run_id, lambda name: is_zipfile(folder / name)) for run_id in run_ids}
    names = _names(results, run_ids)
    return {run_id: _state(run_id, names.__contains__) for run_id in run_ids}


def save(results: StoragePath, run_id: str, record: Record) -> StoragePath:
    """Write a run's ``partial.npz`` or, once the run has ended, ``done.npz`` in its place. Returns the path."""
    folder = run_folder(results, run_id)
    ended = record.status != PARTIAL
    path = folder / ("done.npz" if ended else "partial.npz")
    paths.write(path, encode(record))
    if ended:
        paths.remove(folder / "partial.npz")
    return path


def load(results: StoragePath, run_id: str) -> Record | None:
    """Return a run's record, or None if it has no intact file.

    A broken file is put aside, so that the run trains again. Raises :class:`StorageError` for a disk error, which says
    nothing about the file.
    """
    return _read(results, run_id, decode)


def load_each(results: StoragePath, run_ids: Sequence[str]) -> dict[str, Record]:
    """Return the records of those runs that have one, read in parallel from an object store."""
    return _read_each(results, run_ids, decode)


def peek_each(results: StoragePath, run_ids: Sequence[str]) -> dict[str, Summary]:
    """Return the summaries of those runs that have a record.

    From a disk this takes half a millisecond per run, whatever the size of the networks.
    """
    return _read_each(results, run_ids, decode_summary)


def note_published(results: StoragePath, run_id: str, store: str) -> None:
    """Mark an ended run as shown in a tracking store (:attr:`smore_sweep.results.tracking.Tracker.store`)."""
    paths.write(run_folder(results, run_id) / _marker(store), b"")


def published(results: StoragePath, run_ids: Sequence[str], store: str) -> set[str]:
    """Return those of the runs that are marked as shown in the tracking store."""
    marker = _marker(store)
    if isinstance(results, Path):
        return {run_id for run_id in run_ids if (run_folder(results, run_id) / marker).exists()}
    names = _names(results, run_ids)
    return {run_id for run_id in run_ids if f"{run_id}/{marker}" in names}


def _marker(store: str) -> str:
    # Hashed, because a URI may hold a password.
    return f"published-{hashlib.sha256(store.encode()).hexdigest()[:16]}"


def _state(run_id: str, intact: Callable[[str], bool]) -> str:
    return next((state for state in (DONE, PARTIAL) if intact(f"{run_id}/{state}.npz")), MISSING)


def _names(results: UPath, run_ids: Sequence[str]) -> set[str]:
    """List files as ``<run id>/<name>``: those of the run if there is only one, else those of all stored runs."""
    if len(run_ids) == 1:
        return {f"{run_ids[0]}/{name}" for name in paths.list_names(results / "runs" / run_ids[0])}
    return paths.list_names(results / "runs")


def _read_each(results: StoragePath, run_ids: Sequence[str], parse: Callable[[BinaryIO], T]) -> dict[str, T]:
    contents: dict[str, T | None] = {}
    if isinstance(results, Path):
        contents = {run_id: _read(results, run_id, parse) for run_id in run_ids}
    else:
        stored = {run_id: state for run_id, state in states(results, run_ids).items() if state != MISSING}
        files = [results / "runs" / run_id / f"{state}.npz" for run_id, state in stored.items()]
        for run_id, data in zip(stored, paths.read_many(files), strict=True):
            try:
                contents[run_id] = parse(io.BytesIO(data or b""))
            except BROKEN:  # or gone, because the run has ended meanwhile
                contents[run_id] = _read(results, run_id, parse)
    return {run_id: content for run_id, content in contents.items() if content is not None}


def _read(results: StoragePath, run_id: str, parse: Callable[[BinaryIO], T]) -> T | None:
    folder = run_folder(results, run_id)
    for name in ("done.npz", "partial.npz", "done.npz"):  # a run that ends meanwhile goes from partial to done
        path = folder / name
        try:
            with paths.open_binary(path) as file:
                return parse(file)
        except FileNotFoundError:
            continue
        except StorageError:  # an object store that cannot be reached
            raise
        except BROKEN as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                # The disk's fault, not the file's.
                raise StorageError(f"{path} cannot be read: {error.strerror}") from None
            paths.put_aside(path)
    return None
