"""JSON output of ``plan`` and ``status``, and the sweeps that ``status`` shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from smore_sweep.cli.main import main
from smore_sweep.discovery import all_sweeps, load_sweep
from tests.finished import finish

SWEEP = """
from sweeps.quickstart import SWEEP as QUICKSTART
from dataclasses import replace
SWEEP = replace(QUICKSTART, name="mine", scales={"smoke": QUICKSTART.scales["smoke"]})
"""


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    plan = printed(capsys, "plan", "quickstart", "--scale", "smoke", "--results", str(tmp_path))
    runs = load_sweep("quickstart").expand("smoke")
    assert list(plan) == [
        "sweep", "description", "scale", "source", "runs", "done", "partial", "missing", "cells", "episodes_to_make",
        "changed_code", "continuations", "needs", "cpu_cores", "stacks", "estimated_seconds",
    ]  # fmt: skip
    assert (plan["sweep"], plan["scale"], plan["source"]) == ("quickstart", "smoke", "generated")
    assert (plan["runs"], plan["done"], plan["partial"], plan["missing"]) == (len(runs), 0, 0, len(runs))
    assert sum(cell["runs"] for cell in plan["cells"]) == len(runs)
    assert list(plan["cells"][0]) == [
        "task", "method", "expert_share", "updates", "runs", "done", "partial", "missing"
    ]  # fmt: skip
    assert {row["policy"] for row in plan["episodes_to_make"]} == {"expert", "random"}
    assert list(plan["estimated_seconds"]) == ["data", "training", "evaluation", "total"]


def test_the_plan_of_all_sweeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    campaign = printed(capsys, "plan", "all", "--scale", "smoke", "--results", str(tmp_path))
    assert campaign["scale"] == "smoke"
    assert list(campaign["sweeps"][0]) == [
        "sweep", "runs", "new", "done", "stacks_left", "member_updates_left", "cpu_cores", "estimated_seconds"
    ]  # fmt: skip
    assert all(row["new"] <= row["runs"] for row in campaign["sweeps"])


def test_status_shows_the_sweeps_that_have_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "status", "--results", str(tmp_path)) == {
        "results": str(tmp_path), "sweeps": [], "training": None, "workers": []
    }  # fmt: skip
    assert main(["status", "--results", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith(f"no sweep has a run in {tmp_path}")

    (tmp_path / "mine.py").write_text(SWEEP)
    mine = str(tmp_path / "mine.py")
    runs = load_sweep(mine).expand()
    finish(tmp_path, runs[:2])
    done = {run.run_id for run in runs[:2]}
    status = printed(capsys, "status", "--results", str(tmp_path))
    sharing = {sweep.name for sweep in all_sweeps("smoke") if done & {run.run_id for run in sweep.expand("smoke")}}
    assert {row["sweep"] for row in status["sweeps"]} == sharing
    assert {row["scale"] for row in status["sweeps"]} == {"smoke"}
    assert {(row["done"], row["partial"]) for row in status["sweeps"]} == {(2, 0)}
    assert main(["status", "--results", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"quickstart · smoke: 2 done, 0 partial, {len(runs) - 2} missing" in lines
    assert len(lines) == len(sharing)

    assert main(["status", mine, "--results", str(tmp_path)]) == 0  # a file has one scale, so it needs no --scale
    assert f"mine · smoke: 2 done, 0 partial, {len(runs) - 2} missing\n" in capsys.readouterr().out
    status = printed(capsys, "status", "main", "--results", str(tmp_path))
    assert [(row["sweep"], row["done"]) for row in status["sweeps"]] == [("main", 0)]
