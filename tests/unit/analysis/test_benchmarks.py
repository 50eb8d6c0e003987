"""Benchmarks: whose tables, numbers and claims are shown, and OGBench's published table."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import claims, tables
from analysis.frames.benchmarks import benchmark, usual_metric, usual_metrics
from analysis.paper import ogbench
from analysis.paper.published import Printed, beside
from smore_sweep.discovery import load_sweep, sweep_names
from smore_sweep.envs.points import PointReach
from smore_sweep.task import Task
from smore_sweep.tasks import declare
from smore_sweep.tasks import ogbench as ogbench_tasks


def test_a_sweep_belongs_to_ogbench_if_all_its_tasks_do() -> None:
    mine = {name for name in sweep_names() if benchmark(load_sweep(name).tasks) == "ogbench"}
    assert "ogbench" in mine
    assert "main" not in mine
    assert benchmark(["FetchReach", "cube-single-play"]) == "smore"
    assert usual_metric(load_sweep("ogbench").tasks) == "ever"
    assert usual_metric(load_sweep("main").tasks) == "return99"
    assert usual_metrics(load_sweep("images").tasks) == {"success": ["TabletopImages"]}
    mixed = load_sweep("newer_methods").tasks
    assert usual_metrics(mixed) == {"ever": [name for name in mixed if "pointmaze" in name], "return99": ["FetchPush"]}
    assert usual_metric(mixed) == "return99"


def test_the_usual_metric_is_the_headline_that_a_task_declares() -> None:
    headlines = ("final_distance", "return98", "return999", "success")
    declare(Task(f"By-{name}", PointReach, threshold=1.0, horizon=20, headline=name) for name in headlines)
    assert usual_metrics(["FetchReach", *(f"By-{name}" for name in headlines), "CheetahTgtVel-r-e"]) == {
        "return99": ["FetchReach", "CheetahTgtVel-r-e"],
        **{name: [f"By-{name}"] for name in headlines},
    }
    assert usual_metric(["By-final_distance"]) == "final_distance"


def test_ogbenchs_table_is_whole() -> None:
    frame = ogbench.success_rates()
    assert set(frame["task"]) == {name for name, row in ogbench_tasks().items() if not row.sizes.image}
    assert frame.groupby("task")["method"].apply(list).map(tuple).unique().tolist() == [
        ("GCBC", "GCIVL", "GCIQL", "QRL", "CRL", "HIQL")
    ]
    assert frame["mean"].between(0, 1).all()
    # The best method of a task by its row in print.
    best = frame.loc[frame.groupby("task")["mean"].idxmax()].set_index("task")["method"]
    assert best["puzzle-3x3-play"] == "GCIQL"
    assert best["antmaze-giant-navigate"] == "HIQL"
    assert best["pointmaze-teleport-navigate"] == "GCIVL"


def test_a_method_of_a_name_that_was_taken_has_its_own_cell() -> None:
    assert beside("ever", "cube-single-play", "GCIQL (OGBench)", 1.0) == Printed(0.68, 0.06)
    assert beside("ever", "cube-single-play", "GCIVL", 1.0) == Printed(0.53, 0.04)
    assert beside("ever", "cube-single-play", "CRL (OGBench)", 1.0) == Printed(0.19, 0.02)
    assert beside("ever", "cube-single-play", "CRL", 1.0) is None  # the SMORe paper's
    assert beside("ever", "cube-single-play", "SMORe", 1.0) is None
    assert beside("return99", "cube-single-play", "GCIVL", 1.0) is None


@pytest.mark.parametrize("script", [tables, claims])
def test_without_a_run_the_benchmarks_own_sweep_is_named(
    script: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--benchmark", "ogbench", "--results", str(tmp_path)]) == 1  # type: ignore[attr-defined]
    assert "SWEEP=ogbench" in capsys.readouterr().err
    assert script.main(["--benchmark", "nope", "--results", str(tmp_path)]) == 2  # type: ignore[attr-defined]
    assert "there is no benchmark 'nope'; the valid ones are: smore, ogbench" in capsys.readouterr().err
