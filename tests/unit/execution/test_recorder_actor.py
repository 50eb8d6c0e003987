"""The recorder ends its entries even if the driver is interrupted meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
import ray

from smore_sweep.execution import recorder_actor
from smore_sweep.results.tracking import Experiment

EXPERIMENT = Experiment(MagicMock(), "", "sweep", "", {})


def interrupt_waits(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Interrupt the first waits for the actor, which says ``trouble`` when it is closed."""
    waits = iter([KeyboardInterrupt()] * times)

    def get(tasks: Sequence[object]) -> list[str]:
        for interrupt in waits:
            raise interrupt
        return ["", "trouble"]

    fake: Any = SimpleNamespace(get=get, remote=MagicMock(), get_runtime_context=MagicMock(), exceptions=ray.exceptions)
    monkeypatch.setattr(recorder_actor, "ray", fake)
    monkeypatch.setattr(recorder_actor, "NodeAffinitySchedulingStrategy", MagicMock())


def test_an_interrupt_waits_for_the_entries_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    interrupt_waits(monkeypatch, 1)
    with pytest.raises(KeyboardInterrupt), recorder_actor.recorder_actor(EXPERIMENT, [], said.append):
        pass
    assert said == ["trouble"]


def test_a_second_interrupt_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    interrupt_waits(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt), recorder_actor.recorder_actor(EXPERIMENT, [], said.append):
        pass
    assert not said
