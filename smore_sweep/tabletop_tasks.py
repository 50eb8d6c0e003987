"""The tabletop's tasks: section 4.4 of the SMORe paper, from images, and the same from the privileged state."""

from __future__ import annotations

from smore_sweep.task import Sizes, Task

GOALS = ("drawer", "pick-place-table", "pick-place-drawer", "push-open", "open", "close", "place", "push")
"""The evaluation goals (:mod:`smore_sweep.envs.tabletop_goals`): four compositions, then four single primitives."""


def _task(name: str, sizes: Sizes, threshold: float, milliseconds: float) -> Task:
    return Task(
        name,
        f"smore/{name}-v0",
        sizes,
        threshold=threshold,
        step_milliseconds=milliseconds,
        horizon=400,
        success="environment",
        goals=len(GOALS),
        goal_names=GOALS,
        dataset="primitives",
        trajectories="smore_sweep.experts.tabletop:primitives",
        data_steps=75,
    )


TABLETOP_TASKS = {
    task.name: task
    for task in (
        _task("Tabletop", Sizes(16, 16, 5), threshold=0.1, milliseconds=0.4),
        # Distances of images are Euclidean, of pixels from 0 to 1. At a threshold of 1 the hand is where it should be.
        _task("TabletopImages", Sizes(6912, 6912, 5, image=(48, 48, 3)), threshold=1.0, milliseconds=1.4),
    )
}
"""By name."""
