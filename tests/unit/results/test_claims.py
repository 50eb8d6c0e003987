"""Claims of workers on runs: one worker per run, takeovers from dead workers, and runs that kill their workers."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smore_sweep.errors import LockedError
from smore_sweep.execution.session import interruptible
from smore_sweep.results.claims import ALONE, TOGETHER, Claims, worker_heartbeat, worker_lease
from smore_sweep.storage import lease, paths
from smore_sweep.storage.lease import revoke

RUN = "a1"
PENDING = {RUN: 100}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.1)
    monkeypatch.setattr(lease, "PATIENCE", 0.3)


def live(results: Path, worker: str, beat: int = 0) -> None:
    """Renew the lease of a worker on another machine."""
    path = worker_lease(results, worker)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"who": worker, "machine": "elsewhere", "process": 1, "token": worker, "beat": beat}))


def claims(results: Path, worker: str, submission: str = "job") -> Claims:
    live(results, worker)
    return Claims(results, worker, submission)


def claim(worker: Claims, update: int = 100) -> list[str]:
    return worker.take(worker.free({RUN: update}), [RUN], update)


def lose(results: Path, worker: str) -> None:
    """Let a worker of this machine be killed."""
    path = worker_lease(results, worker)
    dead = {"machine": lease._machine(), "process": 4_194_305}  # above the largest process number
    path.write_text(json.dumps(json.loads(path.read_text()) | dead))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_run_is_its_workers_until_that_ends(tmp_path: Path) -> None:
    first, second = claims(tmp_path, "first"), claims(tmp_path, "second")
    assert claim(first) == [RUN]
    assert not first.free(PENDING)
    assert not second.free(PENDING)
    assert second.busy() == {"first"}
    assert second.unproven()
    live(tmp_path, "first", beat=1)
    assert not second.free(PENDING)
    assert not second.unproven()
    worker_lease(tmp_path, "first").unlink()  # it has ended in order
    assert second.free(PENDING) == {RUN: 0}
    assert claim(second) == [RUN]
    assert not second.busy()


def test_of_workers_that_come_at_once_one_gets_each_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "PATIENCE", 60.0)
    pending = dict.fromkeys((f"run{number}" for number in range(40)), 0)
    workers = [claims(tmp_path, f"worker{number}") for number in range(8)]

    def take_all(worker: Claims) -> list[str]:
        taken: list[str] = []
        while free := worker.free(pending):
            taken += worker.take(free, sorted(free)[:5], 0)
        return taken

    with ThreadPoolExecutor(len(workers)) as pool:
        taken = list(pool.map(take_all, workers))
    assert sorted(run_id for each in taken for run_id in each) == sorted(pending)


def test_a_stale_view_takes_nothing_over(tmp_path: Path) -> None:
    first, second, third = (claims(tmp_path, name) for name in ("first", "second", "third"))
    assert claim(first) == [RUN]
    lose(tmp_path, "first")
    seen = second.free(PENDING), third.free(PENDING)
    assert second.take(seen[0], [RUN], 100) == [RUN]
    assert third.take(seen[1], [RUN], 100) == []
    assert not third.free(PENDING)


def test_a_silent_worker_elsewhere_counts_as_dead_after_a_while(tmp_path: Path) -> None:
    first, second = claims(tmp_path, "first"), claims(tmp_path, "second")
    assert claim(first) == [RUN]
    paths.write(worker_heartbeat(tmp_path, "first"), b"{}")
    started = time.monotonic()
    wait_until(lambda: bool(second.free(PENDING)))
    assert time.monotonic() - started >= lease.PATIENCE
    assert claim(second) == [RUN]
    assert not worker_heartbeat(tmp_path, "first").exists()
    assert json.loads(worker_lease(tmp_path, "first").read_text()) == {"who": "second", "revoked": True}


def test_a_dead_worker_that_wakes_up_ends_and_writes_nothing(tmp_path: Path) -> None:
    path = worker_lease(tmp_path, "first")

    def sleep() -> None:
        with lease.lease(path, "first", print) as fence, interruptible():
            assert fence.is_open()
            assert revoke(path, "second")
            with pytest.raises(KeyboardInterrupt):
                time.sleep(60)
            with pytest.raises(LockedError, match="passed to second"):
                fence.check()

    with pytest.raises(LockedError, match="second, which took it over"):
        sleep()
    assert path.exists()


def test_a_run_that_kills_its_workers_is_tried_by_itself_and_then_given_up(tmp_path: Path) -> None:
    losses = []
    for number in range(ALONE):
        worker = claims(tmp_path, f"worker{number}")
        losses.append(worker.free(PENDING)[RUN])
        assert claim(worker) == [RUN]
        lose(tmp_path, f"worker{number}")
    assert losses == list(range(ALONE))
    assert losses[TOGETHER] == TOGETHER
    last = claims(tmp_path, "last")
    assert not last.free(PENDING)
    assert last.given_up([RUN]) == {RUN: "its worker was lost 6 times without progress; is it out of memory?"}
    assert last.free({RUN: 101}) == {RUN: 1}  # it has got on
    assert claims(tmp_path, "other", "another job").free(PENDING) == {RUN: 0}


def test_a_failed_run_is_left_alone_by_its_job_and_tried_again_by_another(tmp_path: Path) -> None:
    first, second = claims(tmp_path, "first"), claims(tmp_path, "second")
    assert claim(first) == [RUN]
    first.give_up({RUN: "ValueError: boom"})
    worker_lease(tmp_path, "first").unlink()
    assert not second.free(PENDING)
    assert not second.busy()
    assert second.given_up([RUN, "another"]) == {RUN: "ValueError: boom"}
    assert claims(tmp_path, "third", "another job").free(PENDING) == {RUN: 0}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"worker": "first"}', b"\xff"])
def test_a_damaged_claim_keeps_nobody_away(content: bytes, tmp_path: Path) -> None:
    first, second = claims(tmp_path, "first"), claims(tmp_path, "second")
    assert claim(first) == [RUN]
    (tmp_path / "claims" / f"{RUN}.1").write_bytes(content)
    (tmp_path / "claims" / f"{RUN}.x").touch()
    assert claim(second) == [RUN]


def test_claims_on_finished_runs_are_removed(tmp_path: Path) -> None:
    first = claims(tmp_path, "first")
    assert claim(first) == [RUN]
    first.clear(["another"])
    assert os.listdir(tmp_path / "claims") == [f"{RUN}.1"]  # noqa: PTH208
    first.clear([RUN])
    assert not os.listdir(tmp_path / "claims")  # noqa: PTH208


def test_a_file_is_created_once_and_whole(results: paths.StoragePath) -> None:
    path = results / "claims" / "x.1"
    assert paths.create_exclusive(path, b"first")
    assert not paths.create_exclusive(path, b"second")
    assert paths.read(path) == b"first"
    if isinstance(path, Path):
        assert [each.name for each in path.parent.iterdir()] == ["x.1"]
