"""A researcher's own task, data, method and sweep, in a folder of their own, with a fresh home.

Nothing is registered, installed or edited: the commands are those of the example's sweep file.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

EXAMPLE = Path(__file__).parents[2] / "examples" / "wall"
PATIENCE = 600


class Shell:
    """Runs commands in the project's folder, as a user with an empty home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "project"
        shutil.copytree(EXAMPLE, self.folder, ignore=shutil.ignore_patterns("__pycache__", "output", "*.npz"))
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MINARI", "MLFLOW"))
        }
        self.environment = {**kept, "HOME": str(folder / "home"), "COLUMNS": "140"}
        (folder / "home").mkdir()

    def __call__(self, *command: str, expect: int = 0) -> str:
        process = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert process.returncode == expect, process.stdout + process.stderr
        assert "Traceback" not in process.stderr
        return process.stdout + process.stderr

    def sweep(self, *arguments: str, expect: int = 0) -> str:
        return self(sys.executable, "-m", "smore_sweep", *arguments, expect=expect)


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Return the shell of a project whose sweep has run on two workers."""
    shell = Shell(tmp_path_factory.mktemp("own"))
    shell(sys.executable, "make_data.py")
    for policy in ("expert", "random"):
        options = ["--task", "Wall", "--policy", policy, "--source", "mine", "--file", "wall.py"]
        assert "100 episodes of 40 steps" in shell.sweep("data", "import", "npz", f"{policy}.npz", *options)
    output = shell.sweep("run", "wall.py", "--source", "mine")
    assert "All 6 runs are done" in output
    assert "6 runs as 2 stacks of 3 on" in output or "6 runs as" in output
    return shell


def _counts(shell: Shell) -> tuple[int, int, list[str]]:
    plan = json.loads(shell.sweep("plan", "wall.py", "--source", "mine", "--json"))
    return plan["done"], plan["missing"], plan["changed_code"]


def test_status_knows_it(shell: Shell) -> None:
    assert f"wall · small --source mine ({shell.folder / 'wall.py'}): 6 done, 0 partial, 0 missing" in shell.sweep(
        "status"
    )


def test_its_runs_are_on_the_page(shell: Shell) -> None:
    client = MlflowClient(f"sqlite:///{shell.folder / 'output' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("wall")
    assert experiment is not None
    entries = client.search_runs([experiment.experiment_id])
    assert {entry.data.params["alpha"] for entry in entries} == {"0.0", "0.5", "2.5"}
    assert [entry.info.status for entry in entries] == ["FINISHED"] * 6


def test_its_figures_and_its_table(shell: Shell) -> None:
    figure = shell.sweep("figures", "--sweep", "wall.py", "--source", "mine", "--x", "alpha", "--output", "figures")
    drawn = [path.name for path in (shell.folder / "figures").iterdir()]
    assert [name for name in drawn if "alpha" in name and name.endswith(".png")], figure
    table = shell.sweep("tables", "--sweep", "wall.py", "--source", "mine", "--format", "csv")
    assert [f"alpha={value}" in table for value in ("0.0", "0.5", "2.5")] == [True] * 3
    frame = shell(sys.executable, "-c", PYTHON)
    assert frame.split() == ["6", "[0.0,", "0.5,", "2.5]", "(2,)"]


PYTHON = """
from pathlib import Path
import numpy as np
import smore_sweep
runs = smore_sweep.results("wall.py", source="mine")
print(len(runs), sorted(set(runs.alpha)), smore_sweep.load_policy(runs.run_id[0]).act(np.zeros(2), np.zeros(2)).shape)
"""


def test_its_policy_is_played(shell: Shell) -> None:
    run_id = sorted(path.name for path in (shell.folder / "output" / "runs").iterdir())[0]
    assert "1 episode" in shell.sweep("play", "Wall", "--policy", run_id, "--file", "wall.py")
    assert (shell.folder / "output" / "play" / f"Wall-{run_id}.gif").exists()
    unknown = shell.sweep("play", "Wall", "--policy", run_id, expect=2)
    assert "unknown task 'Wall'" in unknown


def test_its_method_is_listed_and_trained_alone(shell: Shell) -> None:
    assert "from td3bc import TD3BC" in shell.sweep("methods", "td3bc", "--file", "wall.py")
    options = ["--updates", "20", "--batch-size", "16", "--scale", "small", "--set", "hidden=8"]
    where = ["--source", "mine", "--file", "wall.py", "--results", "alone"]
    assert "done after 20 updates" in shell.sweep("train", "--method", "TD3+BC", "--task", "Wall", *options, *where)


LATE = """
_calls = []


