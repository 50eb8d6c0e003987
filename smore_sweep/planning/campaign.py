"""Every sweep at one scale as one campaign: what each adds to those before it, for runs are shared by content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from smore_sweep.planning.plan import Plan, all_sweeps, estimate, make_plan
from smore_sweep.planning.stacks import LARGEST_STACK, stacks
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task

ALL = "all"
"""The name that stands for every sweep."""
GPU_MEMBER_UPDATES = 10_000
"""Member-updates a second of a GPU worker: what we aim at (networks of 2 x 256, batch 512), for estimates only."""


@dataclass(frozen=True)
class CampaignEntry:
    """One sweep of a campaign. ``fresh`` holds those of its runs that no sweep before it has."""

    plan: Plan
    fresh: Plan

    @property
    def member_updates(self) -> int:
        """Updates of the pending fresh runs, summed."""
        return sum(run.budget.updates - behind for run, behind in self.fresh.pending)

    def stacks(self, slots: int) -> int:
        """How many stacks the pending fresh runs make on so many workers."""
        return len(stacks(self.fresh.pending, slots=slots, largest=LARGEST_STACK["cpu"]))

    def seconds(self, cores: int) -> float:
        """Estimate of their training and evaluation on this machine."""
        return estimate(self.fresh, {}, cores).total


def campaign(
    scale: str, results: StoragePath, source: str, *, seeds: int | None = None, tasks: Sequence[str] | None = None
) -> Iterator[CampaignEntry]:
    """The sweeps that have this scale and one of these tasks, if any are given. Raises :class:`DeclarationError` if no
    sweep has the scale, and for an unknown task."""
    for name in tasks or ():
        task(name)
    seen: set[str] = set()
    for sweep in all_sweeps(scale):
        own = [name for name in tasks or () if name in sweep.tasks]
        if tasks and not own:
            continue
        plan = make_plan(sweep, scale, results, seeds=seeds, tasks=own, source=source)
        yield CampaignEntry(plan, replace(plan, runs=[run for run in plan.runs if run.run_id not in seen]))
        seen |= {run.run_id for run in plan.runs}
