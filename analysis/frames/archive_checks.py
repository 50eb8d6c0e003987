"""Check exported results in full, and read what an export has of a run's record."""

from __future__ import annotations

import json
from collections.abc import Callable

import pandas as pd

from analysis.frames import archive
from smore_sweep.errors import first_line
from smore_sweep.results.outcomes import agree
from smore_sweep.results.record import Record
from smore_sweep.results.verification import Verification
from smore_sweep.storage.paths import StoragePath
from smore_sweep.task import METRICS


def verify(folder: StoragePath, advance: Callable[[int], None]) -> Verification:
    """Check every run of an archive, and that its numbers are those of its raw outcomes.

    Raises:
        StorageError: If a file is damaged.
    """
    evaluations = dict(list(archive.table(folder, archive.EVALUATIONS).groupby("run_id")))
    ended: list[str] = []
    broken: list[str] = []
    for row in archive.table(folder, archive.RUNS).itertuples(index=False):
        own = evaluations.get(row.run_id, pd.DataFrame(columns=[*archive.COLUMNS, "distances"]))
        curve = {
            update: archive.metrics_of(values) for _, update, *values in own[archive.COLUMNS].itertuples(index=False)
        }
        if reason := archive.fault(row, curve) or _outcome_fault(own):
            broken.append(f"{folder}: the run {row.run_id} is broken ({reason})")
        else:
            ended.append(row.run_id)
        advance(1)
    return Verification(ended, 0, broken)


def published(folder: StoragePath, run_id: str) -> Record:
    """Return what an archive has of a run's record: of its evaluations only the last, if there is one."""
    runs = archive.table(folder, archive.RUNS)
    row = next(runs[runs["run_id"] == run_id].itertuples(index=False))
    record = Record(json.loads(row.content), row.status, row.update, row.seconds, json.loads(row.facts))
    evaluations = archive.table(folder, archive.EVALUATIONS)
    own = evaluations[(evaluations["run_id"] == run_id) & evaluations["distances"].notna()]
    record.evaluations = {int(last["update"]): archive.decode_outcomes(last) for _, last in own.iterrows()}
    return record


def _outcome_fault(evaluations: pd.DataFrame) -> str:
    """Return what is wrong with the raw outcomes of a run's evaluations, or nothing. The last must have some."""
    raw = evaluations[evaluations["distances"].notna()]
    if len(evaluations) and (raw.empty or raw["update"].max() != evaluations["update"].max()):
        return "the raw outcomes of its last evaluation are missing"
    try:
        for _, row in raw.iterrows():
            outcomes = archive.decode_outcomes(row)
            outcomes.check()
            if not agree(archive.metrics_of(row[list(METRICS)].tolist()), outcomes.summary()):
                return f"its numbers at update {row['update']} are not those of its outcomes"
    except Exception as error:  # whatever crafted bytes make the decoding raise
        return first_line(error)
    return ""
