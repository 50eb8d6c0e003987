"""The platform from Python."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import smore_sweep
from analysis import export
from analysis.frames import tidy
from baselines.gofar import GoFAR
from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.rendering.policies import trained_policy
from smore_sweep.run_spec import Budget
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.tasks import task
from tests.finished import finish

BUDGET = Budget(episodes=20, updates=20, batch_size=16, evaluate_every=10, evaluation_episodes=2, final_episodes=2)
SWEEP = Sweep(
    name="mine",
    description="for the tests",
    grids=[Grid(methods=[*grid(SMORe, temperature=[1.0, 3.0]), GoFAR()], tasks=["PointReach"], expert_share=[0.5])],
    scales={"tiny": Scale(tasks=["PointReach"], seeds=2, budget=BUDGET, knobs={"hidden": 16})},
)


def test_importing_is_light_and_a_submodule_does_not_hide_a_function() -> None:
    code = (
        "import sys, smore_sweep, smore_sweep.results.record\n"
        "from smore_sweep.results import run_files\n"
        "assert callable(smore_sweep.results) and callable(smore_sweep.run)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'ray', 'mlflow', 'pandas')))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def test_results_have_a_row_per_run_and_a_column_per_knob(tmp_path: Path) -> None:
    runs = SWEEP.expand()
    finish(tmp_path, runs[:3])
    frame = smore_sweep.results(SWEEP, results=tmp_path)
    assert frame["run_id"].tolist() == [run.run_id for run in runs]
    assert frame["status"].tolist() == ["done"] * 3 + ["missing"] * 3
    assert frame["label"].unique().tolist() == ["SMORe temperature=1.0", "SMORe temperature=3.0", "GoFAR"]
    assert frame["temperature"].tolist()[:4] == [1.0, 1.0, 3.0, 3.0]
    assert frame["temperature"].isna().tolist() == [False] * 4 + [True] * 2
    assert (frame["hidden"] == 16).all()
    assert frame["return99"].notna().tolist() == [True] * 3 + [False] * 3
    assert len(smore_sweep.results(SWEEP, results=tmp_path, seeds=1)) == 3
    chosen = smore_sweep.results(SWEEP, results=tmp_path, methods=["smore"], settings=["temperature=3,5"], updates=40)
    assert chosen["label"].unique().tolist() == ["SMORe temperature=3.0", "SMORe temperature=5.0"]
    assert (chosen["updates"] == 40).all()
    assert (chosen["status"] == "missing").all()
    with pytest.raises(UserError, match=r"the knobs are: .*did you mean"):
        smore_sweep.results(SWEEP, results=tmp_path, settings=["temperatur=3"])
    with pytest.raises(UserError, match="has no scale 'huge'; its scales are: tiny"):
        smore_sweep.results(SWEEP, scale="huge", results=tmp_path)


def test_an_export_has_the_same_frame_beside_it(tmp_path: Path) -> None:
    runs = SWEEP.expand()
    finish(tmp_path / "output", runs[:3])
    assert export.main(["--results", f"{tmp_path}/output", "--to", f"{tmp_path}/kept"]) == 0
    written = pd.read_csv(tmp_path / "kept" / tidy.FILE).set_index("run_id")
    own = smore_sweep.results(SWEEP, results=tmp_path / "kept").set_index("run_id").loc[written.index]
    assert len(written) == 3
    for name in ("method", "temperature", "hidden", "moved_share", "seed", "status", "return99", "updates"):
        assert written[name].tolist() == own[name].tolist(), name


def test_what_an_export_has_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = "tests/e2e/small_sweep.py"
    runs = load_sweep(sweep).expand()
    finish(tmp_path / "output", runs[:3])
    assert main(["plan", sweep, "--exported", str(tmp_path / "kept"), "--json"]) == 2
    assert f"{tmp_path}/kept is no export; smore-sweep export --to" in capsys.readouterr().err
    assert export.main(["--results", f"{tmp_path}/output", "--to", f"{tmp_path}/kept"]) == 0
    capsys.readouterr()
    for folder, missing in (("elsewhere", len(runs) - 3), ("output", len(runs) - 3)):
        words = ["--results", str(tmp_path / folder), "--exported", str(tmp_path / "kept"), "--json"]
        assert main(["plan", sweep, *words]) == 0
        planned = json.loads(capsys.readouterr().out)
        assert (planned["runs"], planned["missing"]) == (missing, missing)
    finish(tmp_path / "output", runs)
    assert export.main(["--results", f"{tmp_path}/output", "--to", f"{tmp_path}/kept"]) == 0
    capsys.readouterr()
    for command in ("plan", "work"):
        assert main([command, sweep, "--results", str(tmp_path / "new"), "--exported", str(tmp_path / "kept")]) == 0
        assert capsys.readouterr().out == "nothing to do: the export has every run\n"


def test_a_knob_with_the_name_of_a_column_keeps_its_own(tmp_path: Path) -> None:
    runs = SWEEP.expand()
    content = runs[0].content()
    row = tidy._row(content, {"seed": 0.5, "beta": 0.7}, None)
    assert (row["seed"], row["knob.seed"], row["beta"]) == (0, 0.5, 0.7)


def test_whatever_makes_another_run_is_in_its_row() -> None:
    content = {**SWEEP.expand()[0].content(), "revision": 2}
    budgets = [BUDGET, *(replace(BUDGET, **{name: getattr(BUDGET, name) + 1}) for name in BUDGET.content())]
    budgets += [replace(BUDGET, online_episodes=2, updates_per_episode=updates) for updates in (3, 4)]
    contents = [content | {"budget": budget.content()} for budget in budgets]
    contents += [content | {"protocol": 2}, {name: part for name, part in content.items() if name != "revision"}]
    contents += [content | {"declared_task": {"threshold": threshold}} for threshold in (0.1, 0.2)]
    frame = pd.DataFrame([tidy._row(other, {}, None) for other in contents])
    assert not frame.duplicated().any()
    assert frame.loc[0, ["online_episodes", "updates_per_episode", "declared_task"]].tolist() == [0, 0, ""]
    assert frame["revision"].tolist() == [2] * (len(frame) - 3) + [1, 2, 2]
    assert frame["declared_task"].iloc[-1] == '{"threshold": 0.2}'


def test_a_trained_policy_acts_as_in_its_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = SWEEP.expand()[0]
    record = smore_sweep.train(run, results=tmp_path)
    assert record.update == 20
    assert smore_sweep.results(SWEEP, results=tmp_path)["return99"][0] == record.summary()["return99"]
    policy = smore_sweep.load_policy(run.run_id[:6], results=tmp_path)
    observation, goal = np.array([1.0, -2.0], np.float32), np.array([3.0, 0.5], np.float32)
    action = policy.act(observation, goal)
    reference = trained_policy(task("PointReach"), run.run_id, tmp_path)(0)
    assert action.tobytes() == reference({"observation": observation, "desired_goal": goal}).tobytes()
    assert policy.act([1.0, -2.0], [3.0, 0.5]).tobytes() == action.tobytes()
    assert policy.act(observation, -goal).tobytes() != action.tobytes()
    with pytest.raises(UserError, match=r"a goal of shape \(3,\) is not valid; it is \[2\]"):
        policy.act(observation, np.zeros(3))
    with pytest.raises(UserError, match="has an id that begins with 'zz'"):
        smore_sweep.load_policy("zz", results=tmp_path)
