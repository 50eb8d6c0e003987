"""Scripted expert for the Shadow hand: bring the fingertips to their goals.

The hand's actuators are springs: a command is the angle that a joint is pulled to, and the joint comes to rest where
the spring balances gravity and, wherever thumb and finger meet, their contact. Instead of modelling all that, the
commands were fitted to simulated episodes (:mod:`smore_sweep.experts.recipes.fit_hand`): for each finger that the thumb
can meet, they are quadratic polynomials of the thumb's goal, and for the initial posture they are constants. Feedback
of the joints' angles makes the springs twice as stiff, and the hand twice as fast. Feedback of the fingertips' places
keeps thumb and finger, which press against each other, from sliding apart.

A goal is reached if all fingertips together (the norm of 15 coordinates) are less than 10 mm off. The contact alone
takes 4 to 9 mm of that, because the goals of thumb and finger are nearer to each other than the two are thick, and
about every twelfth goal was not reached by optimising the command for it alone. Noise therefore spoils much: over 200
episodes success was .86 without, .78 with noise of 0.05 on the actions, .36 with 0.1 and .03 with 0.2.
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
STIFFNESS = 1.0  # of the joints' feedback, relative to the actuators' own

CENTRE = np.array([1.0018, 0.8687, 0.1877])  # metres; the mean of the thumb's goals when it meets a finger
SPREAD = 0.005  # metres; their standard deviation
MEETING = 0.02  # metres between the goals of thumb and finger, below which they are to meet


def reach(observation: Observation) -> NDArray[np.float32]:
    """Pull the joints, by the stiffened springs, to the angles that were fitted for the goal.

    Takes the dict of ``smore/HandReach-v0`` (of ``observation`` (63,): joint angles [0:24] in rad; ``achieved_goal``
    and ``desired_goal`` (15,): where the fingertips are and where they are to go, in metres, the thumb's last) and
    returns the targets of the 20 position actuators.
    """
    joints, goal = observation["observation"][:24], observation["desired_goal"]
    met = posture(goal)
    return act(joints, observation["achieved_goal"], goal, monomials(goal, met), *(array[met] for array in load()))


def act(joints: Array, tips: Array, goal: Array, x: Array, coefficients: Array, gains: Array) -> NDArray[np.float32]:
    """The action (20,) at the joints' angles (24,), in rad, and the fingertips (15,), with ``x = monomials(goal)``.

    ``coefficients`` are (10, 20), ``gains`` of the fingertips' feedback (15, 20). A command is an angle in units of
    the actions: -1 to 1 is the joint's range. Beyond it the joint is only pulled harder.
    """
    command = x @ coefficients + (goal - tips) @ gains
    angles = (joints[ACTUATED] - MIDDLE) / HALF
    action: NDArray[np.float32] = np.clip(command + STIFFNESS * (command - angles), -1.0, 1.0).astype(np.float32)
    return action


def posture(goal: Array) -> int:
    """The finger that the thumb is to meet, 0 (forefinger) to 3 (little finger), or 4 for none. ``goal``: (15,)."""
    places = goal.reshape(5, 3)
    distances = np.linalg.norm(places[:4] - places[4], axis=1)
    return int(np.argmin(distances)) if np.min(distances) < MEETING else 4


def monomials(goal: Array, met: int) -> Array:
    """Up to degree 2 (10,) of where the thumb is to meet the finger ``met``; only the constant if it meets none."""
    x, y, z = (goal[12:] - CENTRE) / SPREAD if met < 4 else np.zeros(3)
    return np.array([1.0, x, y, z, x * x, x * y, x * z, y * y, y * z, z * z])


@lru_cache
def load() -> tuple[Array, Array]:
    """The fitted coefficients (5, 10, 20) and gains (5, 15, 20) of :func:`act`, for each posture."""
    path = resources.files("smore_sweep.experts") / "policies" / "hand.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["coefficients"], arrays["gains"]
