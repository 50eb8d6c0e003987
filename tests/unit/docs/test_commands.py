"""Every command of the documentation is one that the present programs take: parsed, never run."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from smore_sweep import discovery
from smore_sweep.cli.main import app
from smore_sweep.cli.scripts import SCRIPTS, run_script
from smore_sweep.tasks import task
from tests.unit.docs.pages import ROOT, Command, commands
from tests.unit.test_makefile import called

ALL = commands()
MAKEFILE = (ROOT / "Makefile").read_text()
RECIPES = dict(re.findall(r"^([a-z]+):[^\n]*\n((?:\t[^\n]*\n)+)", MAKEFILE, re.MULTILINE))
VARIABLES = {
    goal: re.findall(r"([A-Z][A-Z_]*)=", line) for goal, line in re.findall(r"^([a-z]+):(.*)", MAKEFILE, re.MULTILINE)
}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
UNCHECKED = {"cd", "echo", "export", "nvidia-cuda-mps-control", "pipx", "scancel", "squeue"}
"""Of the shell, or of what is not installed here, and without a file or an option of ours."""
FOREIGN = {"docker", "kubectl", "apptainer"}
"""Not installed here: the files that their commands name must exist."""
SWEEPS = {*discovery.sweep_names(), "all", "", "SWEEP"}
"""Names of sweeps, no name, and the word for one."""


def of(*programs: str) -> list[Command]:
    return [command for command in ALL if command.program in programs]


def test_the_table_of_sweeps_has_them_all_with_their_scales_the_default_first() -> None:
    table = (ROOT / "docs" / "guide" / "declaring.md").read_text().split("| sweep | what it is | scales |")[1]
    told = {
        name: re.findall(r"`(\w+)`", row.split("|")[3])
        for row in table.split("\n\n")[0].splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split("|")[1])
    }
    declared = {sweep.name: sweep for sweep in discovery.all_sweeps(None)}
    assert told.keys() == declared.keys()
    for name, sweep in declared.items():
        assert told[name][0] == sweep.scale(None)
        assert sorted(["smoke", *told[name]]) == sorted(sweep.scales)


def test_there_is_no_program_that_these_tests_do_not_know() -> None:
    known = {"make", "smore-sweep", "pytest", "python", "pip", "uv", "ray", *FOREIGN, *UNCHECKED}
    assert {command.program for command in ALL} <= known | {".ci/lock"}


def by_page(*programs: str) -> list[Any]:
    """Return a parameter per page: its commands of these programs."""
    pages: dict[str, list[Command]] = {}
    for command in of(*programs):
        pages.setdefault(command.page, []).append(command)
    return [pytest.param(mine, id=page) for page, mine in pages.items()]


@pytest.mark.parametrize("commands", by_page("make"))
def test_make_takes_it_and_calls_a_command_that_exists(commands: list[Command], tmp_path: Path) -> None:
    for command in commands:
        goals = [word for word in command.words[1:] if "=" not in word]
        variables = [word for word in command.words[1:] if "=" in word]
        for goal in goals:
            mine = [word for word in variables if word.split("=")[0] in VARIABLES[goal]]
            assert len(goals) > 1 or mine == variables, command
            if "/smore-sweep" in RECIPES.get(goal, ""):
                check(called(tmp_path, goal, *mine))


@pytest.mark.parametrize("commands", by_page("smore-sweep"))
def test_the_command_line_takes_it(commands: list[Command]) -> None:
    for command in commands:
        check(list(command.words[1:]))


def check(words: list[str]) -> None:
    """Parse the words of ``smore-sweep`` with its own parser, and look up the names in them."""
    node: Any = get_command(app)
    if words[0].startswith("--"):
        assert words[0] == "--install-completion"
        return
    while hasattr(node, "commands"):
        name, *words = words
        node = node.commands[name]
    if node.name in SCRIPTS:
        _check_script(node.name, words)
        return
    if "--help" in words:
        return
    own = "--file" in words
    if own:  # it is imported when it is parsed
        at = words.index("--file")
        assert list((ROOT / "examples").glob(f"*/{words[at + 1]}")), words
        words = words[:at] + words[at + 2 :]
    params = node.make_context(node.name, list(words)).params
    sweep = params.get("sweep") or ""
    assert sweep.endswith(".py") or sweep in SWEEPS, words
    if not own and not sweep.endswith(".py"):
        tasks, methods = (",".join(params.get(several) or []).split(",") for several in ("tasks", "methods"))
        for name in filter(None, [*tasks, params.get("task")]):
            task(name)
        for name in filter(None, [*methods, params.get("method")]):
            if name == "all" and node.name == "bench":
                continue
            discovery.find_method(name)


def _check_script(name: str, words: list[str]) -> None:
    """The scripts of analysis/ declare their options themselves; their help lists them."""
    with pytest.MonkeyPatch.context() as patch:
        shown: list[str] = []
        patch.setattr(
            "argparse.ArgumentParser.print_help", lambda parser, file=None: shown.append(parser.format_help())
        )
        assert run_script(name, SCRIPTS[name][0], ["--help"]) == 0
    for word in words:
        if word.startswith("--"):
            assert word in shown[0] or word == "--help"


@pytest.mark.parametrize("command", of("pytest", "python", ".ci/lock"), ids=str)
def test_its_files_and_modules_exist(command: Command) -> None:
    words = list(command.words)
    if words[1:2] == ["-m"]:
        assert importlib.util.find_spec(words[2])
        return
    files = [word.split(":")[0] for word in words if "/" in word and not word.startswith("-")]
    for file in files:
        assert (ROOT / file.removeprefix(".venv/bin/pytest")).exists(), file


@pytest.mark.parametrize("command", of("pip", "uv"), ids=str)
def test_its_extras_exist(command: Command) -> None:
    line = shlex.join(command.words)
    named = [extra for group in re.findall(r"\.\[([\w,]+)\]", line) for extra in group.split(",")]
    named += re.findall(r"--extra (\w+)", line)
    assert set(named) <= set(EXTRAS)


@pytest.mark.parametrize("command", of(*FOREIGN), ids=str)
def test_files_for_programs_that_are_not_here_exist(command: Command) -> None:
    folder = ROOT if "compose" not in command.words else ROOT / "docker"
    for word in command.words:
        if word.startswith("docker/") or word.endswith((".yaml", ".def")):
            assert (folder / word).exists(), word


def test_ray_takes_its_commands() -> None:
    lines = [list(command.words[1:]) for command in of("ray")]
    assert lines
    program = (
        "import json, sys; from ray.scripts.scripts import cli\n"
        "for words in json.loads(sys.argv[1]): cli.commands[words[0]].make_context(words[0], words[1:])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, json.dumps(lines)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
