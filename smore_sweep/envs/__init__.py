"""Environments. Importing this package registers every id of the task table with Gymnasium.

The modules load when an environment is created, not before.
"""

from __future__ import annotations

import contextlib
import io

import gymnasium

from smore_sweep.ogbench_horizons import GOALS, HORIZONS, SINGLE_TASK

# Every import of Gymnasium-Robotics prints a notice about environments that are not used here.
with contextlib.redirect_stderr(io.StringIO()):
    import gymnasium_robotics  # noqa: F401

_ENTRIES = {
    "smore/Reacher-v0": "smore_sweep.envs.reacher:ReacherGoalEnv",
    "smore/FetchReach-v0": "smore_sweep.envs.fetch:FetchReach",
    "smore/FetchPush-v0": "smore_sweep.envs.fetch:FetchPush",
    "smore/FetchPick-v0": "smore_sweep.envs.fetch:FetchPick",
    "smore/FetchSlide-v0": "smore_sweep.envs.fetch:FetchSlide",
    "smore/HandReach-v0": "smore_sweep.envs.hand:HandReach",
    "smore/SawyerReach-v0": "smore_sweep.envs.sawyer:SawyerReach",
    "smore/SawyerDoor-v0": "smore_sweep.envs.sawyer:SawyerDoor",
    "smore/PointReach-v0": "smore_sweep.envs.points:PointReach",
    "smore/PointRooms-v0": "smore_sweep.envs.points:PointRooms",
    "smore/CheetahTargetVelocity-v0": "smore_sweep.envs.locomotion:CheetahTargetVelocity",
    "smore/AntTargetVelocity-v0": "smore_sweep.envs.locomotion:AntTargetVelocity",
}
_NOISY = {f"smore/FetchReachNoise{_sigma}-v0": {"sigma": _sigma} for _sigma in (0.5, 1.0, 1.5)}

for _name in ("Tabletop", "TabletopImages"):
    if f"smore/{_name}-v0" not in gymnasium.registry:
        gymnasium.register(
            f"smore/{_name}-v0",
            f"smore_sweep.envs.tabletop:{_name}",
            max_episode_steps=400,
            disable_env_checker=True,  # which wants rewards of a distance between goals
        )

for _environment, _steps in HORIZONS.items():
    _numbers = range(1, GOALS + 1) if "pointmaze" in _environment else ()
    _single = {f"smore/{_environment}{SINGLE_TASK}{_number}-v0": {"goal": _number} for _number in _numbers}
    for _name, _options in {f"smore/{_environment}-v0": {}, **_single}.items():
        if _name not in gymnasium.registry:
            gymnasium.register(
                _name,
                "smore_sweep.envs.ogbench:OGBenchEnv",
                max_episode_steps=_steps,
                kwargs={"env_id": f"{_environment}-v0", **_options},
                disable_env_checker=True,
            )

for _name, _entry in (_ENTRIES | dict.fromkeys(_NOISY, "smore_sweep.envs.noise:NoisyFetchReach")).items():
    # Gymnasium warns about a second registration, as by a reload of this module.
    if _name not in gymnasium.registry:
        gymnasium.register(_name, _entry, max_episode_steps=50, kwargs=_NOISY.get(_name))
