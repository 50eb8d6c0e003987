"""PostgreSQL as MLflow's store, which may go away in the middle of a sweep.

:mod:`tests.e2e.test_chaos` tests the same for MLflow's own server.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import postgresql
from tests.e2e.sweeping import (
    RUNS,
    assert_each_once_in_mlflow,
    assert_same_outcomes,
    driver,
    finish,
    mlflow_runs,
    run,
    wait_for,
)
from tests.servers import free_ports

pytestmark = pytest.mark.skipif(
    not postgresql.programs(), reason="PostgreSQL is not installed (apt-get install postgresql)"
)


def test_a_server_that_dies_in_mid_sweep_loses_nothing(
    undisturbed: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,), results = free_ports(1), tmp_path / "results"
    uri = postgresql.uri(port)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)

    def shown() -> list[Path]:
        return list(results.glob("runs/*/published-*"))

    with postgresql.database() as files:
        with postgresql.server(files, port) as process, driver(results) as sweep:
            wait_for(lambda: bool(shown()), sweep)
            postgresql.stop(process)
            code, output = finish(sweep)
        assert code == 0, output
        assert "MLflow was away" in output
        assert "Traceback" not in output
        assert_same_outcomes(undisturbed[0], results)
        before = shown()
        assert 0 < len(before) < len(RUNS)

        with postgresql.server(files, port):
            assert len(mlflow_runs(results, uri)) >= len(before)
            code, again = run(results)
            assert code == 0, again
            assert "first updates" not in again
            assert_each_once_in_mlflow(results, uri)
            assert_nowhere(postgresql.PASSWORD, output + again, results, uri)
    assert not (results / "mlflow.db").exists()


def assert_nowhere(secret: str, output: str, results: Path, uri: str) -> None:
    """Assert that neither the output, nor any file of the results, nor MLflow contains the secret."""
    from mlflow import MlflowClient

    assert secret not in output
    assert not [path for path in results.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    client = MlflowClient(uri)
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    assert not [run for run in client.search_runs(everywhere) if secret in str(run.to_dictionary())]


def test_a_wrong_password_is_one_sentence_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", postgresql.uri(port, "mistyped"))
    with postgresql.database() as files, postgresql.server(files, port):
        code, output = run(tmp_path / "results")
    assert code == 2
    assert 'password authentication failed for user "sweeper"' in output
    assert len(output.splitlines()) == 1
    assert "mistyped" not in output
