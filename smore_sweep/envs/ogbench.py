"""OGBench's environments as Gymnasium goal environments whose seed fixes the episode.

Goals are whole observations. Images are vectors of uint8, drawn without a display.

OGBench draws starts, goals and the actions that settle a goal's scene from NumPy's global state and from action spaces
that nobody seeds, so ``reset(seed=...)`` alone gives another episode each time. Here the environment has one action
space, and both sources are seeded for a reset and restored after it. A maze with teleporters draws the exits from
NumPy's global state as well; each such environment has a state of its own for that, which a reset's seed decides.

Needs the extra ``ogbench``.
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from smore_sweep.errors import DeclarationError
from smore_sweep.images import WHITE
from smore_sweep.ogbench_horizons import GOALS, VISUAL

Observation = dict[str, NDArray[Any]]
INSTALL = 'OGBench is not installed; give: pip install "smore_sweep[ogbench]"'


class OGBenchEnv(gymnasium.Env[Any, Any]):
    """An environment of OGBench, such as ``pointmaze-medium-v0``.

    An episode ends at success. ``info["success"]`` says whether the goal is reached, by OGBench's own test.

    Args:
        env_id: OGBench's id of the environment, not of a dataset.
        render_mode: As everywhere in Gymnasium.
        goal: Number of a maze's only goal, 1 to 5, which then has no noise, as in OGBench's single tasks; None for all.
        size: ``width`` and ``height`` of a picture, in pixels. Where images are seen, a picture is such an image.
    """

    def __init__(self, env_id: str, render_mode: str | None = None, goal: int | None = None, **size: int) -> None:
        self.metadata = {"render_modes": ["rgb_array"]}
        self.render_mode = render_mode
        options: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode, **size}
        low, high = -np.inf, np.inf
        self._dtype: type[np.float32 | np.uint8] = np.float32
        if env_id.startswith(VISUAL):
            low, high, self._dtype = 0.0, float(WHITE), np.uint8
            options = {}  # what is seen is of a fixed size, and so is a picture of it
        if env_id.startswith(VISUAL) or render_mode is not None:
            _draw_off_screen()
        self._only = goal
        if goal is not None:
            options["add_noise_to_goal"] = False
        self._env = make_seedable(env_id, **options)
        self._teleports = getattr(self._env, "_teleport_info", None) is not None
        box: Any = gymnasium.spaces.Box(low, high, (math.prod(self._env.observation_space.shape),), self._dtype)
        self.observation_space = gymnasium.spaces.Dict({"observation": box, "achieved_goal": box, "desired_goal": box})
        self.action_space = self._env.action_space

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. ``options={"goal": k}`` chooses one of the five goals, 0 to 4; else the seed does."""
        super().reset(seed=seed)
        number = (options or {}).get("goal", seed if seed is not None else int(self.np_random.integers(GOALS)))
        own = int(self.np_random.integers(2**31))
        with seeded(self._env, own):
            observation, info = self._env.reset(seed=own, options={"task_id": self._only or 1 + number % GOALS})
            self._state = np.random.get_state()
        self._goal = self._vector(info["goal"])
        return self._observation(observation), {"success": False}

    def step(self, action: NDArray[Any]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        with self._own_draws() if self._teleports else contextlib.nullcontext():
            observation, reward, terminated, truncated, info = self._env.step(np.asarray(action, np.float64))
        return self._observation(observation), float(reward), terminated, truncated, {"success": bool(info["success"])}

    def render(self) -> Any:
        return self._env.render()

    def close(self) -> None:
        self._env.close()

    @contextlib.contextmanager
    def _own_draws(self) -> Iterator[None]:
        """Put the episode's own state in place of NumPy's global one for a block."""
        before = np.random.get_state()
        np.random.set_state(self._state)
        try:
            yield
        finally:
            self._state = np.random.get_state()
            np.random.set_state(before)

    def _observation(self, observation: NDArray[Any]) -> Observation:
        state = self._vector(observation)
        return {"observation": state, "achieved_goal": state, "desired_goal": self._goal}

    def _vector(self, observation: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(observation, self._dtype).ravel()


def _draw_off_screen() -> None:
    """Let MuJoCo's renderers, which OGBench's images and pictures are from, open their contexts as ours do. GLFW, their
    own choice, wants a display, and takes EGL down with it when the process ends."""
    import mujoco.gl_context

    from smore_sweep.envs.offscreen import open_context

    mujoco.gl_context.GLContext = open_context


def make_seedable(env_id: str, **options: Any) -> Any:
    """Build OGBench's own environment with one action space, which :func:`seeded` can seed.

    Raises:
        DeclarationError: If OGBench is not installed.
    """
    try:
        import ogbench  # noqa: F401  registers the ids
    except ImportError:
        raise DeclarationError(INSTALL) from None
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*Box (low|high)'s precision lowered")
        env = gymnasium.make(env_id, disable_env_checker=True, **options).unwrapped
        shape = env.action_space.shape
    space = gymnasium.spaces.Box(-1.0, 1.0, shape, np.float32)
    # A subclass, because some of OGBench's environments build another space at each access of a property.
    kind = type(env)
    env.__class__ = type(kind.__name__, (kind,), {"action_space": space})
    return env


@contextlib.contextmanager
def seeded(env: Any, seed: int) -> Iterator[None]:
    """Seed NumPy's global state and the environment's action space for a block; restore the former."""
    before = np.random.get_state()
    np.random.seed(seed % 2**32)
    env.action_space.seed(seed % 2**31)
    try:
        yield
    finally:
        np.random.set_state(before)
