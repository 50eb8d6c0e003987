"""Scripted expert for FetchSlide: carry the puck to a goal within the arm's reach, or strike it to one beyond.

The closed fingers carry the puck by pressing on it from above: their friction coefficient with the puck is 1, the
puck's with the table 0.1. If the goal is out of reach, the expert carries the puck to the strike line ``STRIKE_X``, to
the point from which the goal is straight ahead along x. The gripper then goes down behind the puck and strikes. The
fingers' front is flat and the puck is round, so the puck leaves along x wherever the fingers hit it, and the sideways
command corrects a few centimetres.

MuJoCo's friction cone is a pyramid, ``|f_x| + |f_y| <= mu m g``, so the force is along the faster of the two axes until
both speeds are equal, then along both. In coordinates turned by 45 degrees, ``x + y`` and ``x - y``, this is ordinary
sliding in each coordinate: speed ``u`` carries the puck by ``u^2 / (2 mu g)``. In measurements it slides another
``CREEP``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from smore_sweep.experts.fetch import DT, GRAVITY, STEP, Array, Observation, command

FRICTION = 0.1  # of puck and table
CREEP = 0.025  # metres
TURN = np.array([[1.0, 1.0], [1.0, -1.0]])  # to the turned coordinates and, halved, back

# The arm's reach, in metres.
SHOULDER = np.array([0.37, 0.749])
REACH = 1.03  # horizontally, from the shoulder
STRIKE_X = 1.15  # the farthest point at which the gripper still moves at full speed

# Heights of the gripper in metres. The table's top is at 0.400, the puck's at 0.434, and the fingers end 0.020 below.
PRESS_HEIGHT = 0.446  # a target 0.008 inside the puck, which gives the force of the press
DROOP = 0.03  # the stretched arm stays above its target; press lower by this per metre beyond DROOP_FROM
DROOP_FROM = 0.85
OVER_HEIGHT = 0.462  # the fingers pass over the puck
HOP_HEIGHT = 0.475  # the fingers pass over it with room to spare
ON_HEIGHT = 0.458  # from here down the fingers touch the puck's top
LOW_HEIGHT = 0.428  # the fingers are beside the puck and clear of the table

# Carrying; distances in metres.
HOLD = 0.032  # between the centres, within which the fingers hold the puck
LEAD = 0.024  # of the gripper before the puck; the friction bears no more
TRAIL = 0.012  # of the gripper behind the puck when it comes down: the puck takes some time to come along
PULL = 1.3  # ratio of the gripper's speed to the puck's last speed; within a step the gripper jerks
APPROACH = 0.7  # share of the remaining way that a step makes near the destination
CENTRING = 0.5  # share of the sideways offset that a step corrects
BESIDE = 0.05  # between the centres (larger of x and y), within which a low gripper would shove the puck
CENTRED = 0.022  # between the centres (larger of x and y), from which on the gripper comes down on the puck
CLOSE_ENOUGH = 0.04  # from the goal, at which a puck that is not held stays where it comes to rest

# Striking; distances in metres.
TOUCH = 0.0385  # between the centres along x at contact
RUN_UP = 0.0145  # between fingers and puck before the strike; the speed of the puck varies least around here
AIM = np.array(
    [0.03, 0.0]
)  # from the goal; strikes fall short by most of this on average, because the episode ends first
CONTACT = 0.008  # between fingers and puck, within which the next step hits it
SLOW = 0.12  # m/s, below which puck and gripper count as resting
RUNNING = 0.2  # m/s, above which the gripper is in its run-up


class Scene(NamedTuple):
    """The state that the expert uses; positions (2,) in metres, velocities (2,) in m/s."""

    gripper: Array
    height: float
    gripper_velocity: Array
    puck: Array
    velocity: Array

    @property
    def offset(self) -> Array:
        """Position of the gripper relative to the puck."""
        return self.gripper - self.puck

    @property
    def gap(self) -> float:
        """Distance along x from the fingers to the puck ahead of them."""
        return float(self.puck[0] - self.gripper[0] - TOUCH)

    @property
    def resting(self) -> bool:
        """Whether the puck is at rest."""
        return float(np.linalg.norm(self.velocity)) < SLOW

    @property
    def held(self) -> bool:
        """Whether the fingers press on the puck."""
        return float(np.linalg.norm(self.offset)) < HOLD and self.height < ON_HEIGHT


def slide(observation: Observation) -> NDArray[np.float32]:
    """Carry the puck to a goal within reach; strike it to one beyond.

    Takes the dict of FetchSlide (``observation`` (25,): gripper [0:3], puck [3:6], velocity of the puck relative to the
    gripper [14:17] and of the gripper [20:23] in metres per step; ``desired_goal`` (3,) in metres) and returns the
    command (4,), of which the last entry, the fingers', is 0.
    """
    scene = look(observation)
    goal = observation["desired_goal"][:2]
    way = goal - scene.puck
    if np.linalg.norm(goal - SHOULDER) < REACH:
        rests = np.linalg.norm(way - sliding_way(scene.velocity)) < CLOSE_ENOUGH
        return _keep_off(scene) if rests and not scene.held else _carry(scene, goal)

    line = np.array([STRIKE_X, goal[1]])
    if behind(scene):
        return strike(scene, goal + AIM)
    beyond = scene.puck[0] - STRIKE_X
    if not scene.held and beyond > (0.15 if scene.resting else 0.03):
        return command(np.zeros(3))  # the puck is on its way, or out of reach
    off_line = abs(scene.puck[1] - goal[1])
    if scene.resting and abs(beyond) < 0.04 and off_line < (0.012 if scene.held else 0.02):
        return _go_behind(scene)
    return _carry(scene, line)


def look(observation: Observation) -> Scene:
    """Extract the scene from an observation."""
    state = observation["observation"]
    return Scene(state[0:2], float(state[2]), state[20:22] / DT, state[3:5], (state[14:16] + state[20:22]) / DT)


def sliding_way(velocity: Array) -> Array:
    """Return how far (2,) a puck of that ``velocity`` (2,) slides, in metres."""
    turned = TURN @ velocity
    way = TURN @ (turned * np.abs(turned)) / (4.0 * FRICTION * GRAVITY)
    return way + CREEP * velocity / max(float(np.linalg.norm(velocity)), 0.3)


def launch_velocity(way: Array) -> Array:
    """Return the velocity (2,), in m/s, at which a puck slides by ``way`` (2,): the inverse of :func:`sliding_way`."""
    turned = TURN @ way * max(0.0, 1.0 - CREEP / max(float(np.linalg.norm(way)), CREEP))
    velocity: Array = TURN @ (np.sign(turned) * np.sqrt(2.0 * FRICTION * GRAVITY * np.abs(turned))) / 2.0
    return velocity


def _carry(scene: Scene, destination: Array) -> NDArray[np.float32]:
    """Take hold of the puck and carry it. The holding fingers lead by no more than friction bears."""
    way = destination - scene.puck
    distance = float(np.linalg.norm(way))
    direction = way / max(distance, 1e-9)
    stretch = max(0.0, float(np.linalg.norm(scene.gripper - SHOULDER)) - DROOP_FROM)
    press = PRESS_HEIGHT - DROOP * stretch - scene.height
    if scene.held:
        ahead = float(scene.offset @ direction)
        coming = PULL * DT * max(float(scene.velocity @ direction), 0.0)
        move = min(coming + LEAD - ahead, APPROACH * distance) * direction
        move = move - CENTRING * (scene.offset - ahead * direction)
        move = move / max(1.0, float(np.max(np.abs(move))) / STEP)
        return command(np.append(move, press))
    span = float(np.max(np.abs(scene.offset)))
    if scene.height < PRESS_HEIGHT + 0.004 and span < BESIDE:
        return command(np.append(scene.velocity * DT, HOP_HEIGHT - scene.height))
    move = scene.velocity * DT - TRAIL * direction - scene.offset
    over = span > CENTRED or scene.height > OVER_HEIGHT + 0.008
    return command(np.append(move, OVER_HEIGHT - scene.height if over else press))


def _keep_off(scene: Scene) -> NDArray[np.float32]:
    """Stay above a puck that is at its goal."""
    return command(np.array([0.0, 0.0, HOP_HEIGHT - scene.height]))


def _go_behind(scene: Scene) -> NDArray[np.float32]:
    """Move from above the puck, over its edge, to the start of the run-up."""
    back = scene.gap - RUN_UP
    if scene.gap < -0.004:  # still above it
        back *= 0.5 if scene.height < 0.46 else 1.0
        return command(np.array([back, -scene.offset[1], HOP_HEIGHT - scene.height]))
    return command(np.array([back, -scene.offset[1], LOW_HEIGHT - scene.height]))


def behind(scene: Scene) -> bool:
    """Return whether the gripper is low behind a puck that is at the strike line or was just struck."""
    at_the_line = -0.05 < scene.puck[0] - STRIKE_X < 0.12
    aligned = -0.012 < scene.gap < 0.02 and abs(scene.offset[1]) < 0.016
    return at_the_line and aligned and scene.height < 0.44 and not scene.held


def running_up(scene: Scene) -> bool:
    """Return whether the gripper, behind a resting puck, is in its run-up or in position to begin it."""
    placed = 0.010 < scene.gap < 0.019 and abs(scene.offset[1]) < 0.006 and abs(scene.height - LOW_HEIGHT) < 0.006
    forward = scene.gripper_velocity[0]
    return bool(forward > RUNNING or (placed and abs(forward) < SLOW))


def strike(scene: Scene, goal: Array) -> NDArray[np.float32]:
    """Take the run-up, hit the puck (``FIRST_*``), follow through (``SECOND_*``) and leave it.

    The launch velocity, from which the puck would slide from its present to its final position, is a linear function of
    the command with fitted coefficients (``python -m smore_sweep.experts.recipes.fit_slide``). Its inverse gives the
    command for the goal's launch velocity. The follow-through corrects the error of the hit.
    """
    wanted = launch_velocity(goal - scene.puck)
    if scene.resting:
        if not running_up(scene):
            return command(np.array([scene.gap - RUN_UP, -scene.offset[1], LOW_HEIGHT - scene.height]))
        forward = (wanted[0] - FIRST_X[0]) / FIRST_X[1]
        sideways = (wanted[1] - FIRST_Y[1:] @ side_features(scene)) / FIRST_Y[0]
    else:
        short = float((goal - scene.puck - sliding_way(scene.velocity))[0])
        base, slope = hit_features(scene)
        forward = (wanted[0] - SECOND_X[: len(base)] @ base) / max(float(SECOND_X[len(base) :] @ slope), 0.15)
        sideways = (wanted[1] - SECOND_Y[1:] @ side_features(scene)) / SECOND_Y[0]
        if scene.gap > CONTACT or short < 0.02 or forward < -0.3:
            return command(np.zeros(3))
    move = STEP * np.array([np.clip(forward, 0.0, 1.0), np.clip(sideways, -0.6, 0.6)])
    return command(np.append(move, LOW_HEIGHT - scene.height))


def hit_features(scene: Scene) -> tuple[Array, Array]:
    """Return the features of a struck puck's forward velocity: constant ones (10,), and factors of the command (4,)."""
    g, u, v = 50.0 * scene.gap, scene.gripper_velocity[0], scene.velocity[0]
    return np.array([1.0, g, u, v, g * g, g * u, g * v, u * u, u * v, v * v]), np.array([1.0, g, u, v])


def side_features(scene: Scene) -> Array:
    """Return the features (3,) of a struck puck's sideways velocity besides the command."""
    return np.array([50.0 * scene.offset[1], scene.velocity[1], scene.gripper_velocity[1]])


FIRST_X = np.array([0.073, 1.074])  # constant, forward command
FIRST_Y = np.array([0.256, -0.335, -0.628, 0.692])  # sideways command, side_features
SECOND_X = np.array(
    [0.147, -0.872, -0.878, 0.441, 1.009, 0.942, 0.781, 2.557, -1.971, 1.001, 1.151, -1.044, -0.176, -0.770]
)  # hit_features, the second four times the forward command
SECOND_Y = np.array([0.202, -0.012, 0.745, -0.180])  # sideways command, side_features
