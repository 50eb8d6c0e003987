"""One run without Ray."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest
from mlflow import MlflowClient
from rich.console import Console

from examples.wall.world import walk
from smore_sweep import Task
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.data.rollout import rollout
from smore_sweep.execution import local
from smore_sweep.execution.retraining import retrain
from smore_sweep.results import record, run_files
from smore_sweep.results.record import TASK_SETUP
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.tasks import declare
from sweeps.coverage_ablation import SWEEP

TRAIN = ["train", "--method", "smore", "--task", "PointReach", "--scale", "smoke", "--set", "hidden=16"]


def test_a_single_run_is_the_run_of_a_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[RunSpec] = []

    def remember(run: RunSpec, results: Path, mirrors: Sequence[str]) -> int:
        assert not mirrors
        runs.append(run)
        return 0

    monkeypatch.setattr(local, "train_one", remember)
    command = ["train", "--method", "smore", "--task", "FetchReach", "--expert-share", "0.05", "--seed", "3"]
    assert main(command) == 0
    (planned,) = [
        run
        for run in SWEEP.expand("laptop")
        if run.seed == 3 and run.task == "FetchReach" and run.named == SMORe() and run.expert_share == 0.05
    ]
    assert [run.run_id for run in runs] == [planned.run_id]
    assert main([*command, "--updates", "7", "--set", "beta=0.9"]) == 0
    assert runs[-1].budget.updates == 7
    assert runs[-1].method == replace(planned.method, beta=0.9)  # type: ignore[type-var]
    assert main([*command, "--set", "hidden=256"]) == 0  # the default, set explicitly
    assert runs[-1].method == replace(planned.method, hidden=256)  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--set", "beta"], "--set beta is not valid; give KNOB=VALUE"),
        (["--updates", "0"], "updates = 0 is not valid"),
        (["--scale", "huge"], "unknown scale 'huge'; the scales are: smoke, laptop, workstation, paper"),
        (["--task", "PointRoom"], "unknown task 'PointRoom'; the tasks are: "),
        (["--expert-share", "1.5"], "expert_share = 1.5 is not valid"),
    ],
)
def test_mistakes_are_one_line(options: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*TRAIN, *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def entries(results: Path) -> list[tuple[str, str]]:
    """Run id and status of each entry in MLflow."""
    client = MlflowClient(f"sqlite:///{results / 'mlflow.db'}")
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    return [(run.data.tags["run_id"], run.info.status) for run in client.search_runs(everywhere)]


def test_one_run_is_trained_once_and_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = [*TRAIN, "--episodes", "20", "--results", str(tmp_path)]
    assert main(command) == 0
    (folder,) = (tmp_path / "runs").iterdir()
    final = run_files.load(tmp_path, folder.name)
    assert final is not None
    assert (final.status, final.update, sorted(final.evaluations)) == (record.DONE, 40, [20, 40])
    (entry,) = entries(tmp_path)
    assert entry == (folder.name, "FINISHED")
    assert f"return99 {final.summary()['return99']:.3f}" in capsys.readouterr().out
    before = (folder / "done.npz").stat().st_mtime_ns
    assert main(command) == 0
    assert (folder / "done.npz").stat().st_mtime_ns == before
    assert entries(tmp_path) == [entry]
    with zipfile.ZipFile(folder / "done.npz", "w") as archive:  # an archive, but no record: the run is trained again
        archive.writestr("nothing", "")
    assert main(command) == 0
    again = run_files.load(tmp_path, folder.name)
    assert again is not None
    assert again.summary() == final.summary()
    before = (folder / "done.npz").stat().st_mtime_ns
    (tmp_path / "mlflow.db").write_bytes(b"")  # lost: a new process rebuilds it from the results
    subprocess.run([sys.executable, "-m", "smore_sweep", *command], check=True, capture_output=True)
    assert entries(tmp_path) == [entry]
    (tmp_path / "mlflow.db").write_bytes(b"damaged" * 1000)
    assert main(command) == 2
    assert f"if it is damaged, remove {tmp_path / 'mlflow.db'}: all runs" in capsys.readouterr().err
    assert (folder / "done.npz").stat().st_mtime_ns == before


def test_a_task_of_gymnasiums_trains_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    gymnasium.register("tests/Trained-v0", "examples.wall.world:Wall", max_episode_steps=6)
    declare([Task("TrainedWall", "tests/Trained-v0", threshold=0.1, expert=walk)])
    pools.save("TrainedWall", "expert", rollout("TrainedWall", "expert", 0, 3), {})
    budget = Budget(episodes=3, updates=2, batch_size=4, evaluate_every=1, evaluation_episodes=1, final_episodes=2)
    run = RunSpec(method=SMORe(hidden=8), task="TrainedWall", expert_share=1.0, seed=0, scale="smoke", budget=budget)
    final = retrain(Console(quiet=True), run)
    assert (final.status, sorted(final.evaluations)) == (record.DONE, [1, 2])
    assert final.facts[TASK_SETUP]
