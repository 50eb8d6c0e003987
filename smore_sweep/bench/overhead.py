"""What the platform costs on top of training and evaluation, measured on a short sweep through the real thing."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from smore_sweep.bench.synthetic import EXPERT_SHARE, TASK, make_budget, make_runs
from smore_sweep.method import Method
from smore_sweep.progress import Progress, Watcher
from smore_sweep.spec import Budget, Stack

if TYPE_CHECKING:
    from smore_sweep.replay import Store
    from smore_sweep.trainable import Cluster

SWEEP_SECONDS = 40.0
"""Of training a slot."""
SWEEP_SLOTS = 4
SWEEP_SEEDS = 5


@dataclass(frozen=True)
class Overhead:
    """Of a sweep on the local Ray: seconds from the start until Ray has ended, until the first update, and, added up
    over the slots, in training and in evaluation. Making data is left out: it is needed without a platform too."""

    slots: int
    stacks: int
    wall: float
    start_up: float
    training: float
    evaluation: float

    @property
    def total_share(self) -> float:
        """Of the slots' time that is neither training nor evaluation."""
        return 1.0 - (self.training + self.evaluation) / (self.slots * self.wall)

    @property
    def start_up_share(self) -> float:
        """The part of it before the first update."""
        return self.start_up / self.wall


def measure_overhead(
    methods: Sequence[Method], store: Store, *, batch_size: int, rate: float, seconds: float = SWEEP_SECONDS
) -> Overhead:
    """Train two stacks a slot, the methods in turn, through Ray Tune, the recorder and MLflow, into a temporary folder.
    ``rate`` (member-updates a second of one core) scales it to ``seconds`` of training a slot."""
    from smore_sweep import trainable
    from smore_sweep.tracking import Job

    updates = max(2, round(seconds / 2 * rate / SWEEP_SEEDS))
    busy: dict[int, Progress] = {}
    first: list[float] = []

    class Clock(Watcher):
        def progress(self, progress: Progress) -> None:
            if not first:
                first.append(time.perf_counter() - progress.training_seconds - started)
            busy[progress.stack] = progress

    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        job = Job(results, f"sqlite:///{results / 'mlflow.db'}", "bench", "overhead of the platform", {})
        started = time.perf_counter()
        with trainable.connected(None, None) as whole, trainable.recording(job, [], print) as recorder:
            cluster = _part(whole)
            stacks = _stacks(methods, 2 * cluster.slots, make_budget(batch_size, updates))
            failures = trainable.train_stacks(
                stacks, {TASK: (store, {EXPERT_SHARE: "bench"})}, recorder, git="", cluster=cluster, watcher=Clock()
            )
        wall = time.perf_counter() - started
    if failures:
        raise RuntimeError(failures[0])
    training = sum(progress.training_seconds for progress in busy.values())
    evaluation = sum(progress.evaluation_seconds for progress in busy.values())
    return Overhead(cluster.slots, len(stacks), wall, first[0], training, evaluation)


def _part(cluster: Cluster) -> Cluster:
    """Enough of the cluster: a large machine would need many stacks to be busy."""
    if cluster.gpus_per_stack:
        return replace(cluster, gpus=min(cluster.gpus, SWEEP_SLOTS * cluster.gpus_per_stack))
    return replace(cluster, cpus=min(cluster.cpus, SWEEP_SLOTS))


def _stacks(methods: Sequence[Method], count: int, budget: Budget) -> list[Stack]:
    return [
        Stack(
            make_runs(methods[number % len(methods)], range(number * SWEEP_SEEDS, (number + 1) * SWEEP_SEEDS), budget)
        )
        for number in range(count)
    ]
