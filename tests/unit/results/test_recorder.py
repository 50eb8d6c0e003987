"""The recorder with a real MLflow: assignments, failures and a full disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from smore_sweep.hashing import digest
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, PARTIAL, Record
from smore_sweep.results.record_writer import Candidate, RecordingError, RecordWriter
from smore_sweep.results.recorder import Recorder
from smore_sweep.results.retries import LOSSES
from smore_sweep.results.tracking import Experiment

CONTENTS = [
    {"knobs": {}, "budget": {"updates": 200}}
    | dict.fromkeys(("method", "task", "expert_share", "scale", "source"), "x")
    | {"seed": seed}
    for seed in "ab"
]
RUNS = [digest(content) for content in CONTENTS]


@pytest.fixture(scope="module")
def mlflow_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of one MLflow store for all tests, because its creation takes seconds."""
    return tmp_path_factory.mktemp("mlflow")


@pytest.fixture
def experiment(mlflow_folder: Path, tmp_path: Path) -> Experiment:
    return Experiment(tmp_path, f"sqlite:///{mlflow_folder}/mlflow.db", tmp_path.name, "a test", {"git": "0"})


@pytest.fixture
def recorder(experiment: Experiment) -> Iterator[Recorder]:
    recorder = Recorder(experiment)
    yield recorder
    recorder.close()


def candidates(**facts: str) -> list[Candidate]:
    return [
        Candidate(run_id, f"run {content['seed']}", Record(content, facts={"stack": "some", **facts}))
        for run_id, content in zip(RUNS, CONTENTS, strict=True)
    ]


def trained(record: Record, update: int, status: str = PARTIAL) -> Record:
    record.update, record.status = update, status
    record.metrics[update] = {"seconds": 1.0}
    one = np.ones((2, 3), bool)
    record.evaluations[update] = Outcomes(one, one, np.zeros((2, 3), np.float32))
    return record


def entry(experiment: Experiment, run_id: str) -> Run:
    client = MlflowClient(experiment.tracking_uri)
    everywhere = [found.experiment_id for found in client.search_experiments()]
    (found,) = client.search_runs(everywhere, f"tags.run_id = '{run_id}' and tags.results LIKE '%{experiment.results}'")
    return found


def log(experiment: Experiment, run_id: str, to: Path) -> str:
    client = MlflowClient(experiment.tracking_uri)
    to.mkdir(exist_ok=True)
    return Path(client.download_artifacts(entry(experiment, run_id).info.run_id, "log.txt", str(to))).read_text()


def test_a_failed_run_is_shown_with_its_error_and_log_and_goes_on_later(
    recorder: Recorder, experiment: Experiment, tmp_path: Path
) -> None:
    assignment = recorder.begin(candidates(), "here")
    assert [run_id for run_id, _ in assignment.members] == RUNS
    recorder.keep([(run_id, trained(found, 100)) for run_id, found in assignment.members])
    recorder.fail(RUNS, "ValueError: boom", "Traceback of it")

    assignment = recorder.begin(candidates(), "here")  # taken apart: by itself, from its last record
    assert [(run_id, found.update) for run_id, found in assignment.members] == [(RUNS[0], 100)]
    assert (assignment.behind, assignment.ended) == (100, 0)
    (news,) = assignment.news
    assert news.endswith("run a and 1 other: ValueError: boom")
    recorder.fail([RUNS[0]], "ValueError: boom", "Traceback of it")
    assert recorder.failed() == ["run a: ValueError: boom"]

    assignment = recorder.begin(candidates(), "here")
    ((run_id, found),) = assignment.members
    assert run_id == RUNS[1]
    assert assignment.news == ["failed: run a: ValueError: boom"]
    recorder.keep([(run_id, trained(found, 200, DONE))])
    assignment = recorder.begin(candidates(), "here")
    assert (assignment.members, assignment.ended, assignment.behind) == ([], 1, 300)

    recorder.close()
    failed = entry(experiment, RUNS[0])
    assert failed.info.status == "FAILED"
    assert failed.data.tags["error"] == "ValueError: boom"
    assert "failed: ValueError: boom\nTraceback of it\n" in log(experiment, RUNS[0], tmp_path / "failed")
    assert entry(experiment, RUNS[1]).info.status == "FINISHED"
    assert run_files.state(tmp_path, RUNS[0]) == PARTIAL

    # The same command, later: the entry is opened again, and is no failure any more.
    again = Recorder(experiment)
    ((run_id, found),) = again.begin(candidates(), "elsewhere").members
    assert (run_id, found.update) == (RUNS[0], 100)
    again.keep([(run_id, trained(found, 200, DONE))])
    again.close()
    mended = entry(experiment, RUNS[0])
    assert (mended.info.run_id, mended.info.status) == (failed.info.run_id, "FINISHED")
    assert "error" not in mended.data.tags
    lines = log(experiment, RUNS[0], tmp_path / "mended")
    places = [
        lines.index(told)
        for told in (
            "training from update 0 in a stack of 2, here",
            "failed, and is tried again: ValueError: boom",
            "training from update 100 by itself, here",
            "failed: ValueError: boom\nTraceback of it",
            "training from update 100 by itself, elsewhere",
        )
    ]
    assert places == sorted(places)


