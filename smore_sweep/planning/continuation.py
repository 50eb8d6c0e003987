"""Find longer runs that can go on from the kept learner of a shorter one, and say why others cannot."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

from smore_sweep.planning.code_changes import changed_runs
from smore_sweep.planning.plan import Plan
from smore_sweep.results import run_files
from smore_sweep.results.record import DONE, MISSING
from smore_sweep.run_spec import RunSpec
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import task

NONE_KEPT = "no shorter run kept its learner (run --keep-learner keeps it)"
SCHEDULE = "its training is scheduled over the whole length, so a shorter run is no beginning of it"


@dataclass(frozen=True)
class Continuations:
    """The missing runs of a plan, by where they begin.

    Attributes:
        shorter: The run from whose learner each can go on, by run id.
        obstacles: Why the others start anew, by run id.
    """

    runs: list[RunSpec]
    shorter: dict[str, RunSpec]
    obstacles: dict[str, str]

    def describe(self) -> list[str]:
        """Return a sentence per method and reason."""
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for run in self.runs:
            if start := self.shorter.get(run.run_id):
                fate = f"on from the learner kept after {start.budget.updates:,} updates"
            else:
                fate = f"from the start: {self.obstacles[run.run_id]}"
            counts[run.named.label, fate] += 1
        return [
            f"{label}: {count} run{'s go' if count > 1 else ' goes'} {fate}" for (label, fate), count in counts.items()
        ]

    def without(self, obstacles: dict[str, str]) -> Continuations:
        """Return these with more runs that start anew."""
        shorter = {run_id: run for run_id, run in self.shorter.items() if run_id not in obstacles}
        return Continuations(self.runs, shorter, self.obstacles | obstacles)


def find_continuations(plan: Plan, results: StoragePath) -> Continuations:
    """Find where the missing runs of a plan can begin. Reads the headers of the kept learners."""
    runs = [run for run in plan.runs if plan.states[run.run_id] == MISSING]
    kept = run_files.kept_learners(results) if runs else {}
    lengths = sorted(set(kept.values()), reverse=True)
    shorter: dict[str, RunSpec] = {}
    obstacles: dict[str, str] = {}
    for run in runs:
        if _has_schedule(run):
            obstacles[run.run_id] = SCHEDULE
            continue
        obstacles[run.run_id] = NONE_KEPT
        for updates in lengths:
            start = replace(run, budget=replace(run.budget, updates=updates))
            if updates >= run.budget.updates or start.run_id not in kept:
                continue
            if obstacle := _obstacle(start, results):
                obstacles[run.run_id] = f"the run of {updates:,} updates {obstacle}"
                continue
            shorter[run.run_id] = start
            del obstacles[run.run_id]
            break
    return Continuations(runs, shorter, obstacles)


def _obstacle(start: RunSpec, results: StoragePath) -> str:
    """Return why a longer run cannot go on from a shorter one that has kept its learner; empty if it can."""
    budget = start.budget
    if budget.updates % budget.evaluate_every:
        return f"does not end at an evaluation of the longer one, which has one every {budget.evaluate_every:,} updates"
    if budget.final_episodes < budget.evaluation_episodes:
        return (
            f"ends with an evaluation of {budget.final_episodes} episodes, and the longer one needs "
            f"{budget.evaluation_episodes} there"
        )
    summaries = run_files.peek_each(results, [start.run_id], on_broken=None)
    if start.run_id not in summaries or summaries[start.run_id].status != DONE:
        return "has a learner and no record"
    if changed := changed_runs([start], summaries):
        return f"was made before {next(iter(changed))} changed"
    return ""


def _has_schedule(run: RunSpec) -> bool:
    networks = run.method.networks(task(run.task).sizes).values()
    return run.budget.online_episodes > 0 or any(network.scheduled for network in networks)
