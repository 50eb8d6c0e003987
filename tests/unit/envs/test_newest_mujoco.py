"""What a MuJoCo beyond the pin changes. Runs where one is named, or installed:

pip install --no-deps --target /tmp/newest mujoco==4.0.0 mujoco-core==4.0.0 mujoco-studio==4.0.0
SMORE_SWEEP_NEWEST_MUJOCO=/tmp/newest pytest tests/unit/envs/test_newest_mujoco.py -s -n0
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smore_sweep.tasks import TASKS
from tests.unit.envs.newest_mujoco import UTILS, mended

ROOT = Path(__file__).parents[3]
FOLDER = os.environ.get("SMORE_SWEEP_NEWEST_MUJOCO", "")
WORSE = {"FetchSlide"}
"""Tasks whose expert is less successful with MuJoCo 4.0.0: its swing was fitted to the pinned contacts."""
ROBOTICS = {name for name in TASKS if name.startswith(("Fetch", "Hand"))}


def _at_least_3_12(text: str) -> bool:
    return tuple(map(int, text.split(".")[:2])) >= (3, 12)


def _look(where: Path, *words: str, folder: str = "") -> dict[str, Any]:
    paths = [folder] * bool(folder) + [str(ROOT), *sys.path]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.unit.envs.newest_mujoco", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=where, capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_comparisons_to_mend_are_in_the_library() -> None:
    spec = importlib.util.find_spec(UTILS)
    assert spec is not None
    assert spec.origin is not None
    assert mended(Path(spec.origin).read_text()).count("int(") >= 6


@pytest.mark.skipif(
    not FOLDER and not _at_least_3_12(version("mujoco")),
    reason="wants MuJoCo 3.12 or later: SMORE_SWEEP_NEWEST_MUJOCO=FOLDER",
)
def test_the_newest_mujoco_steps_every_task_once_integers_are_compared(tmp_path: Path) -> None:
    pinned, as_it_is = _look(tmp_path), _look(tmp_path, folder=FOLDER)
    newest = _look(tmp_path, "--mend", folder=FOLDER)
    assert _at_least_3_12(newest["version"]), newest["version"]
    print(f"\nMuJoCo {newest['version']} against {pinned['version']}")
    failing = {name for name, seen in as_it_is["tasks"].items() if isinstance(seen, str)}
    worse = set()
    for name, seen in newest["tasks"].items():
        assert not isinstance(seen, str), (name, seen)
        before = pinned["tasks"][name]
        moved = np.abs(np.array(seen["random"]) - np.array(before["random"])).max(-1)
        print(
            f"| {name} | {'fails' if name in failing else 'steps'} | {moved[1]:.0e} | {moved.max():.0e} "
            f"| {before['success']:.2f} | {seen['success']:.2f} |"
        )
        if seen["success"] < before["success"] - 0.2:
            worse.add(name)
    assert failing == ROBOTICS, "if none fails any more, the pin in pyproject.toml can go"
    assert worse <= WORSE, "docs/development/mujoco.md has what was seen"