def test_a_run_that_fails_before_its_first_evaluation_has_a_record_to_tell_it(
    recorder: Recorder, experiment: Experiment
) -> None:
    candidate = candidates()[0]
    ((_, early),) = recorder.begin([candidate], "here").members
    for _ in range(2):
        early.metrics[10] = {"loss": 1.0}  # of a stretch whose evaluation fails, in the recorder's own process
        recorder.fail(RUNS[:1], "RuntimeError: too early")
        assignment = recorder.begin([candidate], "here")
        early = assignment.members[0][1] if assignment.members else early
    assert assignment.members == []
    told = run_files.load(experiment.results, RUNS[0])
    assert told is not None
    assert (told.update, told.metrics) == (0, {})
    assert any("too early" in line for line in told.log)
    assert run_files.state(experiment.results, RUNS[0]) == PARTIAL
    recorder.close()
    assert entry(experiment, RUNS[0]).info.status == "FAILED"
    fresh = Recorder(experiment)
    ((_, found),) = fresh.begin(candidates()[:1], "here").members
    assert (found.update, found.learner) == (0, {})  # which is where a learner that is not loaded stands
    fresh.close()


def test_lost_workers_count_only_if_nothing_new_is_kept(recorder: Recorder) -> None:
    for update in range(10, 10 * (LOSSES + 3), 10):
        members = recorder.begin(candidates(), "here").members
        assert len(members) == 2
        recorder.keep([(run_id, trained(found, update)) for run_id, found in members])
    for lost in range(LOSSES):
        assignment = recorder.begin(candidates(), "here")
        assert len(assignment.members) == 2, lost
        log = assignment.members[0][1].log
        assert ["its worker was lost" in line for line in log[-1 - lost :]] == [False] + lost * [True]
    alone = [recorder.begin(candidates(), "here").members[0][0] for _ in range(2 * LOSSES)]
    assert alone == [RUNS[0]] * LOSSES + [RUNS[1]] * LOSSES
    assert recorder.begin(candidates(), "here").members == []
    (message,) = recorder.failed()
    assert message == f"run a and 1 other: its worker was lost {LOSSES} times without progress; is it out of memory?"


def test_a_run_that_goes_on_elsewhere_names_every_processor_and_kernel(recorder: Recorder) -> None:
    for update, (cpu, kernels) in enumerate(
        [("Xeon", "cuda"), ("EPYC", "fused"), ("EPYC", "fused"), ("Xeon", "fused")]
    ):
        assignment = recorder.begin(candidates(cpu=cpu, kernels=kernels), "here")
        recorder.keep([(run_id, trained(found, update + 1)) for run_id, found in assignment.members])
    assert {name: assignment.members[0][1].facts[name] for name in ("cpu", "kernels")} == {
        "cpu": "Xeon, EPYC",
        "kernels": "cuda, fused",
    }


