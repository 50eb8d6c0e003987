"""Metrics of each evaluation goal, of tasks whose goals take turns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from analysis.frames import archive
from analysis.frames.metrics import METRICS
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.run_spec import RunSpec
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task


def goals_of(runs: Sequence[RunSpec]) -> dict[int, str]:
    """Return the names of the goals by number, counted from 1 where they have none; nothing without such a task."""
    rows = [task(name) for name in dict.fromkeys(run.task for run in runs)]
    most = max((row.goals for row in rows), default=0)
    names = next((row.goal_names for row in rows if row.goal_names and row.goals == most), ())
    return dict(enumerate(names or map(str, range(1, most + 1)))) if most > 1 else {}


def by_goal(frame: pd.DataFrame, results: StoragePath) -> pd.DataFrame:
    """Replace the row of each done run by one per goal of its last evaluation: ``value`` is the goal's number.

    Runs without outcomes, and tasks whose goals do not take turns, keep one row without metrics.
    """
    done = frame.dropna(subset=["ever"])
    counts = {run_id: task(name).goals for run_id, name in zip(done["run_id"], done["task"], strict=True)}
    rows = [
        {"run_id": run_id, "value": float(goal), **outcomes.summary()}
        for run_id, whole in _last_outcomes(list(counts), results)
        for goal, outcomes in _of_goals(whole, counts[run_id])
    ]
    goals = pd.DataFrame(rows, columns=["run_id", "value", *METRICS])
    return frame.drop(columns=list(METRICS)).merge(goals, on="run_id", how="left")


def _of_goals(whole: Outcomes, count: int) -> Iterator[tuple[int, Outcomes]]:
    """Episode ``i`` has goal ``i mod count``."""
    for goal in range(min(count, len(whole.reached))):
        own = slice(goal, None, count)
        yield goal, Outcomes(whole.reached[own], whole.succeeded[own], whole.distances[own])


def _last_outcomes(run_ids: Sequence[str], results: StoragePath) -> Iterator[tuple[str, Outcomes]]:
    if archive.is_archive(results):
        rows = archive.table(results, archive.EVALUATIONS)
        last = rows[rows["run_id"].isin(run_ids) & rows["distances"].notna()]
        yield from ((row["run_id"], archive.decode_outcomes(row)) for _, row in last.iterrows())
        return
    for run_id in run_ids:
        if (run := run_files.load(results, run_id)) is not None:
            yield run_id, run.evaluations[max(run.evaluations)]
