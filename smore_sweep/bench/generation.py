"""Measure the generation of episodes: ``python -m smore_sweep.bench.generation TASK``.

The platform's jobs (rollouts of the random policy, written to files) alternate with bare loops that only reset and step
the environment: in one process, and in as many as there are workers, for the length of a job each. On a processor with
hyper-threads, the rate of one process times the number of cores is out of reach; the rate of as many processes as
workers is the machine's limit.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from smore_sweep.bench.speed import Spread
from smore_sweep.console import make_console
from smore_sweep.data import generate
from smore_sweep.data.rollout import environment
from smore_sweep.tasks import task

ROUNDS = 5


def main(name: str) -> int:
    """Measure and print."""
    cores = os.cpu_count() or 1
    single, bare, ours = measure(name, cores)
    times_single = Spread(tuple(a / (cores * b) for a, b in zip(ours.values, single.values, strict=True)))
    times_bare = Spread(tuple(a / b for a, b in zip(ours.values, bare.values, strict=True)))
    make_console().print(
        f"{name}, random policy, {cores} workers, median (range) of {ROUNDS} rounds\n"
        f"environment steps/s: {ours.show(',.0f')}; bare {bare.show(',.0f')}, a single one {single.show(',.0f')}\n"
        f"of {cores} bare processes: {times_bare.show('.2f')}; of {cores} x a single one: {times_single.show('.2f')}"
    )
    return 0


def measure(name: str, workers: int, rounds: int = ROUNDS) -> tuple[Spread, Spread, Spread]:
    """Measure environment steps per second of one bare process, of as many as workers, and of the jobs, by round."""
    horizon = task(name).horizon
    episodes = max(1, generate.JOB_STEPS // horizon)
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(workers, get_context("spawn")) as pool:

        def rate(processes: int, function: Callable[[str, int, str], None]) -> float:
            started = time.perf_counter()
            for future in [pool.submit(function, name, episodes, folder) for _ in range(processes)]:
                future.result()
            return processes * episodes * horizon / (time.perf_counter() - started)

        rate(workers, _bare)  # starts the workers and creates the environments
        rates = [(rate(1, _bare), rate(workers, _bare), rate(workers, _ours)) for _ in range(rounds)]
    single, bare, ours = zip(*rates, strict=True)
    return Spread(single), Spread(bare), Spread(ours)


def _bare(name: str, episodes: int, _: str) -> None:
    env = environment(name)
    size, horizon = task(name).sizes.action, task(name).horizon
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (horizon, size)).astype(np.float32)
    for number in range(episodes):
        env.reset(seed=number)
        for action in actions:
            env.step(action)


def _ours(name: str, episodes: int, folder: str) -> None:
    generate._save_part(Path(folder) / f"{os.getpid()}.npz", name, "random", 0, episodes)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
