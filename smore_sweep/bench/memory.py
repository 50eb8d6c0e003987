"""Measure the memory of workers by the size of the episode store, of which they should hold no copies."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from smore_sweep.bench.processes import Memory, memory, workers
from smore_sweep.bench.sweeping import Session, session
from smore_sweep.bench.synthetic import EXPERT_SHARE, TASK, make_budget, make_episodes, make_runs
from smore_sweep.episodes import Episodes
from smore_sweep.method import Method
from smore_sweep.planning.stacks import Stack
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.tasks import task

STORE = 10**9
SMALL = 10**6
WORKERS = (1, 4)
UPDATES = 200


@dataclass(frozen=True)
class Footprint:
    """Peak memory of the training processes, in bytes, with a store of some size."""

    store: int
    workers: tuple[Memory, ...]


def measure_memory(method: Method, count: int, size: int = STORE) -> tuple[Footprint, Footprint]:
    """Measure ``count`` workers that train on all episodes of a small store, then of one of about ``size`` bytes."""
    with tempfile.TemporaryDirectory() as folder, session(Path(folder), count) as where:
        return _footprint(where, method, SMALL), _footprint(where, method, size)


def _footprint(where: Session, method: Method, size: int) -> Footprint:
    store = large_store(size)
    budget = replace(make_budget(32, UPDATES), episodes=store.episodes)
    stacks = [Stack(make_runs(method, [seed], budget)) for seed in range(where.cluster.slots)]
    seen: dict[int, Memory] = {}

    def look() -> None:
        for pid in workers():
            now = memory(pid)
            if pid not in seen or now.own > seen[pid].own:
                seen[pid] = now

    where.train(stacks, {TASK: store}, look)
    return Footprint(bytes_of(store), tuple(seen.values()))


def large_store(size: int) -> EpisodeStore:
    """Build a store of about ``size`` bytes, which repeats the same thousand episodes."""
    few = make_episodes(1000, seed=0)
    each = bytes_of(EpisodeStore.build(few, few.first(0), task(TASK).threshold)) / len(few)
    count = max(100, round(size / each))
    expert = int(count * EXPERT_SHARE)
    return EpisodeStore.build(_repeated(few, expert), _repeated(few, count - expert), task(TASK).threshold)


def bytes_of(store: EpisodeStore) -> int:
    """Return the bytes of a store's arrays."""
    return sum(array.nbytes for array in vars(store).values() if isinstance(array, np.ndarray))


def _repeated(episodes: Episodes, count: int) -> Episodes:
    return Episodes(*(np.resize(array, (count, *array.shape[1:])) for array in vars(episodes).values()))
