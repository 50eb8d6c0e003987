"""Measure the reading of many results: ``python -m smore_sweep.bench.reading [RUNS]``.

Each of 10,000 runs has a record with the policy of a network of 2 x 256: 4 GB in the temporary folder. (Records prove
which run they are of, so one file cannot stand for all.)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from analysis.frames import archive
from analysis.frames.runs import load
from smore_sweep import console
from smore_sweep.planning.plan import make_plan
from smore_sweep.results.encoding import encode
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, Record
from smore_sweep.results.verification import verify_records
from smore_sweep.run_spec import Budget
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep

RUNS = 10_000
EVALUATIONS, EPISODES, STEPS = 5, 20, 50


def main(count: int) -> int:
    """Measure and print."""
    budget = Budget(
        episodes=500, updates=1_000, batch_size=256, evaluate_every=200, evaluation_episodes=20, final_episodes=20
    )
    sweep = Sweep(
        name="many",
        description="",
        grids=[Grid(methods=[SMORe()], tasks=["FetchReach"], expert_share=[0.1])],
        scales={"laptop": Scale(tasks=["FetchReach"], seeds=count, budget=budget)},
    )
    out = console.make_console()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        runs = sweep.expand()
        record = _example()
        for run in runs:
            file = path / "runs" / run.run_id / "done.npz"
            file.parent.mkdir(parents=True)
            file.write_bytes(encode(replace(record, content=run.content())))
        out.print(f"{count:,} done runs of {file.stat().st_size / 1e3:,.0f} kB each")
        _time("state of every run (make status, make plan)", lambda: make_plan(sweep, None, path))
        _time("frame for a table, from the results folder", lambda: load(runs, path))
        exported = Path(folder) / "exported"
        _time("check of every array (verify)", lambda: verify_records(path, lambda _: None))
        _time("export to parquet", lambda: archive.write(path, exported, lambda _: None))
        _time("frame for a table, from the export", lambda: load(runs, exported))
    return 0


def _example() -> Record:
    random = np.random.default_rng(0)

    def outcomes() -> Outcomes:
        distances = random.random((EPISODES, STEPS), np.float32)
        return Outcomes(reached=distances < 0.5, succeeded=distances < 0.3, distances=distances)

    shapes = {"w0": (1, 20, 256), "w1": (1, 256, 256), "w2": (1, 256, 4)}
    return Record(
        {},
        DONE,
        update=1_000,
        facts={"dataset": "0" * 16, "git": "0" * 12},
        metrics={update: {"score": 1.0, "value": 1.0} for update in range(200, 1_001, 200)},
        evaluations={200 * (i + 1): outcomes() for i in range(EVALUATIONS)},
        policy={name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()},
    )


def _time(name: str, action: Callable[[], object]) -> None:
    started = time.perf_counter()
    action()
    console.make_console().print(f"{name}: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else RUNS))
