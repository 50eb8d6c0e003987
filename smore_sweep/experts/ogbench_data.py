"""Generators of OGBench's datasets, by its recipes: an episode depends on its task and number alone.

``navigate``: a point walks from goal to goal through the whole maze. ``stitch``: it walks to a goal four cells away and
stays. ``play`` and ``noisy``: a scripted arm moves objects to targets of its own choice. All episodes are equally long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.envs.ogbench import make_seedable, seeded

Array = NDArray[np.float64]
Trajectory = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Observations ``[T + 1, o]`` and actions ``[T, a]``."""

MAZE_NOISE = 0.5
"""Standard deviation of the noise on a point's actions."""
STITCH_CELLS = 4
STACKING: Mapping[str, tuple[float, float]] = {
    "single": (0.0, 0.0), "double": (0.0, 0.25), "triple": (0.05, 0.35), "quadruple": (0.1, 0.5),
}  # fmt: skip
"""Range of the probability that a cube's target lies on another cube."""
NOISE_SCALES = np.array([1.0, 1.0, 1.0, 3.0, 10.0])
"""Of a noisy arm's action: position, yaw, gripper."""


def navigate(env_id: str, seed: int, steps: int) -> Trajectory:
    """Walk to goals in random cells that are no corridors, a new one after each success."""
    return _maze(env_id, seed, steps, _navigation_goal, renew=True)


def stitch(env_id: str, seed: int, steps: int) -> Trajectory:
    """Walk to a cell four cells away and stay there."""
    return _maze(env_id, seed, steps, _stitch_goal, renew=False)


def play(env_id: str, seed: int, steps: int) -> Trajectory:
    """Move objects by OGBench's planned oracles, with smooth noise."""
    return _arm(env_id, seed, steps, noisy=False)


def noisy(env_id: str, seed: int, steps: int) -> Trajectory:
    """Move objects by OGBench's memoryless oracles, with noise and random actions."""
    return _arm(env_id, seed, steps, noisy=True)


@lru_cache(maxsize=2)
def _environment(env_id: str, **options: Any) -> Any:
    return make_seedable(env_id, **options)


GoalChoice = Callable[[Any, tuple[int, int], np.random.Generator], tuple[int, int]]


def _maze(env_id: str, seed: int, steps: int, choose: GoalChoice, *, renew: bool) -> Trajectory:
    env = _environment(env_id, terminate_at_goal=False)
    random = np.random.default_rng(seed)
    cells = [(int(i), int(j)) for i, j in np.argwhere(env.maze_map == 0)]
    start = cells[random.integers(len(cells))]
    goal = choose(env, start, random)
    with seeded(env, seed):
        observation, _ = env.reset(seed=seed, options={"task_info": {"init_ij": start, "goal_ij": goal}})
        target = np.array(env.cur_goal_xy)
        states, actions = [observation], []
        for _ in range(steps):
            subgoal, _ = env.get_oracle_subgoal(env.get_xy(), target)
            direction = np.asarray(subgoal) - env.get_xy()
            length = np.linalg.norm(direction)
            step = direction / length if length > 0 else direction
            action = np.clip(step + MAZE_NOISE * random.standard_normal(2), -1.0, 1.0).astype(np.float32)
            observation, _, _, _, info = env.step(action)
            states.append(observation)
            actions.append(action)
            if renew and info["success"]:
                env.set_goal(choose(env, goal, random))
                target = np.array(env.cur_goal_xy)
    return np.array(states, np.float32), np.array(actions, np.float32)


def _navigation_goal(env: Any, start: tuple[int, int], random: np.random.Generator) -> tuple[int, int]:
    del start
    walls = env.maze_map
    free = [
        (int(i), int(j))
        for i, j in np.argwhere(walls == 0)
        if not (
            (walls[i - 1, j] == walls[i + 1, j] == 1 and walls[i, j - 1] == walls[i, j + 1] == 0)
            or (walls[i, j - 1] == walls[i, j + 1] == 1 and walls[i - 1, j] == walls[i + 1, j] == 0)
        )
    ]
    return free[random.integers(len(free))]


def _stitch_goal(env: Any, start: tuple[int, int], random: np.random.Generator) -> tuple[int, int]:
    xy = env.ij_to_xy(start)
    _, distances = env.get_oracle_subgoal(xy, xy)
    cells = [(int(i), int(j)) for i, j in np.argwhere(distances == STITCH_CELLS)]
    return cells[random.integers(len(cells))]