def _late() -> float:
    _calls.append(None)
    return 0.0 if len(_calls) < 20 else float("nan")
"""


def test_workers_import_the_sweeps_own_folder_and_not_the_current_one(shell: Shell) -> None:
    """A copy of the project in a folder of its own, whose loss goes wrong; the current folder has the right one."""
    variant = shell.folder / "variant"
    variant.mkdir()
    for name in ("wall.py", "world.py", "td3bc.py"):
        shutil.copy(EXAMPLE / name, variant)
    text = (variant / "td3bc.py").read_text()
    (variant / "td3bc.py").write_text(text.replace("(values - targets)", "(values - targets + _late())") + LATE)
    options = ["--seeds", "1", "--updates", "100", "--results", "other", "--set", "alpha=0.5"]
    assert "1 diverged" in shell.sweep("run", "variant/wall.py", "--source", "mine", *options)


def test_a_changed_line_is_noticed(shell: Shell) -> None:
    method = shell.folder / "td3bc.py"
    text = method.read_text()
    assert _counts(shell) == (6, 0, [])
    method.write_text(text.replace('"""TD3+BC (', '"""My TD3+BC ('))
    assert _counts(shell) == (6, 0, [])
    method.write_text(text.replace("square().mean(-1).sum(0)", "abs().mean(-1).sum(0)"))
    said = "td3bc.py has changed since 6 runs were made; --retrain makes them again, --keep accepts them as they are"
    assert _counts(shell) == (6, 0, [said])
    assert said in shell.sweep("run", "wall.py", "--source", "mine", expect=2)
    shown = shell.sweep("tables", "--sweep", "wall.py", "--source", "mine", "--format", "markdown")
    assert "td3bc.py has changed since 6 of these runs were made." in shown
    table = shell.sweep("run", "wall.py", "--source", "mine", "--keep")
    assert "All 6 runs are done" in table
    assert "6 of these runs were made, and --keep has accepted them" in " ".join(table.split())
    assert _counts(shell) == (6, 0, [])
    method.write_text(text.replace("square().mean(-1).sum(0)", "mean()"))
    broken = shell.sweep("run", "wall.py", "--source", "mine", "--retrain", expect=2)
    assert "TD3BC.losses: 'critic' of its losses has shape []" in broken
    assert _counts(shell)[0] == 6  # and nothing is lost
    method.write_text(text)


def test_runs_are_made_again(shell: Shell) -> None:
    world = shell.folder / "world.py"
    world.write_text(world.read_text().replace("STEP, WALL, GAP = 0.1, 0.0, 0.5", "STEP, WALL, GAP = 0.1, 0.0, 0.6"))
    assert "world.py has changed since 6 runs were made" in shell.sweep("plan", "wall.py", "--source", "mine")
    assert "All 6 runs are done" in shell.sweep("run", "wall.py", "--source", "mine", "--retrain")
    assert _counts(shell) == (6, 0, [])
    runs = list((shell.folder / "output" / "runs").iterdir())
    assert all((run / "done.npz").exists() and (run / "done.npz.replaced").exists() for run in runs)
    client = MlflowClient(f"sqlite:///{shell.folder / 'output' / 'mlflow.db'}")
    assert len(client.search_runs([client.get_experiment_by_name("wall").experiment_id])) == 6  # type: ignore[union-attr]
