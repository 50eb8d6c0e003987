"""LaTeX tables fit on their pages."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from analysis.rendering import latex
from analysis.rendering.layout import layout
from tests.golden.made_up import TITLE, frame

NAMES = ("A", "GoFAR (expectile loss+AWR)", "TD3BC behaviour_weight=0.00025", "MMMM WWWWWWWWWWWWW=MMMMMMMMM")


def table(columns: int, name: str) -> str:
    """Make a table of as many methods with one expert share."""
    runs = frame()
    runs = runs[(runs["method"] == "SMORe") & (runs["expert_share"] == 0.05)].assign(method="Mine")
    copies = [runs.assign(label=f"{name} k={number}", return99=runs["return99"] - number) for number in range(columns)]
    return latex.table(layout(pd.concat(copies), "return99", TITLE, widest=latex.TURNED))


def environments(text: str) -> list[str]:
    return [
        line.split("{")[1].split("}")[0] for line in text.splitlines() if line.startswith(r"\begin{") and "tab" in line
    ]


def test_a_table_is_turned_when_it_is_wide_and_cut_when_it_is_too_wide() -> None:
    assert environments(table(4, "A"))[::2] == ["table"]
    assert environments(table(9, "A"))[::2] == ["sidewaystable"]
    assert environments(table(4, NAMES[2]))[::2] == ["table"]
    assert environments(table(5, NAMES[2]))[::2] == ["sidewaystable"]
    assert environments(table(10, NAMES[2]))[::2] == ["sidewaystable", "sidewaystable"]
    text = table(12, NAMES[1])
    assert all(text.count(rf"k={number}}}") == 1 for number in range(12))
    assert text.count(r"\caption{") == 1


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="no LaTeX here")
def test_no_box_is_overfull(tmp_path: Path) -> None:
    tables = [table(columns, name) for columns in range(1, 15) for name in NAMES]
    assert any("sidewaystable" in text for text in tables)
    (tmp_path / "all.tex").write_text(latex.document(tables), encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    log = (tmp_path / "all.log").read_text(encoding="latin-1")
    assert made.returncode == 0, log[-2000:]
    assert "Overfull" not in log
    assert "too large" not in log
