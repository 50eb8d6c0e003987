"""Archive of results: the ended runs of a results folder in two small parquet files, enough for every table.

``runs.parquet``         one row per run: id, content (JSON), status, updates, seconds, facts (JSON)
``evaluations.parquet``  one row per evaluation of a run: its metrics and, for the last one, the raw outcomes

An export adds to the archive, so runs of several machines come together in one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import sealed_parquet
from analysis.frames.metrics import METRICS
from smore_sweep.errors import StorageError, first_line
from smore_sweep.results import header as headers
from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import PARTIAL, Record, Summary
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath, is_file

RUNS, EVALUATIONS = "runs.parquet", "evaluations.parquet"
COLUMNS = ["run_id", "update", *METRICS]
WRITTEN = {
    EVALUATIONS: [*COLUMNS, "episodes", "steps", "reached", "succeeded", "distances"],
    RUNS: ["run_id", "content", "status", "update", "seconds", "facts"],
}
"""Columns of the files. The runs are written last: they make the folder an archive, and evaluations of runs that they
do not name are ignored."""
LATER = ("ever",)
"""Metrics that exports from before they existed lack."""
REQUIRED = {RUNS: WRITTEN[RUNS], EVALUATIONS: [name for name in COLUMNS if name not in LATER]}
"""Columns that a file must have."""


def is_archive(folder: StoragePath) -> bool:
    """Whether a folder holds an archive."""
    return is_file(folder / RUNS)


def ended(results: StoragePath) -> list[str]:
    """List the ids of the runs of a results folder that have ended, sorted."""
    return [
        run_id
        for run_id, state in run_files.states(results, run_files.run_ids(results)).items()
        if state == record.DONE
    ]


def write(results: StoragePath, folder: StoragePath, advance: Callable[[int], None]) -> int:
    """Export all ended runs of a results folder, and return their number.

    Other runs of the archive ``folder`` stay. All are sorted by id, so equal results give equal bytes. ``advance`` is
    called with 1 after each run.
    """
    runs: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for run_id in ended(results):
        advance(1)
        run = run_files.load(results, run_id)
        if run is None or run.status == PARTIAL:
            continue
        runs.append(
            {
                "run_id": run_id,
                "content": json.dumps(run.content, sort_keys=True),
                "status": run.status,
                "update": run.update,
                "seconds": round(run.seconds, 3),
                "facts": json.dumps(run.facts, sort_keys=True),
            }
        )
        evaluations += [_evaluation(run_id, run, update) for update in sorted(run.evaluations)]
    rows = {EVALUATIONS: evaluations, RUNS: runs}
    for name, columns in WRITTEN.items():
        frame = _added(folder / name, pd.DataFrame(rows[name], columns=columns))
        paths.write(folder / name, sealed_parquet.encode(frame))
    return len(runs)


def table(folder: StoragePath, name: str) -> pd.DataFrame:
    """Read a file of an archive. Raises :class:`StorageError` if it is damaged."""
    frame = sealed_parquet.read(folder / name, REQUIRED[name])
    if name == EVALUATIONS:
        frame[[column for column in LATER if column not in frame]] = np.nan
    return frame


def count(folder: StoragePath) -> int:
    """Count the runs of an archive."""
    return len(table(folder, RUNS))


def read(folder: StoragePath, run_ids: Collection[str]) -> dict[str, Summary]:
    """Read the summaries of those runs that the archive has, by run id.

    Raises:
        StorageError: If a file is damaged, or one of these runs does not make sense.
    """
    runs = table(folder, RUNS)
    evaluations = table(folder, EVALUATIONS)
    wanted = set(run_ids)
    curves: dict[str, dict[int, dict[str, float]]] = {run_id: {} for run_id in wanted}
    for run_id, update, *values in evaluations.loc[evaluations["run_id"].isin(wanted), COLUMNS].itertuples(index=False):
        curves[run_id][update] = metrics_of(values)
    summaries = {}
    for row in runs[runs["run_id"].isin(wanted)].itertuples(index=False):
        if reason := fault(row, curves[row.run_id]):
            raise StorageError(f"{folder / RUNS}: the run {row.run_id} is broken ({reason}); export its runs again")
        summaries[row.run_id] = Summary(row.status, row.update, row.seconds, json.loads(row.facts), curves[row.run_id])
    return summaries


def metrics_of(values: Sequence[float]) -> dict[str, float]:
    """Return the metrics of an evaluation by name, without those that the export lacks."""
    metrics = dict(zip(METRICS, values, strict=True))
    return {name: value for name, value in metrics.items() if name not in LATER or not math.isnan(value)}


def fault(row: Any, curve: dict[int, dict[str, float]]) -> str:
    """Return what is wrong with a run, or nothing."""
    try:
        header = {
            "content": json.loads(row.content), "status": row.status, "update": row.update, "seconds": row.seconds,
            "facts": json.loads(row.facts), "metrics": {}, "summaries": {str(at): curve[at] for at in curve},
        }  # fmt: skip
        headers.check(header, row.run_id, ended=True)
    except Exception as error:  # whatever a crafted value makes the checks raise
        return first_line(error)
    return ""


def outcomes(folder: StoragePath, run_id: str) -> Outcomes:
    """The raw outcomes of a run's last evaluation, for questions that no table asks. Raises :class:`KeyError` if the
    archive has none."""
    rows = table(folder, EVALUATIONS)
    raw = rows[(rows["run_id"] == run_id) & rows["distances"].notna()]
    if raw.empty:
        raise KeyError(run_id)
    return decode_outcomes(raw.iloc[-1])


def decode_outcomes(row: pd.Series[Any]) -> Outcomes:
    """Decode the raw outcomes of a row of the evaluations that has them."""
    shape = (int(row["episodes"]), int(row["steps"]))
    count = shape[0] * shape[1]
    bits = {
        name: np.unpackbits(np.frombuffer(row[name], np.uint8), count=count).astype(bool).reshape(shape)
        for name in ("reached", "succeeded")
    }
    return Outcomes(**bits, distances=np.frombuffer(row["distances"], "<f4").reshape(shape))


def _added(path: StoragePath, rows: pd.DataFrame) -> pd.DataFrame:
    if not is_file(path):
        return rows
    kept = sealed_parquet.read(path, REQUIRED[path.name])
    kept = kept[~kept["run_id"].isin(rows["run_id"])]
    # A frame without rows has columns without a type, which would become those of the whole.
    parts = [part for part in (kept, rows) if len(part)]
    return pd.concat(parts).sort_values(["run_id", "update"]) if parts else rows


def _evaluation(run_id: str, run: Record, update: int) -> dict[str, Any]:
    raw = run.evaluations[update]
    row: dict[str, Any] = {"run_id": run_id, "update": update, **raw.summary()}
    row |= dict(zip(("episodes", "steps"), raw.reached.shape, strict=True))
    last = update == max(run.evaluations)
    row["reached"] = np.packbits(raw.reached).tobytes() if last else None
    row["succeeded"] = np.packbits(raw.succeeded).tobytes() if last else None
    row["distances"] = raw.distances.astype("<f4").tobytes() if last else None
    return row
