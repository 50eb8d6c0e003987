"""Plans say which tasks are hardly learnt at their scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smore_sweep.cli.main import main


def planned(sweep: str, tasks: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main(["plan", sweep, "--tasks", tasks, "--results", str(folder), "--json"]) == 0
    plan: dict[str, Any] = json.loads(capsys.readouterr().out)
    return list(plan["needs"])


def test_a_hard_task_names_the_scale_that_it_needs_and_its_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (sentence,) = planned("main", "FetchPick,FetchReach,HandReach", tmp_path, capsys)
    start = "FetchPick, HandReach: hardly learnt in laptop's few updates; with SCALE=workstation, about "
    assert sentence.startswith(start)
    assert sentence.endswith(" on this machine")
    assert main(["plan", "main", "--tasks", "FetchPick", "--results", str(tmp_path)]) == 0
    assert "FetchPick: hardly learnt" in capsys.readouterr().out


@pytest.mark.parametrize(("sweep", "tasks"), [("main", "FetchReach"), ("learning_rate", "FetchPush")])
def test_an_easy_task_and_a_sweep_without_such_a_scale_name_none(
    sweep: str, tasks: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(sweep, tasks, tmp_path, capsys) == []
