"""Pictures without a display: which backend, and what is said where there is none."""

from __future__ import annotations

import ctypes.util

import numpy as np
import pytest

from smore_sweep.envs import backends, offscreen
from smore_sweep.envs.tabletop_goals import EVALUATION_GOALS
from smore_sweep.envs.tabletop_scene import Scene
from smore_sweep.errors import UserError
from tests.unit.envs.drawing import needs_pictures


def test_without_a_library_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(backends, "_egl_devices", lambda: 0)
    monkeypatch.setattr(ctypes.util, "find_library", lambda _: None)
    assert backends.choose_backend() is None
    with pytest.raises(UserError, match=r"neither EGL nor OSMesa; install libegl1, .* or libosmesa6"):
        offscreen.open_context(8, 8)


def test_osmesa_is_the_fallback_and_mujoco_gl_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    monkeypatch.setattr(backends, "_egl_devices", lambda: 0)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so")
    assert backends.choose_backend() == "osmesa"
    monkeypatch.setenv("MUJOCO_GL", "egl")
    assert backends.choose_backend() == "egl"


@needs_pictures
def test_a_camera_is_shared_and_draws_upright() -> None:
    scene, other = Scene(), Scene()
    scene.set(EVALUATION_GOALS[0].layout)
    camera = offscreen.shared_camera(scene.model, "eye", 32, 24)
    assert offscreen.shared_camera(other.model, "eye", 32, 24) is camera
    picture = camera.picture(scene.model, scene.data)
    assert picture.shape == (24, 32, 3)
    assert picture.dtype == np.uint8
    wall, table = picture[0, 0].astype(int), picture[-1, 16].astype(int)
    assert abs(wall - wall.mean()).max() < 8  # grey is above
    assert table[0] > table[2] + 20  # wood is below
    offscreen.shared_camera(scene.model, "eye", 48, 48).picture(scene.model, scene.data)
    np.testing.assert_array_equal(camera.picture(scene.model, scene.data), picture)  # each has its own context
