"""The configurations that a search tries, and how they rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from smore_sweep.cli.main import main
from smore_sweep.errors import UserError
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.search import ASHA, RANDOM, Search, rank, read_trials
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DIVERGED, DONE, PARTIAL, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep, grid

BUDGET = Budget(episodes=20, updates=40, batch_size=8, evaluate_every=20, evaluation_episodes=1, final_episodes=1)
BETAS = [0.6, 0.7, 0.8, 0.9]
SWEEP = Sweep(
    name="searched",
    description="",
    grids=[
        Grid(methods=grid(SMORe, beta=BETAS), tasks=["PointReach"], expert_share=[0.5]),
        Grid(methods=grid(SMORe, beta=BETAS[:2]), tasks=["PointRooms"], expert_share=[0.5]),
    ],
    scales={"smoke": Scale(tasks=["PointReach", "PointRooms"], seeds=2, budget=BUDGET)},
)


def planned(results: Path, sweep: Sweep = SWEEP) -> Plan:
    return make_plan(sweep, None, results)


def labels(runs: list[RunSpec], task: str) -> set[str]:
    return {run.named.label for run in runs if run.task == task}


def store(results: Path, run: RunSpec, status: str, distances: Mapping[int, float]) -> None:
    """Write a record whose final distances at some updates are these."""
    record = Record(run.content(), status, max(distances))
    for update, distance in distances.items():
        reached = np.zeros((1, 50), np.bool_)
        record.evaluations[update] = Outcomes(reached, reached, np.full((1, 50), distance, np.float32))
    run_files.save(results, run.run_id, record)


def test_a_search_tries_a_seeded_subset_of_whole_configurations(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert Search(ASHA, "return99").choose(plan).runs == plan.runs
    two, three = (Search(RANDOM, "return99", budget).choose(plan).runs for budget in (2, 3))
    assert (len(labels(two, "PointReach")), len(labels(three, "PointReach"))) == (2, 3)
    assert labels(two, "PointReach") < labels(three, "PointReach")
    assert len(labels(three, "PointRooms")) == 2  # all that it has
    assert len(two) == 2 * 2 + 2 * 2  # every seed of each
    assert Search(RANDOM, "return99", 2).choose(plan).runs == two


def test_changed_code_is_settled_for_the_runs_of_a_search_alone(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    every = [run.run_id for run in plan.runs]
    outside = next(run for run in plan.runs if run not in Search(RANDOM, "return99", 2).choose(plan).runs)
    plan = replace(plan, changed={"smore.py": every, "other.py": [outside.run_id]}, accepted={"own.py": every})
    chosen = Search(RANDOM, "return99", 2).choose(plan)
    own = [run.run_id for run in chosen.runs]
    assert (chosen.changed, chosen.accepted) == ({"smore.py": own}, {"own.py": own})


def test_too_small_a_grid_is_refused(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    with pytest.raises(UserError, match="budget = 5 is not valid; sweep searched has 4 configurations to try"):
        Search(RANDOM, "return99", 5).choose(plan)
    single = replace(SWEEP, grids=[SWEEP.grids[0], Grid(methods=[SMORe()], tasks=["PointRooms"], expert_share=[0.5])])
    with pytest.raises(UserError, match="has one configuration on PointRooms, SMORe, and a search needs several"):
        Search(ASHA, "return99").choose(planned(tmp_path, single))


def test_who_got_further_is_before_who_was_stopped(tmp_path: Path) -> None:
    runs = {(run.task, run.named.label, run.seed): run for run in SWEEP.expand()}
    outcomes = {
        "SMORe beta=0.6": (DONE, {20: 0.5, 40: 0.4}),
        "SMORe": (DONE, {20: 0.3, 40: 0.2}),
        "SMORe beta=0.8": (PARTIAL, {20: 0.1}),  # best where it was stopped
        "SMORe beta=0.9": (PARTIAL, {20: 0.7}),
    }
    names = [run.named.label for run in SWEEP.expand(seeds=1, tasks=["PointReach"])]
    for name, (status, distances) in zip(names, outcomes.values(), strict=True):
        for seed in (0, 1):
            shifted = {update: distance + 0.01 * seed for update, distance in distances.items()}
            store(tmp_path, runs["PointReach", name, seed], status, shifted)
    trials = read_trials(planned(tmp_path), tmp_path)
    standings = [one for one in rank(trials, Search(ASHA, "final_distance")) if one.task == "PointReach"]
    assert [(one.rank, one.method, one.update) for one in standings] == [
        (1, names[1], 40), (2, names[0], 40), (3, names[2], 20), (4, names[3], 20)
    ]  # fmt: skip
    assert standings[0].mean == pytest.approx(0.205, abs=1e-6)
    assert standings[0].std == pytest.approx(0.01 / 2**0.5, abs=1e-6)
    assert standings[0].seeds == 2
    reversed_order = [one.method for one in rank(trials, Search(ASHA, "return99")) if one.task == "PointReach"]
    assert set(reversed_order[:2]) == {names[0], names[1]}


def test_a_trial_stands_where_all_its_seeds_are(tmp_path: Path) -> None:
    first, second = SWEEP.expand(tasks=["PointRooms"])[:2]
    store(tmp_path, first, DONE, {20: 0.5, 40: 0.1})
    (trial, other) = [one for one in read_trials(planned(tmp_path), tmp_path) if one.group[0] == "PointRooms"]
    assert trial.points == {}  # the second seed has nothing yet
    assert other.points == {}
    store(tmp_path, second, PARTIAL, {20: 0.7})
    trial = next(one for one in read_trials(planned(tmp_path), tmp_path) if one.group[0] == "PointRooms")
    assert {update: point["final_distance"] for update, point in trial.points.items()} == {20: pytest.approx(0.6)}
    assert not trial.ended
    assert trial.stack.start == 20
    store(tmp_path, second, DIVERGED, {20: 0.7})
    trials = [one for one in read_trials(planned(tmp_path), tmp_path) if one.group[0] == "PointRooms"]
    assert trials[0].ended
    assert [one.mean for one in rank(trials, Search(ASHA, "return99"))] == [None, None]


def test_a_finished_search_prints_its_ranking_and_trains_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for number, run in enumerate(SWEEP.expand()):
        store(tmp_path, run, DONE, {20: 0.5, 40: 0.1 + 0.01 * number})
    file = tmp_path / "a_searched_sweep.py"
    file.write_text("from tests.unit.planning.test_search import SWEEP\n")
    words = ["run", str(file), "--results", str(tmp_path), "--search", "random", "--budget", "2"]
    assert main([*words, "--metric", "final_distance", "--json"]) == 0
    ranking = json.loads(capsys.readouterr().out)
    assert (ranking["search"], ranking["metric"], ranking["updates_spent"]) == ("random", "final_distance", 0)
    assert ranking["updates_of_the_grid"] == 12 * 40
    assert [(one["task"], one["rank"]) for one in ranking["ranking"]] == [
        ("PointReach", 1), ("PointReach", 2), ("PointRooms", 1), ("PointRooms", 2)
    ]  # fmt: skip
    assert main(words) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "search by random" in printed
    assert "0 updates were spent; the whole grid takes 480" in printed
    assert "not a table of results" in printed
    assert "mean ± std" not in printed
