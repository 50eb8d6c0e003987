"""The expected runs of a sweep joined with what is there: one row a run, so that a gap is visible."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from analysis.frames import archive
from analysis.frames.metrics import METRICS
from smore_sweep.results import record
from smore_sweep.results.record import Summary
from smore_sweep.spec import RunSpec
from smore_sweep.storage.paths import StoragePath

IDENTITY = ("run_id", "method", "label", "task", "expert_share", "seed", "scale", "source")
"""The columns that say which run a row is about."""


def load(runs: Sequence[RunSpec], results: StoragePath) -> pd.DataFrame:
    """One row per run: what it is, its budget, its status, and the metrics of
    :class:`smore_sweep.results.outcomes.Outcomes` after its last update (NaN unless done). ``results`` is a results
    folder, or one with exported results."""
    found = summaries(runs, results)
    return pd.DataFrame([_row(run, found.get(run.run_id)) for run in runs])


def curves(runs: Sequence[RunSpec], results: StoragePath) -> pd.DataFrame:
    """One row per evaluation of each run that is done, partial or diverged: what the run is, after how many updates
    (``update``) and the metrics then."""
    found = summaries(runs, results)
    rows = [
        {**_identity(run), "update": update, **values}
        for run in runs
        if run.run_id in found
        for update, values in sorted(found[run.run_id].evaluations.items())
    ]
    return pd.DataFrame(rows, columns=[*IDENTITY, "update", *METRICS])


def summaries(runs: Sequence[RunSpec], results: StoragePath) -> dict[str, Summary]:
    """The summaries of those runs that have one, by run id."""
    if archive.is_archive(results):
        return archive.read(results, [run.run_id for run in runs])
    return record.peek_each(results, [run.run_id for run in runs])


def _row(run: RunSpec, found: Summary | None) -> dict[str, object]:
    done = found is not None and found.status == record.DONE
    values = found.evaluations[max(found.evaluations)] if found and done else dict.fromkeys(METRICS, math.nan)
    return {
        **_identity(run),
        "status": found.status if found else record.MISSING,
        "dataset": found.facts.get("dataset", "") if found else "",
        "git": found.facts.get("git", "") if found else "",
        "seconds": found.seconds if found else math.nan,
        **values,
        "updates": run.budget.updates,
        "batch_size": run.budget.batch_size,
        "episodes": run.budget.episodes,
        "final_episodes": run.budget.final_episodes,
        "unnamed": _unnamed(run),
    }


def _unnamed(run: RunSpec) -> str:
    """The knobs that task, scale and model selection set, which the run's name does not say: ``hidden=128 ...``."""
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
