"""Results in an object store: a sweep, killed and resumed, has the results and the table of one in a folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from smore_sweep.results import record, run_files
from smore_sweep.storage.paths import StoragePath
from tests.e2e.sweeping import (
    RUN_IDS,
    assert_each_once_in_mlflow,
    assert_same_outcomes,
    driver,
    finish,
    held_back,
    partial_runs,
    run,
    table,
    wait_for,
)


def test_a_sweep_in_an_object_store(
    undisturbed: tuple[Path, str], bucket: StoragePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with driver(bucket) as process:
        wait_for(lambda: any(update >= 100 for update in partial_runs(bucket).values()), process)
        with held_back(process):
            code, output = run(bucket)
        assert code == 2
        assert "is in use by make sweep SWEEP=" in output
        assert f"(process {process.pid} on " in output
        assert "Traceback" not in output
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    states = run_files.states(bucket, RUN_IDS)
    assert set(states.values()) != {record.DONE}

    with driver(bucket) as process:
        code, output = finish(process)
    assert code == 0, output
    assert "Traceback" not in output
    assert f"{bucket}/runs/" in output
    assert_same_outcomes(undisturbed[0], bucket)
    assert table(bucket) == table(undisturbed[0])
    assert_each_once_in_mlflow(bucket, uri)
    names = {str(path).removeprefix(f"{bucket}/") for path in bucket.rglob("*") if path.is_file()}
    kept = {name for name in names if name.startswith("runs/")}
    assert {name.split("/")[2].split("-")[0] for name in kept} == {"done.npz", "published"}
    assert len(kept) == 2 * len(RUN_IDS)
    asked = {name for name in names if name.startswith("sweeps/")}
    others = {name for name in names - kept - asked if not name.startswith("artifacts/")}
    assert others == {"live.json"}  # the lock is given back
    assert len(asked) == 1  # what status shows again
    assert len([name for name in names if name.endswith("/artifacts/done.npz")]) == len(RUN_IDS)
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
