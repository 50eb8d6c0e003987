"""A run that fails by itself is tried again, then reported, and the others finish."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient

from smore_sweep.discovery import load_sweep
from smore_sweep.monitoring import heartbeat
from smore_sweep.results import record, run_files
from tests.e2e.sweeping import PATIENCE

SWEEP_FILE = Path(__file__).with_name("faulty_sweep.py")
NOTE = 'echo "$SMORE_SWEEP_STATUS: $SMORE_SWEEP_MESSAGE" > '


def test_the_others_finish_and_the_failure_is_told(tmp_path: Path) -> None:
    results, note = tmp_path / "results", tmp_path / "note"
    command = [sys.executable, "-m", "smore_sweep", "run", str(SWEEP_FILE), "--results", str(results)]
    command += ["--notify", f"{NOTE} {note}"]
    process = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=PATIENCE, check=False
    )
    output = process.stdout
    assert process.returncode == 1, output
    assert "Traceback" not in output
    failure = "failed: Faulty hidden=16 fault=1.0 · PointReach · 10% · s0: ValueError: [boom]"
    assert failure in output.partition("Discounted return")[0]  # as it happened, and
    assert failure in output.partition("Discounted return")[2]  # at the end
    assert failure.removeprefix("failed: ") in note.read_text()
    assert note.read_text().startswith("incomplete: ")
    assert "1 of 3 planned runs are missing" in output

    runs = load_sweep(str(SWEEP_FILE)).expand()
    raises = runs[1]
    states = [run_files.state(results, run.run_id) for run in runs]
    assert states == [record.DONE, record.PARTIAL, record.DONE]
    kept = run_files.load(results, raises.run_id)
    assert kept is not None
    assert kept.update == 100  # it was tried again from there

    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    found = client.get_experiment_by_name("faulty")
    assert found is not None
    entries = {run.data.tags["run_id"]: run for run in client.search_runs([found.experiment_id])}
    shown = [entries[run.run_id].info.status for run in runs]
    assert shown == ["FINISHED", "FAILED", "FINISHED"]
    assert entries[raises.run_id].data.tags["error"] == "ValueError: [boom]"
    log = Path(client.download_artifacts(entries[raises.run_id].info.run_id, "log.txt", str(tmp_path))).read_text()
    assert 'raise ValueError("[boom]' in log

    seen = heartbeat.load(results)
    assert seen is not None
    assert seen.ended == "ended"
    assert seen.news[-1] == failure
