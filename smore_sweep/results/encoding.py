"""Encode a record as a NumPy archive, and decode it with proof.

The header has a digest per array and one of itself, and its content hashes to the run's id. Records from before the
digests are checked as far as they go. Archives hold no pickled objects, so reading one executes nothing.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from smore_sweep.hashing import array_digest, seal
from smore_sweep.results import header as headers
from smore_sweep.results.npz import Archive, DamagedError, pack
from smore_sweep.results.outcomes import Outcomes, agree
from smore_sweep.results.record import Record, Summary

HEADER = "header"
OUTCOMES = ("reached", "succeeded", "distances")


def encode(record: Record) -> bytes:
    """Encode a record as a NumPy archive."""
    arrays: dict[str, NDArray[Any]] = {}
    for update, outcomes in record.evaluations.items():
        arrays |= {f"evaluation/{update}/{name}": array for name, array in vars(outcomes).items()}
    for kind in ("learner", "policy"):
        arrays |= {f"{kind}/{name}": array for name, array in getattr(record, kind).items()}
    header = seal(
        {
            "content": record.content,
            "status": record.status,
            "update": record.update,
            "seconds": record.seconds,
            "facts": record.facts,
            "log": record.log,
            "metrics": record.metrics,
            "summaries": {update: outcomes.summary() for update, outcomes in record.evaluations.items()},
            "arrays": {name: array_digest(array) for name, array in arrays.items()},
        }
    )
    return pack({HEADER: np.array(json.dumps(header)), **arrays})


def decode(file: BinaryIO, run_id: str, *, ended: bool) -> Record:
    """Decode and check a record.

    Args:
        file: The archive.
        run_id: The run that it must be of.
        ended: Whether the run must have ended.

    Raises:
        DamagedError: If the archive does not prove itself. Damage also raises other exceptions of the libraries below.
    """
    archive, header = _open(file, run_id, ended=ended)
    record = Record(
        **{name: header[name] for name in ("content", "status", "update", "seconds", "facts")},
        metrics={int(update): values for update, values in header["metrics"].items()},
        log=header.get("log", []),
    )
    evaluations: dict[int, dict[str, Any]] = {}
    digests = header.get("arrays", {})
    for name in sorted(archive.names() - {HEADER}):
        array = archive.read(name)
        if digests and array_digest(array) != digests[name]:
            raise DamagedError(f"{name!r} does not have its digest")
        kind, _, rest = name.partition("/")
        if kind == "evaluation":
            update, _, outcome = rest.partition("/")
            evaluations.setdefault(int(update), {})[outcome] = array
        else:
            if array.dtype != np.float32:
                raise DamagedError(f"{name!r} is not of single precision")
            getattr(record, kind)[rest] = array
    record.evaluations = {int(update): Outcomes(**evaluations[int(update)]) for update in header["summaries"]}
    for at, outcomes in record.evaluations.items():
        outcomes.check()
        if not digests and not agree(header["summaries"][str(at)], outcomes.summary()):
            raise DamagedError(f"its numbers at update {at} are not those of its outcomes")
    return record


def decode_summary(file: BinaryIO, run_id: str, *, ended: bool) -> Summary:
    """Decode and check a record's header, without its arrays. Arguments and errors are those of :func:`decode`."""
    _, header = _open(file, run_id, ended=ended)
    evaluations = {int(update): values for update, values in header["summaries"].items()}
    return Summary(header["status"], header["update"], header["seconds"], header["facts"], evaluations)


def _open(file: BinaryIO, run_id: str, *, ended: bool) -> tuple[Archive, dict[str, Any]]:
    """Open an archive, check its header, and check that it has exactly the arrays that the header implies."""
    archive = Archive(file)
    text = archive.read(HEADER)
    header: dict[str, Any] = json.loads(str(text[()]))
    headers.check(header, run_id, ended=ended)
    names = archive.names() - {HEADER}
    if names != set(header.get("arrays", names)):
        raise DamagedError("its arrays are not those of its header")
    outcomes = {f"evaluation/{update}/{name}" for update in header["summaries"] for name in OUTCOMES}
    others = {name for name in names if name.startswith(("learner/", "policy/"))}
    if names != outcomes | others:
        raise DamagedError("its arrays are not those of its evaluations")
    return archive, header
