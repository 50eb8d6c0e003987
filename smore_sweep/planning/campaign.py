"""Plan all sweeps at one scale as one campaign. Sweeps share runs of equal content; each run counts once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from smore_sweep.discovery import all_sweeps
from smore_sweep.planning.choices import AS_DECLARED, Choices
from smore_sweep.planning.estimate import estimate
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.stacks import LARGEST_STACK, group_into_stacks
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task

ALL = "all"
"""Name that stands for all sweeps."""
GPU_MEMBER_UPDATES = 10_000
"""Member-updates per second of a GPU worker, for estimates: an H200's for SMORe's networks of 2 x 256, batch 512, in
stacks of 50 (docs/scaling/gpu.md)."""


@dataclass(frozen=True)
class CampaignEntry:
    """One sweep of a campaign.

    Attributes:
        plan: All runs of the sweep.
        fresh: The runs that no sweep before it has.
    """

    plan: Plan
    fresh: Plan

    @property
    def member_updates(self) -> int:
        """Updates left to do, summed over the fresh runs."""
        return sum(run.budget.updates - behind for run, behind in self.fresh.pending_trainings)

    def stacks(self, slots: int) -> int:
        """Count the stacks of the pending fresh runs on ``slots`` workers."""
        return len(group_into_stacks(self.fresh.pending, slots=slots, largest=LARGEST_STACK["cpu"]))

    def seconds(self, cores: int) -> float:
        """Estimate the time of the pending fresh runs on this machine, without data."""
        return estimate(self.fresh, {}, cores).total


def campaign(scale: str, results: StoragePath, choices: Choices = AS_DECLARED) -> Iterator[CampaignEntry]:
    """Plan the sweeps that have a scale, one after the other; without those that have none of the chosen tasks.

    Raises:
        DeclarationError: If no sweep has the scale, for an unknown task, and for choices that concern one sweep only.
    """
    choices.refuse_changes("name it in place of all")
    for name in choices.tasks:
        task(name)
    earlier: set[str] = set()
    for sweep in all_sweeps(scale):
        own = tuple(name for name in choices.tasks if name in sweep.tasks)
        if choices.tasks and not own:
            continue
        plan = make_plan(sweep, scale, results, replace(choices, tasks=own))
        yield CampaignEntry(plan, plan.of([run for run in plan.runs if run.run_id not in earlier]))
        earlier |= {run.run_id for run in plan.runs}
