"""Making episodes: roll-outs of a task's policies, in MuJoCo."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

import numpy as np

from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.seeding import episode_seed
from smore_sweep.tasks import task

if TYPE_CHECKING:
    import gymnasium

CHUNK = 20
"""Episodes a job: about a second of MuJoCo."""


@lru_cache(maxsize=4)
def environment(name: str) -> gymnasium.Env[Any, Any]:
    """This process's environment of a task, made once."""
    return task(name).make()


def rollout(name: str, policy: str, first: int, count: int) -> Episodes:
    """Episodes ``first .. first + count - 1`` of a pool. Each depends on nothing but its task, policy and number."""
    row = task(name)
    env = environment(name) if count else None
    chosen = row.policy(policy)
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


def rollouts(name: str, policy: str, first: int, count: int, progress: Callable[[int], None]) -> Episodes:
    """As :func:`rollout`, on all cores. ``progress`` is called with the number of episodes that were just finished."""
    jobs = [(start, min(CHUNK, first + count - start)) for start in range(first, first + count, CHUNK)]
    parts: dict[int, Episodes] = {}
    workers = min(len(jobs), os.cpu_count() or 1)
    # Ctrl-C is the driver's to answer; the workers end with it.
    quiet = (signal.SIGINT, signal.SIG_IGN)
    with ProcessPoolExecutor(workers, get_context("spawn"), signal.signal, quiet) as pool:
        futures = {pool.submit(rollout, name, policy, start, size): start for start, size in jobs}
        try:
            for future in as_completed(futures):
                part = future.result()
                parts[futures[future]] = part
                progress(len(part))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return concatenate([parts[start] for start, _ in jobs])
