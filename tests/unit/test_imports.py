"""Who may import whom (docs: the layout in the README), read from the source; and what is loaded when looking only."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("smore_sweep", "baselines", "sweeps", "analysis")


def imports(path: Path) -> set[str]:
    """Modules that a file imports when it runs (not those for type checking only)."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{name.name}" for name in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def importers(module: str) -> set[str]:
    """Files that import a module or something in it."""
    files = [path for part in PARTS for path in (ROOT / part).rglob("*.py")]
    return {
        str(path.relative_to(ROOT))
        for path in files
        if any(name == module or name.startswith(f"{module}.") for name in imports(path))
    }


def test_who_knows_ray_and_who_mlflow() -> None:
    # The client of the job server is a file of its own: submitting needs neither torch nor Tune, as the trainable does.
    assert importers("ray") == {"smore_sweep/execution/trainable.py", "smore_sweep/execution/jobs.py"}
    assert not {
        name
        for name in imports(ROOT / "smore_sweep/execution/jobs.py")
        if name.startswith("smore_sweep.execution.trainable")
    }
    assert importers("mlflow") == {"smore_sweep/results/tracking.py"}


def test_the_platform_never_imports_baselines() -> None:
    """It looks at the folder's files when it needs them (:mod:`smore_sweep.discovery`), and names none."""
    assert not {path for path in importers("baselines") if path.startswith(("smore_sweep/", "analysis/"))} - {
        "smore_sweep/discovery.py"
    }


@pytest.mark.parametrize("path", ["smore_sweep/spec.py", "smore_sweep/method.py"])
def test_declarations_need_the_standard_library_only(path: str) -> None:
    outside = {name for name in imports(ROOT / path) if name.split(".")[0] in ("torch", "numpy", "ray", "mlflow")}
    inside = {name for name in imports(ROOT / path) if name.startswith("smore_sweep.")}
    assert not outside
    assert all(name.startswith(("smore_sweep.method", "smore_sweep.errors")) for name in inside)


def test_training_knows_neither_ray_nor_any_method() -> None:
    for path in ("smore_sweep/training/loop.py", "smore_sweep/training/learner.py"):
        assert not any(
            name.startswith(("ray", "mlflow", "smore_sweep.smore", "baselines")) for name in imports(ROOT / path)
        )


def test_analysis_needs_no_torch() -> None:
    assert not any(path.startswith("analysis/") for path in importers("torch"))


@pytest.mark.parametrize(
    "call",
    [
        "from smore_sweep.cli.main import main; main(['plan', 'all', '--scale', 'smoke', '--results', {folder!r}])",
        "from smore_sweep.cli.main import main; main(['methods'])",
        "from analysis.tables import main; main(['--results', {folder!r}])",
        "from analysis.selection import main; main(['--results', {folder!r}])",
    ],
)
def test_looking_needs_no_torch(call: str, tmp_path: Path) -> None:
    """It takes seconds to load; sweeps and methods name it, and get it when they train."""
    code = f"import sys; {call.format(folder=str(tmp_path))}; sys.exit('torch' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 0, made.stderr
