"""Model selection: which values of tuned knobs each method uses on each task. ``python analysis/selection.py --help``.

It reads the finished runs of the sweeps ``learning_rate`` and ``tuning``, whose seeds no reported run has, and writes
``sweeps/tuned.csv``: every value that was tried with its outcome, and which was chosen. The other sweeps read that
file, so a choice is part of the repository and never hidden in a table.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from analysis.entry import start

    start()

import pandas as pd

from analysis.stats import significance
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.spec import RunSpec, Sweep, varied
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.storage.paths import StoragePath, storage_path
from smore_sweep.tasks import task as task_row
from sweeps._tuned import FILE, seal, unseal

TUNING = ("learning_rate", "tuning")
"""The sweeps that select, each at what the one before it chose. Their seeds are in no table."""
COLUMNS = ["scale", "task", "method", "knob", "value", "chosen", "metric", "mean", "std", "seeds", "first_seed", "git"]
LONG = 100
"""Episodes of more steps are compared by the return at 0.999, as the paper does for locomotion; others at 0.99."""


@dataclass(frozen=True)
class _Tried:
    """One value of a knob of a (method, task), with the return over its runs' seeds."""

    value: float
    mean: float
    std: float
    runs: list[RunSpec]


def select(runs: Sequence[RunSpec], frame: pd.DataFrame) -> pd.DataFrame:
    """One row per tried value of each (method, task) all of whose runs are done: the evidence, with the best mean
    return over seeds marked as chosen.

    Where several are best, as on a hard task where nothing is learnt with any of them, it is of these the one that most
    of the task's other methods do best with, and else the one nearest to the knob's default.

    ``frame`` has one row per run, as :func:`analysis.frames.runs.load` gives it. Raises :class:`UserError` if a method
    varies in more than one knob."""
    knobs = varied(run.named for run in runs)
    at = frame.set_index("run_id")
    cells: dict[tuple[str, str], list[RunSpec]] = {}
    for run in runs:
        cells.setdefault((run.method.name, run.task), []).append(run)
    tried: dict[tuple[str, str, str], list[_Tried]] = {}
    for (name, task), members in cells.items():
        names = knobs[type(members[0].method)]
        if len(names) != 1:
            raise UserError(f"{name} varies in {len(names)} knobs ({', '.join(sorted(names))}); selection is for one")
        if all(at.loc[run.run_id, "status"] in ("done", "diverged") for run in members):
            (knob,) = names
            tried[name, task, knob] = _try(members, knob, at[_metric(task)])
    best: dict[tuple[str, str, str], list[float]] = {}
    for cell, values in tried.items():
        highest = max(one.mean for one in values)
        best[cell] = [one.value for one in values if one.mean == highest]
    votes = Counter((task, knob, values[0]) for (_, task, knob), values in best.items() if len(values) == 1)
    rows: list[dict[str, object]] = []
    for (name, task, knob), values in tried.items():
        default = type(values[0].runs[0].method)().fields()[knob]
        chosen = max(best[name, task, knob], key=lambda value: (votes[task, knob, value], -abs(value - default)))
        rows += [
            {
                "scale": one.runs[0].scale,
                "task": task,
                "method": name,
                "knob": knob,
                "value": one.value,
                "chosen": "yes" if one.value == chosen else "no",
                "metric": _metric(task),
                "mean": f"{one.mean:.3f}",
                "std": f"{one.std:.3f}",
                "seeds": len(one.runs),
                "first_seed": min(run.seed for run in one.runs),
                "git": " ".join(sorted({str(at.loc[run.run_id, "git"]) for run in one.runs})),
            }
            for one in values
        ]
    return pd.DataFrame(rows, columns=COLUMNS)


