"""OGBench's state tasks, one per dataset: sizes, horizons and datasets of Park et al., ICLR 2025."""

from __future__ import annotations

from collections.abc import Iterator

from smore_sweep.tasks import Sizes, Task

MAZES = {
    # body: observation, action, threshold of success, generator
    "pointmaze": (2, 2, 1.0, 0.03),
    "antmaze": (29, 8, 0.5, 0.3),
    "humanoidmaze": (69, 21, 0.5, 1.0),
}
MAZE_SIZES = ("medium", "large", "giant", "teleport")
CUBES = {"single": 28, "double": 37, "triple": 46, "quadruple": 55}
PUZZLES = {"3x3": 55, "4x4": 83, "4x5": 99, "4x6": 115}
HORIZONS = {
    "cube-single": 200, "cube-double": 500, "cube-triple": 1000, "cube-quadruple": 1000, "scene": 750,
    "puzzle-3x3": 500, "puzzle-4x4": 500, "puzzle-4x5": 1000, "puzzle-4x6": 1000,
}  # fmt: skip
GENERATED = ("pointmaze", "cube", "scene", "puzzle")
"""Families whose data are made here; the others need OGBench's files (``data import npz``)."""


def ogbench_tasks() -> Iterator[Task]:
    """Yield the tasks, named as OGBench's datasets are."""
    for body, (observation, action, threshold, milliseconds) in MAZES.items():
        for size in MAZE_SIZES if body != "humanoidmaze" else MAZE_SIZES[:3]:
            long = (4000 if size == "giant" else 2000) if body == "humanoidmaze" else 1000
            navigate = {"humanoidmaze": long}.get(body, 2000 if size == "giant" else 1000)
            kinds = {"navigate": navigate, "stitch": 400 if body == "humanoidmaze" else 200}
            if body == "antmaze" and size != "giant":
                kinds["explore"] = 500
            for kind, steps in kinds.items():
                yield _task(
                    f"{body}-{size}",
                    kind,
                    Sizes(observation, observation, action),
                    threshold,
                    long,
                    steps,
                    milliseconds,
                )
    for size, steps in (("arena", 200), ("medium", 500)):
        for kind, length in (("navigate", 1000), ("stitch", steps)):
            yield _task(f"antsoccer-{size}", kind, Sizes(42, 42, 8), 0.5, 1000, length, 0.5)
    arms = {f"cube-{count}": size for count, size in CUBES.items()} | {"scene": 40}
    arms |= {f"puzzle-{size}": observation for size, observation in PUZZLES.items()}
    for environment, observation in arms.items():
        for kind in ("play", "noisy"):
            sizes = Sizes(observation, observation, 5)
            yield _task(environment, kind, sizes, 0.04, HORIZONS[environment], 1000, 1.3)


def _task(
    environment: str, kind: str, sizes: Sizes, threshold: float, horizon: int, steps: int, milliseconds: float
) -> Task:
    generated = environment.partition("-")[0] in GENERATED
    return Task(
        f"{environment}-{kind}",
        f"smore/{environment}-v0",
        sizes,
        threshold=threshold,
        step_milliseconds=milliseconds,
        horizon=horizon,
        success="environment",
        goals=5,
        dataset=kind,
        trajectories=f"smore_sweep.experts.ogbench_data:{kind}" if generated else "",
        data_steps=steps,
        last_evaluations=3,
    )
