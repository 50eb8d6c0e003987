"""Frames of the expected runs of a sweep with their results: one row per run, so gaps show."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.frames import archive
from analysis.frames.metrics import METRICS
from smore_sweep.planning.code_changes import changed_runs
from smore_sweep.results import record, run_files
from smore_sweep.results.record import Summary
from smore_sweep.run_spec import RunSpec, share_of
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task

IDENTITY = ("run_id", "method", "label", "task", "expert_share", "seed", "scale", "source")
"""The columns that identify the run of a row."""

COUNT = "COUNT"
CHANGED = "{file} has changed since COUNT of these runs were made."
KEPT = "{file} has changed since COUNT of these runs were made, and --keep has accepted them."
"""What a table says of runs that were made by other code."""


def load(runs: Sequence[RunSpec], results: StoragePath) -> pd.DataFrame:
    """Load one row per run: its identity, status and budget, and its metrics after the last update (NaN unless done).

    ``changed`` says that the code of a run's method or task has changed since, if it has.
    ``results`` is a results folder or an archive.
    """
    by_id = summaries(runs, results)
    code: dict[str, str] = {}
    for accepted, sentence in ((False, CHANGED), (True, KEPT)):
        for file, run_ids in changed_runs(runs, by_id, accepted=accepted).items():
            code |= {run_id: sentence.format(file=file) for run_id in run_ids}
    return pd.DataFrame([_row(run, by_id.get(run.run_id), code.get(run.run_id, "")) for run in runs])


def curves(runs: Sequence[RunSpec], results: StoragePath) -> pd.DataFrame:
    """Load one row per evaluation of each run with a record: identity, number of updates (``update``), and metrics."""
    by_id = summaries(runs, results)
    rows = [
        {**_identity(run), "update": update, **values}
        for run in runs
        if run.run_id in by_id
        for update, values in sorted(by_id[run.run_id].evaluations.items())
    ]
    return pd.DataFrame(rows, columns=[*IDENTITY, "update", *METRICS])


def summaries(runs: Sequence[RunSpec], results: StoragePath) -> dict[str, Summary]:
    """Read the summaries of those runs that have one, by run id."""
    if archive.is_archive(results):
        return archive.read(results, [run.run_id for run in runs])
    return run_files.peek_each(results, [run.run_id for run in runs])


def changes(frame: pd.DataFrame) -> list[str]:
    """Return a sentence per file of code that has changed since runs of the frame were made."""
    if "changed" not in frame:
        return []
    counts = frame.drop_duplicates("run_id").query("changed != ''")["changed"].value_counts()
    return [sentence.replace(COUNT, str(count)) for sentence, count in counts.items()]


def mixed_data(frame: pd.DataFrame) -> list[str]:
    """Return a sentence if finished runs of one task and share were trained on different data."""
    if "dataset" not in frame:
        return []
    known = frame[(frame["status"] == record.DONE) & (frame["dataset"] != "")]
    counts = known.groupby(["task", "expert_share"], sort=False)["dataset"].nunique()
    mixed = [
        f"{task}{f' at {text}' if (text := share_of(task, share)) else ''} ({count} fingerprints)"
        for (task, share), count in counts.items()
        if count > 1
    ]
    return [f"Runs of one task were trained on different data: {', '.join(mixed)}."] if mixed else []


def _row(run: RunSpec, summary: Summary | None, changed: str) -> dict[str, object]:
    done = summary is not None and summary.status == record.DONE
    values = _result(run, summary) if summary and done else dict.fromkeys(METRICS, math.nan)
    return {
        **_identity(run),
        "status": summary.status if summary else record.MISSING,
        "dataset": summary.facts.get("dataset", "") if summary else "",
        "git": summary.facts.get("git", "") if summary else "",
        "seconds": summary.seconds if summary else math.nan,
        "changed": changed,
        **values,
        "updates": run.budget.updates,
        "batch_size": run.budget.batch_size,
        "episodes": run.budget.episodes,
        "final_episodes": run.budget.final_episodes,
        "unnamed": _unnamed(run),
    }


def _result(run: RunSpec, summary: Summary) -> dict[str, float]:
    """Return a done run's metrics: of its last evaluation, or the means of as many as its task says."""
    last = [summary.evaluations[at] for at in sorted(summary.evaluations)[-task(run.task).last_evaluations :]]
    # Records from before a metric existed lack it.
    return {name: sum(values.get(name, math.nan) for values in last) / len(last) for name in METRICS}


def _unnamed(run: RunSpec) -> str:
    """The knobs that task, scale and model selection set and the run's name does not contain: ``hidden=128 ...``."""
    named = run.named.fields()
    return " ".join(f"{name}={value}" for name, value in run.method.fields().items() if value != named[name])


def _identity(run: RunSpec) -> dict[str, object]:
    values = (
        run.run_id,
        run.method.name,
        run.named.label,
        run.task,
        run.expert_share,
        run.seed,
        run.scale,
        run.source,
    )
    return dict(zip(IDENTITY, values, strict=True))
