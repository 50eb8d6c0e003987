"""Scripted experts for the point in the square: straight to the goal, or through the openings of the four rooms.

Rooms and openings form a ring of eight convex cells, so there are two ways. A point that touches a doorpost slides
along it, because walls stop one coordinate only.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]

WALL = 0.8  # half the walls' width, for the point's centre
CENTRE = 3.05  # of an opening, from the middle
DOORWAYS = CENTRE * np.array([[0.0, 1.0], [-1.0, 0.0], [0.0, -1.0], [1.0, 0.0]])  # counter-clockwise from the north
CELLS = 8


def reach(observation: Observation) -> NDArray[np.float32]:
    """Move straight to the goal.

    Takes the dict of PointReach (``achieved_goal`` (2,) is the position, ``desired_goal`` (2,)) and returns the
    displacement (2,).
    """
    return _towards(observation["desired_goal"], observation["achieved_goal"])


def rooms(observation: Observation) -> NDArray[np.float32]:
    """Move straight to the next doorway on the shorter of the two ways round, and from the last one to the goal.

    Takes the dict of PointRooms (``achieved_goal`` (2,) is the position, ``desired_goal`` (2,)) and returns the
    displacement (2,).
    """
    position, goal = observation["achieved_goal"], observation["desired_goal"]
    start, end = _cell(position), _cell(goal)
    ways = []
    for turn in (1, -1):
        between = [(start + turn * i) % CELLS for i in range(1, turn * (end - start) % CELLS)]
        ways.append([*(DOORWAYS[cell // 2] for cell in between if cell % 2), goal])
    way = min(ways, key=lambda way: sum(float(np.linalg.norm(b - a)) for a, b in itertools.pairwise([position, *way])))
    return _towards(way[0], position)


def _cell(position: Array) -> int:
    """Return the cell of a position, counter-clockwise from the north-east room 0 and the north opening 1."""
    x, y = float(position[0]), float(position[1])
    if abs(x) <= WALL:
        return 1 if y > 0 else 5
    if abs(y) <= WALL:
        return 7 if x > 0 else 3
    return (0 if y > 0 else 6) if x > 0 else (2 if y > 0 else 4)


def _towards(target: Array, position: Array) -> NDArray[np.float32]:
    """Return the displacement (2,) to the target, scaled down until no entry exceeds 1 in size."""
    way = target - position
    displacement: NDArray[np.float32] = (way / max(1.0, float(np.max(np.abs(way))))).astype(np.float32)
    return displacement
