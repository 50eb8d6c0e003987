"""Model selection: which value of its tuned knob each method uses on each task.

The evidence is the finished runs of the sweeps in :data:`TUNING`, whose seeds no reported run has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.frames.metrics import METRICS, headline_metric
from analysis.stats import significance
from smore_sweep.errors import UserError
from smore_sweep.results.record import DIVERGED, DONE
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import varied

TUNING = ("learning_rate", "tuning")
"""The sweeps that select, each with the values that the one before it chose. Tables leave them out."""
COLUMNS = ["scale", "task", "method", "knob", "value", "chosen", "metric", "mean", "std", "seeds", "first_seed", "git"]


@dataclass(frozen=True)
class _Candidate:
    """One value of a knob of a (method, task), with the return over the seeds of its runs."""

    value: float
    mean: float
    std: float
    runs: list[RunSpec]


def select(runs: Sequence[RunSpec], frame: pd.DataFrame) -> pd.DataFrame:
    """Choose the value with the best mean return over seeds, for each (method, task) all of whose runs have ended.

    Ties, as on a hard task where no value learns anything, go to the value that most of the task's other methods do
    best with, and then to the one nearest to the knob's default.

    Args:
        runs: The runs of a tuning sweep.
        frame: One row per run, as :func:`analysis.frames.runs.load` returns it.

    Returns:
        One row per candidate value: the evidence, with the choice marked.

    Raises:
        UserError: A method varies in more than one knob.
    """
    rows = frame.set_index("run_id")
    candidates = _candidates(runs, rows)
    best: dict[tuple[str, str, str], list[float]] = {}
    for cell, values in candidates.items():
        highest = max(one.mean for one in values)
        best[cell] = [one.value for one in values if one.mean == highest]
    votes = Counter((task, knob, values[0]) for (_, task, knob), values in best.items() if len(values) == 1)
    table: list[dict[str, object]] = []
    for (name, task, knob), values in candidates.items():
        default = type(values[0].runs[0].method)().fields()[knob]
        choice = max(best[name, task, knob], key=lambda value: (votes[task, knob, value], -abs(value - default)))
        table += [
            {
                "scale": one.runs[0].scale,
                "task": task,
                "method": name,
                "knob": knob,
                "value": one.value,
                "chosen": "yes" if one.value == choice else "no",
                "metric": headline_metric(task),
                "mean": f"{one.mean:.3f}",
                "std": f"{one.std:.3f}",
                "seeds": len(one.runs),
                "first_seed": min(run.seed for run in one.runs),
                "git": " ".join(sorted({str(rows.loc[run.run_id, "git"]) for run in one.runs})),
            }
            for one in values
        ]
    return pd.DataFrame(table, columns=COLUMNS)


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Replace the choices of ``old`` by those of ``new``, by scale, task, method and knob."""
    key = ["scale", "task", "method", "knob"]
    replaced = pd.MultiIndex.from_frame(old[key]).isin(pd.MultiIndex.from_frame(new[key]))
    return pd.concat([old[~replaced], new], ignore_index=True).sort_values([*key, "value"], kind="stable")


def _candidates(runs: Sequence[RunSpec], rows: pd.DataFrame) -> dict[tuple[str, str, str], list[_Candidate]]:
    """The candidates by method, task and knob; cells with unfinished runs are left out."""
    knobs = varied(run.named for run in runs)
    cells: dict[tuple[str, str], list[RunSpec]] = {}
    for run in runs:
        cells.setdefault((run.method.name, run.task), []).append(run)
    candidates = {}
    for (name, task), members in cells.items():
        names = knobs[type(members[0].method)]
        if len(names) != 1:
            raise UserError(f"{name} varies in {len(names)} knobs ({', '.join(sorted(names))}); selection is for one")
        metric = headline_metric(task)
        if not METRICS[metric].higher_is_better:
            raise UserError(f"{task} has the headline {metric}, which is better if lower; selection takes the highest")
        if all(rows.loc[run.run_id, "status"] in (DONE, DIVERGED) for run in members):
            (knob,) = names
            candidates[name, task, knob] = _by_value(members, knob, rows[metric])
    return candidates


def _by_value(members: Sequence[RunSpec], knob: str, returns: pd.Series[float]) -> list[_Candidate]:
    """Group the runs of a cell by value. A diverged run has no return and counts as 0."""
    earned = returns.fillna(0.0)
    candidates = []
    for value in sorted({run.named.fields()[knob] for run in members}):
        own = [run for run in members if run.named.fields()[knob] == value]
        mean, std, _ = significance.summary([float(earned[run.run_id]) for run in own])
        candidates.append(_Candidate(value, mean, std, own))
    return candidates
