"""Choices on the command line: which runs they select, and how they change them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from baselines.gofar import GoFAR
from baselines.iql import GCIQL
from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep, sweep_names
from smore_sweep.planning.choices import Choices, parse_choices, parse_seeds
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep

BUDGET = Budget(episodes=100, updates=40, batch_size=32, evaluate_every=20, evaluation_episodes=1, final_episodes=2)
SWEEP = Sweep(
    name="choices",
    description="",
    grids=[
        Grid(methods=[SMORe(), SMORe(beta=0.8), GoFAR()], tasks=["FetchReach", "Reacher"], expert_share=[0.1]),
        Grid(methods=[GCIQL()], tasks=["FetchPush"], expert_share=[0.1, 0.2]),
    ],
    scales={
        "smoke": Scale(
            tasks=["FetchReach", "FetchPush"],
            seeds=2,
            budget=BUDGET,
            per_task={"FetchPush": {"updates": 80, "seeds": 1}, "Reacher": {"evaluate_every": 40}},
            knobs={"hidden": 128, "gradient_penalty": 1.0},
            tuned={("SMORe", "FetchReach"): {"learning_rate": 1e-3}},
        )
    },
)


def chosen(**options: Any) -> list[RunSpec]:
    return parse_choices(**options).expand(SWEEP, None)


def ids(runs: list[RunSpec]) -> list[str]:
    return [run.run_id for run in runs]


@pytest.mark.parametrize("name", sweep_names())
def test_without_choices_every_run_keeps_its_id(name: str) -> None:
    sweep = load_sweep(name)
    for scale in sweep.scales:
        assert ids(Choices().expand(sweep, scale)) == ids(sweep.expand(scale))


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ("smore", ["SMORe", "SMORe beta=0.8"]),
        ("SMORE", ["SMORe", "SMORe beta=0.8"]),
        ("smore beta=0.8", ["SMORe beta=0.8"]),
        ("gc_iql", ["GC-IQL"]),
        ("iql, GoFAR", ["GoFAR", "GC-IQL"]),
    ],
)
def test_methods_are_chosen_by_any_of_their_names(names: str, labels: list[str]) -> None:
    runs = chosen(methods=names)
    assert list(dict.fromkeys(run.named.label for run in runs)) == labels
    assert ids(runs) == [run.run_id for run in SWEEP.expand() if run.named.label in labels]


def test_an_option_may_be_given_several_times() -> None:
    assert parse_choices(tasks=["Reacher, FetchPush", "FetchReach"]).tasks == ("Reacher", "FetchPush", "FetchReach")
    assert parse_choices(methods=["iql", "gofar"]) == parse_choices(methods="iql,gofar")


def test_tasks_are_chosen_among_those_of_the_methods() -> None:
    runs = chosen(tasks="Reacher", methods="gofar")
    assert ids(runs) == [run.run_id for run in SWEEP.expand(tasks=["Reacher"]) if run.method.name == "GoFAR"]


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("5", 5), ("0,3,5-9", (0, 3, 5, 6, 7, 8, 9)), ("7,", (7,)), ("4-4", (4,)), (" 2 , 1", (2, 1)), ("0-1", (0, 1))],
)
def test_seeds_are_a_number_or_a_list(text: str, seeds: object) -> None:
    assert parse_seeds(text) == seeds


def test_listed_seeds_are_those_of_the_runs() -> None:
    runs = chosen(seeds="1,4-5", methods="gofar")
    assert [run.seed for run in runs] == [1, 4, 5]
    first = [run.run_id for run in SWEEP.expand() if run.method.name == "GoFAR" and run.seed == 1]
    assert ids(runs)[:1] == first
    later = replace(SWEEP, first_seed=100)  # a list is taken as it stands
    assert {run.seed for run in parse_choices(seeds="1,4").expand(later, None)} == {1, 4}
    assert {run.seed for run in parse_choices(seeds="2").expand(later, None)} == {100, 101}


def test_a_knob_of_one_method_takes_the_place_of_its_declared_values() -> None:
    runs = chosen(settings=["smore.beta=0.5,0.9"], seeds="1", tasks="FetchReach")
    assert [(run.method.name, getattr(run.method, "beta", None)) for run in runs] == [
        ("SMORe", 0.5), ("SMORe", 0.9), ("GoFAR", None)
    ]  # fmt: skip
    untouched = [run.run_id for run in SWEEP.expand(seeds=1, tasks=["FetchReach"]) if run.method.name == "GoFAR"]
    assert ids(runs)[2:] == untouched


def test_a_knob_of_all_that_have_it_multiplies_the_grid() -> None:
    runs = chosen(settings=["temperature=1,3", "hidden=64"], seeds="1")
    assert {run.method.hidden for run in runs} == {64}
    with_temperature = [run for run in runs if run.method.name != "GoFAR"]
    assert {vars(run.method)["temperature"] for run in with_temperature} == {1.0, 3.0}
    assert len(runs) == 2 * 2 + 1 + 2 * 2


def test_settings_in_one_text_are_several() -> None:
    assert parse_choices(settings=["smore.beta=0.5 hidden=64"]) == parse_choices(
        settings=["smore.beta=0.5", "hidden=64"]
    )


def test_a_knob_set_to_its_default_wins_over_scale_and_selection() -> None:
    by_id = {run.method.name: run for run in SWEEP.expand(seeds=1, tasks=["FetchReach"])}
    runs = chosen(settings=["smore.hidden=256", "smore.learning_rate=3e-4"], methods="smore,gofar", tasks="FetchReach")
    smore = next(run for run in runs if run.method.name == "SMORe")
    assert (smore.method.hidden, smore.method.learning_rate) == (256, 3e-4)
    assert by_id["GoFAR"].run_id in ids(runs)  # its width is the scale's, as before
    assert by_id["SMORe"].method.learning_rate == 1e-3


def test_a_knob_set_to_the_value_that_it_has_changes_no_id() -> None:
    (before,) = SWEEP.expand(seeds=1, tasks=["FetchReach"])[:1]
    assert ids(chosen(settings=["smore.hidden=128", "smore.beta=0.5"], seeds="1", tasks="FetchReach"))[0] == (
        replace(before, method=replace(before.method, beta=0.5)).run_id  # type: ignore[type-var]
    )


def test_grids_that_become_equal_count_once() -> None:
    grids = [Grid(methods=[SMORe(beta=beta)], tasks=["Reacher"], expert_share=[0.1]) for beta in (0.6, 0.7)]
    sweep = Sweep(name="two", description="", grids=grids, scales={"smoke": scale_of("Reacher")})
    assert len(sweep.expand()) == 4
    assert len(parse_choices(settings=["beta=0.9"]).expand(sweep, None)) == 2


def scale_of(*tasks: str) -> Scale:
    return Scale(tasks=tasks, seeds=2, budget=BUDGET)


def test_updates_change_the_length_and_nothing_else() -> None:
    before, after = SWEEP.expand(), chosen(updates=60)
    assert {run.budget.updates for run in after} == {60}
    assert not set(ids(before)) & set(ids(after))
    again = [replace(run, budget=replace(run.budget, updates=60)) for run in before]
    assert ids(again) == ids(after)
    assert ids(chosen(updates=40, tasks="FetchReach")) == ids(SWEEP.expand(tasks=["FetchReach"]))


FILE = """
from tests.unit.planning.test_choices import SWEEP
"""

MISTAKES = [
    ("--methods smroe", "sweep choices has no method 'smroe'; its methods are: smore, gofar, iql"),
    ("--methods smroe", "did you mean smore?"),
    (
        "--methods crl",
        "sweep choices has no method 'crl'; its methods are: smore, gofar, iql, or one configuration, such as 'SMORe ",
    ),
    ("--methods ,", "methods = ',' names none; give them with commas between, such as smore,gc_iql"),
    ("--methods smore,", ""),
    ("--tasks ,", "tasks = ',' names none"),
    ("--tasks FetchSlide", "sweep choices has no task 'FetchSlide'; its tasks are: FetchReach, Reacher, FetchPush"),
    ("--tasks Recher", "did you mean Reacher?"),
    ("--methods iql --tasks Reacher", "sweep choices has no task 'Reacher'; its tasks are: FetchPush"),
    ("--seeds 0", "seeds = 0 is not valid; it must be a whole number of at least 1"),
    ("--seeds -1", "seeds = '-1' is not valid; give a number of seeds, such as 5, or a list of them, such as 0,3,5-9"),
    ("--seeds 1.5", "seeds = '1.5' is not valid"),
    ("--seeds five", "seeds = 'five' is not valid"),
    ("--seeds [0,1]", "seeds = '[0,1]' is not valid"),
    ("--seeds 9-5", "seeds = '9-5' is not valid"),
    ("--seeds 1,,2", "seeds = '1,,2' is not valid"),
    ("--seeds 1-3,2", "seeds = '1-3,2' is not valid; it names the seed 2 twice"),
    ("--seeds 0-99999", "seeds = '0-99999' is not valid; a list holds at most 10,000 seeds"),
    ("--seeds ,", "seeds = ',' is not valid"),
    ("--set beta", "--set beta is not valid; give KNOB=VALUE or METHOD.KNOB=VALUE, such as smore.beta=0.5,0.7"),
    ("--set =0.5", "--set =0.5 is not valid"),
    ("--set beta=", "--set beta= is not valid"),
    ("--set beta=0.5,", "--set beta=0.5, is not valid"),
    ("--set .beta=0.5", "--set .beta=0.5 is not valid"),
    ("--set bata=0.5", "no method of sweep choices has a knob 'bata'; the knobs are: "),
    ("--set bata=0.5", "did you mean beta?"),
    ("--set gofar.beta=0.5", "GoFAR has no knob 'beta'; the knobs are: "),
    ("--set goafr.reward=binary", "sweep choices has no method 'goafr'; its methods are: smore, gofar, iql; did you"),
    ("--methods gofar --set smore.beta=0.5", "sweep choices has no method 'smore'; its methods are: gofar"),
    ("--set beta=7", "SMORe: beta = 7.0 is not valid; it must be in (0, 1]"),
    ("--set beta=high", "SMORe: beta = 'high' is not valid; it must be in (0, 1]"),
    ("--set beta=nan", "SMORe: beta = nan is not valid"),
    ("--set hidden=12.5", "hidden = '12.5' is not valid; it must be a whole number"),
    ("--set smore.variant=best", "SMORe: variant = 'best' is not valid; it must be one of paper, printed"),
    ("--set normalize_inputs=yes", "normalize_inputs = 'yes' is not valid; it must be true or false"),
    ("--set beta=0.5 --set smore.beta=0.7", "--set gives SMORe the knob beta twice; give all its values at once"),
    ("--updates 0", "budget: updates = 0 is not valid; it must be a whole number of at least 1"),
    ("--updates 10", "updates = 10 is not valid; FetchReach at scale smoke is evaluated every 20 updates"),
    ("--updates 1e4", "Invalid value for '--updates'"),
    ("--source WGCSL", "source 'WGCSL' is not valid"),
]


@pytest.mark.parametrize(
    ("options", "sentence"), MISTAKES, ids=[f"{i} {options}" for i, (options, _) in enumerate(MISTAKES)]
)
def test_a_mistake_is_one_sentence(
    options: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some_choices.py"
    file.write_text(FILE)
    code = main(["plan", str(file), "--results", str(tmp_path / "results"), *options.split()])
    printed = capsys.readouterr()
    if not sentence:
        assert (code, printed.err) == (0, "")
        return
    assert code == 2
    assert sentence in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_a_method_on_none_of_the_scales_tasks_names_its_own() -> None:
    only = replace(SWEEP, scales={"smoke": replace(SWEEP.scales["smoke"], tasks=["FetchReach"], per_task={})})
    with pytest.raises(Exception, match="has iql on no task of scale smoke; name tasks: --tasks FetchPush"):
        parse_choices(methods="iql").expand(only, None)


@pytest.mark.parametrize("words", ["plan all --set beta=0.5", "plan all --updates 100", "status --methods smore"])
def test_changes_concern_one_sweep(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    assert " can be given with one sweep only; name it" in capsys.readouterr().err


def test_a_single_run_takes_the_same_settings(capsys: pytest.CaptureFixture[str]) -> None:
    train = ["train", "--method", "smore", "--task", "PointReach", "--set"]
    assert main([*train, "gofar.beta=0.5"]) == 2
    assert "--set gofar.beta is not a knob of SMORe; give KNOB=VALUE" in capsys.readouterr().err
    assert main([*train, "SMORe.beta=0.5,0.7"]) == 2
    assert "--set gives SMORe.beta more than one value; a single run has one" in capsys.readouterr().err
