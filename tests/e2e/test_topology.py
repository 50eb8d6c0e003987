"""The topology of docker/compose.yaml as plain processes: sweeps on it, as a driver at the head and as a job."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.sweeping import PATIENCE, RUNS, SWEEP_FILE, finish, mlflow_runs
from tests.e2e.topology import Cluster, topology

FIRST_SEED = [planned for planned in RUNS if planned.seed == 0]
NO_TOKEN = {"RAY_AUTH_MODE": None, "RAY_AUTH_TOKEN_PATH": None}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with topology() as made:
        yield made


def run(cluster: Cluster, *options: str, **changes: str | None) -> subprocess.Popen[str]:
    """Run the sweep with a driver at the head, with results in the head's own folder."""
    results = ("--results", str(cluster.head / "results"), "--address", "auto")
    return cluster.run(["smore-sweep", "run", str(SWEEP_FILE), *results, *options], **changes)


def submit(cluster: Cluster, *options: str, **changes: str | None) -> subprocess.Popen[str]:
    """Run the sweep as a job, with the same results folder."""
    address = ("--jobs-address", cluster.environment["JOBS_ADDRESS"])
    return cluster.run(["smore-sweep", "submit", *address, *options], **changes)


def job(cluster: Cluster, *options: str, **changes: str | None) -> subprocess.Popen[str]:
    return submit(cluster, str(SWEEP_FILE), "--results", str(cluster.head / "results"), *options, **changes)


def test_a_sweep_needs_the_token_and_nothing_of_the_workers_disks(cluster: Cluster) -> None:
    sweep = run(cluster, "--seeds", "1")
    strangers = [run(cluster, "--results", str(cluster.head / "other"), **NO_TOKEN), job(cluster, **NO_TOKEN)]
    for stranger in strangers:
        code, output = finish(stranger)
        assert code == 2, output
        assert "set RAY_AUTH_MODE=token" in output.splitlines()[-1]
        assert "Traceback" not in output
    code, output = finish(sweep)
    assert code == 0, output
    assert "training 4 runs as 2 stacks of 2 on 2 CPU cores" in output
    shown = mlflow_runs(cluster.head / "results", cluster.environment["MLFLOW_TRACKING_URI"])
    assert sorted(shown) == sorted((planned.run_id, "FINISHED") for planned in FIRST_SEED)
    assert not [*(cluster.head.parent / "worker1").iterdir(), *(cluster.head.parent / "worker2").iterdir()]


def test_a_job_can_be_left_followed_and_cancelled_and_its_result_is_ours(cluster: Cluster) -> None:
    code, output = finish(job(cluster, "--detach"))
    assert code == 0, output
    found = re.search(r"submit --cancel (\S+)", output)
    assert found is not None
    name = found.group(1)

    wrong = job(cluster, "--scale", "nope")  # a mistake that only the job finds; the command returns its exit code
    follower = submit(cluster, "--follow", name)
    assert follower.stdout is not None
    for line in follower.stdout:
        if line.startswith("first updates"):
            break
    follower.send_signal(signal.SIGINT)
    rest = follower.communicate(timeout=PATIENCE)[0]
    assert follower.returncode == 130
    assert f"job {name} keeps running" in rest
    code, output = finish(wrong)
    assert code == 2, output
    assert "has no scale 'nope'" in output

    code, output = finish(submit(cluster, "--cancel", name))
    assert code == 0
    assert f"job {name}: stopped" in output
    code, output = finish(submit(cluster, "--follow", name))
    assert code == 130
    assert "Interrupted. Finished runs are kept" in output  # it was not simply killed

    code, output = finish(job(cluster, "--seeds", "1"))
    assert code == 0, output
    assert "All 4 runs are done" in output
    shown = mlflow_runs(cluster.head / "results", cluster.environment["MLFLOW_TRACKING_URI"])
    assert {status for _, status in shown} <= {"FINISHED", "KILLED"}


def test_an_unknown_job_is_one_clear_line(cluster: Cluster) -> None:
    code, output = finish(submit(cluster, "--follow", "nobody"))
    assert code == 2
    assert "nobody does not exist" in output
    assert len(output.splitlines()) == 1
