"""Campaigns of all sweeps: shared runs are counted once."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep
from smore_sweep.planning.campaign import campaign


def test_a_shared_run_is_new_once(tmp_path: Path) -> None:
    entries = list(campaign("paper", tmp_path))
    fresh = [run.run_id for entry in entries for run in entry.fresh.runs]
    assert len(fresh) == len(set(fresh))
    assert set(fresh) == {run.run_id for entry in entries for run in entry.plan.runs}
    by_name = {entry.plan.sweep.name: entry for entry in entries}
    # Tables 6 to 8 share two of their seven methods with Table 2; three shares, seven tasks and ten seeds each.
    assert len(by_name["coverage_methods"].fresh.runs) == 5 * 3 * 7 * 10
    updates = 10 * sum(run.budget.updates for run in load_sweep("coverage_ablation").expand("paper", seeds=1))
    assert by_name["coverage_ablation"].member_updates == updates


def test_the_plan_of_all_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "all", "--scale", "paper", "--results", str(tmp_path)]) == 0
    assert "The whole campaign at scale paper" in capsys.readouterr().out
    assert main(["plan", "all", "--scale", "huge", "--results", str(tmp_path)]) == 2
    assert "no sweep has a scale 'huge'; the scales are: smoke, laptop, workstation, paper" in capsys.readouterr().err
    assert main(["plan", "all", "--tasks", "FetchPull", "--results", str(tmp_path)]) == 2
    assert "unknown task 'FetchPull'; the tasks are: " in capsys.readouterr().err
    assert main(["status", "--scale", "huge", "--results", str(tmp_path)]) == 2
    assert "no sweep has a scale 'huge'" in capsys.readouterr().err
