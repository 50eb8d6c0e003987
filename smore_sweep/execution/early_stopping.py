"""Early stopping of a search's trials by Ray Tune's ASHA: one scheduler per group of trials that are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from smore_sweep.planning.search import Group, Search, Trial
from smore_sweep.results.record import DIVERGED

REDUCTION = 3
"""At each rung the best third goes on, and rungs are a factor of three apart."""
UPDATE = "update"
"""Name under which trials report the update of an evaluation."""


class GroupedScheduler(FIFOScheduler):  # type: ignore[misc]
    """Let each trial be decided by the scheduler of its group, and stop those of which a seed has diverged.

    These are the last of their search, whatever their other seeds do.

    Args:
        groups: The scheduler of each stack, by the stack's index.
    """

    def __init__(self, groups: Sequence[TrialScheduler]) -> None:
        super().__init__()
        self._groups = groups

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._of(trial).on_trial_add(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        if DIVERGED in result:
            return str(TrialScheduler.STOP)
        decision: str = self._of(trial).on_trial_result(tune_controller, trial, result)
        return decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        self._of(trial).on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        self._of(trial).on_trial_remove(tune_controller, trial)

    def _of(self, trial: Any) -> TrialScheduler:
        return self._groups[trial.config["stack"]]


def asha(search: Search, trials: Sequence[Trial]) -> GroupedScheduler:
    """Return the scheduler of a search's trials, whose stacks are in the same order.

    The first decision about a trial falls at its first evaluation.
    """
    schedulers: dict[Group, TrialScheduler] = {}
    for trial in trials:
        budget = trial.runs[0].budget
        if trial.group not in schedulers:
            schedulers[trial.group] = ASHAScheduler(
                time_attr=UPDATE,
                metric=search.metric,
                mode="max" if search.maximises else "min",
                max_t=budget.updates,
                grace_period=budget.evaluate_every,
                reduction_factor=REDUCTION,
                stop_last_trials=False,  # a trial ends by itself
            )
    return GroupedScheduler([schedulers[trial.group] for trial in trials])


def reports(points: Mapping[int, Mapping[str, float]]) -> list[dict[str, float]]:
    """Return what a trial has to report of evaluations, in order."""
    return [{UPDATE: update, **points[update]} for update in sorted(points)]
