"""The record of one run: its outcomes, parameters and log, and its encoding as a NumPy archive.

Archives hold no pickled objects, so reading one executes nothing.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from smore_sweep.results.outcomes import Outcomes

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
"""Exceptions that NumPy and the libraries below it raise for a truncated or damaged archive."""

DONE, DIVERGED, PARTIAL, MISSING = "done", "diverged", "partial", "missing"


@dataclass
class Record:
    """Everything that is stored of a run.

    Attributes:
        content: The run's content (:meth:`RunSpec.content`).
        status: ``DONE``, ``DIVERGED`` or ``PARTIAL``.
        update: Number of updates so far.
        seconds: Training time so far.
        facts: Provenance: dataset, stack, git revision.
        metrics: Losses and diagnostics, by number of updates.
        evaluations: Outcomes, by number of updates.
        learner: The member's parameters while the run is partial.
        policy: The policy's parameters once the run is done.
        log: Lines for people: starts, evaluations, failures.
    """

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

    def note(self, text: str) -> None:
        """Add a line with the time to the log."""
        self.log.append(log_line(text))

    def summary(self) -> dict[str, float]:
        """Summarise the last evaluation, which is the final one of a done run."""
        return self.evaluations[max(self.evaluations)].summary()


@dataclass(frozen=True)
class Summary:
    """The part of a record that tables need, read without its arrays.

    ``evaluations`` maps the number of updates to the numbers of :meth:`Outcomes.summary`.
    """

    status: str
    update: int
    seconds: float
    facts: dict[str, Any]
    evaluations: dict[int, dict[str, float]]


def log_line(text: str) -> str:
    """Format a line of a run's log."""
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())} UTC  {text}"


def encode(record: Record) -> bytes:
    """Encode a record as a NumPy archive."""
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
    return archive.getvalue()


def decode(file: BinaryIO) -> Record:
    """Decode a record. Raises one of :data:`BROKEN` if the archive is damaged."""
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


def decode_summary(file: BinaryIO) -> Summary:
    """Decode a record's summary from the header alone. Raises as :func:`decode`."""
    with np.load(file, allow_pickle=False) as archive:
        header = _header(archive)
    evaluations = {int(update): values for update, values in header["summaries"].items()}
    return Summary(header["status"], header["update"], header["seconds"], header["facts"], evaluations)


def _header(archive: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    header: dict[str, Any] = json.loads(str(archive["header"]))
    return header
