"""A real SLURM: an array of tasks that are killed, run out of time and are queued again, and a Ray in an allocation."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smore_sweep.discovery import load_sweep
from smore_sweep.results import record, run_files
from tests.e2e import slurm_cluster
from tests.e2e.slurm_jobs import call, processes, states
from tests.e2e.slurm_sweep import SLOWLY
from tests.e2e.sweeping import PATIENCE, assert_each_once_in_mlflow, assert_same_outcomes, table

SWEEP_FILE = Path(__file__).with_name("slurm_sweep.py")
RUNS = load_sweep(str(SWEEP_FILE)).expand()

pytestmark = pytest.mark.skipif(bool(slurm_cluster.missing()), reason=slurm_cluster.missing())


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    with slurm_cluster.slurm() as environment:
        yield environment


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, datasets: None) -> Path:
    """Return the results of the sweep without SLURM and without Ray, which also generates the data."""
    results = tmp_path_factory.mktemp("undisturbed")
    command = [sys.executable, "-m", "smore_sweep", "work", str(SWEEP_FILE), "--results", str(results)]
    subprocess.run(command, check=True, capture_output=True)
    return results


def sweep(cluster: dict[str, str], results: Path, command: str, *options: str) -> str:
    """Give a command in the cluster; return its output."""
    words = [sys.executable, "-m", "smore_sweep", command, str(SWEEP_FILE), "--results", str(results), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=cluster)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def logs(results: Path) -> str:
    return "\n".join(f"{path.name}:\n{path.read_text()}" for path in sorted((results / "slurm").glob("*.log")))


def wait_for(what: Callable[[], bool], results: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"it did not happen in time\n{logs(results)}"
        time.sleep(0.1)


def training(results: Path) -> set[str]:
    """Return the runs that are partial."""
    found = run_files.peek_each(results, [run.run_id for run in RUNS])
    return {run_id for run_id, summary in found.items() if summary.status == record.PARTIAL}


def test_an_array_that_is_killed_and_runs_out_of_time_gives_the_undisturbed_table(
    cluster: dict[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    slowly = tmp_path / "slowly"
    slowly.touch()
    cluster = {**cluster, SLOWLY: str(slowly)}
    resources = ["--array", "2", "--cpus-per-task", "1", "--time", "10", "--memory", "100M", "--stack-size", "1"]
    printed = sweep(cluster, tmp_path, "submit", "--slurm", *resources)
    job = printed.split()[1].rstrip(":")
    assert f"scancel {job}" in printed

    # Two tasks train at once, each its own runs, and one command shows both.
    wait_for(lambda: len(training(tmp_path)) == 2, tmp_path)
    assert set(states(cluster, job).values()) == {"RUNNING"}
    shown = sweep(cluster, tmp_path, "status")
    assert "slurm · laptop: 2 workers, last sign of life" in shown
    assert f"job {job}_0)" in shown
    assert f"job {job}_1)" in shown

    # kill -9 of a worker: its task replaces it.
    parent, workers = processes(f"{job}_0")
    (worker,) = (pid for pid in workers)
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: bool(set(processes(f"{job}_0")[1]) - {worker}), tmp_path)

    # kill -9 of the task itself: SLURM gets it back in the queue. The other one's time is up.
    os.kill(parent, signal.SIGKILL)
    call(cluster, "scontrol", "update", f"jobid={job}_1", "TimeLimit=1")
    log = {index: tmp_path / "slurm" / f"slurm_sweep-{job}_{index}.log" for index in (0, 1)}
    wait_for(lambda: "exit code 137: queueing this job again" in log[0].read_text(), tmp_path)
    wait_for(lambda: "exit code 75: queueing this job again" in log[1].read_text(), tmp_path)
    assert "Out of time: " in log[1].read_text()
    call(cluster, "scontrol", "update", f"jobid={job}_1", "TimeLimit=10")
    assert any(run_files.state(tmp_path, run.run_id) != record.DONE for run in RUNS)
    slowly.unlink()

    wait_for(lambda: not states(cluster, job), tmp_path)
    assert "All 4 runs are done." in logs(tmp_path)
    assert "Traceback" not in logs(tmp_path)
    assert_same_outcomes(undisturbed, tmp_path, RUNS)
    assert table(tmp_path, SWEEP_FILE) == table(undisturbed, SWEEP_FILE)
    assert_each_once_in_mlflow(tmp_path, runs=RUNS)
    assert not list((tmp_path / "claims").iterdir())
    for run in RUNS:
        found = run_files.load(tmp_path, run.run_id)
        assert found is not None
        assert sum(line.endswith("UTC  done") for line in found.log) == 1


@pytest.mark.skipif(not slurm_cluster.ISOLATED, reason="ray symmetric-run stops every Ray that it sees, needs unshare")
def test_ray_starts_in_an_allocation(cluster: dict[str, str], undisturbed: Path, tmp_path: Path) -> None:
    printed = sweep(cluster, tmp_path, "submit", "--slurm", "--nodes", "1", "--cpus-per-task", "2", "--time", "10")
    job = printed.split()[1].rstrip(":")
    wait_for(lambda: not states(cluster, job), tmp_path)
    assert "All 4 runs are done." in logs(tmp_path)
    assert table(tmp_path, SWEEP_FILE) == table(undisturbed, SWEEP_FILE)
    assert sweep(cluster, tmp_path, "submit", "--slurm") == "nothing to do: all 4 runs are done\n"
