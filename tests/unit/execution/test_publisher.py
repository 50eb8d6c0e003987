"""Publishing what workers have written: what MLflow misses is published later, and a full disk is not taken for it."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from smore_sweep.discovery import load_sweep
from smore_sweep.errors import TrackingError
from smore_sweep.execution.publisher import Publisher
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.results import recorder, run_files
from tests.finished import finish


class Tracker:
    """An MLflow that may be away."""

    store = "some store"
    away = True
    shown: list[str]

    def __init__(self, experiment: object) -> None: ...

    def publish(self, run_id: str, *_: object) -> None:
        if Tracker.away:
            raise TrackingError("connection refused")
        Tracker.shown.append(run_id)

    def interrupt(self) -> None: ...


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """Return a plan of three runs that are done, and one that is not."""
    monkeypatch.setattr(recorder, "Tracker", Tracker)
    Tracker.away, Tracker.shown = False, []
    missing = make_plan(load_sweep("quickstart"), "laptop", tmp_path)
    finish(tmp_path, missing.runs[:3])
    return replace(make_plan(missing.sweep, "laptop", tmp_path), runs=missing.runs[:4])


def test_what_mlflow_misses_is_published_later(plan: Plan, tmp_path: Path) -> None:
    said: list[str] = []
    publisher = Publisher(plan.sweep, tmp_path, said.append)
    Tracker.away = True
    publisher.publish(plan, {}, wait=False)
    assert not Tracker.shown
    assert "connection refused" in said.pop()
    Tracker.away = False
    publisher.publish(plan, {}, wait=False)
    assert sorted(Tracker.shown) == sorted(run.run_id for run in plan.runs[:3])
    publisher.publish(plan, {}, wait=True)
    assert len(Tracker.shown) == 3
    assert not said


def test_a_full_disk_is_not_taken_for_mlflow(plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    said: list[str] = []
    monkeypatch.setattr(run_files, "note_published", full)
    Publisher(plan.sweep, tmp_path, said.append).publish(plan, {}, wait=False)
    (sentence,) = said
    assert sentence.startswith(f"MLflow does not show all runs: results folder {tmp_path} cannot be written: No space")
