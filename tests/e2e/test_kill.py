"""Kills of workers and drivers, Ctrl-C, two drivers at once: the same command then gives the undisturbed results."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from smore_sweep.bench.processes import workers
from smore_sweep.monitoring import heartbeat
from smore_sweep.results import record, run_files
from tests.e2e.sweeping import (
    RUNS,
    assert_each_once_in_mlflow,
    assert_same_outcomes,
    driver,
    finish,
    held_back,
    mlflow_runs,
    partial_runs,
    run,
    table,
    wait_for,
)


def under_way(results: Path) -> bool:
    """Return whether some run is partial, with evaluations behind it."""
    return any(100 <= update < 700 for update in partial_runs(results).values())


def interrupted(results: Path, name: signal.Signals) -> tuple[int, str]:
    """Signal a driver after its first new record. Returns its exit code and output."""
    with driver(results) as process:
        # The killed driver's writes under way may still land for some seconds.
        wait_for(lambda: bool(workers(process.pid)), process)
        behind = partial_runs(results)
        wait_for(lambda: partial_runs(results) != behind, process)
        (os.killpg if name == signal.SIGINT else os.kill)(process.pid, name)
        return finish(process)


def test_whatever_is_killed_the_results_are_those_of_an_undisturbed_sweep(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    # kill -9 of a training worker: its stack is started again, from its last evaluation.
    with driver(tmp_path) as process:
        wait_for(lambda: under_way(tmp_path) and bool(workers(process.pid)), process)
        worker = workers(process.pid)[0]
        # Ray listens on all addresses, so it wants a token.
        assert b"\0RAY_AUTH_MODE=token\0" in Path(f"/proc/{worker}/environ").read_bytes()
        os.kill(worker, signal.SIGKILL)

        # A second driver on the same results refuses, and says who has them.
        with held_back(process):
            code, output = run(tmp_path)
        assert code == 2
        assert "is in use by make sweep SWEEP=" in output
        assert str(process.pid) in output
        assert "Traceback" not in output

        # kill -9 of the driver.
        before = partial_runs(tmp_path)
        wait_for(lambda: bool(partial_runs(tmp_path)) and partial_runs(tmp_path) != before, process)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    done_before = {planned.run_id for planned in RUNS if run_files.state(tmp_path, planned.run_id) == record.DONE}
    assert len(done_before) < len(RUNS)
    times = {run_id: (tmp_path / "runs" / run_id / "done.npz").stat().st_mtime_ns for run_id in done_before}

    # The same command again goes on; Ctrl-C ends it with a clean message, and so does SIGTERM, the cluster's way.
    for name in (signal.SIGINT, signal.SIGTERM):
        code, output = interrupted(tmp_path, name)
        assert code == 130, output
        assert "Interrupted" in output
        assert "Traceback" not in output
        assert "RUNNING" not in {status for _, status in mlflow_runs(tmp_path)}
        seen = heartbeat.load(tmp_path)
        assert seen is not None
        assert seen.ended == "was interrupted"

    code, output = run(tmp_path)
    assert code == 0, output
    assert_same_outcomes(undisturbed[0], tmp_path)
    assert table(tmp_path) == table(undisturbed[0])
    assert_each_once_in_mlflow(tmp_path)
    for run_id, time in times.items():  # what was finished was not trained again
        assert (tmp_path / "runs" / run_id / "done.npz").stat().st_mtime_ns == time
