"""A search on real Ray: some configurations are stopped early, and their records are ordinary partial ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from smore_sweep.results import run_files
from smore_sweep.results.record import DONE, PARTIAL
from tests.e2e.search_sweep import RATES, SWEEP
from tests.e2e.sweeping import PATIENCE

FILE = Path(__file__).with_name("search_sweep.py")
RUNS = {run.run_id: run for run in SWEEP.expand()}


def test_asha_stops_what_falls_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "smore_sweep", "run", str(FILE), "--results", str(tmp_path)]
    search = ["--search", "asha", "--metric", "final_distance", "--json"]
    done = subprocess.run([*command, *search], capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)  # nothing else is there, no table of means either
    ranking = found["ranking"]
    assert [place["rank"] for place in ranking] == [1, 2, 3, 4, 5, 6]
    assert len({place["method"] for place in ranking}) == len(RATES)
    assert {run_id for place in ranking for run_id in place["run_ids"]} == RUNS.keys()
    updates = [place["update"] for place in ranking]
    assert updates == sorted(updates, reverse=True)
    assert updates[0] == 90
    assert updates[-1] in (10, 30)
    summaries = run_files.peek_each(tmp_path, list(RUNS))
    for place in ranking:
        for run_id in place["run_ids"]:
            summary = summaries[run_id]
            assert (summary.status, summary.update) == (DONE if place["update"] == 90 else PARTIAL, place["update"])
            assert set(summary.evaluations) == set(range(10, place["update"] + 1, 10))
    assert found["updates_spent"] == sum(summary.update for summary in summaries.values())
    assert found["updates_spent"] < found["updates_of_the_grid"] == 90 * len(RUNS)
    stopped = next(run_id for run_id in ranking[-1]["run_ids"])
    record = run_files.load(tmp_path, stopped)
    assert record is not None
    assert record.content == RUNS[stopped].content()
    assert record.learner  # an ordinary sweep goes on from here
