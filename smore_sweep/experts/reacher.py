"""Scripted expert for Reacher: inverse kinematics of the two links, then each joint to its angle at full speed.

A joint is close to a mass moved by its torque alone (its armature of 1 kg m^2 dwarfs the links' inertia), so the
fastest way is full torque one way, then full torque the other way. The switch occurs at the speed from which the
remaining way just suffices to brake.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Observation = dict[str, Array]

UPPER, LOWER = 0.10, 0.11  # lengths of the links in metres, the second up to the fingertip's centre
ELBOW_LIMIT = 2.95  # rad; the elbow joint stops at 3.0
ACCELERATION = 200.0  # rad/s^2 at full torque: 200 N m on 1 kg m^2
DAMPING = 1.0  # rad/s^2 of deceleration per rad/s
DT = 0.02  # seconds per step
BRAKING = 0.7  # share of the full torque assumed for braking; the rest absorbs time steps and coupling
FORESIGHT = 0.03  # seconds of the present motion to extrapolate when choosing the elbow's side


def reach(observation: Observation) -> NDArray[np.float32]:
    """Move the fingertip to the target by the quicker of the two postures that reach it.

    Takes the dict of ``smore/Reacher-v0`` (of ``observation`` (11,): cos [0:2] and sin [2:4] of the joint angles,
    joint velocities [6:8] in rad/s; ``desired_goal`` (2,) in metres) and returns the torques (2,).
    """
    state = observation["observation"]
    velocity = state[6:8]
    angles = np.arctan2(state[2:4], state[0:2])
    errors = [posture - angles for posture in _postures(observation["desired_goal"])]
    for error in errors:
        error[0] = (error[0] + np.pi) % (2.0 * np.pi) - np.pi  # the shoulder turns freely, the elbow does not
    error = min(errors, key=lambda e: float(np.max(np.abs(e - FORESIGHT * velocity))))

    braking = np.sqrt(2.0 * BRAKING * ACCELERATION * np.abs(error))
    wanted = np.sign(error) * np.minimum(braking, np.abs(error) / DT)  # no faster than one step to the end
    torque = (wanted - velocity) / (ACCELERATION * DT) + DAMPING * velocity / ACCELERATION
    return np.clip(torque, -1.0, 1.0).astype(np.float32)


def _postures(target: Array) -> list[Array]:
    """Return the joint angles (2,), in rad, of both postures with the fingertip at, or nearest to, ``target``."""
    cosine = (float(target @ target) - UPPER**2 - LOWER**2) / (2.0 * UPPER * LOWER)
    bend = min(float(np.arccos(np.clip(cosine, -1.0, 1.0))), ELBOW_LIMIT)
    heading = np.arctan2(target[1], target[0])
    return [
        np.array([heading - np.arctan2(LOWER * np.sin(elbow), UPPER + LOWER * np.cos(elbow)), elbow])
        for elbow in (bend, -bend)
    ]
