"""Time stacks on the whole platform: Ray Tune, the recorder and MLflow."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smore_sweep.execution.cluster import connected
from smore_sweep.execution.ray_auth import require_private_token
from smore_sweep.execution.recorder_actor import recorder_actor
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.planning.stacks import Stack

if TYPE_CHECKING:
    from smore_sweep.execution.cluster import Cluster
    from smore_sweep.stacked.episode_store import EpisodeStore


@dataclass
class Timing:
    """Times of one stack, in seconds.

    ``begin`` (first update) and ``end`` (last progress) count from the request for workers; ``training`` and
    ``evaluation`` are durations.
    """

    begin: float
    end: float = 0.0
    training: float = 0.0
    evaluation: float = 0.0

    @property
    def busy(self) -> float:
        """Seconds from the beginning to the end."""
        return self.end - self.begin


@dataclass(frozen=True)
class Session:
    """A local Ray with a recorder, requested at the time ``started``."""

    cluster: Cluster
    recorder: Any
    started: float

    def train(
        self, stacks: Sequence[Stack], stores: dict[str, EpisodeStore], look: Callable[[], None] = lambda: None
    ) -> dict[int, Timing]:
        """Train the stacks, calling ``look`` at each progress event. Returns their timings, by index."""
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
    """Start a local Ray that trains ``slots`` stacks at the same time, by default as many as the machine allows."""
    require_private_token()
    from smore_sweep.results.tracking import Experiment

    started = time.perf_counter()
    experiment = Experiment(results, f"sqlite:///{results / 'mlflow.db'}", "bench", "a benchmark", {})
    cpus = None if slots is None else max(slots, os.cpu_count() or 1)
    with connected(None, None, cpus) as cluster, recorder_actor(experiment, [], print) as recorder:
        yield Session(limited(cluster, slots or cluster.slots), recorder, started)


def limited(cluster: Cluster, slots: int) -> Cluster:
    """Return the cluster limited to ``slots`` stacks at the same time."""
    if cluster.gpus_per_stack:
        return replace(cluster, gpus=min(cluster.gpus, slots * cluster.gpus_per_stack))
    return replace(cluster, cpus=min(cluster.cpus, slots))
