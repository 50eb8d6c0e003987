"""Measure the platform's overhead over training and evaluation, on a sweep of many short stacks."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from smore_sweep.bench.processes import processor_seconds
from smore_sweep.bench.sweeping import Timing, session
from smore_sweep.bench.synthetic import EPISODES, QUICK_TASK, make_budget, make_runs, make_store
from smore_sweep.method import Method
from smore_sweep.planning.stacks import Stack

STACKS, SEEDS = 200, 5
BATCH, UPDATES = 256, 100
"""A short stack takes some ten seconds on one core."""
MOST_SLOTS = 4
"""Limit of slots: a large machine would need many more stacks to be busy."""
ACTOR_STACKS = 12
LOOK_SECONDS = 5.0
"""Seconds between two inspections of the processes, which take some time themselves."""


@dataclass(frozen=True)
class Overhead:
    """Times of a sweep on the local Ray, in seconds.

    Attributes:
        slots: Number of slots.
        stacks: Number of stacks.
        start_up: From the beginning to the first update.
        wall: From the first update to the last stack's end.
        training: Time in training, over all slots.
        evaluation: Time in evaluation, over all slots.
        book_keeping: Share of the processor time after the first update outside the training processes.
        sent: Bytes per run in MLflow's database and as its artifact.
    """

    slots: int
    stacks: int
    start_up: float
    wall: float
    training: float
    evaluation: float
    book_keeping: float
    sent: tuple[float, float]

    @property
    def share(self) -> float:
        """Share of the slots' time after the start that is neither training nor evaluation."""
        return 1.0 - (self.training + self.evaluation) / (self.slots * self.wall)

    @property
    def per_stack(self) -> float:
        """The same in seconds per stack."""
        return self.share * self.slots * self.wall / self.stacks


def measure_overhead(methods: Sequence[Method], count: int = STACKS, updates: int = UPDATES) -> Overhead:
    """Train ``count`` stacks of five runs, the methods in turn, through Ray Tune, the recorder and MLflow."""
    stacks = short_stacks(methods, count, updates)
    inspected = [-LOOK_SECONDS]
    used: list[tuple[float, float]] = []
    sizes: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "mlflow.db"

        def look() -> None:
            if not sizes:  # nothing is recorded yet
                sizes.append(database.stat().st_size)
            if time.monotonic() - inspected[-1] > LOOK_SECONDS:
                inspected.append(time.monotonic())
                used.append(processor_seconds())

        with session(Path(folder), min(MOST_SLOTS, os.cpu_count() or 1)) as where:
            slots = where.cluster.slots
            timings = where.train(stacks, {QUICK_TASK: make_store(EPISODES, 0, QUICK_TASK)}, look).values()
        sizes.append(database.stat().st_size)
        artifacts = sum(path.stat().st_size for path in (Path(folder) / "artifacts").rglob("*.npz"))
    runs = sum(len(stack.runs) for stack in stacks)
    begin, end = min(timing.begin for timing in timings), max(timing.end for timing in timings)
    training, others = (after - before for before, after in zip(used[0], used[-1], strict=True))
    return Overhead(
        slots=slots,
        stacks=len(stacks),
        start_up=begin,
        wall=end - begin,
        training=sum(timing.training for timing in timings),
        evaluation=sum(timing.evaluation for timing in timings),
        book_keeping=others / (training + others),
        sent=((sizes[1] - sizes[0]) / runs, artifacts / runs),
    )


def actor_start(method: Method) -> float:
    """Measure the additional seconds per stack if each stack got a new process (a Ray actor), on very short stacks."""
    stacks, store = short_stacks([method], ACTOR_STACKS, updates=2), {QUICK_TASK: make_store(EPISODES, 0, QUICK_TASK)}
    with tempfile.TemporaryDirectory() as folder, session(Path(folder), 1) as where:
        reused = _between(where.train(stacks, store))
    with tempfile.TemporaryDirectory() as folder, session(Path(folder), 1) as where, _new_actors():
        started = _between(where.train(stacks, store))
    return started - reused


def short_stacks(methods: Sequence[Method], count: int, updates: int) -> list[Stack]:
    """Return ``count`` stacks of five seeds, the methods in turn."""
    budget = make_budget(BATCH, updates)
    seeds = [range(number * SEEDS, (number + 1) * SEEDS) for number in range(count)]
    return [
        Stack(make_runs(methods[number % len(methods)], chunk, budget, QUICK_TASK))
        for number, chunk in enumerate(seeds)
    ]


def _between(timings: dict[int, Timing]) -> float:
    """Return the median seconds from the end of a stack to the beginning of the next one, on one slot."""
    ordered = sorted(timings.values(), key=lambda timing: timing.begin)
    return statistics.median(after.begin - before.end for before, after in itertools.pairwise(ordered))


@contextmanager
def _new_actors() -> Iterator[None]:
    """Run Tune without the reuse of actors."""
    from smore_sweep.execution import trainable

    original = vars(trainable)["TuneConfig"]

    def config(**options: Any) -> Any:
        return original(**options | {"reuse_actors": False})

    with mock.patch.object(trainable, "TuneConfig", config):
        yield
