"""Data of the benchmarks: episodes shaped like a task's. The values do not matter for speed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from smore_sweep.episodes import Episodes
from smore_sweep.errors import DeclarationError
from smore_sweep.method import Method
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.tasks import task

if TYPE_CHECKING:
    from smore_sweep.stacked.episode_store import EpisodeStore

TASK = "FetchReach"
QUICK_TASK = "PointReach"
"""A task with a very fast environment, for measurements around training."""
IMAGE_TASK = "TabletopImages"
EPISODES = 1000
IMAGE_EPISODES = 40
EXPERT_SHARE = 0.05


def make_episodes(count: int, seed: int, name: str = TASK) -> Episodes:
    """Create episodes shaped like the task's, with hands that wander slowly, some of them past their goals; images are
    noise."""
    row, random = task(name), np.random.default_rng(seed)
    length = row.data_steps or row.horizon
    actions = random.uniform(-1.0, 1.0, (count, length, row.sizes.action)).astype(np.float32)
    if row.sizes.image:
        images = random.integers(0, 256, (count, length + 1, row.sizes.observation), np.uint8)
        return Episodes.of({"observations": images, "actions": actions})
    steps = random.normal(0.0, 0.02, (count, length + 1, row.sizes.goal)).astype(np.float32)
    hands = np.cumsum(steps, 1, dtype=np.float32)
    rest = random.normal(0.0, 1.0, (count, length + 1, row.sizes.observation - row.sizes.goal))
    return Episodes(
        np.concatenate([hands, rest.astype(np.float32)], -1),
        actions,
        hands,
        random.normal(0.0, 0.1, (count, row.sizes.goal)).astype(np.float32),
    )


def make_store(episodes: int, seed: int, name: str = TASK) -> EpisodeStore:
    """Create the store of a dataset of ``episodes`` episodes."""
    from smore_sweep.stacked.episode_store import EpisodeStore

    expert = make_episodes(int(episodes * _share(name)), seed, name)
    random = make_episodes(episodes - len(expert), seed + 1, name)
    return EpisodeStore.build(expert, random, task(name).threshold, task(name).sizes.image)


def fitting_task(method: Method) -> tuple[str, int]:
    """Return the task whose shapes the method's step is measured with, and its number of episodes: images, if the
    method refuses vectors."""
    try:
        method.networks(task(TASK).sizes)
    except DeclarationError:
        return IMAGE_TASK, IMAGE_EPISODES
    return TASK, EPISODES


def _share(name: str) -> float:
    """Return the share of expert episodes; images are one dataset."""
    return 1.0 if task(name).sizes.image else EXPERT_SHARE


def make_runs(method: Method, seeds: Sequence[int], budget: Budget, name: str = TASK) -> tuple[RunSpec, ...]:
    """Create one run per seed."""
    return tuple(
        RunSpec(method=method, task=name, expert_share=_share(name), seed=seed, scale="bench", budget=budget)
        for seed in seeds
    )


def make_budget(batch_size: int, updates: int = 1_000_000, episodes: int | None = None) -> Budget:
    return Budget(
        episodes=episodes or EPISODES, updates=updates, batch_size=batch_size, evaluate_every=-(-updates // 2),
        evaluation_episodes=2, final_episodes=4,
    )  # fmt: skip
