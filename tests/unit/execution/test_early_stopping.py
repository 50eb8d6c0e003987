"""Early stopping: trials are compared with those of their own task and share only, and the last end by themselves."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import TrialScheduler

from smore_sweep.execution.early_stopping import asha, reports
from smore_sweep.planning.search import ASHA, Search, Trial
from smore_sweep.results.record import DIVERGED
from tests.unit.planning.test_search import SWEEP

CELLS = [
    Trial(tuple(run for run in SWEEP.expand() if (run.task, run.named.label) == cell), {})
    for cell in dict.fromkeys((run.task, run.named.label) for run in SWEEP.expand())
]
"""Four configurations on one task, then two on another."""


def decided(metric: str, values: list[float]) -> list[str]:
    """Return the decisions about each trial's first evaluation, one after the other."""
    scheduler = asha(Search(ASHA, metric), CELLS)
    trials: list[Any] = [SimpleNamespace(trial_id=f"t{index}", config={"stack": index}) for index in range(len(CELLS))]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    return [
        scheduler.on_trial_result(None, trial, {"update": 20, metric: value})
        for trial, value in zip(trials, values, strict=True)
    ]


def test_a_trial_that_falls_behind_stops() -> None:
    go, stop = TrialScheduler.CONTINUE, TrialScheduler.STOP
    assert decided("return99", [3.0, 1.0, 5.0, 2.0, 0.1, 0.2]) == [go, stop, go, stop, go, go]


def test_of_a_distance_less_is_better() -> None:
    go, stop = TrialScheduler.CONTINUE, TrialScheduler.STOP
    assert decided("final_distance", [3.0, 1.0, 5.0, 4.0, 0.1, 0.2]) == [go, go, stop, stop, go, stop]


def test_progress_alone_decides_nothing_and_the_end_is_no_stop() -> None:
    scheduler = asha(Search(ASHA, "return99"), CELLS)
    trial: Any = SimpleNamespace(trial_id="t", config={"stack": 0})
    scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, trial, {"progress": 1}) == TrialScheduler.CONTINUE
    assert scheduler.on_trial_result(None, trial, {"update": 40, "return99": 0.0}) == TrialScheduler.CONTINUE


def test_a_trial_of_which_a_seed_has_diverged_stops_and_is_compared_with_nobody() -> None:
    scheduler = asha(Search(ASHA, "return99"), CELLS)
    trials: list[Any] = [SimpleNamespace(trial_id=f"t{index}", config={"stack": index}) for index in range(2)]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
    assert scheduler.on_trial_result(None, trials[0], {"update": 20, DIVERGED: True}) == TrialScheduler.STOP
    assert scheduler.on_trial_result(None, trials[1], {"update": 20, "return99": 0.0}) == TrialScheduler.CONTINUE


def test_stored_evaluations_are_reported_in_order() -> None:
    assert reports({40: {"return99": 2.0}, 20: {"return99": 1.0}}) == [
        {"update": 20, "return99": 1.0},
        {"update": 40, "return99": 2.0},
    ]
