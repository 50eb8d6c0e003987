"""Pictures of MuJoCo's scenes without a display, by EGL or else OSMesa.

The context does not depend on when MuJoCo was imported, and a thread has one for all scenes of a model that the same
camera sees: contexts are large, and environments come in groups. The same scene gives the same bits in every process of
a machine. A graphics card and Mesa's software differ in a few of them.
"""

from __future__ import annotations

import atexit
import os
import threading
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs.backends import REMEDY, choose_backend
from smore_sweep.errors import UserError, first_line

_local = threading.local()


class Camera:
    """A camera of a model.

    Args:
        model: The model, or one that differs from it in numbers only.
        name: The camera's name.
        width: Of a picture in pixels, at most that of the model's off-screen buffer.
        height: Of a picture, likewise.

    Raises:
        UserError: This machine cannot draw.
    """

    def __init__(self, model: mujoco.MjModel, name: str, width: int, height: int) -> None:
        self._context = open_context(width, height)
        self._scene = mujoco.MjvScene(model, maxgeom=200)
        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self._scene.flags[flag] = 0
        self._option, self._view = mujoco.MjvOption(), mujoco.MjvCamera()
        self._view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._view.fixedcamid = model.camera(name).id
        self._rectangle = mujoco.MjrRect(0, 0, width, height)
        self._device = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self._device)

    def picture(self, model: mujoco.MjModel, data: mujoco.MjData) -> NDArray[np.uint8]:
        """Return a picture ``[height, width, 3]`` of a simulation's present state."""
        self._context.make_current()
        category = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(model, data, self._option, None, self._view, category, self._scene)
        mujoco.mjr_render(self._rectangle, self._scene, self._device)
        pixels = np.empty((self._rectangle.height, self._rectangle.width, 3), np.uint8)
        mujoco.mjr_readPixels(pixels, None, self._rectangle, self._device)
        return pixels[::-1].copy()  # OpenGL's rows begin at the bottom


def shared_camera(model: mujoco.MjModel, name: str, width: int, height: int) -> Camera:
    """Return this thread's camera for all simulations of models that differ from ``model`` in numbers only."""
    cameras: dict[tuple[bytes, str, int, int], Camera] = _local.__dict__.setdefault("cameras", {})
    key = (bytes(model.names), name, width, height)
    if key not in cameras:
        cameras[key] = Camera(model, name, width, height)
    return cameras[key]


def open_context(width: int, height: int) -> Any:
    """Open an off-screen context of OpenGL and make it current.

    Raises:
        UserError: This machine cannot draw; the sentence says what to install.
    """
    backend = choose_backend()
    if backend is None:
        raise UserError(f"this machine cannot draw without a display: it has neither EGL nor OSMesa; {REMEDY}")
    os.environ.setdefault("LP_NUM_THREADS", "1")  # Mesa would take every core for each process
    try:
        if backend == "egl":
            from mujoco.egl import GLContext
        else:
            from mujoco.osmesa import GLContext
        context = GLContext(width, height)
        context.make_current()
    except Exception as error:  # of any kind, from MuJoCo, PyOpenGL or the library loader
        raise UserError(
            f"this machine cannot draw without a display: {backend} does not start "
            f"({first_line(error) or type(error).__name__}); {REMEDY}"
        ) from error
    atexit.register(context.free)  # before PyOpenGL is torn down, which complains
    return context
