"""The targets of the Makefile: which variables they take, and which command they call."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.main import get_command

from smore_sweep.cli.main import app

ROOT = Path(__file__).parents[2]
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "SWEEP", "RESULTS")


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make on a copy of the Makefile, as from a fresh shell."""
    shutil.copy(ROOT / "Makefile", folder)
    environment = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
    return subprocess.run(["make", *words], cwd=folder, capture_output=True, text=True, check=False, env=environment)


def called(folder: Path, *words: str) -> list[str]:
    """Return the words with which a target calls ``smore-sweep``, in an environment that seems installed."""
    for name in ("pyproject.toml", "constraints.txt"):
        (folder / name).touch()
    tools = folder / ".venv" / "bin"
    tools.mkdir(parents=True, exist_ok=True)
    (tools / "smore-sweep").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (tools / "smore-sweep").chmod(0o755)
    (folder / ".venv" / ".ready").touch()
    done = make(folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            "plan TASK=FetchReach",
            "make plan has no variable TASK; it has: PYTHON, SWEEP, SCALE, TASKS, METHODS, SEEDS, SET, UPDATES, "
            "SOURCE, RESULTS, EXPORTED.",
        ),
        ("plan METHOD=smore TASK=x", "make plan has no variable METHOD, TASK; it has: "),
        ("tasks SWEEP=main", "make tasks has no variable SWEEP; it has: PYTHON."),
        ("test SEED=1", "make test has no variable SEED; it has: PYTHON."),
        ("SWEEP=main", "make help has no variable SWEEP; it has: PYTHON."),
        ("-n plan VENV=elsewhere", "make plan has no variable VENV; it has: "),
    ],
)
def test_an_unknown_variable_is_refused_before_anything_is_installed(words: str, sentence: str, tmp_path: Path) -> None:
    done = make(tmp_path, *words.split())
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["Makefile"]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["sweep"], "run quickstart"),
        (["sweep", "SWEEP=main", "SCALE=paper", "TASKS=Reacher,FetchPush", "STACK_SIZE=3", "GPUS_PER_STACK=0.5"],
         "run main --scale paper --tasks Reacher,FetchPush --gpus-per-stack 0.5 --stack-size 3"),
        (["plan", "METHODS=smore", "SEEDS=0,3-5", "UPDATES=20000"],
         "plan quickstart --methods smore --seeds 0,3-5 --updates 20000"),
        (["plan", "SWEEP=all", "RESULTS=s3://bucket/prefix"], "plan all --results s3://bucket/prefix"),
        (["status"], "status"),
        (["status", "SWEEP=mine.py"], "status mine.py"),
        (["submit", "FOLLOW=job"], "submit quickstart --follow job"),
        (["submit", "CANCEL=job", "JOBS_ADDRESS=http://h:1"],
         "submit quickstart --jobs-address http://h:1 --cancel job"),
        (["submit", "SWEEP=main", "RESULTS=/r", "DETACH=1"], "submit main --results /r --detach"),
        (["slurm", "SWEEP=main", "ARRAY=4", "TIME=1-0", "DRY_RUN=1"],
         "submit main --slurm --array 4 --time 1-0 --dry-run"),
        (["data", "TASK=Reacher", "EPISODES=5"], "data make Reacher --episodes 5"),
        (["doctor", "OUTPUT=reports"], "doctor --output reports"),
        (["experts", "TASKS=Reacher,FetchPush"], "experts Reacher FetchPush"),
        (["play", "TASK=Reacher", "POLICY=8e3f"], "play Reacher --policy 8e3f"),
        (["tables", "SWEEP=mine.py"], "tables --sweep mine.py"),
        (["tables", "TABLE=2 9", "SOURCE=wgcsl"], "tables --source wgcsl --table 2 9"),
        (["figures", "SWEEP=mine.py", "X=temperature", "PLAIN=1"], "figures --sweep mine.py --x temperature --plain"),
        (["report", "SCALE=paper"], "report --sweep quickstart --scale paper"),
        (["export", "TO=elsewhere"], "export --to elsewhere"),
        (["methods"], "methods"),
        (["methods", "METHOD=smore"], "methods smore"),
        (["bench", "METHOD=all"], "bench --method all"),
        (["tasks"], "tasks"),
        (["verify", "RESULTS=results", "RETRAIN=2"], "verify --retrain 2 --results results"),
    ],
)  # fmt: skip
def test_a_target_is_a_command(words: list[str], command: str, tmp_path: Path) -> None:
    assert called(tmp_path, *words) == command.split()


def test_a_value_is_one_word(tmp_path: Path) -> None:
    notify = 'curl -d "it\'s done" $$HOME'
    assert called(tmp_path, "sweep", f"NOTIFY={notify}", "RESULTS=my results") == [
        "run", "quickstart", "--results", "my results", "--notify", notify.replace("$$", "$")
    ]  # fmt: skip


def test_several_knobs_are_one_word(tmp_path: Path) -> None:
    knobs = "smore.beta=0.5,0.7 temperature=1,3"
    assert called(tmp_path, "status", "SWEEP=main", f"SET={knobs}") == ["status", "main", "--set", knobs]


def test_every_variable_is_an_option_of_its_command() -> None:
    makefile = (ROOT / "Makefile").read_text()
    commands = vars(get_command(app))["commands"]
    renamed = {"sweep": "run", "slurm": "submit"}
    for target in (
        "sweep",
        "submit",
        "slurm",
        "plan",
        "status",
        "experts",
        "play",
        "videos",
        "ui",
        "bench",
        "methods",
        "verify",
    ):
        (line,) = re.findall(rf"^{target}: .*## (.*)", makefile, re.MULTILINE)
        names = {name.lower() for name in re.findall(r"([A-Z_]+)=", line)}
        params = commands[renamed.get(target, target)].params
        flags = {flag.removeprefix("--").replace("-", "_") for option in params for flag in option.opts}
        assert names <= flags, target
