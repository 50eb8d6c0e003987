"""Archive of results: the ended runs of a results folder in two small parquet files, enough for every table.

``runs.parquet``         one row per run: id, content (JSON), status, updates, seconds, facts (JSON)
``evaluations.parquet``  one row per evaluation of a run: its metrics and, for the last one, the raw outcomes

An export adds to the archive, so runs of several machines come together in one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from analysis.frames.metrics import METRICS
from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import PARTIAL, Record, Summary
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath, is_file

RUNS, EVALUATIONS = "runs.parquet", "evaluations.parquet"


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
    # The runs last: they make the folder an archive, and evaluations of runs that they do not name are ignored.
    for name, rows in ((EVALUATIONS, evaluations), (RUNS, runs)):
        frame = _added(folder / name, pd.DataFrame(rows))
        paths.write(folder / name, frame.to_parquet(index=False, compression="zstd"))
    return len(runs)


def count(folder: StoragePath) -> int:
    """Count the runs of an archive."""
    return len(_frame(folder / RUNS, columns=["run_id"]))


def read(folder: StoragePath, run_ids: Collection[str]) -> dict[str, Summary]:
    """Read the summaries of those runs that the archive has, by run id."""
    runs = _frame(folder / RUNS, columns=["run_id", "status", "update", "seconds", "facts"])
    evaluations = _frame(folder / EVALUATIONS, columns=["run_id", "update", *METRICS])
    wanted = set(run_ids)
    curves: dict[str, dict[int, dict[str, float]]] = {run_id: {} for run_id in wanted}
    for run_id, update, *values in evaluations[evaluations["run_id"].isin(wanted)].itertuples(index=False):
        curves[run_id][update] = dict(zip(METRICS, values, strict=True))
    return {
        run_id: Summary(status, update, seconds, json.loads(facts), curves[run_id])
        for run_id, status, update, seconds, facts in runs[runs["run_id"].isin(wanted)].itertuples(index=False)
    }


def outcomes(folder: StoragePath, run_id: str) -> Outcomes:
    """Read the raw outcomes of a run's last evaluation. Raises :class:`KeyError` if the archive has none."""
    rows = _frame(folder / EVALUATIONS, filters=[("run_id", "==", run_id)])
    raw = rows[rows["distances"].notna()]
    if raw.empty:
        raise KeyError(run_id)
    last = raw.iloc[-1]
    shape = (int(last["episodes"]), int(last["steps"]))
    bits = {
        name: np.unpackbits(np.frombuffer(last[name], np.uint8), count=shape[0] * shape[1]).astype(bool).reshape(shape)
        for name in ("reached", "succeeded")
    }
    return Outcomes(**bits, distances=np.frombuffer(last["distances"], "<f4").reshape(shape))


def _frame(path: StoragePath, **options: Any) -> pd.DataFrame:
    # Arrow's threads may outlive the call, and if they hold a Python file, they can abort a process that exits.
    return pd.read_parquet(pa.BufferReader(paths.read(path)), **options)


def _added(path: StoragePath, rows: pd.DataFrame) -> pd.DataFrame:
    if not is_file(path):
        return rows
    old = _frame(path)
    return pd.concat([old[~old["run_id"].isin(rows["run_id"])], rows]).sort_values(["run_id", "update"])


def _evaluation(run_id: str, run: Record, update: int) -> dict[str, Any]:
    raw = run.evaluations[update]
    row: dict[str, Any] = {"run_id": run_id, "update": update, **raw.summary()}
    row |= dict(zip(("episodes", "steps"), raw.reached.shape, strict=True))
    last = update == max(run.evaluations)
    row["reached"] = np.packbits(raw.reached).tobytes() if last else None
    row["succeeded"] = np.packbits(raw.succeeded).tobytes() if last else None
    row["distances"] = raw.distances.astype("<f4").tobytes() if last else None
    return row
