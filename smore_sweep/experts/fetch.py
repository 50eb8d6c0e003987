"""Scripted experts for the Fetch arm: reach a point, push a block to a point on the table.

The experts that pick and slide have their own modules and move the arm by :func:`command`, too.

The arm follows a position command that starts again from the gripper's position at every step, so a command of one
unit moves the gripper by ``STEP`` and leaves almost no momentum. Dividing a displacement by ``STEP`` is therefore the
fastest control: at most one unit per axis and step, and exactly on target in the last step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]

STEP = 0.033  # metres per step of 0.04 s on a command of 1 (the command asks for 0.05)
DT = 0.04  # seconds per step
GRAVITY = 9.81  # m/s^2; block and table have a friction coefficient of 1

# Heights of the gripper above the floor, in metres. The table's top is at 0.400, the resting block's at 0.450, and the
# closed fingers end 0.018 below the gripper.
PUSH_HEIGHT = 0.425  # the fingers just clear the table
LOW_ENOUGH = 0.450  # from here down the fingers overlap the block enough to push it while they still descend
SAFE_HEIGHT = 0.465  # from here up it is safe to go over the block
HOVER_HEIGHT = 0.478  # the gripper crosses the block at this height

# Horizontal distances in metres. Gripper and block count as axis-aligned squares, which the block nearly is.
TOUCH = np.array([0.0385, 0.040])  # between the centres when the fingers touch the block's side, along x and along y
CLEAR = 0.042  # between the centres (larger of x and y) when the fingers can go down beside the block
NEAR = 0.075  # between the centres, within which the gripper must rise before it goes on
GAP = 0.018  # left free between the fingers and the block where the gripper comes down
BEHIND = 0.03  # from contact, within which the gripper counts as behind the block
ALIGN = 0.03  # from the line through block and goal, within which it does
NEAR_ENOUGH = 0.04  # between where the block will rest and the goal: a bit inside the 0.05 that counts
RETREAT = 0.065  # between the centres, within which the gripper backs off from a block that has arrived

BRAKING = 0.8  # share of the frictional stopping distance (fitted)
LATERAL_GAIN = 0.3  # correction of the gripper's distance from the line; more makes the block turn
RETREAT_SPEED = 0.6  # share of the largest command
CREEP = 0.2  # share of the command that remains while the gripper rises beside the block


def reach(observation: Observation) -> NDArray[np.float32]:
    """Move the gripper straight to the goal.

    Takes the dict of FetchReach (``achieved_goal`` (3,) is the gripper, ``desired_goal`` (3,), both in metres) and
    returns the command (4,), of which the last entry, the fingers', is 0.
    """
    return command(observation["desired_goal"] - observation["achieved_goal"])


def push(observation: Observation) -> NDArray[np.float32]:
    """Push the block to the goal in a straight line at full speed, and let friction stop it.

    Takes the dict of FetchPush (``observation`` (25,): gripper [0:3], block [3:6], velocity of the block relative to
    the gripper [14:17] and of the gripper [20:23] in metres per step; ``desired_goal`` (3,) in metres) and returns the
    command (4,), of which the last entry, the fingers', is 0.
    """
    state = observation["observation"]
    gripper, height, block = state[:2], state[2], state[3:5]
    velocity = state[14:16] + state[20:22]
    relative = gripper - block

    # A moving block slides on after the last contact: plan for its resting position.
    speed = np.linalg.norm(velocity)
    rest = block + BRAKING * velocity * speed / (2.0 * GRAVITY * DT**2)
    remaining = observation["desired_goal"][:2] - rest
    distance = float(np.linalg.norm(remaining))
    if distance < NEAR_ENOUGH:
        return _retreat(relative, height)

    # The line of the push, and the gripper's position on it. At an angle the centres touch at a larger distance.
    direction = remaining / distance
    contact = float(np.min(TOUCH / np.maximum(np.abs(direction), 1e-6)))
    behind = -float(relative @ direction)
    lateral = relative + behind * direction
    if 0.0 < behind < contact + BEHIND and np.linalg.norm(lateral) < ALIGN and height <= LOW_ENOUGH:
        forward = _limit(direction * (distance + behind - contact) / STEP)
        move = _limit(forward - LATERAL_GAIN * lateral / STEP)
        return command(np.append(move * STEP, PUSH_HEIGHT - height))

    # Go to the contact point behind the block; over the block where it is in the way, and down as soon as it is not.
    goal_of_move = block - direction * (contact + GAP)
    move = np.clip((goal_of_move - gripper) / STEP, -1.0, 1.0)
    halfway = gripper + 0.5 * STEP * move  # the fingers need half a step to sink to the block's top
    if _passes(halfway, goal_of_move, block):
        if height < SAFE_HEIGHT and np.max(np.abs(relative)) < NEAR:
            move = CREEP * move
        return command(np.append(move * STEP, HOVER_HEIGHT - height))
    return command(np.append(move * STEP, PUSH_HEIGHT - height))


def command(displacement: Array, fingers: float = 0.0) -> NDArray[np.float32]:
    """Return the action (4,) that moves the gripper by ``displacement`` (3,), in metres, or as far as one step goes.

    ``fingers`` opens them at 1 and closes them at -1, where the task does not block them.
    """
    return np.append(np.clip(displacement / STEP, -1.0, 1.0), fingers).astype(np.float32)


def _limit(move: Array) -> Array:
    """Scale ``move`` down until no entry exceeds 1 in size."""
    return move / max(1.0, float(np.max(np.abs(move))))


def _retreat(relative: Array, height: float) -> NDArray[np.float32]:
    """Leave the block: back off if the fingers are beside it, else keep still."""
    span = float(np.max(np.abs(relative)))
    if span >= RETREAT or height >= SAFE_HEIGHT:
        return np.zeros(4, np.float32)
    return command(np.append(RETREAT_SPEED * STEP * relative / max(span, 1e-6), 0.0))


def _passes(start: Array, end: Array, block: Array) -> bool:
    """Return whether the straight way from ``start`` to ``end`` (both (2,), metres) crosses the block."""
    way = end - start
    share = np.clip((block - start) @ way / max(float(way @ way), 1e-12), 0.0, 1.0)
    return bool(np.max(np.abs(start + share * way - block)) < CLEAR)
