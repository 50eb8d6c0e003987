"""Search a sweep's grid for its best configurations: which of them are tried, and how they rank.

The trials are ordinary runs. Configurations are compared on one task and expert share at a time, by the mean of a
metric over their seeds.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from statistics import mean, stdev
from typing import Any

from smore_sweep.errors import DeclarationError, did_you_mean
from smore_sweep.planning.plan import Plan
from smore_sweep.planning.stacks import Stack
from smore_sweep.results import run_files
from smore_sweep.results.record import DIVERGED, DONE, Summary
from smore_sweep.run_spec import RunSpec
from smore_sweep.storage.paths import StoragePath
from smore_sweep.task import METRICS

ASHA, RANDOM = "asha", "random"
ALGORITHMS = (ASHA, RANDOM)
LOWER_IS_BETTER = ("final_distance",)
SEED = 0
"""Seed of the order in which configurations are drawn. Fixed, so that a smaller budget's are among a larger one's."""

Group = tuple[str, float]
"""(task, expert share)"""


@dataclass(frozen=True)
class Search:
    """A search.

    Attributes:
        algorithm: :data:`ASHA`, which stops the configurations that fall behind at an evaluation, or :data:`RANDOM`,
            which trains all of the budget to the end.
        metric: The metric that it compares.
        budget: Configurations to try on each task and expert share; None for the whole grid.
    """

    algorithm: str
    metric: str
    budget: int | None = None

    def __post_init__(self) -> None:
        for name, value, valid in (("search", self.algorithm, ALGORITHMS), ("metric", self.metric, METRICS)):
            if value not in valid:
                raise DeclarationError(
                    f"{name} = {value!r} is not valid; the valid ones are: {', '.join(valid)}"
                    f"{did_you_mean(value, valid)}"
                )
        if self.algorithm == RANDOM and self.budget is None:
            raise DeclarationError("a random search needs a number of configurations: --budget 10")
        if self.budget is not None and self.budget < 2:
            raise DeclarationError(f"budget = {self.budget} is not valid; a search tries at least 2 configurations")

    @property
    def stops(self) -> bool:
        """Whether it stops trials early."""
        return self.algorithm == ASHA

    @property
    def maximises(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric not in LOWER_IS_BETTER

    def choose(self, plan: Plan) -> Plan:
        """Return the plan of the configurations to try.

        Raises:
            DeclarationError: If the grid has too few configurations.
        """
        labels: dict[Group, list[str]] = {}
        for run in plan.runs:
            known = labels.setdefault(_group(run), [])
            if run.named.label not in known:
                known.append(run.named.label)
        for (task, _), own in labels.items():
            if len(own) < 2:
                raise DeclarationError(
                    f"sweep {plan.sweep.name} has one configuration on {task}, {own[0]}, and a search needs several, "
                    "such as --set learning_rate=3e-4,1e-3"
                )
        most = max(map(len, labels.values()))
        if self.budget is not None and self.budget > most:
            raise DeclarationError(
                f"budget = {self.budget} is not valid; sweep {plan.sweep.name} has {most} configurations to try"
            )
        drawn = {group: random.Random(SEED).sample(own, len(own))[: self.budget] for group, own in labels.items()}
        return plan.of([run for run in plan.runs if run.named.label in drawn[_group(run)]])


@dataclass(frozen=True)
class Trial:
    """A configuration on a task and expert share: a run per seed.

    Attributes:
        runs: The runs.
        summaries: The summaries of those that have a record, by run id.
    """

    runs: tuple[RunSpec, ...]
    summaries: Mapping[str, Summary]

    @property
    def group(self) -> Group:
        """The trials that it is compared with."""
        return _group(self.runs[0])

    @cached_property
    def points(self) -> dict[int, dict[str, float]]:
        """Mean metrics over the seeds at each evaluation that all of them have, by update."""
        every = [self.summaries[run.run_id].evaluations for run in self.runs if run.run_id in self.summaries]
        if len(every) < len(self.runs):
            return {}
        common = sorted(set.intersection(*(set(evaluations) for evaluations in every)))
        return {
            update: {name: mean(evaluations[update][name] for evaluations in every) for name in every[0][update]}
            for update in common
        }

    @property
    def ended(self) -> bool:
        """Whether all its runs have ended."""
        ended = (DONE, DIVERGED)
        return all(run.run_id in self.summaries and self.summaries[run.run_id].status in ended for run in self.runs)

    @property
    def stack(self) -> Stack:
        """Its runs as one stack."""
        behind = [self.summaries[run.run_id].update if run.run_id in self.summaries else 0 for run in self.runs]
        return Stack(self.runs, min(behind))


def read_trials(plan: Plan, results: StoragePath) -> list[Trial]:
    """Return the trials of a plan, with what is stored of their runs."""
    cells: dict[tuple[Group, str], list[RunSpec]] = {}
    for run in plan.runs:
        cells.setdefault((_group(run), run.named.label), []).append(run)
    summaries = run_files.peek_each(results, [run.run_id for run in plan.runs], on_broken=None)
    return [
        Trial(tuple(runs), {run.run_id: summaries[run.run_id] for run in runs if run.run_id in summaries})
        for runs in cells.values()
    ]


@dataclass(frozen=True)
class Standing:
    """A configuration's place in its ranking.

    Attributes:
        task: The task.
        expert_share: The share of expert episodes.
        rank: From 1, the best.
        method: The configuration.
        update: The updates at which it is measured: the last evaluation that all its seeds have.
        updates: The updates of its whole runs.
        mean: Mean of the metric over the seeds; None if no evaluation is there, or a seed has diverged.
        std: Their standard deviation; None for one seed.
        seeds: Their number.
        run_ids: The runs.
    """

    task: str
    expert_share: float
    rank: int
    method: str
    update: int
    updates: int
    mean: float | None
    std: float | None
    seeds: int
    run_ids: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return asdict(self)


def rank(trials: Sequence[Trial], search: Search) -> list[Standing]:
    """Rank the trials of each task and share: those that got furthest first, and among equals by the metric."""
    standings: list[Standing] = []
    for group in dict.fromkeys(trial.group for trial in trials):
        own = sorted(
            (_standing(trial, search.metric) for trial in trials if trial.group == group),
            key=lambda one: (-one.update, 0.0 if one.mean is None else one.mean * (-1 if search.maximises else 1)),
        )
        standings += [replace(one, rank=place) for place, one in enumerate(own, start=1)]
    return standings


def _standing(trial: Trial, metric: str) -> Standing:
    run = trial.runs[0]
    diverged = any(summary.status == DIVERGED for summary in trial.summaries.values())
    update = max(trial.points, default=0) if not diverged else 0
    values = [trial.summaries[each.run_id].evaluations[update][metric] for each in trial.runs] if update else []
    return Standing(
        task=run.task,
        expert_share=run.expert_share,
        rank=0,
        method=run.named.label,
        update=update,
        updates=run.budget.updates,
        mean=mean(values) if values else None,
        std=stdev(values) if len(values) > 1 else None,
        seeds=len(trial.runs),
        run_ids=tuple(each.run_id for each in trial.runs),
    )


def _group(run: RunSpec) -> Group:
    return run.task, run.expert_share
