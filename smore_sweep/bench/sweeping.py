"""Stacks through the real thing - Ray Tune, the recorder, MLflow - with a clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smore_sweep.execution.runner import require_private_token
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.planning.stacks import Stack

if TYPE_CHECKING:
    from smore_sweep.execution.trainable import Cluster
    from smore_sweep.stacked.episode_store import EpisodeStore


@dataclass
class Timing:
    """Of one stack, in seconds since the workers were asked for: the beginning of its first update, its last sign of
    life; and how long it trained and evaluated."""

    begin: float
    end: float = 0.0
    training: float = 0.0
    evaluation: float = 0.0

    @property
    def busy(self) -> float:
        """Seconds from its beginning to its end."""
        return self.end - self.begin


@dataclass(frozen=True)
class Session:
    """A local Ray with a recorder. ``started`` is the clock when it was asked for."""

    cluster: Cluster
    recorder: Any
    started: float

    def train(
        self, stacks: Sequence[Stack], stores: dict[str, EpisodeStore], look: Callable[[], None] = lambda: None
    ) -> dict[int, Timing]:
        """Train the stacks; returns each one's timing, by place. ``look`` is called at each sign of life."""
        from smore_sweep.execution import trainable

        started, timings = self.started, dict[int, Timing]()

        class Clock(ProgressCallback):
            def on_progress(self, progress: Progress) -> None:
                now = time.perf_counter() - started
                busy = progress.training_seconds + progress.evaluation_seconds
                timing = timings.setdefault(progress.stack, Timing(now - busy))
                timing.end, timing.training = now, progress.training_seconds
                timing.evaluation = progress.evaluation_seconds
                look()

        shares = {run.expert_share: "bench" for stack in stacks for run in stack.runs}
        failures = trainable.train_stacks(
            stacks,
            {name: (store, shares) for name, store in stores.items()},
            self.recorder,
            git="",
            cluster=self.cluster,
            callback=Clock(),
        )
        if failures:
            raise RuntimeError(failures[0])
        return timings


@contextmanager
def session(results: Path, slots: int | None = None) -> Iterator[Session]:
    """A local Ray that trains so many stacks at the same time, or by default as many as the machine does, and keeps
    them in a folder."""
    require_private_token()
    from smore_sweep.execution import trainable
    from smore_sweep.results.tracking import Experiment

    started = time.perf_counter()
    job = Experiment(results, f"sqlite:///{results / 'mlflow.db'}", "bench", "a benchmark", {})
    cpus = None if slots is None else max(slots, os.cpu_count() or 1)
    with trainable.connected(None, None, cpus) as whole, trainable.recording(job, [], print) as recorder:
        yield Session(part(whole, slots or whole.slots), recorder, started)


def part(cluster: Cluster, slots: int) -> Cluster:
    """So much of the cluster that it trains at most so many stacks at the same time."""
    if cluster.gpus_per_stack:
        return replace(cluster, gpus=min(cluster.gpus, slots * cluster.gpus_per_stack))
    return replace(cluster, cpus=min(cluster.cpus, slots))
