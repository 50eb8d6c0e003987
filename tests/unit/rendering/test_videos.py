"""Animations in MLflow: one run per cell, attached once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Experiment
from PIL import Image

from smore_sweep.cli.main import main
from smore_sweep.data.rollout import rollout
from smore_sweep.execution.session import sweep_experiment
from smore_sweep.rendering import animation, videos
from smore_sweep.results import run_files
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.results.record_writer import Candidate
from smore_sweep.results.recorder import Recorder
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.tasks import TASKS
from smore_sweep.training.loop import build_learner, train

BUDGET = Budget(episodes=20, updates=4, batch_size=8, evaluate_every=4, evaluation_episodes=1, final_episodes=2)
SWEEP = Sweep(
    name="small",
    description="two configurations on one task",
    grids=[Grid(methods=grid(SMORe, hidden=8, beta=[0.5, 0.7]), tasks=["PointReach"], expert_share=[0.5])],
    scales={"laptop": Scale(tasks=["PointReach"], seeds=2, budget=BUDGET)},
)
RUNS = SWEEP.expand()
FIRST = [RUNS[0], RUNS[2]]
"""The first seed of each configuration."""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A results folder with the sweep's runs, trained without Ray, and their MLflow entries in its sqlite file."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(animation, "MOST_STEPS", 3)
        patch.setattr(videos, "load_sweep", lambda _: SWEEP)
        pools = [rollout("PointReach", policy, 0, 10) for policy in ("expert", "random")]
        store = EpisodeStore.build(pools[0], pools[1], TASKS["PointReach"].threshold)
        recorder = Recorder(sweep_experiment(SWEEP, folder))
        fresh = [Candidate(run.run_id, run.title, Record(run.content())) for run in RUNS]
        records = [record for _, record in recorder.begin(fresh, "here").members]
        learner = build_learner(RUNS, store, torch.device("cpu"))
        train(RUNS, learner, records, keep=recorder.keep, tick=lambda _: None)
        recorder.close()
        yield folder


def experiment(results: Path) -> Experiment:
    """Return the sweep's MLflow experiment."""
    page = MlflowClient(f"sqlite:///{results}/mlflow.db").get_experiment_by_name("small")
    assert page is not None
    return page


def entry(results: Path, run: RunSpec) -> tuple[dict[str, str], Path, list[str]]:
    """Return tags, folder and files of a run's MLflow entry."""
    client = MlflowClient(f"sqlite:///{results}/mlflow.db")
    (mlflow_run,) = client.search_runs([experiment(results).experiment_id], f"tags.run_id = '{run.run_id}'")
    folder = Path(mlflow_run.info.artifact_uri.removeprefix("file://"))
    return mlflow_run.data.tags, folder, sorted(path.name for path in folder.iterdir())


def test_one_seed_of_each_cell_gets_an_animation_once(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["videos", "small", "--results", str(results)]
    capsys.readouterr()
    assert main(command) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [run.title for run in FIRST]
    for run in RUNS:
        tags, folder, files = entry(results, run)
        name = f"PointReach-{run.run_id}.gif"
        assert files == [*([name] if run in FIRST else []), "done.npz", "log.txt"]
        assert tags.get("video") == (name if run in FIRST else None)
        if run in FIRST:
            with Image.open(folder / name) as animated:
                assert getattr(animated, "n_frames", 1) == 1 + animation.MOST_STEPS
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*.gif")}
    assert main(command) == 0
    assert capsys.readouterr().out.count("has its animation") == 2
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*.gif")} == before


def test_a_seed_that_is_not_done_is_passed_over(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results / "runs", tmp_path / "runs")
    for run, status in ((RUNS[0], DIVERGED), (RUNS[2], PARTIAL)):
        changed = run_files.load(tmp_path, run.run_id)
        assert changed is not None
        (tmp_path / "runs" / run.run_id / "done.npz").unlink()
        run_files.save(tmp_path, run.run_id, replace(changed, status=status))
    assert videos.first_done(RUNS, tmp_path) == [RUNS[1], RUNS[3]]


def test_runs_without_an_entry_are_counted(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(results / "runs", tmp_path / "runs")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{results}/mlflow.db")  # with the runs of another folder
    assert main(["videos", "small", "--results", str(tmp_path)]) == 1
    assert "2 runs are not in MLflow yet; `make sweep` shows them there" in capsys.readouterr().out
    assert not list(tmp_path.rglob("*.gif"))


def test_nothing_to_animate_is_one_line(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["videos", "small", "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "run: make sweep SWEEP=small SCALE=laptop" in error
    assert error.count("\n") == 1


def test_an_experiment_has_a_view_of_its_results(results: Path) -> None:
    view = json.loads(experiment(results).tags["mlflow.sharedViewState.results"])
    assert view["name"] == "results"
    state = json.loads(view["state"])
    assert {"params.`method`", "params.`task`", "params.`expert_share`"} < set(state["selectedColumns"])
    assert state["orderByKey"] == "metrics.`eval/return99`"
    assert state["orderByKey"] in state["selectedColumns"]
