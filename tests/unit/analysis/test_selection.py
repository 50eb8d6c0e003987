"""Model selection: the best mean over tuning seeds, with its evidence, from complete cells only."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis import selection
from analysis.frames.model_selection import COLUMNS, TUNING, merge, select
from baselines.am import AM
from baselines.gcsl import GCSL
from baselines.wgcsl import WGCSL
from baselines.xql import GCXQL
from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep, methods, sweep_names
from smore_sweep.envs.points import PointReach
from smore_sweep.errors import UserError
from smore_sweep.method import Method
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid
from smore_sweep.task import Task
from smore_sweep.tasks import declare
from sweeps import _tuned
from sweeps._tuned import AS_METHOD, AS_TASK, FILE, seal, tuned, unseal
from tests.finished import finish

BUDGET = Budget(episodes=100, updates=20, batch_size=8, evaluate_every=10, evaluation_episodes=3, final_episodes=5)
NAN = math.nan


def expand(methods: list[Method], task: str = "FetchReach") -> list[RunSpec]:
    grids = [Grid(methods=methods, tasks=[task], expert_share=[0.1])]
    scale = Scale(tasks=[task], seeds=2, budget=BUDGET, knobs={"hidden": 32})
    return Sweep(name="tuned", description="", grids=grids, scales={"laptop": scale}, first_seed=50).expand()


def outcomes(runs: list[RunSpec], returns: list[float], status: list[str] | None = None) -> pd.DataFrame:
    ids = [run.run_id for run in runs]
    return pd.DataFrame(
        {"run_id": ids, "return99": returns, "return999": returns, "git": "abc", "status": status or "done"}
    )


def test_the_best_mean_is_chosen_and_every_value_is_told() -> None:
    runs = expand([*grid(SMORe, her_ratio=[0.2, 0.8]), *grid(GCSL, her_ratio=[0.5, 1.0])])
    chosen = select(runs, outcomes(runs, [3.0, 5.0, 2.0, 5.0, 1.0, 2.0, 4.0, 6.0]))
    assert list(zip(chosen["method"], chosen["value"], chosen["chosen"], chosen["mean"], strict=True)) == [
        ("SMORe", 0.2, "yes", "4.000"),
        ("SMORe", 0.8, "no", "3.500"),
        ("GCSL", 0.5, "no", "1.500"),
        ("GCSL", 1.0, "yes", "5.000"),
    ]
    assert set(chosen["first_seed"]) == {50}
    assert set(chosen["seeds"]) == {2}


def test_of_equals_the_one_next_to_the_default() -> None:
    runs = expand(grid(SMORe, her_ratio=[0.2, 0.5, 1.0]))  # the default is 0.8
    chosen = select(runs, outcomes(runs, [30.0] * 6))
    assert list(chosen.loc[chosen["chosen"] == "yes", "value"]) == [1.0]


def test_of_equals_the_one_that_other_methods_do_best_with() -> None:
    """WGCSL learns nothing with any value, and its default is 1. Other tasks and knobs have no vote."""
    kinds: list[type[Method]] = [WGCSL, SMORe]
    here = [method for kind in kinds for method in grid(kind, her_ratio=[0.2, 0.5, 1.0])]
    runs = expand([*here, *grid(GCXQL, temperature=[0.5, 1.0])])
    there = expand(grid(SMORe, her_ratio=[0.2, 0.5, 1.0]), "Reacher")
    more = expand([*grid(GCSL, her_ratio=[0.2, 0.5, 1.0]), *grid(AM, her_ratio=[0.2, 0.5, 1.0])], "Reacher")
    nothing, low, high = [0.0] * 6, [9.0, 9.0, 5.0, 5.0, 1.0, 1.0], [1.0, 1.0, 5.0, 5.0, 9.0, 9.0]
    all_runs = [*runs, *there, *more]
    chosen = select(all_runs, outcomes(all_runs, [*nothing, *low, 1.0, 1.0, 9.0, 9.0, *high, *high, *high]))
    assert list(chosen.loc[chosen["chosen"] == "yes", "value"]) == [0.2, 0.2, 1.0, 1.0, 1.0, 1.0]


def test_an_unfinished_cell_is_left_out_and_a_diverged_run_earned_nothing() -> None:
    runs = expand([*grid(SMORe, her_ratio=[0.2, 0.8]), *grid(GCSL, her_ratio=[0.5, 1.0])])
    status = ["done", "diverged", "done", "done", "done", "done", "done", "partial"]
    chosen = select(runs, outcomes(runs, [9.0, NAN, 5.0, 5.0, 1.0, 2.0, 4.0, NAN], status))
    assert list(zip(chosen["method"], chosen["value"], chosen["chosen"], chosen["mean"], strict=True)) == [
        ("SMORe", 0.2, "no", "4.500"),
        ("SMORe", 0.8, "yes", "5.000"),
    ]


def test_one_knob_at_a_time() -> None:
    runs = expand(grid(SMORe, her_ratio=[0.2, 0.8], beta=[0.5, 0.9]))
    with pytest.raises(UserError, match=r"SMORe varies in 2 knobs \(beta, her_ratio\)"):
        select(runs, outcomes(runs, [1.0] * 8))


def test_a_metric_that_is_better_if_lower_is_refused() -> None:
    declare([Task("NearReach", PointReach, threshold=1.0, horizon=20, headline="final_distance")])
    runs = expand(grid(SMORe, her_ratio=[0.2, 0.8]), task="NearReach")
    with pytest.raises(UserError, match="NearReach has the headline final_distance, which is better if lower"):
        select(runs, outcomes(runs, [1.0] * 4))


def test_a_new_choice_replaces_that_of_its_cell_only() -> None:
    def rows(*texts: str) -> pd.DataFrame:
        return pd.DataFrame([text.split() for text in texts], columns=["scale", "task", "method", "knob", "value"])

    old = rows("laptop A SMORe her_ratio 0.2", "laptop A SMORe rate 0.1", "paper A SMORe her_ratio 0.2")
    new = rows("laptop A SMORe her_ratio 0.5", "laptop A GCSL her_ratio 1.0")
    assert [" ".join(row) for row in merge(old, new).to_numpy()] == [
        "laptop A GCSL her_ratio 1.0",
        "laptop A SMORe her_ratio 0.5",
        "laptop A SMORe rate 0.1",
        "paper A SMORe her_ratio 0.2",
    ]


def test_learning_rates_first_and_tasks_that_a_scale_leaves_out_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results, file = tmp_path / "results", tmp_path / "tuned.csv"
    for sweep in TUNING:
        for task in ("Reacher", "FetchPush"):
            finish(results, load_sweep(sweep).expand("laptop", tasks=[task]))
    share = (
        "laptop,{},SMORe,her_ratio,0.2,yes,return99,1.0,nan,1,1000,abc"  # chosen at another rate; HandReach has none
    )
    rows = [",".join(COLUMNS), share.format("Reacher"), share.format("HandReach"), ""]
    file.write_text(seal("\n".join(rows)))
    assert selection.choose("laptop", results, file) == 0
    said = capsys.readouterr().out  # tuning's runs are others with these learning rates
    assert f"make sweep SWEEP=tuning SCALE=laptop TASKS=Reacher,FetchPush RESULTS={results};" in said
    assert set(pd.read_csv(file, comment="#").query("task != 'HandReach'")["knob"]) == {"learning_rate"}
    assert share.format("HandReach") in file.read_text()
    assert selection.choose("laptop", results, file) == 0
    assert "make sweep" not in capsys.readouterr().out
    tuning = load_sweep("tuning")
    assert "FetchPush" not in tuning.scales["laptop"].tasks
    found = pd.read_csv(file, comment="#").query("knob == 'her_ratio' and task != 'HandReach'")
    assert set(found["task"]) == {"Reacher", "FetchPush"}
    assert set(found["method"]) == {method.name for grid in tuning.grids for method in grid.methods}
    assert selection.choose("smoke", results, file) == 1


def test_seeds_of_what_selects_are_nobody_elses() -> None:
    tuning = load_sweep("tuning")
    for name in set(sweep_names()) - set(TUNING):
        other = load_sweep(name)
        for scale in other.scales.keys() & tuning.scales.keys():
            assert {r.seed for r in other.expand(scale)}.isdisjoint(r.seed for r in tuning.expand(scale))


def test_what_is_compared_runs_at_one_choice() -> None:
    """SMORe without a part uses the value of SMORe, and FetchReach with noise that of FetchReach without."""
    found = tuned("laptop")
    assert set(AS_METHOD) < {kind.name for kind in methods().values()}
    assert len({found[name, "SawyerReach"]["her_ratio"] for name in ("SMORe", *AS_METHOD)}) == 1
    for method in ("AM", "GC-IQL"):
        values = [found[method, task] for task in ("FetchReach", *AS_TASK)]
        assert all(value == values[0] for value in values)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: "", "is empty"),
        (lambda _: "\n", "is empty"),
        (lambda text: text[: len(text) // 2], "is cut short"),
        (lambda text: text[:-1], "is cut short"),
        (lambda text: text.rpartition("#")[0], "is cut short"),
        (lambda text: text.replace(",0.2,yes,", ",0.5,yes,", 1), "was changed"),
        (lambda text: text.replace("\n", "\n\n", 1), "was changed"),
        (lambda text: text + text, "was changed"),
        (lambda text: seal(text.rpartition("#")[0].replace("chosen", "taken", 1)), "has no column 'chosen'"),
    ],
)
def test_a_damaged_file_is_refused(damage: Callable[[str], str], message: str, tmp_path: Path) -> None:
    """It changed knobs and run ids in silence."""
    file = tmp_path / "tuned.csv"
    file.write_text(damage(FILE.read_text()))
    with pytest.raises(UserError, match=message) as caught:
        unseal(file)
    assert str(caught.value).startswith(f"{file} {message}")
    assert str(caught.value).endswith("; restore it from version control, make select changes it")


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "tuned.csv"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        unseal(file)


def test_a_sweep_with_a_damaged_file_is_refused_by_its_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = tmp_path / "tuned.csv"
    damaged.write_text(FILE.read_text().replace("yes", "no", 1))
    monkeypatch.setattr(_tuned, "FILE", damaged)
    _tuned._read.cache_clear()
    try:
        monkeypatch.delitem(sys.modules, "sweeps.main")
        monkeypatch.delitem(sys.modules, "sweeps._budgets")
        assert main(["plan", "main", "--results", str(tmp_path)]) == 2
    finally:
        _tuned._read.cache_clear()
    error = capsys.readouterr().err
    assert error.startswith(f"smore-sweep: {damaged} was changed: ")
    assert error.count("\n") == 1
