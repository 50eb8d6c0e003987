"""Sweeps as real processes, for the tests: start them, watch them, kill them, and read what they left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.planning.plan import load_sweep
from smore_sweep.results import record, run_files
from smore_sweep.results.tracking import origin
from smore_sweep.spec import RunSpec
from smore_sweep.storage.paths import StoragePath, absolute

SWEEP_FILE = Path(__file__).with_name("small_sweep.py")
RUNS = load_sweep(str(SWEEP_FILE)).expand()
RUN_IDS = [planned.run_id for planned in RUNS]
PATIENCE = 600.0
"""Seconds after which something that should have happened has not; it is a minute where the cores are ours alone."""


def command(results: StoragePath, *options: str) -> list[str]:
    """The command that a person gives."""
    return [sys.executable, "-m", "smore_sweep", "run", str(SWEEP_FILE), "--results", str(results), *options]


@contextmanager
def driver(results: StoragePath, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A sweep's driver, whose output can be read; killed at the end if it still runs."""
    process = subprocess.Popen(
        command(results, *options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and output of a driver that runs to its end."""
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def run(results: StoragePath, *options: str) -> tuple[int, str]:
    """Run a sweep undisturbed."""
    with driver(results, *options) as process:
        return finish(process)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until something is so, while the driver runs."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, f"the sweep ended early: {finish(process)[1]}"
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def partial_runs(results: StoragePath) -> dict[str, int]:
    """Updates behind each run that is under way."""
    found = run_files.peek_each(results, RUN_IDS)
    return {run_id: summary.update for run_id, summary in found.items() if summary.status == record.PARTIAL}


def outcomes(results: StoragePath, runs: Sequence[RunSpec] = RUNS) -> dict[str, NDArray[Any]]:
    """Every raw outcome of every run, by name: what the tables are made of, bit for bit."""
    arrays = {}
    for planned in runs:
        found = run_files.load(results, planned.run_id)
        assert found is not None, f"{planned.title} is missing"
        assert found.status == record.DONE
        for update, evaluation in found.evaluations.items():
            for name, array in vars(evaluation).items():
                arrays[f"{planned.title}/{update}/{name}"] = array
    return arrays


def assert_same_outcomes(first: StoragePath, second: StoragePath, runs: Sequence[RunSpec] = RUNS) -> None:
    """The two results folders hold the same runs with bitwise the same outcomes."""
    one, other = outcomes(first, runs), outcomes(second, runs)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def mlflow_runs(results: StoragePath, uri: str | None = None) -> list[tuple[str, str]]:
    """(run id, status) of every entry of the results folder, in its own store or in that at ``uri``."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{results / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.results = '{origin(absolute(results))}'")
    return [(run.data.tags["run_id"], run.info.status) for run in found]


def assert_each_once_in_mlflow(results: StoragePath, uri: str | None = None, runs: Sequence[RunSpec] = RUNS) -> None:
    """Every planned run has one entry, and it is finished."""
    assert sorted(mlflow_runs(results, uri)) == sorted((planned.run_id, "FINISHED") for planned in runs)


def table(results: StoragePath, sweep: Path = SWEEP_FILE) -> str:
    """The sweep's table as CSV, from the documented command."""
    script = Path(__file__).parents[2] / "analysis" / "tables.py"
    made = subprocess.run(
        [sys.executable, str(script), "--sweep", str(sweep), "--results", str(results), "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    return made.stdout
