"""Mirrors show what MLflow shows, and harm nothing when they fail."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from smore_sweep.errors import StorageError, UserError
from smore_sweep.results import mirrors, run_files
from smore_sweep.results.mirrors import check_mirrors
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, Record
from smore_sweep.results.record_writer import Candidate
from smore_sweep.results.recorder import Recorder
from smore_sweep.results.tracking import Experiment
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe

BUDGET = Budget(episodes=10, updates=40, batch_size=2, evaluate_every=20, evaluation_episodes=1, final_episodes=1)
RUN = RunSpec(method=SMORe(), task="Reacher", expert_share=0.5, seed=0, scale="laptop", budget=BUDGET)
OUTCOMES = Outcomes(np.ones((1, 50), bool), np.ones((1, 50), bool), np.full((1, 50), 0.01, np.float32))


@pytest.fixture
def experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Experiment:
    monkeypatch.setenv("WANDB_MODE", "offline")
    return Experiment(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", "mine", "for the tests", {"git": "0"})


def at(update: int) -> Record:
    """Make the record of the run after so many updates."""
    record = Record(RUN.content(), DONE if update == 40 else "partial", update)
    for done in range(20, update + 1, 20):
        record.metrics[done] = {"critic/loss": done / 2, "seconds": 0.5}
        record.evaluations[done] = OUTCOMES
    return record


def train(experiment: Experiment, *updates: int) -> str:
    recorder = Recorder(experiment)
    recorder.check()
    recorder.begin([Candidate(RUN.run_id, RUN.title, Record(RUN.content()))], "here")
    for update in updates:
        recorder.keep([(RUN.run_id, at(update))])
    return recorder.close()


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    (run,) = (folder / "tensorboard" / "mine").iterdir()
    assert run.name == f"{RUN.title} {RUN.run_id[:8]}"
    events = EventAccumulator(str(run))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_has_every_update_once_also_of_a_resumed_run(experiment: Experiment, tmp_path: Path) -> None:
    mirrored = replace(experiment, mirrors=("tensorboard",))
    assert train(mirrored, 20) == ""
    assert curve(tmp_path, "train/critic/loss") == [(20, 10.0)]
    assert train(mirrored, 40) == ""
    assert curve(tmp_path, "train/critic/loss") == [(20, 10.0), (40, 20.0)]
    assert [step for step, _ in curve(tmp_path, "eval/success")] == [20, 40]


def test_wandb_gets_names_knobs_and_metrics_offline(experiment: Experiment, tmp_path: Path) -> None:
    assert train(replace(experiment, mirrors=("wandb",)), 20, 40) == ""
    (kept,) = (tmp_path / "wandb").glob(f"offline-run-*-{RUN.run_id}/run-{RUN.run_id}.wandb")
    content = kept.read_bytes()
    for word in ("mine", "expectile", "eval/return99", "train/critic/loss", "SMORe"):
        assert word.encode() in content, word


def test_a_mirror_that_is_new_gets_the_runs_that_ended_before(experiment: Experiment, tmp_path: Path) -> None:
    assert train(experiment, 40) == ""
    mirrored = replace(experiment, mirrors=("tensorboard",))
    for wanted in (True, False):
        recorder = Recorder(mirrored)
        recorder.publish([(RUN.run_id, RUN.title)])
        assert recorder.close() == ""
        assert (tmp_path / "tensorboard").exists() == wanted
        if wanted:
            assert len(curve(tmp_path, "eval/return99")) == 2
            (tmp_path / "tensorboard").rename(tmp_path / "moved")


class Broken:
    def __init__(self, wait: threading.Event | None) -> None:
        self._wait = wait

    def publish(self, *_: Any) -> None:
        if self._wait is None:
            raise SystemExit("no key")
        self._wait.wait()

    def close(self) -> None:
        raise AssertionError


@pytest.mark.parametrize(("hangs", "said"), [(False, "no key"), (True, "it did not answer for 0.2 s")])
def test_a_mirror_that_fails_or_hangs_costs_a_sentence(
    experiment: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hangs: bool, said: str
) -> None:
    wait = threading.Event() if hangs else None
    monkeypatch.setattr(mirrors, "open_mirror", lambda *_: Broken(wait))
    monkeypatch.setattr(mirrors, "PATIENCE", 0.2)
    assert train(replace(experiment, mirrors=("wandb",)), 20, 40) == (
        f"mirror wandb failed ({said}); the results are safe"
    )
    assert run_files.state(tmp_path, RUN.run_id) == DONE
    stored = run_files.load(tmp_path, RUN.run_id)
    assert stored is not None
    assert sorted(stored.evaluations) == [20, 40]
    if wait:
        wait.set()


def test_what_cannot_mirror_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="unknown mirror 'wandbs'; the mirrors are: tensorboard, wandb; did you mean"):
        check_mirrors(["wandbs"], tmp_path)
    from smore_sweep.storage.paths import storage_path

    with pytest.raises(StorageError, match="must be a local folder"):
        check_mirrors(["tensorboard"], storage_path("s3://bucket/prefix"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"install it: pip install 'smore_sweep\[wandb\]'"):
        check_mirrors(["wandb"], tmp_path)
