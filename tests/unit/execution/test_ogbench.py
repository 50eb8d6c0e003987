"""OGBench's methods on one of its tasks, from generated data to a kept policy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ogbench", reason="needs the extra ogbench")

from smore_sweep.bench.synthetic import make_episodes
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.execution.continuing import fingerprint_here
from smore_sweep.execution.datasets import build_stores
from smore_sweep.planning.choices import parse_choices
from smore_sweep.planning.plan import make_plan
from smore_sweep.results import record, run_files
from sweeps.ogbench import SWEEP

TASK = "pointmaze-medium-navigate"


def test_a_dataset_of_its_own_is_one_pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer run, too, finds the episodes that a shorter one was trained on."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    pools.save(TASK, "navigate", make_episodes(3, 0, TASK), {})
    plan = make_plan(SWEEP, "smoke", tmp_path / "results", parse_choices(tasks=TASK, methods="gcbc", seeds="0,1"))
    run = replace(plan.runs[0], budget=replace(plan.runs[0].budget, episodes=2))
    plan = replace(plan, runs=[run], states={run.run_id: record.MISSING})
    _, fingerprints = build_stores(plan, {(TASK, "navigate"): pools.load(TASK, "navigate", 2)})[TASK]
    assert fingerprint_here(run) == fingerprints[run.expert_share]


def test_the_sweep_at_workstation_scale() -> None:
    """Constants by task reach the runs; a result is the mean of evaluations at 80, 90 and 100%, as in the paper."""
    runs = SWEEP.expand()
    for name, maze, cube in (("GCIQL (OGBench)", 0.003, 1.0), ("QRL", 0.0003, 0.3), ("CRL (OGBench)", 0.03, 3.0)):
        alphas = {run.task: run.method.fields()["alpha"] for run in runs if run.method.name == name}
        assert alphas == {TASK: maze, "pointmaze-large-stitch": maze, "cube-single-play": cube}
    steps = {run.task: run.method.fields()["subgoal_steps"] for run in runs if run.method.name == "HIQL"}
    assert steps == {TASK: 25, "pointmaze-large-stitch": 25, "cube-single-play": 10}
    assert all(run.method.fields()["hidden"] == 128 for run in runs)
    for scale in ("workstation", "paper"):
        budget = SWEEP.scales[scale].budget
        assert budget.updates == 10 * budget.evaluate_every
        assert budget.evaluation_episodes == budget.final_episodes


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ogbench")


OGBENCH = ("gcbc", "gcivl", "ogbench_gciql", "qrl", "ogbench_crl", "hiql")
OTHERS = ("smore", "gofar", "wgcsl", "iql")
"""Of the SMORe paper; they run as they are."""


@pytest.mark.parametrize("name", [*OGBENCH, *OTHERS])
def test_a_small_run(name: str, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(results / "datasets"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    command = ["train", "--method", name, "--task", TASK, "--scale", "smoke", "--episodes", "2"]  # its one dataset
    assert main([*command, "--set", "hidden=16", "--results", str(results / name)]) == 0
    (folder,) = (results / name / "runs").iterdir()
    final = run_files.load(results / name, folder.name)
    assert final is not None
    assert (final.status, sorted(final.evaluations)) == (record.DONE, [20, 40])
    assert np.isfinite(list(final.summary().values())).all()
    assert 0.0 <= final.summary()["ever"] <= 1.0
