"""Scripted expert for FetchPick: grip the block and carry it straight to the goal.

The phases overlap: the gripper comes down while it still moves sideways, the fingers close while it still comes down,
and the carrying starts as soon as they hold. The arm moves as in :mod:`smore_sweep.experts.fetch`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smore_sweep.experts.fetch import STEP, Array, Observation, command

# In metres. The fingers stand apart along y: open, their inner sides are 0.051 from the middle; the block's are 0.025.
ROOM = 0.05  # height of the gripper above the block at which the open fingers pass over it
BESIDE = 0.016  # distance along y within which the open fingers go down on both sides of the block
ALONG = 0.05  # distance along x within which they may start to
CENTRED = 0.02  # distance along x and y, and in height, at which closing fingers take hold of the block
EARLY = 0.036  # height above the block at which closing starts; it takes two steps, and the rest of the way one
HELD = 0.056  # sum of both fingers' openings, from which on they are about to hold; 0.10 is open, 0.05 is the block
WIDTH = np.array([0.055, 0.10])  # along x and y, within which the low gripper would shove the block
CREEP = 0.2  # share of the sideways command that remains while the gripper rises there


def pick(observation: Observation) -> NDArray[np.float32]:
    """Grip the block, carry it to the goal and hold it there.

    Takes the dict of FetchPick (``observation`` (25,): block relative to the gripper [6:9] in metres, openings of the
    fingers [9:11] in metres; ``achieved_goal`` (3,) is the block, ``desired_goal`` (3,), both in metres) and returns
    the command (4,).
    """
    state = observation["observation"]
    to_block = state[6:9]
    away = np.abs(to_block)
    height = -float(to_block[2])
    if np.all(away[:2] < CENTRED) and height < CENTRED and float(state[9] + state[10]) < HELD:
        return command(observation["desired_goal"] - observation["achieved_goal"], fingers=-1.0)

    # The gripper's position after half a step down, and whether it may go there.
    soon = np.maximum(away[:2] - 0.5 * STEP, 0.0)
    if soon[0] < ALONG and soon[1] < BESIDE:
        closing = bool(np.all(away[:2] < CENTRED)) and height < EARLY
        return command(to_block, fingers=-1.0 if closing else 1.0)
    shoving = height < ROOM - 0.01 and bool(np.all(away[:2] < WIDTH))
    sideways: Array = CREEP * to_block[:2] if shoving else to_block[:2]
    return command(np.append(sideways, ROOM - height), fingers=1.0)
