"""Scripted expert for the Shadow hand: bring the fingertips to their goals.

The hand's actuators are springs: a command is the target angle of a joint, and the joint comes to rest where the spring
balances gravity and the contact of thumb and finger, if they meet. The commands are fitted to simulated episodes
(:mod:`smore_sweep.experts.recipes.fit_hand`) instead of a model of these forces: per finger that the thumb can meet,
they are quadratic polynomials of the thumb's goal, and for the initial posture they are constants. Feedback of the
joints' angles makes the springs twice as stiff, and the hand twice as fast. Feedback of the fingertips' positions keeps
thumb and finger, which press against each other, from sliding apart.

A goal is reached if all fingertips together (the norm of 15 coordinates) are less than 10 mm off. The contact alone
takes 4 to 9 mm of that, because the goals of thumb and finger are nearer to each other than the two are thick. Even
commands optimised for a single goal miss about every twelfth goal. Noise therefore costs much: over 200 episodes
success was .86 without noise, .78 with noise of 0.05 on the actions, .36 with 0.1 and .03 with 0.2.
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
COUPLED = (5, 9, 13, 18)  # the fingers' last joints, without actuators: a tendon couples each to the joint before
ACTUATED = np.delete(np.arange(24), COUPLED)
STIFFNESS = 1.0  # of the joints' feedback, relative to the actuators' own

CENTRE = np.array([1.0018, 0.8687, 0.1877])  # metres; the mean of the thumb's goals when it meets a finger
SPREAD = 0.005  # metres; their standard deviation
MEETING = 0.02  # metres between the goals of thumb and finger, below which they meet


def reach(observation: Observation) -> NDArray[np.float32]:
    """Move the joints, by stiffened springs, to the angles fitted for the goal.

    Takes the dict of ``smore/HandReach-v0`` (of ``observation`` (63,): joint angles [0:24] in rad; ``achieved_goal``
    and ``desired_goal`` (15,): the fingertips' positions and goals, in metres, the thumb's last) and returns
    the targets of the 20 position actuators.
    """
    joints, goal = observation["observation"][:24], observation["desired_goal"]
    met = posture(goal)
    return act(joints, observation["achieved_goal"], goal, monomials(goal, met), *(array[met] for array in load()))


def act(joints: Array, tips: Array, goal: Array, x: Array, coefficients: Array, gains: Array) -> NDArray[np.float32]:
    """Return the action (20,) at joint angles (24,), in rad, and fingertips (15,), with ``x = monomials(goal)``.

    ``coefficients`` are (10, 20), ``gains`` of the fingertips' feedback (15, 20). A command is an angle in units of
    the actions: -1 to 1 is the joint's range. Commands beyond it only increase the force.
    """
    command = x @ coefficients + (goal - tips) @ gains
    angles = (joints[ACTUATED] - MIDDLE) / HALF
    action: NDArray[np.float32] = np.clip(command + STIFFNESS * (command - angles), -1.0, 1.0).astype(np.float32)
    return action


def posture(goal: Array) -> int:
    """Return the finger that the thumb meets at ``goal`` (15,): 0 (forefinger) to 3 (little finger), or 4 for none."""
    tips = goal.reshape(5, 3)
    distances = np.linalg.norm(tips[:4] - tips[4], axis=1)
    return int(np.argmin(distances)) if np.min(distances) < MEETING else 4


def monomials(goal: Array, met: int) -> Array:
    """Return the monomials (10,) of the thumb's goal up to degree 2; only the constant if it meets no finger (4)."""
    x, y, z = (goal[12:] - CENTRE) / SPREAD if met < 4 else np.zeros(3)
    return np.array([1.0, x, y, z, x * x, x * y, x * z, y * y, y * z, z * z])


@lru_cache
def load() -> tuple[Array, Array]:
    """Load the fitted coefficients (5, 10, 20) and gains (5, 15, 20) of :func:`act`, for each posture."""
    path = resources.files("smore_sweep.experts") / "policies" / "hand.npz"
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return arrays["coefficients"], arrays["gains"]
