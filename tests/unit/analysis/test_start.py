"""Scripts start by their path from any folder, and as modules from the repository's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCRIPTS = sorted(path.stem for path in (ROOT / "analysis").glob("[a-z]*.py"))


def start(command: list[str], folder: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.run(
        [sys.executable, *command, "--help"],
        capture_output=True, text=True, check=True, cwd=folder, env=environment,
    )  # fmt: skip
    return process.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_starts_by_its_path(script: str, tmp_path: Path) -> None:
    assert start([str(ROOT / "analysis" / f"{script}.py")], tmp_path).startswith(f"usage: {script}.py")


def test_a_script_starts_as_a_module() -> None:
    assert start(["-m", "analysis.tables"], ROOT).startswith("usage: tables.py")
