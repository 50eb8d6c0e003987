"""The options that all commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import claims, export, figures, report, results, selection, tables
from analysis.frames.request import ResultsRequest
from smore_sweep.discovery import load_sweep
from smore_sweep.planning.choices import Choices, parse_choices

COMMANDS = [
    tables.main,
    figures.main,
    claims.main,
    results.main,
    lambda argv: report.main(["--sweep", "main", *argv]),
]
IDS = ["tables", "figures", "claims", "results", "report"]


def test_the_runs_that_are_meant() -> None:
    sweep = load_sweep("coverage_ablation")
    plain = ResultsRequest(Path("output")).runs(sweep, "laptop")
    assert {run.seed for run in plain} == set(range(5))
    more = ResultsRequest(Path("output"), Choices(source="wgcsl", seeds=7))
    runs = more.runs(sweep, "laptop", ["FetchPush"])
    assert {(run.seed, run.task, run.source) for run in runs} == {(seed, "FetchPush", "wgcsl") for seed in range(7)}
    assert (more.options, more.suffix) == (" SEEDS=7 SOURCE=wgcsl", "_wgcsl")
    assert (ResultsRequest(Path("output")).options, ResultsRequest(Path("output")).suffix) == ("", "")


def test_a_sweep_with_choices() -> None:
    choices = parse_choices(
        methods="smore", settings=["smore.beta=0.5,0.7"], seeds="3,", tasks="Reacher", updates=2_000
    )
    about, declared = ResultsRequest(Path("output"), choices), load_sweep("coverage_ablation")
    runs = about.runs(choices.apply(declared), "laptop")
    assert [run.run_id for run in runs] == [run.run_id for run in choices.expand(declared, "laptop")]
    assert about.options == " SEEDS=3, TASKS=Reacher METHODS=smore SET=smore.beta=0.5,0.7 UPDATES=2000"
    assert about.suffix == "_chosen"
    assert choices.options() == {
        "seeds": "3,",
        "tasks": "Reacher",
        "methods": "smore",
        "set": "smore.beta=0.5,0.7",
        "updates": "2000",
    }


@pytest.mark.parametrize("main", [tables.main, figures.main], ids=["tables", "figures"])
@pytest.mark.parametrize(
    "option", [["--methods", "smore"], ["--set", "beta=0.5"], ["--updates", "9"], ["--tasks", "X"]]
)
def test_choices_concern_one_sweep(
    main: object, option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    assert main([*option, "--results", str(tmp_path)]) == 2
    assert f"{option[0]} can be given with one sweep only; name it with --sweep" in capsys.readouterr().err


@pytest.mark.parametrize("main", COMMANDS, ids=IDS)
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "0"], "seeds = 0 is not valid"),
        (["--source", "My Data"], "source 'My Data' is not valid"),
        (["--scale", "huge"], "huge"),
    ],
)
def test_a_wrong_option_is_one_line(
    main: object, options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    assert main([*options, "--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("s4://bucket/x", "'s4' is no kind of store"),
        ("s3://no-such-bucket/x", "cannot be used: The specified bucket does not exist"),
    ],
)
@pytest.mark.parametrize("main", [*COMMANDS, selection.main, export.main], ids=[*IDS, "selection", "export"])
def test_a_place_that_cannot_be_used_is_one_line(
    main: object, place: str, said: str, store: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(main)
    assert main(["--results", place]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
