"""The expected runs of a sweep joined with what is there: one row a run, so that a gap is visible."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from smore_sweep import record
from smore_sweep.outcomes import METRICS
from smore_sweep.spec import RunSpec, labels


def load(runs: Sequence[RunSpec], results: Path) -> pd.DataFrame:
    """One row per run: what it is, its budget, its status, and the metrics of :class:`smore_sweep.outcomes.Outcomes`
    after its last update (NaN unless done)."""
    names = labels(runs)
    return pd.DataFrame([_row(run, names[run.named], results) for run in runs])


def _row(run: RunSpec, label: str, results: Path) -> dict[str, object]:
    found = record.load(results, run.run_id) if record.state(results, run.run_id) == record.DONE else None
    status = found.status if found else record.state(results, run.run_id)
    values = found.summary() if found and status == record.DONE else dict.fromkeys(METRICS, math.nan)
    return {
        "run_id": run.run_id,
        "method": run.method.name,
        "label": label,
        "task": run.task,
        "expert_share": run.expert_share,
        "seed": run.seed,
        "scale": run.scale,
        "source": run.source,
        "status": status,
        "dataset": found.facts.get("dataset", "") if found else "",
        "git": found.facts.get("git", "") if found else "",
        **values,
        "updates": run.budget.updates,
        "batch_size": run.budget.batch_size,
        "episodes": run.budget.episodes,
        "final_episodes": run.budget.final_episodes,
    }
