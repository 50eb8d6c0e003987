"""The built wheel holds all that a run needs: installed outside any checkout, it runs the quickstart at smoke scale."""

from __future__ import annotations

import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "smore_sweep", "baselines", "sweeps", "analysis")
READ = {".py", ".typed", ".xml", ".npz", ".csv", ".j2", ".css", ".md"}
"""Kinds of files that the packages read when they run."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy of what git has of the sources."""
    tree = tmp_path_factory.mktemp("tree")
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=ignored)
        else:
            shutil.copy(source, tree)
    _pip(tree, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tree / "dist"), str(tree))
    (built,) = (tree / "dist").glob("smore_sweep-*.whl")
    return built


def _pip(where: Path, *words: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "pip", "--quiet", *words]
    done = subprocess.run(command, cwd=where, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_wheel_holds_every_module_and_data_file_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    packages = SOURCES[SOURCES.index("smore_sweep") :]
    files = {path for name in packages for path in (ROOT / name).rglob("*") if path.suffix in READ}
    assert {"py.typed", "ant-expert.npz", "tuned.csv", "page.html.j2"} <= {path.name for path in files}
    assert {str(path.relative_to(ROOT)) for path in files} <= names
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == set(packages)


def test_the_wheel_has_kernels_where_a_compiler_is(wheel: Path) -> None:
    if shutil.which("c++") is None:
        pytest.skip("there is no C++ compiler")
    assert [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".so")]


def test_an_installed_wheel_runs_the_quickstart_outside_any_checkout(wheel: Path, tmp_path: Path) -> None:
    """The libraries are those of this environment, beside the wheel; pip checks that they satisfy it."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    python = environment / "bin" / "python"
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    there = ("--python", str(python), "install", "--no-index")
    _pip(tmp_path, *there, "--no-deps", "--ignore-installed", str(wheel))
    _pip(tmp_path, *there, "--dry-run", str(wheel))  # fails where a requirement is not met
    home = tmp_path / "home"
    home.mkdir()
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MINARI", "MLFLOW"))}

    def run(*words: str) -> str:
        done = subprocess.run(
            [str(environment / "bin" / words[0]), *words[1:]],
            cwd=home, env={**ours, "HOME": str(home)}, capture_output=True, text=True, check=False, timeout=600,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = run("python", "-c", "import analysis, sweeps, smore_sweep; print(smore_sweep.__file__, sweeps.__file__)")
    assert [Path(word).is_relative_to(environment) for word in where.split()] == [True, True]
    assert "All 12 runs are done" in run("smore-sweep", "run", "quickstart", "--scale", "smoke")
    assert "FetchReach" in run("smore-sweep", "tables", "--sweep", "quickstart", "--scale", "smoke", "--format", "csv")
