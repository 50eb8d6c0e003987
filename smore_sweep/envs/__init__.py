"""Registers the environments: importing this package makes every id of the task table known to ``gymnasium.make``.

The modules of this package load when an environment is made, not before.
"""

from __future__ import annotations

import contextlib
import io

import gymnasium

# Gymnasium-Robotics prints a notice about environments that are not used here, in every process that imports it.
with contextlib.redirect_stderr(io.StringIO()):
    import gymnasium_robotics  # noqa: F401

for _name, _entry in {
    "smore/Reacher-v0": "smore_sweep.envs.reacher:ReacherGoalEnv",
    "smore/FetchReach-v0": "smore_sweep.envs.fetch:FetchReach",
    "smore/FetchPush-v0": "smore_sweep.envs.fetch:FetchPush",
}.items():
    # Gymnasium warns when an id is registered again, which a reload of this module would do.
    if _name not in gymnasium.registry:
        gymnasium.register(_name, _entry, max_episode_steps=50)
