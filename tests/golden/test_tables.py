"""The paper's own Table 2, recomputed, and tables rebuilt byte for byte from a small committed frame of made-up runs.

After an intended change, look at the new files that ``python -m tests.golden.test_tables`` writes, and commit them."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from rich.console import Console

from analysis import latex, tables
from analysis.cells import Cell, averages, cells, common_tasks, drops
from analysis.published import beside, cell, published
from smore_sweep.method import Method, method
from smore_sweep.spec import Budget, Grid, RunSpec, Scale, Sweep

HERE = Path(__file__).parent
TITLE = "Made-up numbers: 100% synthetic & of no meaning"


def frame() -> pd.DataFrame:
    return pd.read_csv(HERE / "frame.csv")


def terminal_text(of: pd.DataFrame, metric: str) -> str:
    console = Console(width=tables.WIDTH, file=io.StringIO())
    console.print(tables.terminal(of, metric, TITLE))
    text = console.file
    assert isinstance(text, io.StringIO)
    return text.getvalue()


@cache
def golden() -> dict[str, str]:
    coverage = tables.latex(frame(), "return99", TITLE)
    return {
        "return99.tex": coverage,
        "document.tex": latex.document([coverage, tables.latex(frame(), "final_distance", TITLE)]),
        "return99.md": tables.markdown(frame(), "return99", TITLE),
        "final_distance.md": tables.markdown(frame(), "final_distance", TITLE),
        "return99.csv": tables.csv([("made_up", frame())], "return99"),
        "return99.txt": terminal_text(frame(), "return99"),
    }


@pytest.mark.parametrize("name", golden())
def test_tables_are_rebuilt_byte_for_byte(name: str) -> None:
    assert golden()[name].encode() == (HERE / name).read_bytes()


# The paper's Table 2


def table_2() -> tuple[dict[tuple[float, str], float], dict[tuple[float, str], float]]:
    """Averages and drops, recomputed from the 42 printed cells by the code that makes our tables."""
    printed = published("2").query("metric == 'discounted_return'")
    means: dict[str, dict[tuple[float, str], float]] = {}
    for row in printed.itertuples():
        means.setdefault(row.task, {})[row.expert_share, row.method] = row.mean
    over = [(share, name) for share in (0.05, 0.025, 0.01) for name in ("SMORe", "GoFAR")]
    tasks = common_tasks(means, over)
    assert len(tasks) == 7
    average = averages(means, tasks, over)
    return average, drops(average)


def printed(row: str, share: float, name: str) -> float:
    found = cell("2", row, name, share)
    assert found is not None
    return found[0]


def test_averages_of_the_papers_table_2() -> None:
    average, _ = table_2()
    expected = {
        (0.05, "SMORe"): 25.984,
        (0.05, "GoFAR"): 16.183,
        (0.025, "SMORe"): 23.994,
        (0.025, "GoFAR"): 11.499,
        (0.01, "SMORe"): 21.817,
        (0.01, "GoFAR"): 10.330,
    }
    assert average == pytest.approx(expected, abs=5e-4)
    # Two are printed truncated, not rounded; the others agree.
    truncated = {(0.01, "SMORe"), (0.025, "GoFAR")}
    for (share, name), value in average.items():
        as_printed = printed("Average Performance", share, name)
        assert math.floor(value * 100) / 100 == pytest.approx(as_printed)
        assert (round(value, 2) != pytest.approx(as_printed)) == ((share, name) in truncated)


def test_drops_of_the_papers_table_2() -> None:
    _, drop = table_2()
    expected = {
        (0.05, "SMORe"): 0.0,
        (0.05, "GoFAR"): 0.0,
        (0.025, "SMORe"): -7.66,
        (0.025, "GoFAR"): -28.95,
        (0.01, "SMORe"): -16.04,
        (0.01, "GoFAR"): -36.17,
    }
    assert drop == pytest.approx(expected, abs=6e-3)
    for (share, name), value in drop.items():
        # One drop is printed wrong: -28.4% for -28.95%.
        agrees = value == pytest.approx(printed("Avg. Perf. Drop", share, name), abs=0.1)
        assert agrees == ((share, name) != (0.025, "GoFAR"))
    assert printed("Avg. Perf. Drop", 0.025, "GoFAR") == -28.4


def test_published_cells() -> None:
    assert beside("return99", "Reacher", "SMORe", 0.05) == (22.43, 3.46)
    assert beside("return98", "Reacher", "WGCSL", 0.025) == cell("7", "Reacher", "WGCSL", 0.025)
    assert beside("return99", "Reacher", "GoFAR", 0.1) == (19.74, 1.35)
    assert beside("success", "Reacher", "SMORe", 0.05) is None
    assert cell("13", "SawyerDoor", "GoFAR (sparse reward)", 0.1) is None  # a dash
    assert cell("16", "SawyerDoor", "SMORe", 0.1) is None  # the cell is another share's
    with pytest.raises(ValueError, match="the tables are: 1, 2"):
        published("3")


# What a cell says


def pair(of: pd.DataFrame, metric: str, task: str, share: float) -> list[Cell]:
    return [cell for cell in cells(of, metric) if (cell.task, cell.expert_share) == (task, share)]


def test_too_few_seeds_show_a_dagger_and_no_star() -> None:
    smore, gofar = pair(frame(), "return99", "FetchPush", 0.05)
    assert min(smore.values) > max(gofar.values)
    assert (smore.star, gofar.star) == ("†", "")
    assert smore.p == pytest.approx(0.1)


def test_the_star_stands_with_the_better() -> None:
    assert [cell.star for cell in pair(frame(), "return99", "Reacher", 0.05)] == ["*", ""]
    assert [cell.star for cell in pair(frame(), "return99", "FetchReach", 0.01)] == ["", "*"]


def test_success_is_best_high_and_distance_low() -> None:
    runs = frame()
    for metric in ("success", "final_distance"):
        for task, share in (("Reacher", 0.05), ("FetchReach", 0.01)):
            made = pair(runs, metric, task, share)
            (best,) = [cell for cell in made if cell.best]
            assert best.mean == (max if metric == "success" else min)(cell.mean for cell in made)
            assert best.star == "*"


def test_equal_means_are_both_best() -> None:
    smore, gofar = pair(frame(), "return99", "FetchReach", 0.025)
    assert smore.best
    assert gofar.best
    assert smore.p == 1.0


def test_unfinished_seeds_are_counted() -> None:
    _, gofar = pair(frame(), "return99", "Reacher", 0.025)
    assert gofar.gap == "3 of 5 seeds (1 diverged, 1 partial)"
    assert (gofar.seeds, gofar.tested) == (3, 4)
    smore, gofar = pair(frame(), "return99", "FetchPush", 0.01)
    assert gofar.gap == "0 of 3 seeds (3 missing)"
    assert math.isnan(gofar.mean)
    assert math.isnan(smore.p)
    assert not smore.best  # of one


def test_a_diverged_seed_ranks_last_whatever_the_metric() -> None:
    runs = frame()
    hit = (runs["task"] == "Reacher") & (runs["expert_share"] == 0.05) & (runs["method"] == "SMORe")
    runs.loc[hit, "status"] = "diverged"
    for metric in ("return99", "final_distance"):
        smore, gofar = pair(runs, metric, "Reacher", 0.05)
        assert (smore.star, gofar.star) == ("", "*")
        assert gofar.p == pytest.approx(2 / 252)


def test_scales_are_not_mixed() -> None:
    runs = frame()
    runs.loc[0, "scale"] = "paper"
    with pytest.raises(ValueError, match="one scale; got: paper, laptop"):
        cells(runs, "return99")


def test_changed_knobs_are_methods_of_their_own_and_have_no_published_number() -> None:
    runs = frame()
    runs["label"] = runs["label"].replace("GoFAR", "SMORe beta=0.9")
    smore, changed = pair(runs, "return99", "Reacher", 0.05)
    assert (smore.star, changed.label) == ("*", "SMORe beta=0.9")
    assert smore.published
    assert changed.published is None
    assert r"\shortstack{SMORe\\beta=0.9}" in tables.latex(runs, "return99", TITLE)


def test_wide_tables_are_cut_and_nobody_is_lost() -> None:
    runs = frame()
    more = [runs.assign(label=runs["label"] + f" k={k}") for k in range(4)]
    text = tables.markdown(pd.concat([runs, *more]), "return99", TITLE)
    heads = [line for line in text.splitlines() if line.startswith("| Task")]
    assert all(line.count("|") <= 2 + 6 for line in heads)
    assert sum(line.count("%") for line in heads) == 3 * 10


def test_an_undeclared_cell_is_blank_and_a_missing_one_is_marked() -> None:
    runs = frame()
    runs = runs[(runs["method"] != "GoFAR") | (runs["task"] != "Reacher")]
    text = tables.markdown(runs, "return99", TITLE)
    assert "| Reacher | 20.20 ± 0.16 |  |" in text
    assert "-- [a]" in text
    assert "No average: no task is finished in every column" not in text  # FetchReach is


# The command


@method
class Nothing(Method):
    name = "SMORe"


BUDGET = Budget(
    episodes=100, updates=100, batch_size=100, evaluate_every=100, evaluation_episodes=100, final_episodes=100
)
SCALES = {"laptop": Scale(tasks=["Reacher"], seeds=1, budget=BUDGET)}


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two sweeps, of which ``made_up`` has runs; the folder of results."""

    def sweep(name: str) -> Sweep:
        grid = Grid(methods=[Nothing()], tasks=["Reacher"], expert_share=[0.05])
        return Sweep(name=name, description=TITLE, grids=[grid], scales=SCALES)

    def load(runs: Sequence[RunSpec], results: Path) -> pd.DataFrame:
        assert results == tmp_path
        assert len(runs) == 1
        loaded = frame().assign(source=runs[0].source)
        return loaded if (tmp_path / "finished").exists() else loaded.assign(status="missing")

    results = ModuleType("analysis.results")
    results.load = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "analysis.results", results)
    monkeypatch.setattr(tables, "sweep_names", lambda: ["made_up"])
    monkeypatch.setattr(tables, "load_sweep", sweep)
    (tmp_path / "finished").touch()
    return tmp_path


