"""Choose the tuned knobs from the finished runs of the tuning sweeps: ``python analysis/selection.py --help``.

It writes ``sweeps/tuned.csv``: every candidate value with its outcome, and the choice. The other sweeps read that file,
so a choice is part of the repository and never hidden in a table.
"""

from __future__ import annotations

import argparse
import io
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("_start.py")))

import pandas as pd

from analysis.frames.model_selection import TUNING, merge, select
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INCOMPLETE, REFUSED
from smore_sweep.spec import Sweep
from smore_sweep.storage.atomic import atomic_write
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath, storage_path
from sweeps._tuned import FILE, seal, unseal


def main(argv: Sequence[str] | None = None) -> int:
    """Choose and write. Returns 1 if no cell is complete, 2 if the request is wrong."""
    parser = argparse.ArgumentParser(description="Choose the tuned knobs from the finished runs of the tuning sweeps.")
    parser.add_argument("--scale", metavar="S", help="default: laptop")
    parser.add_argument(
        "--results", metavar="DIR", default=DEFAULT_RESULTS, help="where the runs are (default: %(default)s)"
    )
    options = parser.parse_args(argv)
    try:
        scale, results = load_sweep(TUNING[-1]).scale(options.scale), storage_path(options.results)
        return choose(scale, results, FILE)
    except UserError as error:
        print(error, file=sys.stderr)
        return REFUSED


def choose(scale: str, results: StoragePath, file: Path) -> int:
    """Write the choices at a scale into ``file``, sweep by sweep. Returns 1 if no cell is complete.

    After a new learning rate the next sweep must first make runs of its own, so it is left for the next call. (The
    sweeps themselves read the repository's own file.)
    """
    sweeps = [sweep for sweep in map(load_sweep, TUNING) if scale in sweep.scales]
    complete = False
    for sweep in sweeps:
        selection = _selection(sweep, scale, results)
        complete = complete or not selection.empty
        later = sweeps[sweeps.index(sweep) + 1 :]
        tasks = _write(selection, file, alone=bool(later))
        if tasks and later:
            command = f"SWEEP={later[0].name} SCALE={scale} TASKS={','.join(tasks)} RESULTS={results}"
            print(f"what was chosen at other values is dropped; run: make sweep {command}; then this again")
            return 0
    if not complete:
        print(f"no method is tuned on any task in {results}; run: make sweep SWEEP=tuning", file=sys.stderr)
        return INCOMPLETE
    print(f"{file}: runs of other sweeps that use another value are new runs from now on")
    return 0


def _selection(sweep: Sweep, scale: str, results: StoragePath) -> pd.DataFrame:
    from analysis.frames.runs import load  # late, so that a wrong request is refused at once

    runs = sweep.expand(scale, tasks=sweep.tasks)
    return select(runs, load(runs, results)).astype(str)


def _write(selection: pd.DataFrame, file: Path, *, alone: bool) -> list[str]:
    """Write and print a selection; return the tasks with a new choice.

    With ``alone`` the cells of new choices lose their other knobs, which were chosen beside another value.
    """
    if selection.empty:
        return []
    old = pd.read_csv(io.StringIO(unseal(file)), dtype=str, keep_default_na=False)
    choices = selection[selection["chosen"] == "yes"]
    cell = ["scale", "task", "method"]
    key = [*cell, "knob", "value", "chosen"]
    new = choices[~pd.MultiIndex.from_frame(choices[key]).isin(pd.MultiIndex.from_frame(old[key]))]
    if alone:
        old = old[~pd.MultiIndex.from_frame(old[cell]).isin(pd.MultiIndex.from_frame(new[cell]))]
    with atomic_write(file) as unfinished:
        unfinished.write_text(seal(merge(old, selection).to_csv(index=False)))
    print(choices[["task", "method", "knob", "value", "mean", "std", "seeds"]].to_string(index=False))
    return list(new["task"].unique())


if __name__ == "__main__":
    sys.exit(main())