def test_a_run_does_not_go_on_with_other_episodes(tmp_path: Path) -> None:
    def begin(**facts: str) -> None:
        RecordWriter(tmp_path).begin(candidates(**facts), "here")

    run_files.save(tmp_path, RUNS[0], trained(Record(CONTENTS[0], facts={"dataset": "before"}), 100))
    run_files.save(tmp_path, RUNS[1], trained(Record(CONTENTS[1], facts={"dataset": "before"}), 200, DONE))
    begin(dataset="before")
    begin()
    with pytest.raises(RecordingError) as refusal:
        begin(dataset="after")
    assert str(refusal.value) == (
        "run a was begun on episodes of the fingerprint before, and those of its source have after now; bring the "
        f"former back, give the new ones another source, or remove {tmp_path / 'runs' / RUNS[0]} to train it anew"
    )
    run_files.save(tmp_path, RUNS[0], trained(Record(CONTENTS[0]), 100))  # an old record, which does not say
    begin(dataset="after")


def test_results_may_lie_in_a_folder_with_an_apostrophe(experiment: Experiment) -> None:
    experiment = replace(experiment, results=experiment.results / "john's")
    for status in (PARTIAL, DONE):  # the second finds what the first left
        recorder = Recorder(experiment)
        ((run_id, found),) = recorder.begin(candidates()[:1], "here").members
        recorder.keep([(run_id, trained(found, 100 if status == PARTIAL else 200, status))])
        assert recorder.close() == ""
    client = MlflowClient(experiment.tracking_uri)
    stored = client.get_experiment_by_name(experiment.sweep)
    assert stored is not None
    assert [run.info.status for run in client.search_runs([stored.experiment_id])] == ["FINISHED"]


def test_what_cannot_be_noted_leaves_no_entry_running(experiment: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(run_files, "note_published", fail)
    recorder = Recorder(experiment)
    (first, found), (second, other) = recorder.begin(candidates(), "here").members
    recorder.keep([(first, trained(found, 200, DONE)), (second, trained(other, 100))])
    with pytest.raises(RecordingError, match="cannot be written: Input/output error"):
        recorder.close()
    assert [entry(experiment, run_id).info.status for run_id in RUNS] == ["FINISHED", "KILLED"]


def test_a_full_disk_is_said_and_costs_no_record(
    recorder: Recorder, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = recorder.begin(candidates(), "here").members
    recorder.keep([(run_id, trained(found, 100)) for run_id, found in members])

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(RecordingError, match="cannot be written: No space left on device"):
            recorder.keep([(run_id, trained(found, 200, DONE)) for run_id, found in members])
    assert [run_files.state(experiment.results, run_id) for run_id in RUNS] == [PARTIAL, PARTIAL]
    assert [found.update for _, found in recorder.begin(candidates(), "here").members] == [100, 100]


def test_a_run_whose_array_is_broken_starts_again_and_the_others_wait(
    recorder: Recorder, experiment: Experiment
) -> None:
    """The header shows no broken array, and the members of a stack must stand at the same update."""
    members = recorder.begin(candidates(), "here").members
    recorder.keep([(run_id, trained(found, 100)) for run_id, found in members])
    path = experiment.results / "runs" / RUNS[0] / "partial.npz"
    data = path.read_bytes()
    at = data.index(b"evaluation/100/reached.npy") + 176  # in the values: after the name, the sizes and the preamble
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    assert run_files.state(experiment.results, RUNS[0]) == PARTIAL
    assignment = recorder.begin(candidates(), "here")
    assert [(run_id, found.update) for run_id, found in assignment.members] == [(RUNS[0], 0)]
    assert (assignment.behind, assignment.until) == (100, 100)
    assert [summary.update for summary in assignment.others] == [100]
    (sentence,) = assignment.news
    assert sentence.startswith(f"{path} is broken (")
    recorder.keep([(RUNS[0], trained(assignment.members[0][1], 100))])
    assignment = recorder.begin(candidates(), "here")
    assert [(run_id, found.update) for run_id, found in assignment.members] == [(run_id, 100) for run_id in RUNS]
    assert (assignment.news, assignment.until, assignment.others) == ([], None, [])


def test_a_broken_record_that_was_to_be_published_is_said_at_the_end(experiment: Experiment) -> None:
    recorder = Recorder(experiment)
    ((run_id, found), _) = recorder.begin(candidates(), "here").members
    path = run_files.save(experiment.results, run_id, trained(found, 200, DONE))
    path.write_bytes(path.read_bytes()[:-20])
    recorder.publish([(run_id, "run a")])
    assert recorder.close().startswith(f"{path} is broken (")
