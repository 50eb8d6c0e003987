"""The origin that tells MLflow's entries apart."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from mlflow import MlflowClient

from smore_sweep.bench.synthetic import make_budget, make_runs
from smore_sweep.errors import StorageError, TrackingError
from smore_sweep.results.origin import origin
from smore_sweep.results.record import Record
from smore_sweep.results.recorder import Recorder
from smore_sweep.results.tracking import Experiment, Tracker
from smore_sweep.results.tracking_uri import check_uri
from smore_sweep.smore import SMORe
from smore_sweep.storage.paths import StoragePath


def test_results_keep_their_entries_wherever_they_are_gone_on_with(
    results: StoragePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "first")
    before = origin(results)
    monkeypatch.setattr(socket, "gethostname", lambda: "second")
    assert origin(results) == before
    assert origin(results / "others") != before
    if isinstance(results, Path):
        moved = results.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
        assert origin(moved) == before == f"first:{results}"


def test_a_folder_may_have_an_at_in_its_name_and_a_server_must_not(tmp_path: Path) -> None:
    (tmp_path / "me@corp").mkdir()
    check_uri(f"sqlite:///{tmp_path}/me@corp/mlflow.db")
    with pytest.raises(TrackingError, match="does its password have"):
        check_uri("postgresql://me:pass/word@host/db")


@pytest.mark.parametrize("content", [b"", b"\n", b"first", b"first:", b":", b"first:/a\nb", b"\xff\xfe", b"\x00" * 20])
def test_a_damaged_origin_is_refused(content: bytes, tmp_path: Path) -> None:
    """Another owner would leave the entries of the first one running, and show every run twice."""
    origin(tmp_path)
    (tmp_path / "origin").write_bytes(content)
    with pytest.raises(
        StorageError, match=r"origin is damaged: it must hold the host and folder .*; copy that into it"
    ):
        origin(tmp_path)
    assert (tmp_path / "origin").read_bytes() == content


def test_a_changed_or_cut_origin_is_refused(tmp_path: Path) -> None:
    """Host and folder still look right in most of these."""
    owner, file = origin(tmp_path), tmp_path / "origin"
    content = file.read_bytes()
    damaged = [content[:length] for length in range(len(content))]
    damaged += [content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
                for at in range(len(content)) for bit in range(8)]  # fmt: skip
    for case in damaged:
        file.write_bytes(case)
        with pytest.raises(StorageError, match="origin is damaged"):
            origin(tmp_path)
    file.write_bytes(content)
    assert origin(tmp_path) == owner


def test_an_origin_without_a_digest_is_an_old_one(tmp_path: Path) -> None:
    (tmp_path / "origin").write_bytes(b"first:/old/results")
    assert origin(tmp_path) == "first:/old/results"


def test_an_emptied_origin_makes_no_second_owner(tmp_path: Path) -> None:
    experiment = Experiment(tmp_path, f"sqlite:///{tmp_path / 'mlflow.db'}", "kept", "for the tests", {"git": "0"})
    run = make_runs(SMORe(), [0], make_budget(batch_size=8, updates=30))[0]
    tracker = Tracker(experiment)
    tracker.publish(run.run_id, Record(run.content()), {"title": run.title}, None)
    (tmp_path / "origin").write_bytes(b"")
    with pytest.raises(StorageError, match="origin is damaged"):
        Recorder(experiment).check()
    client = MlflowClient(experiment.tracking_uri)
    (entry,) = client.search_runs([entry.experiment_id for entry in client.search_experiments()])
    (tmp_path / "origin").write_text(entry.data.tags["results"])  # as the sentence says
    again = Recorder(experiment)
    again.check()
    again.close()
    (entry,) = client.search_runs([entry.experiment_id for entry in client.search_experiments()])
    assert entry.info.status == "KILLED"
