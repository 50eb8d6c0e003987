"""``smore-sweep tasks``."""

from __future__ import annotations

import pytest

from smore_sweep import tasks
from smore_sweep.cli.main import main
from smore_sweep.tasks import SHIPPED, TASKS, ogbench


def test_ogbenchs_tasks_are_listed_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks", "--ogbench"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in ogbench())
    assert not any(f" {name} " in shown for name in TASKS)


def test_every_task_has_a_row(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_declared", {})  # what other tests have declared
    assert main(["tasks"]) == 0
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capsys.readouterr().out.splitlines()]
    shown = {row[0]: row[1:] for row in rows if row}
    assert list(shown) == list(SHIPPED)
    assert shown["SawyerDoor"] == ["4/1/3", "50", "0.06 (0.02)", "sawyer:open_door", "expert, random"]
    assert shown["CheetahTgtVel-m-e"] == ["17/1/6", "1000", "0.5", "locomotion:run_cheetah", "expert, medium"]
    assert shown["TabletopImages"] == ["images/5", "400", "1", "·", "primitives"]
