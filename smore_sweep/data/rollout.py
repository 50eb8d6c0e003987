"""Rollouts of a task's policies in MuJoCo."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from smore_sweep.episodes import Episodes
from smore_sweep.seeding import episode_seed
from smore_sweep.task import Task
from smore_sweep.tasks import task

if TYPE_CHECKING:
    import gymnasium


@lru_cache(maxsize=4)
def environment(name: str) -> gymnasium.Env[Any, Any]:
    """Return this process's environment of a task, created once."""
    return task(name).make()


def rollout(name: str, policy: str, first: int, count: int, noise: float | None = None) -> Episodes:
    """Roll out episodes ``first .. first + count - 1`` of a pool. Each depends only on its task, policy and number.

    No episodes need no policy.

    Args:
        name: The task.
        policy: One of its policies.
        first: Number of the first episode.
        count: Number of episodes.
        noise: Standard deviation of the Gaussian noise on the policy's actions. Default: the task's ``expert_noise``
            for its expert, else 0.
    """
    row = task(name)
    if row.dataset == policy:
        return _trajectories(row, first, count)
    env = environment(name) if count else None
    act = row.policy(policy) if count else None
    if noise is None:
        noise = row.expert_noise if policy == "expert" else 0.0
    sizes, horizon = row.sizes, row.horizon
    episodes = Episodes(
        np.empty((count, horizon + 1, sizes.observation), np.float32),
        np.empty((count, horizon, sizes.action), np.float32),
        np.empty((count, horizon + 1, sizes.goal), np.float32),
        np.empty((count, sizes.goal), np.float32),
    )
    for i in range(count):
        seed = episode_seed("data", name, policy, first + i)
        generator = np.random.default_rng(seed)
        assert env is not None
        observation, _ = env.reset(seed=seed)
        episodes.desired_goals[i] = observation["desired_goal"]
        ended = False
        for t in range(horizon + 1):
            episodes.observations[i, t] = observation["observation"]
            episodes.achieved_goals[i, t] = observation["achieved_goal"]
            if t == horizon:
                break
            if act is None:
                action = generator.uniform(-1.0, 1.0, sizes.action)
            else:
                disturbance = noise * generator.standard_normal(sizes.action)
                action = np.clip(act(observation) + disturbance, -1.0, 1.0)
            episodes.actions[i, t] = action
            if not ended:
                observation, _, ended, _, _ = env.step(episodes.actions[i, t])
    return episodes


def _trajectories(row: Task, first: int, count: int) -> Episodes:
    """Make episodes of a task's own dataset. Goals are whole observations, the commanded one the last."""
    steps = row.data_steps or row.horizon
    states = np.empty((count, steps + 1, row.sizes.observation), row.sizes.dtype)
    actions = np.empty((count, steps, row.sizes.action), np.float32)
    for i in range(count):
        states[i], actions[i] = row.make_trajectory(episode_seed("data", row.name, row.dataset, first + i))
    return Episodes.of(
        {"observations": states, "actions": actions, "achieved_goals": states, "desired_goals": states[:, -1]}
    )
