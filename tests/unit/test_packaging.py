"""The two locks agree with each other and with pyproject.toml; hooks and workflow call what `make lint` and CI call."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LINES = (ROOT / "constraints.txt").read_text().splitlines()
CONSTRAINTS = {canonicalize_name(name): version for name, version in (line.split("==") for line in LINES)}
LOCK = (ROOT / "uv.lock").read_text()
LOCKED: list[dict[str, Any]] = tomllib.loads(LOCK)["package"]
NOT_CONSTRAINED = re.compile(r"smore-sweep|setuptools|appnope|triton|(cuda|nvidia)-.*")
"""Ourselves, macOS's, and what only PyTorch's wheels with CUDA bring."""


def _requirements() -> list[Requirement]:
    extras: dict[str, list[str]] = PROJECT["optional-dependencies"]
    return [Requirement(line) for lines in (PROJECT["dependencies"], *extras.values()) for line in lines]


def test_constraints_are_sorted_and_pin_what_the_project_names() -> None:
    assert sorted(LINES, key=str.lower) == LINES
    for requirement in _requirements():
        name = canonicalize_name(requirement.name)
        if name != "smore-sweep":
            assert requirement.specifier.contains(CONSTRAINTS[name]), requirement


def test_uv_lock_has_the_versions_of_the_constraints() -> None:
    locked = {package["name"]: package["version"] for package in LOCKED}
    assert len(locked) == len(LOCKED)
    assert {name: locked.get(name) for name in CONSTRAINTS} == CONSTRAINTS, "run .ci/lock"
    assert [name for name in locked if name not in CONSTRAINTS and not NOT_CONSTRAINED.fullmatch(name)] == []


def test_uv_lock_is_of_this_project() -> None:
    (ours,) = (package for package in LOCKED if package["name"] == "smore-sweep")
    metadata = ours["metadata"]
    found = {
        (each["name"], SpecifierSet(each["specifier"])) for each in metadata["requires-dist"] if "specifier" in each
    }
    wanted = {(canonicalize_name(each.name), each.specifier) for each in _requirements() if each.specifier}
    assert found == wanted, "run .ci/lock"
    assert set(metadata["provides-extras"]) == PROJECT["optional-dependencies"].keys()


def test_uv_lock_names_no_host_but_pypis() -> None:
    assert set(re.findall(r"https?://[^/\"]+", LOCK)) == {"https://pypi.org", "https://files.pythonhosted.org"}


def test_the_hooks_are_the_linters_of_make() -> None:
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repo["repo"] == "local"
    hooks = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repo["hooks"]}
    (recipe,) = re.findall(r"^lint:.*\n\t@(.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert hooks == set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe))


@pytest.mark.parametrize("script", [".ci/run", ".ci/lock"])
def test_scripts_of_ci_can_be_called(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)


def test_the_workflow_calls_the_script_of_ci() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    (job,) = workflow["jobs"].values()
    assert job["steps"][-1] == {"run": ".ci/run"}
    versions = [step["with"]["python-version"] for step in job["steps"] if "setup-python" in step.get("uses", "")]
    assert versions == [(ROOT / ".python-version").read_text().strip()]
