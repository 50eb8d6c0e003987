"""Workers that share a folder: which of them are replaced, and what is one try of the runs."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from smore_sweep.execution import sharing
from smore_sweep.execution.sharing import _Children, _submission
from smore_sweep.execution.worker import KEPT, NOTHING, REVOKED, SUSPECTS, TRAINS
from smore_sweep.exit_codes import INCOMPLETE, OUT_OF_TIME

KILLED = -signal.SIGKILL


class Ended:
    """A worker that ends at once, in the next of some ways: what it has told, and its exit code."""

    pid = None
    ways: Iterator[tuple[int, int]]
    losses: list[int]

    def __init__(self, target: object, args: tuple[Any, ...]) -> None:
        _, _, losses, told = args
        Ended.losses.append(losses)
        told.value, self.exitcode = next(Ended.ways)

    def start(self) -> None: ...

    def join(self) -> None: ...

    def terminate(self) -> None: ...

    def is_alive(self) -> bool:
        return False


class Context:
    RawValue = staticmethod(multiprocessing.get_context("spawn").RawValue)
    Process = Ended


def run(ways: Sequence[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, *, stopping: bool = False) -> tuple[int, Any]:
    """Let workers of one GPU end in these ways; return the exit code, and what is said."""
    said: list[str] = []
    monkeypatch.setattr(sharing, "get_context", lambda _: Context)
    monkeypatch.setattr(sharing, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(sharing, "ENVIRONMENT", {})
    Ended.ways, Ended.losses = iter(ways), []
    request: Any = None
    children = _Children(request, ["3"], said.append)
    children._stopping = stopping
    code = children.run(lambda: None)
    assert next(Ended.ways, None) is None
    return code, said


def test_a_worker_that_is_killed_is_replaced_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run([(TRAINS, KILLED), (KEPT, 0)], monkeypatch)
    assert code == 0
    assert said == ["a worker on GPU 3 was ended by signal 9 (Killed); another takes its place"]


@pytest.mark.parametrize("told", [NOTHING, TRAINS])
def test_a_device_that_loses_one_worker_after_another_gets_no_more(told: int, monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run([(told, KILLED)] * 4, monkeypatch)
    assert code == INCOMPLETE
    assert Ended.losses == [0, 1, 2, 3]
    assert len(said) == 4
    assert said[-1] == (
        "nothing more is trained on GPU 3: the last of 4 workers in a row that kept no record was ended by signal 9 "
        "(Killed); is it out of memory, or broken?"
    )


def test_a_device_is_not_blamed_for_runs_that_kill_their_workers_or_after_a_record(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = [*[(TRAINS, KILLED)] * 3, *[(SUSPECTS, KILLED)] * 9, (KEPT, KILLED), *[(TRAINS, KILLED)] * 3]
    assert run([*ways, (KEPT, 0)], monkeypatch)[0] == 0
    assert Ended.losses == [0, 1, 2, *[3] * 10, 0, 1, 2, 3]


def test_a_worker_that_has_lost_its_lease_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    code, said = run([*[(TRAINS, REVOKED)] * 5, (KEPT, 0)], monkeypatch)
    assert code == 0
    assert said == ["a worker on GPU 3 had lost its lease; another takes its place"] * 5
    assert Ended.losses == [0] * 6


@pytest.mark.parametrize("code", [KILLED, REVOKED, OUT_OF_TIME])
def test_no_worker_is_replaced_when_the_time_is_up(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run([(TRAINS, code)], monkeypatch, stopping=True) == (OUT_OF_TIME, [])


def test_each_command_of_an_interactive_session_tries_failed_runs_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_ARRAY_JOB_ID", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert _submission() != _submission()
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "8")
    assert _submission() == _submission() == "8"
