"""Publishing to MLflow: each number once, only the latest record of a run, despite failures in between."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.store.entities import PagedList

from smore_sweep.bench.synthetic import make_budget, make_runs
from smore_sweep.errors import TrackingError
from smore_sweep.results import run_files, tracking
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, PARTIAL, Record
from smore_sweep.results.record_writer import Candidate
from smore_sweep.results.recorder import Recorder
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.run_spec import RunSpec
from smore_sweep.smore import SMORe

UPDATES = 30
RUNS = make_runs(SMORe(), range(4), make_budget(batch_size=8, updates=UPDATES))


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    folder = tmp_path_factory.mktemp("results")
    return Experiment(folder, f"sqlite:///{folder / 'mlflow.db'}", "kept", "for the tests", {"git": "0"})


def stand(run: RunSpec, update: int) -> Record:
    """Return the run's record at an update, with an evaluation every ten updates."""
    done = range(10, update + 1, 10)
    ones = Outcomes(np.ones((2, 50), bool), np.ones((2, 50), bool), np.zeros((2, 50), np.float32))
    return Record(
        run.content(),
        DONE if update == UPDATES else PARTIAL,
        update,
        metrics={at: {"value": float(at), "seconds": 1.0} for at in done},
        evaluations=dict.fromkeys(done, ones),
    )


def entry(experiment: Experiment, run: RunSpec) -> tuple[Run, list[int]]:
    """Return the run's only entry in MLflow, and the steps at which it has a value."""
    client = MlflowClient(experiment.tracking_uri)
    found = client.get_experiment_by_name("kept")
    assert found is not None
    (run_entry,) = client.search_runs([found.experiment_id], f"tags.run_id = '{run.run_id}'")
    return run_entry, [point.step for point in client.get_metric_history(run_entry.info.run_id, "train/value")]


def test_a_run_is_shown_step_by_step(experiment: Experiment) -> None:
    tracker, run = Tracker(experiment), RUNS[0]
    for update in (10, 20):
        tracker.publish(run.run_id, stand(run, update), {"title": run.title}, None)
    found, steps = entry(experiment, run)
    assert steps == [10, 20]
    assert (found.info.status, found.data.tags["state"]) == ("RUNNING", PARTIAL)
    assert found.data.params["beta"] == "0.5"
    path = run_files.save(experiment.results, run.run_id, stand(run, UPDATES))
    tracker.publish(run.run_id, stand(run, UPDATES), {"title": run.title}, path)
    found, steps = entry(experiment, run)
    assert steps == [10, 20, 30]
    assert (found.info.status, found.data.tags["state"]) == ("FINISHED", DONE)
    assert [file.path for file in MlflowClient(experiment.tracking_uri).list_artifacts(found.info.run_id)] == [
        "done.npz",
        "log.txt",
    ]


def test_what_got_through_before_a_failure_is_not_said_again(
    experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker, run = Tracker(experiment), RUNS[1]
    log = MlflowClient.log_batch

    def log_and_fail(*arguments: Any, **options: Any) -> None:
        log(*arguments, **options)
        raise MlflowException("the answer got lost")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_batch", log_and_fail)
        with pytest.raises(TrackingError, match="the answer got lost"):
            tracker.publish(run.run_id, stand(run, 10), {"title": run.title}, None)
    tracker.publish(run.run_id, stand(run, 20), {"title": run.title}, None)
    assert entry(experiment, run)[1] == [10, 20]
    Tracker(experiment).publish(run.run_id, stand(run, UPDATES), {"title": run.title}, None)  # of a later driver
    assert entry(experiment, run)[1] == [10, 20, 30]


def test_keeping_does_not_wait_for_mlflow(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, (first, second), seen = Recorder(experiment), RUNS[2:], []
    busy, free, publish = threading.Event(), threading.Event(), Tracker.publish

    def slow(self: Tracker, run_id: str, record: Record, *rest: Any) -> None:
        busy.set()
        assert free.wait(60)
        seen.append((run_id, record.update))
        publish(self, run_id, record, *rest)

    monkeypatch.setattr(Tracker, "publish", slow)
    recorder.begin([Candidate(run.run_id, run.title, stand(run, 0)) for run in (first, second)], "here")
    recorder.keep([(first.run_id, stand(first, 10))])
    assert busy.wait(60)
    for update in (10, 20, UPDATES):
        recorder.keep([(second.run_id, stand(second, update))])
    assert run_files.state(experiment.results, second.run_id) == DONE
    free.set()
    assert recorder.close() == ""
    assert seen == [(first.run_id, 10), (second.run_id, UPDATES)]
    assert entry(experiment, second)[1] == [10, 20, 30]
    assert entry(experiment, first)[0].info.status == "KILLED"
    ended = run_files.published(experiment.results, [first.run_id, second.run_id], Tracker(experiment).store)
    assert ended == {second.run_id}


def test_artifacts_go_with_the_results_when_their_folder_is_moved(experiment: Experiment, tmp_path: Path) -> None:
    run, moved = RUNS[0], tmp_path / "moved"
    path = run_files.save(experiment.results, run.run_id, stand(run, UPDATES))
    Tracker(experiment).publish(run.run_id, stand(run, UPDATES), {"title": run.title}, path)
    shutil.copytree(str(experiment.results), moved)
    here = replace(experiment, results=moved, tracking_uri=f"sqlite:///{moved / 'mlflow.db'}")
    Tracker(here)
    found = entry(here, run)[0]
    assert found.info.artifact_uri == f"file://{moved}/artifacts/{found.info.run_id}/artifacts"
    experiments = MlflowClient(here.tracking_uri).search_experiments(filter_string="name = 'kept'")
    assert [each.artifact_location for each in experiments] == [f"file://{moved}/artifacts"]
    other = entry(experiment, run)[0]
    assert other.info.artifact_uri == f"file://{experiment.results}/artifacts/{other.info.run_id}/artifacts"


def test_every_page_of_experiments_is_read() -> None:
    class Pages:
        """A store that answers with one experiment at a time."""

        def search_experiments(self, kind: int, page_token: str | None = None) -> PagedList[str]:
            at = int(page_token or 0)
            return PagedList([f"experiment {at}"], str(at + 1) if at < 2 else "")

    store: Any = Pages()
    assert list(map(str, tracking._all_experiments(store, 1))) == [f"experiment {at}" for at in range(3)]
