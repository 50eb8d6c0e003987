"""Scripts whose output cannot be written end with one sentence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis import figures, report, results, tables
from smore_sweep.discovery import load_sweep
from tests.finished import finish

SWEEP = ["--sweep", "coverage_ablation", "--scale", "smoke"]


@pytest.mark.parametrize(
    ("script", "options", "name"),
    [
        (tables, SWEEP, "table_02_smoke.tex"),
        (report, SWEEP, "coverage_ablation_smoke.html"),
        (figures, [*SWEEP, "--x", "expert_share"], "coverage_ablation_expert_share_smoke.pdf"),
        (results, ["--scale", "laptop"], "RESULTS.md"),
    ],
)
def test_a_file_in_the_way_is_named(
    script: object,
    options: list[str],
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    finish(tmp_path / "output", load_sweep("coverage_ablation").expand("smoke")[:3])
    monkeypatch.setattr(figures, "draw", lambda *_: None)
    monkeypatch.setattr(report, "page", lambda _: "")
    monkeypatch.setattr(results, "page", lambda *_: "")
    monkeypatch.setattr(results, "finished", lambda *_: {"coverage_ablation": pd.DataFrame()})
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "folder" / name
    output = path if script is results else path.parent
    command = [*options, "--results", str(tmp_path / "output"), "--output", str(output)]
    assert script.main(command) == 2  # type: ignore[attr-defined]
    assert capsys.readouterr().err == f"{path} cannot be written: Not a directory\n"
