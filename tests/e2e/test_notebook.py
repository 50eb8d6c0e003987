"""The notebook runs from its first cell to its last."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebooks" / "from_python.ipynb"


def texts(cell: nbformat.NotebookNode) -> str:
    return "\n".join(
        str(output.get("data", {}).get("text/plain", ""))
        for output in cell["outputs"]
        if output["output_type"] == "execute_result"
    )


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    notebook = nbformat.reads(NOTEBOOK.read_text(encoding="utf-8"), as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(NOTEBOOK.parent)}})
    done = client.execute()
    cells = [cell for cell in done["cells"] if cell["cell_type"] == "code"]
    assert "SMORe temperature=0.1" in texts(cells[0])
    assert "missing" in texts(cells[2])
    assert texts(cells[4]).count("done") == 2
    assert texts(cells[5]).startswith("{20: ")
    assert texts(cells[6]).startswith("((2,), ")
