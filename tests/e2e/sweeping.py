"""Run sweeps as real processes for the tests: start, watch and kill them, and read their results."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.bench.processes import workers
from smore_sweep.discovery import load_sweep
from smore_sweep.results import record, run_files
from smore_sweep.results.origin import origin
from smore_sweep.run_spec import RunSpec
from smore_sweep.storage.paths import StoragePath, absolute

SWEEP_FILE = Path(__file__).with_name("small_sweep.py")
RUNS = load_sweep(str(SWEEP_FILE)).expand()
RUN_IDS = [planned.run_id for planned in RUNS]
PATIENCE = 600.0
"""Seconds to wait for anything; it takes a minute at most on free cores."""


def command(results: StoragePath, *options: str) -> list[str]:
    """Return the command that a person gives."""
    return [sys.executable, "-m", "smore_sweep", "run", str(SWEEP_FILE), "--results", str(results), *options]


@contextmanager
def driver(results: StoragePath, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Start a sweep's driver with readable output; kill it at the end of the block if it still runs."""
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


@contextmanager
def held_back(process: subprocess.Popen[str]) -> Iterator[None]:
    """Stop a sweep's workers for the block. Its driver goes on, and cannot end meanwhile."""
    wait_for(lambda: bool(workers(process.pid)), process)
    stopped = workers(process.pid)
    for worker in stopped:
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        for worker in stopped:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGCONT)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for a driver's end. Returns its exit code and output."""
    output, _ = process.communicate(timeout=PATIENCE)
    return process.returncode, output


def run(results: StoragePath, *options: str) -> tuple[int, str]:
    """Run a sweep undisturbed. Returns its exit code and output."""
    with driver(results, *options) as process:
        return finish(process)


def wait_for(what: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for a condition while the driver runs."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert process.poll() is None, f"the sweep ended early: {finish(process)[1]}"
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def partial_runs(results: StoragePath) -> dict[str, int]:
    """Return the number of updates so far of each partial run."""
    found = run_files.peek_each(results, RUN_IDS)
    return {run_id: summary.update for run_id, summary in found.items() if summary.status == record.PARTIAL}


def outcomes(results: StoragePath, runs: Sequence[RunSpec] = RUNS) -> dict[str, NDArray[Any]]:
    """Return every raw outcome of every run, by name."""
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
    """Assert that two results folders hold the same runs with bitwise equal outcomes."""
    one, other = outcomes(first, runs), outcomes(second, runs)
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def mlflow_runs(results: StoragePath, uri: str | None = None) -> list[tuple[str, str]]:
    """Return (run id, status) of the results folder's entries, in its own store or in that at ``uri``."""
    from mlflow import MlflowClient

    client = MlflowClient(uri or f"sqlite:///{results / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.results = '{origin(absolute(results))}'")
    return [(run.data.tags["run_id"], run.info.status) for run in found]


def assert_each_once_in_mlflow(results: StoragePath, uri: str | None = None, runs: Sequence[RunSpec] = RUNS) -> None:
    """Assert that every planned run has one finished entry."""
    assert sorted(mlflow_runs(results, uri)) == sorted((planned.run_id, "FINISHED") for planned in runs)


def table(results: StoragePath, sweep: Path = SWEEP_FILE) -> str:
    """Return the sweep's table as CSV, from the documented command."""
    script = Path(__file__).parents[2] / "analysis" / "tables.py"
    process = subprocess.run(
        [sys.executable, str(script), "--sweep", str(sweep), "--results", str(results), "--format", "csv"],
        capture_output=True,
        text=True,
        check=True,
    )
    return process.stdout
