"""Ways in which this machine can draw without a display.

They are found without importing MuJoCo, which chooses its own when it is imported.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os

BACKENDS = {"egl": "EGL", "osmesa": "OSMesa"}
"""Ways to draw without a display, in the order in which they are tried, and the library that each needs."""
REMEDY = "install libegl1, libegl-mesa0 and libgl1-mesa-dri, or libosmesa6 and set MUJOCO_GL=osmesa"


def choose_backend() -> str | None:
    """Return ``MUJOCO_GL``, or else the first of :data:`BACKENDS` that this machine has; None if it has none."""
    wanted = os.environ.get("MUJOCO_GL", "").lower()
    if wanted in BACKENDS:
        return wanted
    if _egl_devices():
        return "egl"
    return "osmesa" if ctypes.util.find_library(BACKENDS["osmesa"]) else None


def _egl_devices() -> int:
    """Count EGL's devices. PyOpenGL is not asked: it settles on one backend when it is imported, for good."""
    try:
        library = ctypes.CDLL(ctypes.util.find_library(BACKENDS["egl"]) or "libEGL.so.1")
        library.eglGetProcAddress.restype = ctypes.c_void_p
        address = library.eglGetProcAddress(b"eglQueryDevicesEXT")
    except (OSError, AttributeError):
        return 0
    if not address:
        return 0
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int()
    return count.value if query(0, None, ctypes.byref(count)) else 0
