"""The tabletop's evaluation goals: fixed scenes, and the commands whose scripts lead to the goal.

The first four are the compositions of the SMORe paper's figure 3, with the structure that stable contrastive RL gives
them. Two of them have a single command there, too. The others are an easier tier of single primitives, which begin with
the hand at the object.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.tabletop_layouts import frame_pose, on_lid
from smore_sweep.envs.tabletop_scene import Layout
from smore_sweep.experts.tabletop_primitives import Command, MoveDrawer, PlaceBlock, PushCylinder

Array = NDArray[np.float64]

HOME = (0.66, 0.0, 0.2, 0.0)
"""The hand's position and yaw at the start of a composition."""


@dataclass(frozen=True)
class EvaluationGoal:
    """A scene and the commands that lead to the goal."""

    name: str
    layout: Layout
    commands: tuple[Command, ...]


def _pair(point: Array) -> tuple[float, float]:
    return float(point[0]), float(point[1])


def _evaluation_goals() -> tuple[EvaluationGoal, ...]:
    right, left = frame_pose(1, math.radians(12.0)), frame_pose(-1, math.radians(-5.0))
    far_left, near_left, near_right = (_pair(table.quadrant_middle(*each)) for each in ((-1, -1), (1, -1), (1, 1)))
    beside = (0.72, -0.1, table.TABLE_HEIGHT)

    def over(x: float, y: float, yaw: float) -> tuple[float, float, float, float]:
        return x, y, 0.12, yaw

    def over_handle(frame: tuple[float, float, float], opening: float) -> tuple[float, float, float, float]:
        point = table.at_frame((np.array(frame[:2]), frame[2]), table.HANDLE + opening, 0.0)
        return over(float(point[0]), float(point[1]), frame[2])

    travel = table.TRAVEL
    return (
        EvaluationGoal("drawer", Layout(right, travel, on_lid(right), near_left, HOME), (MoveDrawer(0.0),)),
        EvaluationGoal(
            "pick-place-table",
            Layout(left, 0.0, (0.7, 0.02, table.TABLE_HEIGHT), near_right, HOME),
            (PlaceBlock(on_lid(left)),),
        ),
        EvaluationGoal(
            "pick-place-drawer",
            Layout(right, travel, beside, far_left, HOME),
            (PlaceBlock(on_lid(right)), MoveDrawer(0.0)),
        ),
        EvaluationGoal(
            "push-open",
            Layout(right, 0.0, (0.58, -0.12, table.TABLE_HEIGHT), near_right, HOME),
            (PushCylinder(1, -1), MoveDrawer(travel)),
        ),
        EvaluationGoal(
            "open", Layout(right, 0.0, on_lid(right), near_left, over_handle(right, 0.0)), (MoveDrawer(travel),)
        ),
        EvaluationGoal(
            "close", Layout(left, travel, on_lid(left), near_right, over_handle(left, travel)), (MoveDrawer(0.0),)
        ),
        EvaluationGoal(
            "place",
            Layout(right, 0.0, beside, far_left, over(beside[0], beside[1], math.pi / 2 + right[2])),
            (PlaceBlock(on_lid(right)),),
        ),
        EvaluationGoal(
            "push",
            Layout(left, 0.0, on_lid(left), near_right, over(near_right[0] + 0.085, near_right[1], math.pi / 2)),
            (PushCylinder(-1, 1),),
        ),
    )


COMPOSITIONS = 4
"""Number of the compositions, which come first."""
EVALUATION_GOALS = _evaluation_goals()
"""They take turns in evaluation: episode ``i`` has goal ``i % 8``."""
