"""Scripted experts for the Sawyer hand: reach a point, open a door by hooking the bar of its handle.

The hand follows its command within a millimetre, so dividing a displacement by ``STEP`` is the fastest control.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]

STEP = 0.02  # metres per step on a command of 1

# The door and the hook, in metres. "Along" the door is positive towards the hinge, "across" it into the cabinet.
HINGE = np.array([0.21, 0.725])
TIP = np.array([0.0, 0.05])  # the hook's tip, as seen from the hand
HALF_TIP = 0.01  # half the width of the tip, which is a square
BAR, PANEL = -0.05, -0.01  # across: the inner side of the bar, the front of the panel
MIDDLE = 0.5 * (BAR + PANEL)
GRIP = -0.20  # along: position of the grip; nearer to the hinge, the door turns further per step
X_MAX = 0.05  # end of the hand's box

# Heights of the hand above the robot's base, in metres.
HOOKED = 0.182  # the tip is deep behind the bar, and the hook's arm stays above it
BEHIND = 0.198  # below this the tip is behind the bar
ABOVE = 0.205  # the tip just clears the bar
RAISED = 0.222  # the tip clears the bar by far

NEAR_ENOUGH = 0.012  # rad from the goal, within which the hand releases the door
FIT = 0.006  # metres from the middle, within which the tip fits between bar and panel


def reach(observation: Observation) -> NDArray[np.float32]:
    """Move the hand straight to the goal.

    Takes the dict of SawyerReach (``achieved_goal`` (3,) is the hand, ``desired_goal`` (3,), both in metres) and
    returns the command (3,).
    """
    return _command(observation["desired_goal"] - observation["achieved_goal"])


def open_door(observation: Observation) -> NDArray[np.float32]:
    """Lower the hook between bar and panel, pull or push the door to its angle, then lift the hook out.

    Takes the dict of SawyerDoor (``observation`` (4,): hand in metres and door's angle in rad; ``desired_goal`` (1,)
    in rad) and returns the command (3,). A released door stays in place, even with noisy actions.
    """
    hand, angle = observation["observation"][:3], observation["observation"][3]
    goal = observation["desired_goal"][0]
    behind = hand[2] < BEHIND
    if abs(angle - goal) < NEAR_ENOUGH:  # once the tip is out, keep it away from the panel, which is higher
        return _command(_hand_at(angle, MIDDLE if behind else BAR, RAISED) - hand)
    if not behind:
        fits = abs(_across(hand, angle) - MIDDLE) < FIT
        return _command(_hand_at(angle, MIDDLE, HOOKED if fits else ABOVE) - hand)
    touch = HALF_TIP * (np.cos(goal) + np.sin(goal))  # half the width of the tip, seen from a door that is turned
    return _command(_hand_at(goal, BAR + touch if angle < goal else PANEL - touch, HOOKED) - hand)


def _across(hand: Array, angle: float) -> float:
    """Return the position of the hook's tip across a door at ``angle``."""
    x, y = hand[:2] + TIP - HINGE
    return float(y * np.cos(angle) - x * np.sin(angle))


def _hand_at(angle: float, across: float, height: float) -> Array:
    """Return the hand's position (3,) with the hook's tip at ``GRIP`` along and ``across`` a door at ``angle``.

    Where the box does not allow ``GRIP``, the position is the nearest one.
    """
    x = min(GRIP * np.cos(angle) - across * np.sin(angle), X_MAX - HINGE[0])
    y = (across + x * np.sin(angle)) / np.cos(angle)
    return np.append(HINGE + np.array([x, y]) - TIP, height)


def _command(displacement: Array) -> NDArray[np.float32]:
    """Return the action (3,) that moves the hand by ``displacement`` (3,), in metres, or as far as one step goes."""
    return np.clip(displacement / STEP, -1.0, 1.0).astype(np.float32)
