"""Scripted expert for the Shadow hand: bring the fingertips to their goals.

The hand's actuators are springs: a command is the angle that a joint is pulled to, and the joint comes to rest where
the spring balances gravity and, wherever thumb and finger meet, their contact. Instead of modelling all that, the
commands were fitted to simulated episodes (:mod:`smore_sweep.experts.fit_hand`): for each finger that the thumb can
meet, they are quadratic polynomials of the thumb's goal, and for the initial posture they are constants. Feedback of
the joints' angles makes the springs three times as stiff, and the hand as much faster.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]

FINGER = ((-0.349, 0.349), (0.0, 1.571), (0.0, 1.571))
WRIST = ((-0.489, 0.140), (-0.698, 0.489))
PALM = ((0.0, 0.785),)  # the little finger has a joint more than the others
THUMB = ((-1.047, 1.047), (0.0, 1.222), (-0.209, 0.209), (-0.524, 0.524), (-1.571, 0.0))
RANGES = np.array([*WRIST, *FINGER, *FINGER, *FINGER, *PALM, *FINGER, *THUMB])  # rad, of the 20 actuators
MIDDLE, HALF = RANGES.mean(axis=1), np.diff(RANGES)[:, 0] / 2.0
COUPLED = (5, 9, 13, 18)  # the fingers' last joints, which have no actuator: a tendon moves them with the joint before
ACTUATED = np.delete(np.arange(24), COUPLED)
STIFFNESS = 2.0  # of the feedback, relative to the actuators' own

CENTRE = np.array([1.0018, 0.8687, 0.1877])  # metres; the mean of the thumb's goals when it meets a finger
SPREAD = 0.005  # metres; their standard deviation
MEETING = 0.02  # metres between the goals of thumb and finger, below which they are to meet


def reach(observation: Observation) -> NDArray[np.float32]:
    """Pull the joints to the angles that were fitted for the goal, by the stiffened springs.

    Takes the dict of ``smore/HandReach-v0`` (of ``observation`` (63,): joint angles [0:24] in rad; ``desired_goal``
    (15,): where the fingertips are to go, in metres, the thumb's last) and returns the actuators' targets (20,).
    """
    goal = observation["desired_goal"]
    met = posture(goal)
    return stiffened(features(goal, met) @ load()[met], observation["observation"][:24])


def stiffened(command: Array, joints: Array) -> NDArray[np.float32]:
    """The action (20,) that pulls the joints, now at the angles ``joints`` (24,) in rad, towards ``command`` (20,).

    Commands are angles in units of the actions: -1 to 1 is a joint's range, beyond which a command only pulls harder.
    """
    angles = (joints[ACTUATED] - MIDDLE) / HALF
    return np.clip(command + STIFFNESS * (command - angles), -1.0, 1.0).astype(np.float32)


def posture(goal: Array) -> int:
    """The finger that the thumb is to meet, 0 (forefinger) to 3 (little finger), or 4 for none. ``goal``: (15,)."""
    places = goal.reshape(5, 3)
    distances = np.linalg.norm(places[:4] - places[4], axis=1)
    return int(np.argmin(distances)) if np.min(distances) < MEETING else 4


def features(goal: Array, met: int) -> Array:
    """The monomials (10,) up to degree 2 of where the thumb is to meet a finger; only the constant if it is not to."""
    x, y, z = (goal[12:] - CENTRE) / SPREAD if met < 4 else np.zeros(3)
    return np.array([1.0, x, y, z, x * x, x * y, x * z, y * y, y * z, z * z])


@lru_cache
def load() -> Array:
    """The fitted coefficients (5, 10, 20): of each posture, monomial and actuator."""
    path = resources.files("smore_sweep.experts") / "policies" / "hand.npy"
    with path.open("rb") as file:
        coefficients: Array = np.load(file, allow_pickle=False)
        return coefficients
