"""The commands and their help, completion in the shell, and what looking costs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from smore_sweep.cli import complete
from smore_sweep.cli.main import app, main
from smore_sweep.cli.scripts import SCRIPTS
from smore_sweep.tasks import SHIPPED

ROOT = Path(__file__).parents[3]
HEAVY = ("torch", "ray", "mlflow", "matplotlib", "pandas", "gymnasium", "mujoco", "h5py")
COMMANDS = (
    "run", "submit", "work", "plan", "status", "train", "methods", "tasks", "experts", "play", "videos", "ui", "bench",
    "data", "doctor", "verify", "tables", "figures", "claims", "report", "results", "select", "export",
)  # fmt: skip


def test_every_command_is_listed() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    lines = result.stdout.partition("Commands:")[2].splitlines()
    assert {line.split()[0] for line in lines if line.strip()} == set(COMMANDS)
    assert "..." not in result.stdout.partition("Commands:")[2]  # no help is cut


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    printed = capsys.readouterr()
    assert f"smore-sweep {command} " in printed.out
    assert not printed.err


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (
            "run",
            "scale seeds tasks methods set updates source results address gpus-per-stack stack-size notify mirror "
            "exported seeds-for retrain keep keep-learner search metric budget json",
        ),
        (
            "submit",
            "scale seeds tasks methods set updates source results jobs-address detach follow cancel gpus-per-stack "
            "stack-size notify slurm array nodes cpus-per-task gpus-per-task memory time partition account no-requeue "
            "sbatch image dry-run keep-learner",
        ),
        (
            "work",
            "scale seeds tasks methods set updates source results exported gpus-per-stack stack-size processes grace",
        ),
        ("plan", "scale seeds tasks methods set updates source results exported json"),
        ("status", "scale seeds tasks methods set updates source results json"),
        ("train", "method task seed expert-share set scale updates episodes batch-size source results mirror file"),
        ("experts", "episodes"),
        ("methods", "file"),
        ("play", "policy episodes seed output sheet results file"),
        ("videos", "scale source results"),
        ("ui", "port results"),
        ("bench", "batch-size method only"),
        ("doctor", "output results"),
        ("verify", "results retrain seed tasks"),
    ],
)
def test_the_options_of_a_command(command: str, options: str) -> None:
    commands = vars(get_command(app))["commands"]
    names = {flag for option in commands[command].params for flag in option.opts if flag.startswith("--")}
    assert names == {f"--{option}" for option in options.split()}


def test_scripts_are_called_with_their_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    from analysis import tables

    calls: list[list[str]] = []

    def remember(argv: list[str]) -> int:
        calls.append(argv)
        return 1

    monkeypatch.setattr(tables, "main", remember)
    before = list(sys.argv)
    words = ["--table", "2", "9", "--results", "r", "--holm"]
    assert main(["tables", *words]) == 1
    assert calls == [words]
    assert sys.argv == before


def test_every_script_exists() -> None:
    for module, _ in SCRIPTS.values():
        assert (ROOT / f"{module.replace('.', '/')}.py").is_file()


def test_names_are_completed() -> None:
    assert "quickstart" in complete.sweeps()
    assert {"all", "quickstart"} <= set(complete.plans())
    assert complete.tasks() == list(SHIPPED)
    assert "smore" in complete.methods()
    assert "Reacher,FetchPush" in complete.task_list("Reacher,Fe")


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("smore-sweep pl", {"plan", "play"}),
        ("smore-sweep plan quick", {"quickstart"}),
        ("smore-sweep play SawyerD", {"SawyerDoor"}),
        ("smore-sweep methods smore_", {"smore_action_free", "smore_actor_critic"}),
        ("smore-sweep run quickstart --tasks Reacher,PointRe", {"Reacher,PointReach"}),
        ("smore-sweep run quickstart --scale la", {"laptop"}),
    ],
)
def test_the_shell_completes(typed: str, completed: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "_SMORE_SWEEP_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "smore_sweep"], capture_output=True, text=True, check=False, cwd=ROOT,
        env=os.environ | variables,
    )  # fmt: skip
    assert set(done.stdout.split()) == completed, done.stderr


def test_completion_can_be_installed() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert "--install-completion" in result.stdout


@pytest.mark.parametrize(
    "words", ["--help", "plan --help", "plan quickstart --results nowhere", "status --results nowhere", "tasks"]
)
def test_looking_is_light(words: str, tmp_path: Path) -> None:
    code = (
        "import sys; from smore_sweep.cli.main import main; code = main(sys.argv[1:]);"
        f"sys.exit(code or ' '.join(set({HEAVY}) & set(sys.modules)) or None)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, *words.split()], capture_output=True, text=True, check=False, cwd=tmp_path,
        env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
