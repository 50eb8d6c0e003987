"""OGBench's environments, and the steps of an evaluation on each (Park et al., ICLR 2025)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_SEEN = {
    **{f"antmaze-{size}": 1000 for size in ("medium", "large", "giant", "teleport")},
    "humanoidmaze-medium": 2000,
    "humanoidmaze-large": 2000,
    "humanoidmaze-giant": 4000,
    "cube-single": 200,
    "cube-double": 500,
    "cube-triple": 1000,
    "cube-quadruple": 1000,
    "scene": 750,
    "puzzle-3x3": 500,
    "puzzle-4x4": 500,
    "puzzle-4x5": 1000,
    "puzzle-4x6": 1000,
}
"""Those that have a twin whose observations are images."""
VISUAL = "visual-"
"""Beginning of such a twin's name."""
GOALS = 5
"""Evaluation goals of an environment."""
SINGLE_TASK = "-singletask-task"
"""In the names of a point maze's environment and task, before the number of its one goal, 1 to 5."""

HORIZONS: Mapping[str, int] = MappingProxyType(
    {
        **{f"pointmaze-{size}": 1000 for size in ("medium", "large", "giant", "teleport")},
        **_SEEN,
        "antsoccer-arena": 1000,
        "antsoccer-medium": 1000,
        **{f"{VISUAL}{environment}": steps for environment, steps in _SEEN.items()},
    }
)
