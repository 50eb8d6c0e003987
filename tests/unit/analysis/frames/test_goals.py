"""Metrics by evaluation goal, of results in a folder and of exported ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis.frames import archive
from analysis.frames.goals import by_goal, goals_of
from analysis.frames.runs import load
from baselines.gcbc import GCBC
from smore_sweep import Budget
from smore_sweep.results import record, run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import Record
from smore_sweep.run_spec import RunSpec

EPISODES, STEPS = 12, 6


def run(task: str, seed: int = 0) -> RunSpec:
    budget = Budget(
        episodes=4, updates=10, batch_size=8, evaluate_every=5, evaluation_episodes=1, final_episodes=EPISODES
    )  # fmt: skip
    return RunSpec(method=GCBC(), task=task, expert_share=1.0, seed=seed, scale="test", budget=budget)


def finish(results: Path, each: RunSpec) -> Outcomes:
    """Store a run whose episode ``i`` succeeds once, if ``i mod 5`` is 1, or is 3 and the episode is not the first."""
    number = np.arange(EPISODES)
    wins = (number % 5 == 1) | ((number % 5 == 3) & (number > 5))
    succeeded = np.zeros((EPISODES, STEPS), bool)
    succeeded[wins, 2] = True
    outcomes = Outcomes(succeeded, succeeded, np.arange(EPISODES * STEPS, dtype=np.float32).reshape(EPISODES, STEPS))
    done = Record(each.content(), record.DONE, each.budget.updates)
    nothing = Outcomes(~succeeded[:1] & False, ~succeeded[:1] & False, outcomes.distances[:1])
    done.evaluations = {5: nothing, 10: outcomes}
    run_files.save(results, each.run_id, done)
    return outcomes


@pytest.mark.parametrize("exported", [False, True])
def test_episodes_are_sorted_by_their_goal(exported: bool, tmp_path: Path) -> None:
    runs = [run("pointmaze-medium-navigate"), run("pointmaze-medium-navigate", seed=1)]
    outcomes = finish(tmp_path / "output", runs[0])
    results = tmp_path / "output"
    if exported:
        archive.write(results, tmp_path / "results", lambda _: None)
        results = tmp_path / "results"
    frame = by_goal(load(runs, results), results)
    done = frame[frame["seed"] == 0].sort_values("value")
    assert list(done["value"]) == [0, 1, 2, 3, 4]
    assert list(done["ever"]) == [0, 1, 0, 0.5, 0]  # 12 episodes: three of goals 0 and 1, two of the others
    assert list(done["success"]) == [0] * 5
    for goal, distance in enumerate(done["final_distance"]):
        assert distance == outcomes.distances[goal::5, -1].mean()
    missing = frame[frame["seed"] == 1]
    assert len(missing) == 1
    assert missing[["value", "ever"]].isna().all(axis=None)


def test_goals_have_names_or_numbers() -> None:
    assert list(goals_of([run("pointmaze-medium-navigate")]).values()) == ["1", "2", "3", "4", "5"]
    assert list(goals_of([run("Tabletop"), run("pointmaze-medium-navigate")]).values())[4:] == [
        "open", "close", "place", "push"
    ]  # fmt: skip
    assert goals_of([run("FetchReach")]) == {}
