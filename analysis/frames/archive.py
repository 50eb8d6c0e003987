"""Results to hand on: the ended runs of a results folder in two small parquet files, enough for every table. An export
adds to what its target holds: runs of several machines come together there. ``python analysis/archive.py --help``

``runs.parquet``         one row a run: id, content (JSON), status, updates, seconds, facts (JSON)
``evaluations.parquet``  one row an evaluation of a run: its metrics and, for the last one, the raw outcomes
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from analysis.entry import start

    start()

import numpy as np
import pandas as pd

from analysis.frames import sealed_parquet
from smore_sweep.console import make_console, progress_bar
from smore_sweep.errors import StorageError, UserError, first_line
from smore_sweep.results import header as headers
from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import METRICS, Outcomes
from smore_sweep.results.record import PARTIAL, Record, Summary
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath, is_file, storage_path

RUNS, EVALUATIONS = "runs.parquet", "evaluations.parquet"
COLUMNS = ["run_id", "update", *METRICS]


def is_archive(folder: StoragePath) -> bool:
    """Whether a folder holds exported results."""
    return is_file(folder / RUNS)


def ended(results: StoragePath) -> list[str]:
    """The ids of the runs of a results folder that have ended, sorted."""
    states = run_files.states(results, run_files.run_ids(results))
    return [run_id for run_id, state in states.items() if state == record.DONE]


def write(results: StoragePath, folder: StoragePath, advance: Callable[[int], None]) -> int:
    """Export all ended runs of a results folder; returns how many there are. Other runs that ``folder`` has stay there,
    and all are in the order of their ids, so that equal results give equal bytes. ``advance`` is told of each run."""
    runs: list[dict[str, Any]] = []
    evaluations: list[dict[str, Any]] = []
    for run_id in ended(results):
        advance(1)
        found = run_files.load(results, run_id)
        if found is None or found.status == PARTIAL:
            continue
        runs.append(
            {
                "run_id": run_id,
                "content": json.dumps(found.content, sort_keys=True),
                "status": found.status,
                "update": found.update,
                "seconds": round(found.seconds, 3),
                "facts": json.dumps(found.facts, sort_keys=True),
            }
        )
        evaluations += [_evaluation(run_id, found, update) for update in sorted(found.evaluations)]
    # The runs last: they make the folder an archive, and a run that they do not name has no evaluations.
    for name, rows in ((EVALUATIONS, evaluations), (RUNS, runs)):
        frame = _added(folder / name, pd.DataFrame(rows))
        paths.write(folder / name, sealed_parquet.encode(frame))
    return len(runs)


def count(folder: StoragePath) -> int:
    """Count the runs of an archive."""
    return len(sealed_parquet.read(folder / RUNS))


def read(folder: StoragePath, run_ids: Collection[str]) -> dict[str, Summary]:
    """Read the summaries of those runs that the archive has, by run id.

    Raises:
        StorageError: If a file is damaged, or one of these runs does not make sense.
    """
    runs = sealed_parquet.read(folder / RUNS)
    evaluations = sealed_parquet.read(folder / EVALUATIONS)
    wanted = set(run_ids)
    curves: dict[str, dict[int, dict[str, float]]] = {run_id: {} for run_id in wanted}
    for run_id, update, *values in evaluations.loc[evaluations["run_id"].isin(wanted), COLUMNS].itertuples(index=False):
        curves[run_id][update] = dict(zip(METRICS, values, strict=True))
    summaries = {}
    for row in runs[runs["run_id"].isin(wanted)].itertuples(index=False):
        if reason := fault(row, curves[row.run_id]):
            raise StorageError(f"{folder / RUNS}: the run {row.run_id} is broken ({reason}); export its runs again")
        summaries[row.run_id] = Summary(row.status, row.update, row.seconds, json.loads(row.facts), curves[row.run_id])
    return summaries


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
    rows = sealed_parquet.read(folder / EVALUATIONS)
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
    kept = sealed_parquet.read(path)
    return pd.concat([kept[~kept["run_id"].isin(rows["run_id"])], rows]).sort_values(["run_id", "update"])


def _evaluation(run_id: str, found: Record, update: int) -> dict[str, Any]:
    raw = found.evaluations[update]
    row: dict[str, Any] = {"run_id": run_id, "update": update, **raw.summary()}
    row |= dict(zip(("episodes", "steps"), raw.reached.shape, strict=True))
    last = update == max(found.evaluations)
    row["reached"] = np.packbits(raw.reached).tobytes() if last else None
    row["succeeded"] = np.packbits(raw.succeeded).tobytes() if last else None
    row["distances"] = raw.distances.astype("<f4").tobytes() if last else None
    return row


def main(argv: Sequence[str] | None = None) -> int:
    """Export. Returns 1 if there is nothing to export, 2 if the request is wrong or the target holds results."""
    parser = argparse.ArgumentParser(
        description="Add the ended runs of a results folder to exported ones, for others to make tables."
    )
    parser.add_argument("--results", metavar="DIR", default="output", help="where the runs are (default: output)")
    parser.add_argument("--to", metavar="DIR", default="results", help="where to write (default: results)")
    options = parser.parse_args(argv)
    try:
        results, folder = storage_path(options.results), storage_path(options.to)
        count = len(ended(results))
        if count and run_files.run_ids(folder):
            raise UserError(f"{folder} is a results folder; export into another one")
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not count:
        print(f"no finished run in {results}; run: make sweep SWEEP=quickstart", file=sys.stderr)
        return 1
    with progress_bar(make_console(), "exporting runs", count) as advance:
        write(results, folder, advance)
    left_out = len(run_files.run_ids(results)) - count
    unfinished = f" ({left_out} not ended, left out)" if left_out else ""
    total = len(sealed_parquet.read(folder / RUNS))
    print(f"{folder}: {count} runs{unfinished}, {total} in all; python analysis/tables.py --results {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
