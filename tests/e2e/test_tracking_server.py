"""A tracking server instead of the file: it is respected, and may go away in the middle of a sweep."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smore_sweep import record
from tests.e2e.sweeping import (
    PATIENCE,
    RUN_IDS,
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


@pytest.mark.timeout(600)
def test_a_server_that_dies_in_mid_sweep_loses_nothing(
    undisturbed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port, results = free_port(), tmp_path / "results"
    uri = f"http://127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def some_are_shown() -> bool:
        return bool(record.published(results, RUN_IDS, uri))

    with server(tmp_path, port) as process, driver(results) as sweep:
        wait_for(some_are_shown, sweep)
        stop(process)
        code, output = finish(sweep)
    assert code == 0, output
    assert "MLflow was away" in output
    assert "Traceback" not in output
    assert_same_outcomes(undisturbed[0], results)
    shown = record.published(results, RUN_IDS, uri)
    assert 0 < len(shown) < len(RUNS)

    with server(tmp_path, port):
        assert len(mlflow_runs(results, uri)) >= len(shown)
        code, output = run(results)
        assert code == 0, output
        assert "first updates" not in output
        assert_each_once_in_mlflow(results, uri)
    assert not (results / "mlflow.db").exists()
