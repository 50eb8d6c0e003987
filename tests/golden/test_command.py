"""The command ``python analysis/tables.py``: its files in every format, and the requests that it refuses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from analysis import tables
from baselines.gcsl import GCSL
from smore_sweep.method import method
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.spec import Grid, Scale, Sweep
from tests.golden.made_up import HERE, TITLE, frame


@method
class Nothing(GCSL):
    name = "SMORe"


BUDGET = Budget(
    episodes=100, updates=100, batch_size=100, evaluate_every=100, evaluation_episodes=100, final_episodes=100
)
SCALES = {"laptop": Scale(tasks=["Reacher"], seeds=1, budget=BUDGET)}


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Three sweeps with the made-up frame as their runs; returns the folder of results."""

    def sweep(name: str) -> Sweep:
        grid = Grid(methods=[Nothing()], tasks=["Reacher"], expert_share=[0.05])
        return Sweep(name=name, description=TITLE, grids=[grid], scales=SCALES)

    def load(runs: Sequence[RunSpec], results: Path) -> pd.DataFrame:
        assert results == tmp_path
        assert len(runs) == 1
        loaded = frame().assign(source=runs[0].source)
        return loaded if (tmp_path / "finished").exists() else loaded.assign(status="missing")

    results = ModuleType("analysis.frames.runs")
    results.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analysis.frames.runs", results)
    monkeypatch.setattr(tables, "sweep_names", lambda: ["made_up", "tuning", "coverage_ablation"])
    monkeypatch.setattr(tables, "load_sweep", sweep)
    (tmp_path / "finished").touch()
    return tmp_path


def test_latex_is_written_whole(sweeps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every table of the paper and every other sweep is written, except model selection."""
    output = tmp_path / "new" / "tables"
    assert tables.main(["--results", str(sweeps), "--output", str(output)]) == 0
    written = ["table_02_laptop.tex", "made_up_laptop.tex", "all.tex"]
    assert capsys.readouterr().out.split() == [str(output / name) for name in written]
    assert sorted(path.name for path in output.iterdir()) == sorted(written)
    assert (output / "made_up_laptop.tex").read_bytes() == (HERE / "return99.tex").read_bytes()
    whole = (output / "all.tex").read_text()
    assert all((output / name).read_text() in whole for name in written[:2])


def test_a_source_has_tables_of_its_own_and_captions_name_it(sweeps: Path, tmp_path: Path) -> None:
    request = ["--results", str(sweeps), "--output", str(tmp_path), "--source", "wgcsl", "--sweep", "made_up"]
    assert tables.main(request) == 0
    assert sorted(path.name for path in tmp_path.glob("*.tex")) == ["all_wgcsl.tex", "made_up_laptop_wgcsl.tex"]
    own = (HERE / "return99.tex").read_text()
    assert own.count("(generated data)") == 1
    assert (tmp_path / "made_up_laptop_wgcsl.tex").read_text() == own.replace("(generated data)", "(wgcsl data)")


def test_other_formats_are_printed(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = ["--sweep", "made_up"]
    table = ["--table", "2", "--holm", "--compare"]
    for which, start in ((sweep, "return99"), (table, "table_02")):
        request = ["--results", str(sweeps), *which, "--scale", "laptop", "--format"]
        for name, suffix in (("markdown", "md"), ("csv", "csv"), ("terminal", "txt")):
            assert tables.main([*request, name]) == 0
            assert capsys.readouterr().out.rstrip("\n") == (HERE / f"{start}.{suffix}").read_text().rstrip("\n")


def test_another_metric_has_a_file_of_its_own(sweeps: Path, tmp_path: Path) -> None:
    request = ["--results", str(sweeps), "--output", str(tmp_path), "--metric", "success"]
    assert tables.main([*request, "--table", "2"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.tex")) == ["all.tex", "table_02_laptop_success.tex"]
    assert "Success rate" in (tmp_path / "table_02_laptop_success.tex").read_text()


def test_tables_that_differ_in_the_metric_only_are_one_when_it_is_given(sweeps: Path, tmp_path: Path) -> None:
    """Tables 1, 10 and 11."""
    request = ["--results", str(sweeps), "--output", str(tmp_path), "--sweep", "main"]
    assert tables.main(request) == 0
    made = {path.name: path.read_text() for path in tmp_path.glob("table_*.tex")}
    assert sorted(made) == ["table_01_laptop.tex", "table_10_laptop.tex", "table_11_laptop.tex"]
    for number, title in (("01", "Discounted return (0.99)"), ("10", "Success rate"), ("11", "Final distance")):
        assert f"\n{title}" in made[f"table_{number}_laptop.tex"]
        (tmp_path / f"table_{number}_laptop.tex").unlink()
    assert tables.main([*request, "--metric", "success"]) == 0
    assert sorted(path.name for path in tmp_path.glob("table_*.tex")) == ["table_01_laptop_success.tex"]


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (
            ["--metric", "return"],
            "there is no metric 'return'; the valid ones are: return99, return98, return999, success, final_",
        ),
        (["--format", "html"], "there is no format 'html'; the valid ones are: latex, markdown, csv, terminal, json\n"),
        (["--source", "the web"], "source 'the web' is not valid; use lower-case letters, digits, - and _\n"),
        (["--scale", "huge"], "there is no scale 'huge'; the valid ones are: laptop\n"),
        (
            ["--table", "2", "3"],
            "there is no table '3'; the valid ones are: 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16\n",
        ),
        (["--table", "2", "--scale", "huge"], "sweep coverage_ablation has no scale 'huge'; its scales are: laptop\n"),
        (["--sweep", "made_up", "--scale", "huge"], "sweep made_up has no scale 'huge'; its scales are: laptop\n"),
    ],
)
def test_wrong_requests_are_refused_in_one_line(
    sweeps: Path, capsys: pytest.CaptureFixture[str], request_: list[str], line: str
) -> None:
    assert tables.main(["--results", str(sweeps), *request_]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1
    assert not said.out


def test_no_finished_run_says_what_to_do(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (sweeps / "finished").unlink()
    assert tables.main(["--results", str(sweeps)]) == 1
    assert "run: make sweep SWEEP=quickstart" in capsys.readouterr().err
    assert tables.main(["--results", str(sweeps), "--sweep", "made_up"]) == 1
    assert "run: make sweep SWEEP=made_up" in capsys.readouterr().err
    assert tables.main(["--results", str(sweeps), "--table", "2"]) == 1
    assert "run: make sweep SWEEP=coverage_ablation" in capsys.readouterr().err
    assert tables.main(["--results", str(sweeps / "nowhere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
