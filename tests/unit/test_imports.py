"""Who may import whom (docs: the layout in the README): read from the source, nothing is run."""

from __future__ import annotations

import ast
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


def test_one_file_knows_ray_and_one_knows_mlflow() -> None:
    assert importers("ray") == {"smore_sweep/trainable.py"}
    assert importers("mlflow") == {"smore_sweep/tracking.py"}


def test_the_platform_never_imports_baselines() -> None:
    """It looks at the folder's files when it needs them (:mod:`smore_sweep.catalogue`), and names none."""
    assert not {path for path in importers("baselines") if path.startswith(("smore_sweep/", "analysis/"))} - {
        "smore_sweep/catalogue.py"
    }


@pytest.mark.parametrize("path", ["smore_sweep/spec.py", "smore_sweep/method.py"])
def test_declarations_need_the_standard_library_only(path: str) -> None:
    outside = {name for name in imports(ROOT / path) if name.split(".")[0] in ("torch", "numpy", "ray", "mlflow")}
    inside = {name for name in imports(ROOT / path) if name.startswith("smore_sweep.")}
    assert not outside
    assert all(name.startswith("smore_sweep.method") for name in inside)


def test_training_knows_neither_ray_nor_any_method() -> None:
    for path in ("smore_sweep/train.py", "smore_sweep/learner.py"):
        assert not any(
            name.startswith(("ray", "mlflow", "smore_sweep.smore", "baselines")) for name in imports(ROOT / path)
        )


def test_analysis_needs_no_torch() -> None:
    assert not any(path.startswith("analysis/") for path in importers("torch"))
