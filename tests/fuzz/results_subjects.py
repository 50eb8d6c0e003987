"""The readers of results: records, exports, tuned knobs and the origin; see :mod:`tests.fuzz.subjects`."""

from __future__ import annotations

import shutil
import socket
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from analysis.frames import archive
from smore_sweep.discovery import load_sweep
from smore_sweep.results import run_files
from smore_sweep.results.origin import origin
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, PARTIAL, Record, Summary
from smore_sweep.run_spec import RunSpec
from sweeps import _tuned
from tests.fuzz.subjects import ASIDE, RIGHT, Subject, equal


@cache
def _run(variant: int) -> RunSpec:
    return load_sweep("quickstart").expand("smoke")[variant]


def _record(variant: int, status: str) -> Record:
    dice = np.random.default_rng(variant)
    distances = dice.uniform(0, 1, (2, 5)).astype(np.float32)
    outcomes = Outcomes(distances < 0.5, distances < 0.3, distances)
    network: dict[str, Any] = {"weight": dice.normal(size=(3, 2)).astype(np.float32)}
    budget = _run(variant).budget
    update = budget.updates if status == DONE else budget.evaluate_every
    record = Record(_run(variant).content(), status, update, 1.5, {"git": "0"}, {update: {"loss": 0.5}})
    record = replace(record, evaluations={update: outcomes}, log=["started"])
    return replace(record, policy=network) if status == DONE else replace(record, learner=network)


def _write_record(folder: Path, variant: int, status: str) -> None:
    run_files.save(folder, _run(0).run_id, _record(variant, status))


def _write_done(folder: Path, variant: int) -> None:
    _write_record(folder, variant, DONE)


def _write_partial(folder: Path, variant: int) -> None:
    _write_record(folder, variant, PARTIAL)


def _parts(record: Record) -> dict[str, Any]:
    return {**vars(record), "evaluations": {update: vars(each) for update, each in record.evaluations.items()}}


def _read_record(folder: Path) -> str:
    run_id = _run(0).run_id
    (name,) = (path.name for path in folder.glob("runs/*/*.npz"))
    wanted = _record(0, name.removesuffix(".npz"))
    state = run_files.state(folder, run_id)
    summary = run_files.peek_each(folder, [run_id]).get(run_id)
    record = run_files.load(folder, run_id)
    if summary is not None:
        assert (summary.status, summary.update) == (wanted.status, wanted.update)
        assert equal(summary.facts, wanted.facts)
        assert summary.evaluations == {update: each.summary() for update, each in wanted.evaluations.items()}
    if record is None:
        assert (folder / "runs" / run_id / f"{name}.broken").exists()
        return ASIDE
    assert state == wanted.status
    assert equal(_parts(record), _parts(wanted))
    return RIGHT


def _write_export(folder: Path, variant: int) -> None:
    for number in (0, 1):
        record = _record(number + 2 * variant, DONE)
        run_files.save(folder / "raw", _run(number + 2 * variant).run_id, record)
    archive.write(folder / "raw", folder, lambda _: None)
    shutil.rmtree(folder / "raw")


def _read_export(folder: Path) -> str:
    ids = [_run(number).run_id for number in (0, 1)]
    summaries = archive.read(folder, ids)
    for number, run_id in enumerate(ids):
        if run_id not in summaries:
            return ASIDE  # the file is that of another export; its runs count as missing
        wanted = _record(number, DONE)
        summary = Summary(wanted.status, wanted.update, wanted.seconds, wanted.facts, {wanted.update: wanted.summary()})
        assert asdict(summaries[run_id]) == asdict(summary)
        assert equal(vars(archive.outcomes(folder, run_id)), vars(wanted.evaluations[wanted.update]))
    return RIGHT


SOURCE = _tuned.FILE


def _write_tuned(folder: Path, variant: int) -> None:
    content = SOURCE.read_bytes()
    (folder / "tuned.csv").write_bytes(content if not variant else content.replace(b"yes", b"no", 1))


def _read_tuned(folder: Path) -> str:
    def read(file: Path) -> Any:
        _tuned.FILE = file
        _tuned._read.cache_clear()
        try:
            return _tuned._read()
        finally:
            _tuned.FILE = SOURCE
            _tuned._read.cache_clear()

    assert read(folder / "tuned.csv") == read(SOURCE)
    return RIGHT


def _write_origin(folder: Path, variant: int) -> None:
    origin(folder)


def _read_origin(folder: Path) -> str:
    assert origin(folder) == f"{socket.gethostname()}:{folder}"
    return RIGHT


RESULTS = (
    Subject("finished record", _write_done, "runs/*/done.npz", _read_record),
    Subject("partial record", _write_partial, "runs/*/partial.npz", _read_record),
    Subject("export", _write_export, "*.parquet", _read_export),
    Subject("tuned.csv", _write_tuned, "tuned.csv", _read_tuned),
    Subject("origin", _write_origin, "origin", _read_origin),
)
