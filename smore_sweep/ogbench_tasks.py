"""OGBench's tasks, one per dataset: sizes, horizons and datasets of Park et al., ICLR 2025."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from smore_sweep.ogbench_horizons import GOALS, HORIZONS, SINGLE_TASK, VISUAL
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
"""Families whose data are made here; the others need OGBench's files (``data import ogbench``)."""
IMAGE = (64, 64, 3)
PIXEL_THRESHOLD = 1.0
"""Euclidean distance of images, of pixels from 0 to 1, up to which a goal counts as reached."""
DRAWING_MILLISECONDS = 50.0
"""Of an image with its shadows, by Mesa's software."""


def ogbench_tasks() -> Iterator[Task]:
    """Yield the tasks, named as OGBench's datasets are."""
    for environment in HORIZONS:
        of_states = environment.removeprefix(VISUAL)
        body, _, size = of_states.partition("-")
        if body in MAZES:
            observation, action, threshold, milliseconds = MAZES[body]
            datasets = _maze_datasets(body, size)
        else:
            observation, action, threshold, milliseconds = ARMS[of_states], 5, 0.04, 1.3
            datasets = {"play": 1000, "noisy": 1000}
        sizes = Sizes(observation, observation, action)
        if environment != of_states:
            pixels = math.prod(IMAGE)
            sizes, threshold = Sizes(pixels, pixels, action, image=IMAGE), PIXEL_THRESHOLD
            milliseconds += DRAWING_MILLISECONDS
        for kind, steps in datasets.items():
            yield _task(environment, kind, sizes, threshold, steps, milliseconds)


def single_tasks() -> Iterator[Task]:
    """Yield those of a point in a maze with one goal, whose reward is that of its place."""
    for row in ogbench_tasks():
        if row.name.startswith("pointmaze"):
            environment = str(row.environment).removesuffix("-v0")
            for number in range(1, GOALS + 1):
                one = f"{SINGLE_TASK}{number}"
                yield replace(
                    row, name=f"{row.name}{one}", environment=f"{environment}{one}-v0", goals=1, data_of=row.name
                )


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
        goals=GOALS,
        dataset=kind,
        trajectories=f"smore_sweep.experts.ogbench_data:{kind}" if generated else "",
        data_steps=steps,
        last_evaluations=3,
        headline="ever",
    )
