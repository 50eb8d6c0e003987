"""Tasks that are hardly learnt at a plan's scale, and how long the scale takes at which they are."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

from smore_sweep.console import format_duration
from smore_sweep.execution.datasets import missing_episodes
from smore_sweep.planning.choices import Choices
from smore_sweep.planning.estimate import estimate
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.storage.paths import StoragePath


def describe(plan: Plan, results: StoragePath, choices: Choices, cores: int) -> list[str]:
    """Return a sentence for each scale that tasks of a plan need (:attr:`Scale.needs`), with its time on this machine.

    Args:
        plan: The plan.
        results: The folder of its results.
        choices: Its choices.
        cores: CPU cores that work in parallel.
    """
    needs, tasks = plan.sweep.scales[plan.scale].needs, defaultdict(list)
    for name in dict.fromkeys(run.task for run, _ in plan.pending):
        if needs.get(name) in plan.sweep.scales:
            tasks[needs[name]].append(name)
    sentences = []
    for scale, names in tasks.items():
        longer = make_plan(plan.sweep, scale, results, replace(choices, tasks=tuple(names)))
        seconds = estimate(longer, missing_episodes(longer), cores).total
        sentences.append(
            f"{', '.join(names)}: hardly learnt in {plan.scale}'s few updates; with SCALE={scale}, about "
            f"{format_duration(seconds)} on this machine"
        )
    return sentences
