"""Making episodes: roll-outs of a task's policies, in MuJoCo."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from smore_sweep.episodes import Episodes
from smore_sweep.seeding import episode_seed
from smore_sweep.tasks import task

if TYPE_CHECKING:
    import gymnasium


@lru_cache(maxsize=4)
def environment(name: str) -> gymnasium.Env[Any, Any]:
    """This process's environment of a task, made once."""
    return task(name).make()


def rollout(name: str, policy: str, first: int, count: int, noise: float | None = None) -> Episodes:
    """Episodes ``first .. first + count - 1`` of a pool. Each depends on nothing but its task, policy and number.

    ``noise`` is the standard deviation of the Gaussian noise on the policy's actions: the task's, for its expert, if it
    is not given."""
    row = task(name)
    env = environment(name) if count else None
    chosen = row.policy(policy)
    if noise is None:
        noise = row.expert_noise if policy == "expert" else 0.0
    sizes, horizon = row.sizes, row.horizon
    made = Episodes(
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
        made.desired_goals[i] = observation["desired_goal"]
        ended = False
        for t in range(horizon + 1):
            made.observations[i, t] = observation["observation"]
            made.achieved_goals[i, t] = observation["achieved_goal"]
            if t == horizon:
                break
            if chosen is None:
                action = generator.uniform(-1.0, 1.0, sizes.action)
            else:
                disturbance = noise * generator.standard_normal(sizes.action)
                action = np.clip(chosen(observation) + disturbance, -1.0, 1.0)
            made.actions[i, t] = action
            if not ended:
                observation, _, ended, _, _ = env.step(made.actions[i, t])
    return made
