"""OGBench's state tasks, one per dataset: sizes, horizons and datasets of Park et al., ICLR 2025."""

from __future__ import annotations

from collections.abc import Iterator

from smore_sweep.ogbench_horizons import HORIZONS
from smore_sweep.task import Sizes, Task

MAZES = {
    # body: observation, action, threshold of success, milliseconds per step
    "pointmaze": (2, 2, 1.0, 0.03),
    "antmaze": (29, 8, 0.5, 0.3),
    "humanoidmaze": (69, 21, 0.5, 1.0),
    "antsoccer": (42, 8, 0.5, 0.5),
}
ARMS = {
    "cube-single": 28, "cube-double": 37, "cube-triple": 46, "cube-quadruple": 55, "scene": 40,
    "puzzle-3x3": 55, "puzzle-4x4": 83, "puzzle-4x5": 99, "puzzle-4x6": 115,
}  # fmt: skip
"""Size of an arm's observation."""
GENERATED = ("pointmaze", "cube", "scene", "puzzle")
"""Families whose data are made here; the others need OGBench's files (``data import npz``)."""


def ogbench_tasks() -> Iterator[Task]:
    """Yield the tasks, named as OGBench's datasets are."""
    for environment in HORIZONS:
        body, _, size = environment.partition("-")
        if body in MAZES:
            observation, action, threshold, milliseconds = MAZES[body]
            for kind, steps in _maze_datasets(body, size).items():
                sizes = Sizes(observation, observation, action)
                yield _task(environment, kind, sizes, threshold, steps, milliseconds)
        else:
            observation = ARMS[environment]
            for kind in ("play", "noisy"):
                yield _task(environment, kind, Sizes(observation, observation, 5), 0.04, 1000, 1.3)


def _maze_datasets(body: str, size: str) -> dict[str, int]:
    """Return the steps of an episode of each dataset of a maze."""
    if body == "antsoccer":
        return {"navigate": 1000, "stitch": 200 if size == "arena" else 500}
    if body == "humanoidmaze":
        return {"navigate": HORIZONS[f"{body}-{size}"], "stitch": 400}
    explore = {"explore": 500} if body == "antmaze" and size != "giant" else {}
    return {"navigate": 2000 if size == "giant" else 1000, "stitch": 200} | explore


def _task(environment: str, kind: str, sizes: Sizes, threshold: float, steps: int, milliseconds: float) -> Task:
    generated = environment.partition("-")[0] in GENERATED
    return Task(
        f"{environment}-{kind}",
        f"smore/{environment}-v0",
        sizes,
        threshold=threshold,
        step_milliseconds=milliseconds,
        horizon=HORIZONS[environment],
        success="environment",
        goals=5,
        dataset=kind,
        trajectories=f"smore_sweep.experts.ogbench_data:{kind}" if generated else "",
        data_steps=steps,
        last_evaluations=3,
    )