def _arm(env_id: str, seed: int, steps: int, *, noisy: bool) -> Trajectory:
    """Repeat until an episode is acceptable: a scene whose cube falls off the table is thrown away."""
    for attempt in range(100):
        # A planned scene draws from the environment alone, whose seeds are shorter.
        reset = int(np.random.SeedSequence([seed, attempt]).generate_state(1)[0]) if attempt else seed
        trajectory = _arm_attempt(env_id, seed + attempt * 2**33, reset % 2**31, steps, noisy=noisy)
        if trajectory is not None:
            return trajectory
    raise RuntimeError(f"{env_id}: a hundred episodes in a row lost their cube")


def _arm_attempt(env_id: str, seed: int, reset: int, steps: int, *, noisy: bool) -> Trajectory | None:
    family = env_id.partition("-")[0]
    env = _environment(env_id, terminate_at_goal=False, mode="data_collection")
    random = np.random.default_rng(seed)
    oracles = _noisy_oracles(env, family) if noisy else _planned_oracles(env, family)
    low, high = STACKING.get(env_id.split("-")[1], (0.5, 0.5)) if family == "cube" else (0.5, 0.5)
    stacking = random.uniform(low, high)
    deviation = random.uniform(0.0, 0.1)
    random_share = 0.2 if family == "puzzle" else 0.1
    with seeded(env, reset):
        observation, info = env.reset(seed=reset)
        oracle = oracles[info["privileged/target_task"]]
        oracle.reset(observation, info)
        states, actions = [observation], []
        for _ in range(steps):
            if noisy and random.random() < random_share:
                action = random.uniform(-1.0, 1.0, 5)
            else:
                action = np.array(oracle.select_action(observation, info))
                if noisy:
                    action = action + deviation * NOISE_SCALES * random.standard_normal(5)
            action = np.clip(action, -1.0, 1.0).astype(np.float32)
            observation, _, _, _, info = env.step(action)
            if family == "scene" and _fell(info["privileged/block_0_pos"]):
                return None
            states.append(observation)
            actions.append(action)
            if oracle.done:
                new_observation, new_info = env.set_new_target(p_stack=stacking)
                oracle = oracles[new_info["privileged/target_task"]]
                oracle.reset(new_observation, new_info)
                observation, info = new_observation, new_info
    return np.array(states, np.float32), np.array(actions, np.float32)


def _fell(position: Array) -> bool:
    """Whether a scene's cube has left the table."""
    return bool(position[1] >= 0.29 or (position[1] <= -0.3 and not 0.06 <= position[2] <= 0.08))


def _planned_oracles(env: Any, family: str) -> dict[str, Any]:
    from ogbench.manipspace.oracles.plan.button_plan import ButtonPlanOracle
    from ogbench.manipspace.oracles.plan.cube_plan import CubePlanOracle
    from ogbench.manipspace.oracles.plan.drawer_plan import DrawerPlanOracle
    from ogbench.manipspace.oracles.plan.window_plan import WindowPlanOracle

    options = {"env": env, "noise": 0.1, "noise_smoothing": 0.5}
    if family == "cube":
        return {"cube": CubePlanOracle(**options)}
    if family == "puzzle":
        return {"button": ButtonPlanOracle(gripper_always_closed=True, **options)}
    return {
        "cube": CubePlanOracle(**options),
        "button": ButtonPlanOracle(**options),
        "drawer": DrawerPlanOracle(**options),
        "window": WindowPlanOracle(**options),
    }


def _noisy_oracles(env: Any, family: str) -> dict[str, Any]:
    from ogbench.manipspace.oracles.markov.button_markov import ButtonMarkovOracle
    from ogbench.manipspace.oracles.markov.cube_markov import CubeMarkovOracle
    from ogbench.manipspace.oracles.markov.drawer_markov import DrawerMarkovOracle
    from ogbench.manipspace.oracles.markov.window_markov import WindowMarkovOracle

    options = {"env": env, "min_norm": 0.4}
    if family == "cube":
        return {"cube": CubeMarkovOracle(**options)}
    if family == "puzzle":
        return {"button": ButtonMarkovOracle(gripper_always_closed=True, **options)}
    return {
        "cube": CubeMarkovOracle(max_step=100, **options),
        "button": ButtonMarkovOracle(**options),
        "drawer": DrawerMarkovOracle(**options),
        "window": WindowMarkovOracle(**options),
    }
