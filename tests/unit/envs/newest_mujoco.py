"""Step every task with the MuJoCo that is found first: ``python -m tests.unit.envs.newest_mujoco [--mend]``.

Prints one JSON object: the version, and by task either the error or what two policies do. ``--mend``
makes :mod:`gymnasium_robotics.utils.mujoco_utils` compare integers, which is all that the pin below 3.12 is for.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

import numpy as np

EPISODES, LONG_EPISODES, LONG = 40, 3, 1000
"""Of an expert; long are those of 1,000 steps."""
MENDED = (
    ("joint_type = model.jnt_type[joint_id]", "joint_type = int(model.jnt_type[joint_id])"),
    ("if eq_type != mujoco.", "if int(eq_type) != mujoco."),
    ("if model.eq_type[i] == mujoco.", "if int(model.eq_type[i]) == mujoco."),
)
"""From MuJoCo 3.12 on its enums are unequal to NumPy's integers. The third comparison is wrong in silence."""
UTILS = "gymnasium_robotics.utils.mujoco_utils"


def mended(source: str) -> str:
    """Return the source of the library's module with integers compared. Each comparison must be there."""
    for before, after in MENDED:
        assert before in source, before
        source = source.replace(before, after)
    return source


def mend() -> None:
    """Define the library's functions again, mended, in the module that its environments use."""
    module = importlib.import_module(UTILS)
    assert module.__file__ is not None
    exec(compile(mended(Path(module.__file__).read_text()), module.__file__, "exec"), module.__dict__)


def look(name: str) -> dict[str, object]:
    """Roll out both pools of a task.

    Returns:
        ``random``: the achieved goals of one episode of random actions, ``[T+1, g]``, as lists; ``success``: the share
        of the expert's episodes whose last step is a success, or, of long ones, the share of their steps.
    """
    from smore_sweep.data.rollout import rollout
    from smore_sweep.tasks import TASKS

    task = TASKS[name]
    drawn = rollout(name, "random", 0, 1)
    long = task.horizon >= LONG
    expert = rollout(name, "expert", 0, LONG_EPISODES if long else EPISODES)
    achieved, desired = expert.achieved_goals[:, 1 if long else -1 :], expert.desired_goals[:, None]
    distance = np.linalg.norm(achieved - desired, axis=-1)
    success = task.succeeded(achieved, desired, distance)
    return {"random": drawn.achieved_goals[0].tolist(), "success": float(np.mean(success))}


def main(words: list[str]) -> None:
    """Print what every task does."""
    if "--mend" in words:
        mend()
    import mujoco

    from smore_sweep.tasks import TASKS

    seen: dict[str, object] = {}
    for name in TASKS:
        try:
            seen[name] = look(name)
        except AssertionError as error:
            seen[name] = f"{type(error).__name__} {error}".strip()
    print(json.dumps({"version": mujoco.__version__, "tasks": seen}))


if __name__ == "__main__":
    main(sys.argv[1:])
