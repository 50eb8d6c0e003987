"""The files of a run in the results folder. A run's state (done, partial or missing) follows from which of them hold.

``<results>/runs/<run id>/partial.npz``       everything to resume from, replaced at each evaluation
``<results>/runs/<run id>/done.npz``          outcomes and policy, written once
``<results>/runs/<run id>/learner.npz``       the learner of a done run, if it was kept for a longer one
``<results>/runs/<run id>/published-<hash>``  empty marker: a tracking store shows the ended run

Writes are atomic (:mod:`smore_sweep.storage.paths`): a kill leaves the old file or the new one. A file that does not
prove itself (:mod:`smore_sweep.results.encoding`) is broken: it counts as missing, whatever its reader raises.
"""

from __future__ import annotations

import errno
import hashlib
import io
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, TypeAlias, TypeVar

from smore_sweep.errors import StorageError, first_line
from smore_sweep.results.encoding import decode, decode_summary, encode
from smore_sweep.results.record import ACCEPTED, DONE, MISSING, PARTIAL, Record, Summary
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

if TYPE_CHECKING:
    from upath import UPath

T = TypeVar("T", covariant=True)

OnBroken: TypeAlias = "Callable[[str], None] | None"
"""Receives a sentence about each broken file, which is put aside. None leaves broken files in their places."""
warn = logging.getLogger(__name__).warning
LEARNER = "learner.npz"
"""A record of the last update with the learner's parameters and no outcomes, sealed like a partial one."""
REASON = 120
"""Most characters that a sentence quotes of why a file is broken."""


class Parse(Protocol[T]):
    """A decoder of :mod:`smore_sweep.results.encoding`."""

    def __call__(self, file: BinaryIO, run_id: str, *, ended: bool) -> T: ...


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
    """Return ``DONE``, ``PARTIAL`` or ``MISSING`` for each run, by its record's header. No file is put aside.

    A diverged run is done: it has its outcome.
    """
    return states_of(peek_each(results, run_ids, on_broken=None), run_ids)


def states_of(summaries: Mapping[str, Summary], run_ids: Sequence[str]) -> dict[str, str]:
    """Return the states of runs, as :func:`states` does, from those of their summaries that exist."""
    ended = {run_id: PARTIAL if summary.status == PARTIAL else DONE for run_id, summary in summaries.items()}
    return {run_id: ended.get(run_id, MISSING) for run_id in run_ids}


def save(results: StoragePath, run_id: str, record: Record) -> StoragePath:
    """Write a run's ``partial.npz`` or, once the run has ended, ``done.npz`` in its place. Returns the path.

    A kept learner goes into a file of its own.
    """
    folder = run_folder(results, run_id)
    ended = record.status != PARTIAL
    if record.kept:
        kept = Record(record.content, PARTIAL, record.update, record.seconds, learner=record.kept)
        paths.write(folder / LEARNER, encode(kept))  # first, so that a done run has what was to be kept
    path = folder / ("done.npz" if ended else "partial.npz")
    paths.write(path, encode(record))
    if ended:
        paths.remove(folder / "partial.npz")
    return path


def load(results: StoragePath, run_id: str, on_broken: OnBroken = warn) -> Record | None:
    """Return a run's record, fully checked, or None if it has no intact file.

    A broken file is put aside, so that the run trains again. Raises :class:`StorageError` for a disk error and for want
    of memory, which say nothing about the file.
    """
    return _read(results, run_id, decode, on_broken)


def load_each(results: StoragePath, run_ids: Sequence[str], on_broken: OnBroken = warn) -> dict[str, Record]:
    """Return the records of those runs that have one, read in parallel from an object store."""
    return _read_each(results, run_ids, decode, on_broken)


def peek_each(results: StoragePath, run_ids: Sequence[str], on_broken: OnBroken = warn) -> dict[str, Summary]:
    """Return the summaries of those runs that have a record with an intact header.

    From a disk this takes half a millisecond per run, whatever the size of the networks. An object store takes one
    listing, and one read of each record.
    """
    return _read_each(results, run_ids, decode_summary, on_broken)


def kept_learners(results: StoragePath) -> dict[str, int]:
    """Return the updates behind each kept learner whose header is intact, by run id."""
    kept = {}
    for run_id in with_learner(results):
        if summary := _read_one(run_folder(results, run_id) / LEARNER, run_id, decode_summary, None):
            kept[run_id] = summary.update
    return kept


