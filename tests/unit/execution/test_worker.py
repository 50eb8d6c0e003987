"""A worker without a driver, in the process of the test."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
import torch

from smore_sweep.console import make_console
from smore_sweep.data import pools
from smore_sweep.execution import worker
from smore_sweep.execution.worker import NOTHING, REVOKED, SUSPECTS, Deadline, Request, work
from smore_sweep.exit_codes import INCOMPLETE
from smore_sweep.planning.choices import AS_DECLARED
from smore_sweep.planning.stacks import Stack, group_into_stacks
from smore_sweep.results.claims import TOGETHER, worker_lease
from smore_sweep.results.record_writer import Assignment
from smore_sweep.storage import lease
from smore_sweep.storage.fence import OPEN
from tests.unit.results.test_claims import claims, lose


@pytest.fixture(autouse=True)
def _this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a worker run here: it sets signals, hides GPUs, and ends with its parent."""
    signals = (signal.SIGUSR1, signal.SIGALRM, signal.SIGTERM)
    before = [signal.getsignal(each) for each in signals]
    monkeypatch.setattr(worker, "_end_with_parent", lambda: None)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    yield
    for each, handler in zip(signals, before, strict=True):
        signal.signal(each, handler)


def told() -> Any:
    return get_context("spawn").RawValue("b", NOTHING)


def request(results: Path) -> Request:
    return Request("quickstart", None, AS_DECLARED, results, "job", "0", slots=1, largest=1, grace=1.0)


def test_a_gpu_that_pytorch_cannot_use_ends_a_worker_with_that_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        work(request(tmp_path), "0", 0, told())
    assert ended.value.code == INCOMPLETE
    assert "given a GPU that its PyTorch cannot use; install a CUDA build" in capsys.readouterr().out
    assert not list((tmp_path / "workers").iterdir())


def test_a_worker_that_other_workers_took_for_dead_says_so_by_its_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def sleeps(self: Any) -> int:
        (path,) = (tmp_path / "workers").glob("*.lease")
        assert lease.revoke(path, "another")
        time.sleep(60)
        return 0

    monkeypatch.setattr(lease, "BEAT", 0.05)
    monkeypatch.setattr(worker._Worker, "run", sleeps)
    with pytest.raises(SystemExit) as ended:
        work(request(tmp_path), None, 0, told())
    assert ended.value.code == REVOKED
    assert "its runs have passed to another" in capsys.readouterr().out


def test_a_device_that_loses_its_workers_leaves_suspected_runs_to_others(tmp_path: Path) -> None:
    plan = request(tmp_path).plan()
    plan = replace(plan, runs=plan.runs[:2])
    suspected, other = (run.run_id for run in plan.runs)
    for number in range(TOGETHER):
        lost = claims(tmp_path, f"lost{number}")
        assert lost.take(lost.free({suspected: 0}), [suspected], 0)
        lose(tmp_path, f"lost{number}")
    trains = claims(tmp_path, "trains")
    assert trains.take(trains.free({other: 0}), [other], 0)

    def claimed(losses: int) -> list[str]:
        """Return the runs that a worker claims after so many losses of its device."""
        heard = told()
        name = f"here{losses}"
        claims(tmp_path, name)
        here = worker._Worker(request(tmp_path), name, OPEN, False, losses, heard, Deadline(1.0), make_console())
        stack = here._claim(plan)
        lose(tmp_path, name)
        assert heard.value == (SUSPECTS if stack else NOTHING)
        return [run.run_id for run in stack.runs] if stack else []

    assert claimed(TOGETHER) == []
    assert claimed(0) == [suspected]
    lose(tmp_path, "trains")
    trained = claims(tmp_path, "last")
    assert trained.take(trained.free({other: 0}), [other], 0)
    trained.give_up({other: "ValueError: boom"})
    assert claimed(TOGETHER) == [suspected]  # there is nobody else
    worker_lease(tmp_path, "last").unlink()


def test_a_worker_halves_a_stack_that_its_gpu_has_no_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def crowded(self: Any, stack: Stack, assignment: Assignment, *_: Any) -> None:
        tried.append(len(assignment.members))
        raise torch.OutOfMemoryError("CUDA out of memory")

    wanted = replace(request(tmp_path), largest=4)
    plan = wanted.plan()
    stack = group_into_stacks(plan.pending, slots=1, largest=4)[0]
    store = {run.task: (None, {run.expert_share: "x"}) for run in stack.runs}
    monkeypatch.setattr(worker, "build_stores", lambda *_: store)
    monkeypatch.setattr(pools, "load", lambda *_: None)
    monkeypatch.setattr(worker._Worker, "_train_assignment", crowded)
    here = worker._Worker(wanted, "here", OPEN, False, 0, told(), Deadline(1.0), make_console())
    run_ids = [run.run_id for run in stack.runs]
    claims(tmp_path, "here")
    here._claims.take(here._claims.free(dict.fromkeys(run_ids, 0)), run_ids, 0)
    here._train(plan, stack)
    size = len(run_ids)
    assert size > 1
    assert tried[:2] == [size, size // 2]
    assert sorted(here._writer.failures) == sorted(run_ids)  # one by one they do not fit either
