"""The simulated table: a gripper over a drawer, a block and a cylinder, all of primitive shapes.

It has the structure of the scene of stable contrastive RL (Zheng et al., ICLR 2024), which the SMORe paper takes its
image tasks from (section 4.4). Model, sizes and numbers are our own; nothing of the original is copied.

Deviations from the original, which runs in PyBullet with the meshes of an arm:

* A gripper on a gantry (three slides and a yaw) stands for the Sawyer arm. Its roll and pitch are fixed there too.
* The cylinder slides with dry friction and cannot tip over.
* The drawer is locked as long as the cylinder stands in the quadrant before it, in every episode. The original locks it
  in one task of its evaluation.
* Quadrants, the drawer's travel and thresholds are those of this table; see :func:`solved`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MODEL = Path(__file__).with_name("assets") / "tabletop.xml"
SUBSTEPS = 10
"""Simulator steps of 4 ms in a step of the environment."""
REACH, TURN = 0.05, math.radians(8.0)
"""Metres and radians between the hand and its command, for an action of 1."""
LOW, HIGH = np.array([0.42, -0.27, 0.016]), np.array([0.88, 0.27, 0.22])
"""Box of the hand's commands."""
YAW_LIMIT = math.radians(100.0)
FINGER_OPEN = 0.03
GRASP_DISTANCE = 0.03
"""From the hand to the block, within which a closing gripper holds it."""
TRAVEL = 0.1
"""Of the drawer."""
HANDLE = 0.129
"""From the frame's middle to the closed drawer's handle, along the frame's x axis."""
DAMPING, LOCKED = 6.0, 1e5
"""Of the drawer, free and locked. Dry friction would not hold it: MuJoCo's is soft."""
LID_HEIGHT, TRAY_HEIGHT, TABLE_HEIGHT = 0.104, 0.028, 0.018
"""Height of the block's middle on the lid, in the drawer and on the table."""
CENTRE = np.array([0.68, 0.0])
"""The point where the cylinder's four quadrants meet."""
QUADRANT_OFFSET = np.array([0.08, 0.12])
"""From :data:`CENTRE` to the middle of a quadrant."""
STATE_SIZE = 16
"""Hand (3), its yaw, the fingers' opening, whether it holds the block; the frame's x, y and yaw, the drawer's opening;
the block's position (3); the cylinder's position (2) and its quadrant."""

_DRAWER_REACH, _BLOCK_REACH, _BLOCK_HEIGHT = 0.05, 0.08, 0.01
_QPOS = {"hand": slice(0, 4), "fingers": slice(4, 6), "drawer": 6, "block": slice(7, 14), "cylinder": slice(14, 16)}


@dataclass(frozen=True)
class Layout:
    """Where everything is at an episode's start.

    Attributes:
        frame: x, y and yaw of the drawer's frame.
        opening: of the drawer, in metres.
        block: its position (3).
        cylinder: its position (2).
        hand: its position (3) and yaw.
    """

    frame: tuple[float, float, float]
    opening: float
    block: tuple[float, float, float]
    cylinder: tuple[float, float]
    hand: tuple[float, float, float, float]