def _try(members: Sequence[RunSpec], knob: str, returns: pd.Series[float]) -> list[_Tried]:
    """By value. A diverged run has no return; it counts as one that earned nothing."""
    earned = returns.fillna(0.0)
    tried = []
    for value in sorted({run.named.fields()[knob] for run in members}):
        own = [run for run in members if run.named.fields()[knob] == value]
        mean, std, _ = significance.summary([float(earned[run.run_id]) for run in own])
        tried.append(_Tried(value, mean, std, own))
    return tried


def _metric(task: str) -> str:
    return "return999" if task_row(task).horizon > LONG else "return99"


def merge(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """``old`` with the choices of ``new`` in place of its own, by scale, task, method and knob."""
    key = ["scale", "task", "method", "knob"]
    replaced = pd.MultiIndex.from_frame(old[key]).isin(pd.MultiIndex.from_frame(new[key]))
    return pd.concat([old[~replaced], new], ignore_index=True).sort_values([*key, "value"], kind="stable")


def main(argv: Sequence[str] | None = None) -> int:
    """Choose and write. Returns 1 if nothing is complete, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="Choose the tuned knobs from the finished runs of the tuning sweeps.")
    parser.add_argument("--scale", metavar="S", help="default: laptop")
    parser.add_argument("--results", metavar="DIR", default="output", help="where the runs are (default: output)")
    options = parser.parse_args(argv)
    try:
        scale, results = load_sweep(TUNING[-1]).scale(options.scale), storage_path(options.results)
        return choose(scale, results, FILE)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2


def choose(scale: str, results: StoragePath, file: Path) -> int:
    """Write what the finished runs choose at a scale into ``file``, sweep by sweep: after a new learning rate the next
    sweep has runs of its own to make first. (At what it is to run, a sweep knows by the repository's own file.) Returns
    1 if no cell is complete."""
    sweeps = [sweep for sweep in map(load_sweep, TUNING) if scale in sweep.scales]
    found = False
    for sweep in sweeps:
        made = _selected(sweep, scale, results)
        found = found or not made.empty
        later = sweeps[sweeps.index(sweep) + 1 :]
        tasks = _keep(made, file, alone=bool(later))
        if tasks and later:
            asked = f"SWEEP={later[0].name} SCALE={scale} TASKS={','.join(tasks)} RESULTS={results}"
            print(f"what was chosen at other values is dropped; run: make sweep {asked}; then this again")
            return 0
    if not found:
        print(f"no method is tuned on any task in {results}; run: make sweep SWEEP=tuning", file=sys.stderr)
        return 1
    print(f"{file}: runs of other sweeps that use another value are new runs from now on")
    return 0


def _selected(sweep: Sweep, scale: str, results: StoragePath) -> pd.DataFrame:
    from analysis.frames.runs import load  # late: a wrong request is refused at once

    runs = sweep.expand(scale, tasks=sweep.tasks)
    return select(runs, load(runs, results)).astype(str)


def _keep(made: pd.DataFrame, file: Path, *, alone: bool) -> list[str]:
    """Write what was chosen, and tell it; the tasks of which a choice is a new one. With ``alone`` those cells lose the
    knobs that were chosen beside another value."""
    if made.empty:
        return []
    old = pd.read_csv(io.StringIO(unseal(file)), dtype=str, keep_default_na=False)
    chosen = made[made["chosen"] == "yes"]
    cell = ["scale", "task", "method"]
    key = [*cell, "knob", "value", "chosen"]
    new = chosen[~pd.MultiIndex.from_frame(chosen[key]).isin(pd.MultiIndex.from_frame(old[key]))]
    if alone:
        old = old[~pd.MultiIndex.from_frame(old[cell]).isin(pd.MultiIndex.from_frame(new[cell]))]
    with atomic_write(file) as unfinished:
        unfinished.write_text(seal(merge(old, made).to_csv(index=False)))
    print(chosen[["task", "method", "knob", "value", "mean", "std", "seeds"]].to_string(index=False))
    return list(new["task"].unique())


if __name__ == "__main__":
    sys.exit(main())
