"""A server instead of the file, MLflow's or PostgreSQL's: it is respected, and may go away in the middle of a sweep."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.e2e import postgresql
from tests.e2e.sweeping import (
    PATIENCE,
    RUNS,
    assert_each_once_in_mlflow,
    assert_same_outcomes,
    driver,
    finish,
    mlflow_runs,
    run,
    wait_for,
)


@contextmanager
def server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server on loopback that answers; killed at the end."""
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, stdout=quiet, stderr=quiet, start_new_session=True)
    deadline = time.monotonic() + PATIENCE
    try:
        while not healthy(port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
        yield process
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """Kill the server with its workers."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Process = subprocess.Popen[bytes]
Store = tuple[str, Callable[[], AbstractContextManager[Process]], Callable[[Process], None]]
"""A tracking URI, what starts the server behind it, and what kills it."""


@pytest.fixture(params=["mlflow", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    port = free_port()
    if request.param == "mlflow":
        yield f"http://127.0.0.1:{port}", lambda: server(tmp_path, port), stop
    elif not postgresql.programs():
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    else:
        with postgresql.database() as files:
            yield postgresql.uri(port), lambda: postgresql.server(files, port), postgresql.stop


@pytest.mark.timeout(600)
def test_a_server_that_dies_in_mid_sweep_loses_nothing(
    undisturbed: tuple[Path, str], tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (uri, start, kill), results = store, tmp_path / "results"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def shown() -> list[Path]:
        return list(results.glob("runs/*/published-*"))

    with start() as process, driver(results) as sweep:
        wait_for(lambda: bool(shown()), sweep)
        kill(process)
        code, output = finish(sweep)
    assert code == 0, output
    assert "MLflow was away" in output
    assert "Traceback" not in output
    assert_same_outcomes(undisturbed[0], results)
    before = shown()
    assert 0 < len(before) < len(RUNS)

    with start():
        assert len(mlflow_runs(results, uri)) >= len(before)
        code, again = run(results)
        assert code == 0, again
        assert "first updates" not in again
        assert_each_once_in_mlflow(results, uri)
        assert_nowhere(postgresql.PASSWORD, output + again, results, uri)
    assert not (results / "mlflow.db").exists()


def assert_nowhere(secret: str, output: str, results: Path, uri: str) -> None:
    """Neither what was printed, nor any file of the results, nor MLflow shows it."""
    from mlflow import MlflowClient

    assert secret not in output
    assert not [path for path in results.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    client = MlflowClient(uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    assert not [run for run in client.search_runs(everywhere) if secret in str(run.to_dictionary())]


def test_a_wrong_password_is_one_sentence_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not postgresql.programs():
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    port = free_port()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgresql.uri(port, "mistyped"))
    with postgresql.database() as files, postgresql.server(files, port):
        code, output = run(tmp_path / "results")
    assert code == 2
    assert 'password authentication failed for user "sweeper"' in output
    assert len(output.splitlines()) == 1
    assert "mistyped" not in output
