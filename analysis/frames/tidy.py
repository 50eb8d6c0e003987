"""Tidy frames: one row per run, one column per knob, and the metrics of the last evaluation of done runs.

A row holds all of the run's content, so runs of different ids differ in more than their outcomes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import pandas as pd

from analysis.frames import archive
from analysis.frames.metrics import METRICS
from analysis.frames.runs import summaries
from analysis.frames.series import series_names
from smore_sweep.discovery import methods
from smore_sweep.method import knobs
from smore_sweep.results import record
from smore_sweep.results.record import Summary
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath

FILE = "runs.csv"
"""The tidy frame beside an archive."""
_IDENTITY = ("method", "task", "expert_share", "seed", "scale", "source")
_BEFORE = ("run_id", "label", *_IDENTITY)
_BUDGET = tuple(field.name for field in fields(Budget))
_AFTER = (
    "status",
    "update",
    "seconds",
    *METRICS,
    *_BUDGET,
    "protocol",
    "revision",
    "declared_task",
    "dataset",
    "git",
)


def of_runs(runs: Sequence[RunSpec], results: StoragePath) -> pd.DataFrame:
    """Load the expected runs, in their order: a run without a record has the status ``missing``.

    The column ``label`` names the method with the knobs that tell its configurations apart, ``revision`` counts the
    mended versions of a method, and ``declared_task`` is what a task of one's own says (JSON).
    """
    stored = summaries(runs, results)
    names = series_names(run.named for run in runs)
    return _frame(
        [
            {"run_id": run.run_id, "label": names[run.named.label]}
            | _row(run.content(), run.method.fields(), stored.get(run.run_id))
            for run in runs
        ]
    )


def of_archive(folder: StoragePath) -> pd.DataFrame:
    """Load all runs of an archive, in its order."""
    stored = archive.table(folder, archive.RUNS)
    contents = dict(zip(stored["run_id"], map(json.loads, stored["content"]), strict=True))
    by_id = archive.read(folder, list(contents))
    defaults = {
        kind.name: {name: field.metadata["knob"].before for name, field in knobs(kind).items()}
        for kind in methods().values()
    }
    rows = []
    for run_id, content in contents.items():
        absent = {k: v for k, v in defaults.get(content["method"], {}).items() if v is not None}
        rows.append({"run_id": run_id} | _row(content, {**absent, **content["knobs"]}, by_id[run_id]))
    return _frame(rows)


def write(folder: StoragePath) -> StoragePath:
    """Write the tidy frame of an archive beside it, and return the path. Equal archives give equal bytes."""
    path = folder / FILE
    paths.write(path, of_archive(folder).to_csv(index=False, lineterminator="\n").encode())
    return path


def _row(content: Mapping[str, Any], knobs: Mapping[str, Any], summary: Summary | None) -> dict[str, Any]:
    done = summary is not None and summary.status == record.DONE
    last = summary.evaluations[max(summary.evaluations)] if summary and done else {}
    metrics = dict.fromkeys(METRICS, math.nan) | last  # an older export has fewer
    facts = summary.facts if summary else {}
    return {
        **{name: content[name] for name in _IDENTITY},
        **{f"knob.{name}" if name in (*_BEFORE, *_AFTER) else name: value for name, value in knobs.items()},
        "status": summary.status if summary else record.MISSING,
        "update": summary.update if summary else 0,
        "seconds": summary.seconds if summary else math.nan,
        **metrics,
        **{name: content["budget"].get(name, 0) for name in _BUDGET},  # without an online phase it has no such field
        "protocol": content["protocol"],
        "revision": content.get("revision", 1),
        "declared_task": json.dumps(own, sort_keys=True) if (own := content.get("declared_task")) else "",
        "dataset": facts.get("dataset", ""),
        "git": facts.get("git", ""),
    }


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Order the columns: identity, knobs by name, outcome. A knob that a method lacks is missing in its rows."""
    frame = pd.DataFrame(rows)
    own = sorted(set(frame.columns) - {*_BEFORE, *_AFTER})
    return frame[[*(name for name in _BEFORE if name in frame), *own, *_AFTER]]
