"""Random scenes of the tabletop, and what can be done in them."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs import tabletop_scene as table
from smore_sweep.envs.tabletop_scene import Layout, Scene
from smore_sweep.experts.tabletop_primitives import Command, MoveDrawer, PlaceBlock, PushCylinder

Array = NDArray[np.float64]

FRAME_X, FRAME_Y = 0.52, 0.13
IN_DRAWER = 0.115
"""From the middle of the frame to a block in an open drawer, where the lid does not cover it."""
CLEARANCE = 0.085
"""Between the block and the cylinder on the table."""
_TABLE_LOW, _TABLE_HIGH = np.array([0.5, -0.2]), np.array([0.82, 0.2])


def random_layout(random: np.random.Generator) -> Layout:
    """Draw a scene: the drawer on either side, open or closed; the block on its lid, in it, or on the table."""
    side = int(random.choice([-1, 1]))
    frame = frame_pose(side, math.radians(random.uniform(-15.0, 25.0)))
    opened = bool(random.random() < 0.5)
    quadrants = [(1, -side), (-1, -side), *([] if opened else [(1, side)])]
    cylinder = table.quadrant_middle(*quadrants[random.integers(len(quadrants))]) + random.uniform(-0.015, 0.015, 2)
    place = random.choice(["lid", "table", "drawer"] if opened else ["lid", "table"])
    hand = random.uniform([0.5, -0.2, 0.17, -0.5], [0.82, 0.2, 0.22, 0.5])
    return Layout(
        frame=frame,
        opening=table.TRAVEL if opened else 0.0,
        block=_block_position(str(place), frame, cylinder, random),
        cylinder=(float(cylinder[0]), float(cylinder[1])),
        hand=(float(hand[0]), float(hand[1]), float(hand[2]), float(hand[3])),
    )


def random_command(scene: Scene, random: np.random.Generator) -> Command:
    """Draw one of the commands that can be carried out in a scene."""
    position, yaw = scene.frame
    frame = (float(position[0]), float(position[1]), yaw)
    side = 1 if frame[1] > 0 else -1
    opened = scene.opening > 0.5 * table.TRAVEL
    kind = random.choice(["place", "push", *([] if scene.locked else ["drawer"])])
    if kind == "drawer":
        return MoveDrawer(0.0 if opened else table.TRAVEL)
    if kind == "place":
        here = table.block_place(scene.state())
        places = [place for place in ("lid", "table", *(["drawer"] if opened else [])) if place != here]
        return PlaceBlock(_block_position(str(random.choice(places)), frame, scene.cylinder, random))
    near, across = table.quadrant(scene.cylinder)
    if (near, across) == (-1, -side):
        return PushCylinder(1, -side)
    if (near, across) == (1, side):
        return PushCylinder(1, -side)
    targets = [(-1, -side), *([] if opened else [(1, side)])]
    return PushCylinder(*targets[random.integers(len(targets))])


def frame_pose(side: int, inwards: float) -> tuple[float, float, float]:
    """Return the frame's pose on a side, turned towards the middle of the table."""
    return FRAME_X, side * FRAME_Y, -side * inwards


def on_lid(frame: tuple[float, float, float], along: float = 0.0, across: float = 0.0) -> tuple[float, float, float]:
    x, y = table.at_frame((np.array(frame[:2]), frame[2]), along, across)
    return float(x), float(y), table.LID_HEIGHT


def _block_position(
    place: str, frame: tuple[float, float, float], cylinder: Array, random: np.random.Generator
) -> tuple[float, float, float]:
    if place == "lid":
        return on_lid(frame, *random.uniform(-0.03, 0.03, 2))
    pose = np.array(frame[:2]), frame[2]
    if place == "drawer":
        x, y = table.at_frame(pose, *(np.array([IN_DRAWER, 0.0]) + random.uniform(-0.012, 0.012, 2)))
        return float(x), float(y), table.TRAY_HEIGHT
    while True:
        point = random.uniform(_TABLE_LOW, _TABLE_HIGH)
        along, across = table.at_frame((np.zeros(2), -frame[2]), *(point - pose[0]))
        if np.linalg.norm(point - cylinder) > CLEARANCE and not (abs(across) < 0.14 and -0.13 < along < 0.31):
            return float(point[0]), float(point[1]), table.TABLE_HEIGHT
