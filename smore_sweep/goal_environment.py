"""The form that a task's environment must have: a Gymnasium goal environment of vectors, with actions in [-1, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from smore_sweep.errors import DeclarationError

if TYPE_CHECKING:
    import gymnasium

PARTS = ("observation", "achieved_goal", "desired_goal")
"""Keys of an observation."""
TOLERANCE = 1e-6
"""Of the bounds of the actions."""


def read_sizes(name: str, env: gymnasium.Env[Any, Any]) -> tuple[int, int, int]:
    """Return the sizes of the observation, the goal and the action of the task ``name``.

    Raises:
        DeclarationError: If the environment has another form.
    """
    import gymnasium

    spaces = getattr(env.observation_space, "spaces", {})
    sizes = {}
    for part in PARTS:
        box = spaces.get(part)
        if not isinstance(box, gymnasium.spaces.Box) or len(box.shape) != 1:
            raise DeclarationError(
                f"{name}: the observation space is {env.observation_space}; it must be a Dict with a Box of one "
                f"dimension for each of {', '.join(PARTS)}"
            )
        sizes[part] = box.shape[0]
    observation, achieved, desired = sizes.values()
    if achieved != desired:
        raise DeclarationError(
            f"{name}: achieved goals have {achieved} numbers, desired ones {desired}; make them equal"
        )
    actions = env.action_space
    if not isinstance(actions, gymnasium.spaces.Box) or len(actions.shape) != 1:
        raise DeclarationError(f"{name}: the action space is {actions}; it must be a Box of one dimension")
    if abs(actions.low + 1).max() > TOLERANCE or abs(actions.high - 1).max() > TOLERANCE:
        raise DeclarationError(
            f"{name}: actions are in [{actions.low.min():g}, {actions.high.max():g}], they must be in [-1, 1]; "
            "wrap it in gymnasium.wrappers.RescaleAction(env, -1, 1)"
        )
    return observation, desired, actions.shape[0]


def check_resets(name: str, env: gymnasium.Env[Any, Any]) -> None:
    """Raise :class:`DeclarationError` unless a seed fixes an episode's start, and observations have their parts."""
    import numpy as np

    first, second = (env.reset(seed=0)[0] for _ in range(2))
    for part in PARTS:
        if not isinstance(first, dict) or part not in first:
            raise DeclarationError(f"{name}: its observations have no {part!r}, which its observation space has")
        if not np.array_equal(np.asarray(first[part]), np.asarray(second[part])):
            raise DeclarationError(
                f"{name}: reset(seed=0) gives another {part!r} each time; call super().reset(seed=seed) and draw from "
                "self.np_random"
            )


def check_pixels(name: str, env: gymnasium.Env[Any, Any]) -> None:
    """Raise :class:`DeclarationError` unless observations and goals, which are images, are of uint8."""
    spaces: Any = env.observation_space
    for part in PARTS:
        if spaces[part].dtype != "uint8":
            raise DeclarationError(
                f"{name}: images of {part!r} are of {spaces[part].dtype}; they must be of uint8, from 0 to 255"
            )


def check_success(name: str, env: gymnasium.Env[Any, Any]) -> None:
    """Raise :class:`DeclarationError` unless a step says whether it is a success."""
    env.reset(seed=0)
    info = env.step(env.action_space.sample())[-1]
    if "success" not in info:
        raise DeclarationError(
            f"{name}: success = 'environment' is not valid; its environment's steps have no info['success']"
        )