def test_latex_is_written_whole(sweeps: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "new" / "tables"
    assert tables.main(["--results", str(sweeps), "--output", str(output)]) == 0
    assert sorted(path.name for path in output.iterdir()) == ["all.tex", "made_up_laptop.tex"]
    assert (output / "made_up_laptop.tex").read_bytes() == (HERE / "return99.tex").read_bytes()
    assert capsys.readouterr().out.split() == [str(output / "made_up_laptop.tex"), str(output / "all.tex")]


def test_a_source_has_tables_of_its_own_and_captions_name_it(sweeps: Path, tmp_path: Path) -> None:
    assert tables.main(["--results", str(sweeps), "--output", str(tmp_path), "--source", "wgcsl"]) == 0
    assert sorted(path.name for path in tmp_path.glob("*.tex")) == ["all_wgcsl.tex", "made_up_laptop_wgcsl.tex"]
    own = (HERE / "return99.tex").read_text()
    assert own.count("(generated data)") == 1
    assert (tmp_path / "made_up_laptop_wgcsl.tex").read_text() == own.replace("(generated data)", "(wgcsl data)")


def test_other_formats_are_printed(sweeps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    request = ["--results", str(sweeps), "--sweep", "made_up", "--scale", "laptop", "--format"]
    for name, suffix in (("markdown", "md"), ("csv", "csv"), ("terminal", "txt")):
        assert tables.main([*request, name]) == 0
        assert capsys.readouterr().out.rstrip("\n") == (HERE / f"return99.{suffix}").read_text().rstrip("\n")


@pytest.mark.parametrize(
    ("request_", "line"),
    [
        (
            ["--metric", "return"],
            "there is no metric 'return'; the valid ones are: return99, return98, return999, success, final_",
        ),
        (["--format", "html"], "there is no format 'html'; the valid ones are: latex, markdown, csv, terminal\n"),
        (["--source", "the web"], "source 'the web' is not valid; use lower-case letters, digits, - and _\n"),
        (["--scale", "huge"], "there is no scale 'huge'; the valid ones are: laptop\n"),
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
    assert tables.main(["--results", str(sweeps / "nowhere")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


if __name__ == "__main__":
    for name, text in golden().items():
        (HERE / name).write_text(text, encoding="utf-8")