def load_learner(results: StoragePath, run_id: str, on_broken: OnBroken = warn) -> Record | None:
    """Return the record of a kept learner, fully checked, or None if there is no intact one."""
    return _read_one(run_folder(results, run_id) / LEARNER, run_id, decode, on_broken)


def with_learner(results: StoragePath) -> list[str]:
    """Return the ids of the runs with a kept learner, intact or not, sorted."""
    if isinstance(results, Path):
        return sorted(path.parent.name for path in (results / "runs").glob(f"*/{LEARNER}"))
    names = paths.list_names(results / "runs")
    return sorted(name.split("/")[0] for name in names if name.endswith(f"/{LEARNER}"))


def accept_code(results: StoragePath, run_id: str, facts: Mapping[str, str]) -> None:
    """Add to a stored run's record that its owner accepts it with the code of these fingerprints."""
    if record := load(results, run_id):
        save(results, run_id, replace(record, facts={**record.facts, ACCEPTED: dict(facts)}))


def retire(results: StoragePath, run_id: str) -> None:
    """Put the files of a run aside as ``<name>.replaced``, so that it counts as missing."""
    folder = run_folder(results, run_id)
    for name in ("done.npz", "partial.npz", LEARNER):
        paths.put_aside(folder / name, "replaced")
    names = {path.name for path in folder.glob("*")} if isinstance(folder, Path) else paths.list_names(folder)
    for marker in names:
        if marker.startswith("published-"):
            paths.remove(folder / marker)


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


def _names(results: UPath, run_ids: Sequence[str]) -> set[str]:
    """List files as ``<run id>/<name>``: those of the run if there is only one, else those of all stored runs."""
    if len(run_ids) == 1:
        return {f"{run_ids[0]}/{name}" for name in paths.list_names(results / "runs" / run_ids[0])}
    return paths.list_names(results / "runs")


def _read_each(results: StoragePath, run_ids: Sequence[str], parse: Parse[T], on_broken: OnBroken) -> dict[str, T]:
    contents: dict[str, T | None] = {}
    if isinstance(results, Path):
        contents = {run_id: _read(results, run_id, parse, on_broken) for run_id in run_ids}
    else:
        names = _names(results, run_ids)
        stored = {
            run_id: next((f"{state}.npz" for state in (DONE, PARTIAL) if f"{run_id}/{state}.npz" in names), "")
            for run_id in run_ids
        }
        files = {run_id: results / "runs" / run_id / name for run_id, name in stored.items() if name}
        for run_id, data in zip(files, paths.read_many(list(files.values())), strict=True):
            try:
                contents[run_id] = parse(io.BytesIO(data or b""), run_id, ended=stored[run_id] == "done.npz")
            except Exception:  # broken, or gone because the run has ended meanwhile
                contents[run_id] = _read(results, run_id, parse, on_broken)
    return {run_id: content for run_id, content in contents.items() if content is not None}


def _read(results: StoragePath, run_id: str, parse: Parse[T], on_broken: OnBroken) -> T | None:
    folder = run_folder(results, run_id)
    for name in ("done.npz", "partial.npz", "done.npz"):  # a run that ends meanwhile goes from partial to done
        content = _read_one(folder / name, run_id, parse, on_broken, ended=name == "done.npz")
        if content is not None:
            return content
    return None


def _read_one(path: StoragePath, run_id: str, parse: Parse[T], on_broken: OnBroken, *, ended: bool = False) -> T | None:
    """Read one file of a run; None if it is missing or broken."""
    try:
        with paths.open_binary(path) as file:
            return parse(file, run_id, ended=ended)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except StorageError:  # an object store that cannot be reached
        raise
    except MemoryError:  # an array is no larger than its file (smore_sweep.results.npz), so this says nothing about it
        raise StorageError(f"{path} cannot be read: too little memory is free") from None
    except Exception as error:  # a damaged file makes its readers raise almost anything
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            # The disk's fault, not the file's.
            raise StorageError(f"{path} cannot be read: {error.strerror}") from None
        if on_broken is not None:
            _put_aside(path, error, on_broken)
        return None


def _put_aside(path: StoragePath, error: Exception, on_broken: Callable[[str], None]) -> None:
    reason = first_line(error) if isinstance(error, ValueError) else f"its reader raised {type(error).__name__}"
    fate = f"put aside as {path.name}.broken"
    try:
        paths.put_aside(path)
    except OSError as refusal:
        fate = f"left in its place: {refusal.strerror}"
    printable = "".join(letter if letter.isprintable() else "?" for letter in reason)[:REASON]
    on_broken(f"{path} is broken ({printable}) and {fate}; it counts as missing")