class Scene:
    """One simulation of the table. A step is a function of the simulator's state and the action alone."""

    def __init__(self) -> None:
        self.model = mujoco.MjModel.from_xml_path(str(MODEL))
        self.data = mujoco.MjData(self.model)
        self._frame = self.model.body("frame").id
        self._drawer_joint = self.model.joint("drawer").dofadr[0]
        self._hand_body, self._block_body = self.model.body("hand").id, self.model.body("block").id

    def set(self, layout: Layout) -> None:
        """Put everything where the layout says, at rest, with an open gripper."""
        mujoco.mj_resetData(self.model, self.data)
        x, y, yaw = layout.frame
        self.model.body_pos[self._frame] = x, y, 0.0
        self.model.body_quat[self._frame] = math.cos(yaw / 2), 0.0, 0.0, math.sin(yaw / 2)
        qpos = self.data.qpos
        qpos[_QPOS["hand"]], qpos[_QPOS["fingers"]], qpos[_QPOS["drawer"]] = layout.hand, FINGER_OPEN, layout.opening
        qpos[_QPOS["block"]] = *layout.block, 1.0, 0.0, 0.0, 0.0
        qpos[_QPOS["cylinder"]] = layout.cylinder
        self.data.ctrl[:4], self.data.ctrl[4:] = layout.hand, FINGER_OPEN
        mujoco.mj_forward(self.model, self.data)

    def step(self, action: NDArray[np.floating[Any]]) -> None:
        """Simulate one step.

        Args:
            action: dx, dy, dz, dyaw and the gripper, ``[5]`` in [-1, 1]. Above 0 the gripper closes, below it opens.
        """
        action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        hand = self.data.qpos[_QPOS["hand"]]
        self.data.ctrl[:3] = np.clip(hand[:3] + REACH * action[:3], LOW, HIGH)
        self.data.ctrl[3] = np.clip(hand[3] + TURN * action[3], -YAW_LIMIT, YAW_LIMIT)
        self._grip(closing=bool(action[4] > 0))
        self.model.dof_damping[self._drawer_joint] = LOCKED if self.locked else DAMPING
        mujoco.mj_step(self.model, self.data, SUBSTEPS)
        mujoco.mj_forward(self.model, self.data)

    def _grip(self, *, closing: bool) -> None:
        """Close or open the fingers. A closing gripper is tied to the block that it reaches, an opening one lets go.

        The original has this tie as well: grasping takes no skill.
        """
        self.data.ctrl[4:] = 0.0 if closing else FINGER_OPEN
        if not closing:
            self.data.eq_active[0] = 0
        elif not self.holds and np.linalg.norm(self.block - self.hand) < GRASP_DISTANCE:
            inverse, turn = np.empty(4), np.empty(4)
            place, origin = np.empty(3), np.empty(3)
            mujoco.mju_negPose(origin, inverse, self.data.xpos[self._hand_body], self.data.xquat[self._hand_body])
            block = self.data.xpos[self._block_body], self.data.xquat[self._block_body]
            mujoco.mju_mulPose(place, turn, origin, inverse, *block)
            self.model.eq_data[0, :3], self.model.eq_data[0, 3:6], self.model.eq_data[0, 6:10] = 0.0, place, turn
            self.data.eq_active[0] = 1

    @property
    def hand(self) -> Array:
        """Position of the point between the fingertips, ``[3]``."""
        return self.data.qpos[:3].copy()  # type: ignore[no-any-return]

    @property
    def yaw(self) -> float:
        """The hand's yaw; at 0 the fingers move along x."""
        return float(self.data.qpos[3])

    @property
    def holds(self) -> bool:
        """Whether the gripper holds the block."""
        return bool(self.data.eq_active[0])

    @property
    def frame(self) -> tuple[Array, float]:
        """Position ``[2]`` and yaw of the drawer's frame."""
        quaternion = self.model.body_quat[self._frame]
        return self.model.body_pos[self._frame, :2].copy(), 2.0 * math.atan2(quaternion[3], quaternion[0])

    @property
    def opening(self) -> float:
        """The drawer's opening, from 0 to :data:`TRAVEL`."""
        return float(self.data.qpos[_QPOS["drawer"]])

    @property
    def block(self) -> Array:
        """The block's position, ``[3]``."""
        return self.data.qpos[_QPOS["block"]][:3].copy()  # type: ignore[no-any-return]

    @property
    def cylinder(self) -> Array:
        """The cylinder's position, ``[2]``."""
        return self.data.qpos[_QPOS["cylinder"]].copy()  # type: ignore[no-any-return]

    @property
    def locked(self) -> bool:
        """Whether the cylinder stands before the drawer, which then does not move."""
        (_, y), _ = self.frame
        return quadrant(self.cylinder) == (1, 1 if y > 0 else -1)

    def state(self) -> Array:
        """Return the privileged state, ``[STATE_SIZE]``."""
        position, yaw = self.frame
        near, side = quadrant(self.cylinder)
        fingers = self.data.qpos[_QPOS["fingers"]].mean()
        return np.array([
            *self.data.qpos[_QPOS["hand"]], fingers, self.holds, *position, yaw, self.opening,
            *self.block, *self.cylinder, 2 * (near > 0) + (side > 0),
        ])  # fmt: skip


def quadrant(point: Array) -> tuple[int, int]:
    """Return the quadrant of a point ``[2]``: 1 for near the camera or -1 for far, and the sign of its y."""
    x, y = point - CENTRE
    return (1 if x > 0 else -1, 1 if y > 0 else -1)


def quadrant_middle(near: int, side: int) -> Array:
    """Return the middle ``[2]`` of a :func:`quadrant`."""
    return CENTRE + QUADRANT_OFFSET * (near, side)


def block_place(state: Array) -> str:
    """Return where the block of a privileged state is: on the ``lid``, in the ``drawer``, or on the ``table``."""
    frame, yaw, opening, block = state[6:8], state[8], state[9], state[10:13]
    along, across = _turned(block[:2] - frame, -yaw)
    if abs(across) < 0.085 and block[2] > 0.5 * (LID_HEIGHT + TRAY_HEIGHT) and abs(along) < 0.075:
        return "lid"
    return "drawer" if abs(across) < 0.075 and -0.06 < along - opening < 0.07 and block[2] > 0.022 else "table"


def solved(state: Array, goal: Array) -> bool:
    """Return whether a privileged state ``[STATE_SIZE]`` meets a goal's, wherever the hand is.

    The drawer is open within half of its travel of the goal's; the block is where the goal's is (within 8 cm where that
    is the lid or the drawer) and within 1 cm of its height; the cylinder is in the goal's quadrant. The original's test
    is of this form, with 6.5 cm of 12 for the drawer.
    """
    place = block_place(goal)
    return bool(
        abs(state[9] - goal[9]) < _DRAWER_REACH
        and block_place(state) == place
        and abs(state[12] - goal[12]) < _BLOCK_HEIGHT
        and (place == "table" or np.linalg.norm(state[10:12] - goal[10:12]) < _BLOCK_REACH)
        and state[15] == goal[15]
    )


def at_frame(frame: tuple[Array, float], along: float, across: float) -> Array:
    """Return the point ``[2]`` that lies ``along`` and ``across`` the axes of a drawer's frame."""
    position, yaw = frame
    return position + _turned(np.array([along, across]), yaw)


def _turned(vector: Array, angle: float) -> Array:
    cos, sin = math.cos(angle), math.sin(angle)
    return np.array([cos * vector[0] - sin * vector[1], sin * vector[0] + cos * vector[1]])
