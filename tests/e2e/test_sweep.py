"""A sweep from its declaration to its table, on real MuJoCo, Ray and MLflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from smore_sweep.results import run_files
from tests.e2e.sweeping import RUNS, SWEEP_FILE, assert_each_once_in_mlflow, mlflow_runs, run, table


def test_a_sweep_ends_with_its_table(undisturbed: tuple[Path, str]) -> None:
    results, output = undisturbed
    assert "making Reacher random episodes: 36" in output
    assert "a sweep for the tests" in output
    assert f"All {len(RUNS)} runs are done" in output
    assert "smore-sweep ui" in output
    assert "Traceback" not in output
    assert_each_once_in_mlflow(results)
    for planned in RUNS:
        found = run_files.load(results, planned.run_id)
        assert found is not None
        assert found.content == planned.content()
        assert list(found.evaluations) == list(range(100, 801, 100))
        assert found.evaluations[800].reached.shape == (4, 50)


def test_mlflow_shows_what_a_person_looks_for(undisturbed: tuple[Path, str]) -> None:
    from mlflow import MlflowClient

    results, _ = undisturbed
    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    planned = RUNS[0]
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], f"tags.run_id = '{planned.run_id}'")
    assert run.info.run_name == planned.title
    wanted = {"method", "task", "expert_share", "seed", "scale", "source", "git", "dataset", "stack", "sweep"}
    assert wanted <= run.data.tags.keys()
    assert run.data.params["beta"] == "0.5"
    found = run_files.load(results, planned.run_id)
    assert found is not None
    for name, value in found.summary().items():
        assert run.data.metrics[f"eval/{name}"] == value
    curve = client.get_metric_history(run.info.run_id, "eval/return99")
    assert sorted(point.step for point in curve) == list(range(100, 801, 100))
    downloaded = client.download_artifacts(run.info.run_id, "done.npz", str(results))
    with np.load(downloaded, allow_pickle=False) as archive:
        assert archive["evaluation/800/distances"].shape == (4, 50)


def test_a_second_time_trains_nothing_and_more_seeds_train_only_those(undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    before = {path: path.stat().st_mtime_ns for path in results.glob("runs/*/done.npz")}
    code, output = run(results)
    assert code == 0
    assert "first updates" not in output
    assert len(mlflow_runs(results)) == len(RUNS)

    code, output = run(results, "--seeds", "3")
    assert code == 0, output
    assert "training 4 runs" in output
    assert len(mlflow_runs(results)) == len(RUNS) + 4
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_tables_are_made_from_the_results(undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    lines = table(results).splitlines()
    assert len(lines) == 1 + 4  # two methods at two shares
    assert all(",2,2," in line for line in lines[1:])  # two of two seeds


def test_status_and_plan_answer_without_torch(undisturbed: tuple[Path, str]) -> None:
    results, _ = undisturbed
    code = (
        "import sys; from smore_sweep.cli.main import main;"
        f"code = main(['plan', {str(SWEEP_FILE)!r}, '--results', {str(results)!r}]);"
        "heavy = [name for name in ('torch._C', 'ray', 'mlflow', 'pandas') if name in sys.modules];"
        "assert not heavy, heavy; sys.exit(code)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "nothing to do: every run is done" in made.stdout
