"""The loop: updates, evaluation, records. Knows neither Ray nor MLflow, and of a method only that it learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smore_sweep.method import Method
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.spec import RunSpec
from smore_sweep.tasks import task
from smore_sweep.training.evaluation import evaluate

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.episode_store import EpisodeStore
    from smore_sweep.training.learner import Learner

REPORT_SECONDS = 1.0


@dataclass(frozen=True)
class StepTimes:
    """A sign of life: updates done by the stack's runs, and where time went so far, in seconds."""

    update: int
    training_seconds: float
    evaluation_seconds: float


def build_learner(runs: Sequence[RunSpec], store: EpisodeStore, device: torch.device) -> Learner:
    """The learner of a stack of runs, before its first update."""
    from smore_sweep.stacked.replay import Replay
    from smore_sweep.training.learner import Learner

    first = runs[0]
    methods: list[Method] = [run.method for run in runs]
    row = task(first.task)
    replay = Replay(
        store,
        expert_episodes=[run.expert_episodes for run in runs],
        episodes=first.budget.episodes,
        threshold=row.threshold,
        normalize=first.method.normalize_inputs,
        device=device,
    )
    return Learner(
        methods,
        [run.seed for run in runs],
        row.sizes,
        replay,
        batch_size=first.budget.batch_size,
        updates=first.budget.updates,
        device=device,
    )


def load_records(learner: Learner, records: Sequence[Record]) -> None:
    """Bring a fresh learner to where its runs' records stand."""
    if records[0].update:
        learner.load([record.learner for record in records], records[0].update)


def train(
    runs: Sequence[RunSpec],
    learner: Learner,
    records: Sequence[Record],
    *,
    keep: Callable[[Sequence[tuple[str, Record]]], None],
    tick: Callable[[StepTimes], None],
) -> None:
    """Train a stack from where its ``records`` stand to its end.

    ``keep`` receives (run id, record) of every run at each evaluation, and of a diverged run once; ``tick`` is called
    about once a second. The learner must be at the records' number of updates."""
    assert len({record.update for record in records}) == 1, "the members of a stack must stand at the same update"
    budget, row = runs[0].budget, task(runs[0].task)
    first = update = records[0].update
    training = evaluating = 0.0
    alive = list(range(len(runs)))
    while update < budget.updates and alive:
        goal = min(budget.updates, (update // budget.evaluate_every + 1) * budget.evaluate_every)
        started = said = time.perf_counter()
        while update < goal:
            learner.update()
            update += 1
            now = time.perf_counter()
            if now - said >= REPORT_SECONDS or update == first + 1:
                tick(StepTimes(update, training + now - started, evaluating))
                said = now
        metrics = learner.metrics()
        diverged = learner.diverged()
        trained = time.perf_counter()
        training += trained - started

        ended = update == budget.updates
        healthy = [member for member in alive if not diverged[member]]
        episodes = budget.final_episodes if ended else budget.evaluation_episodes
        outcomes = evaluate(learner.policy, row, members=len(runs), alive=healthy, episodes=episodes)
        evaluating += time.perf_counter() - trained
        states = learner.policy.arrays() if ended else learner.state()
        spent = (time.perf_counter() - started) / len(alive)
        kept = []
        for member in alive:
            record = records[member]
            record.update = update
            record.seconds += spent
            record.metrics[update] = {name: float(values[member]) for name, values in metrics.items()}
            record.metrics[update]["seconds"] = record.seconds
            record.learner = {}
            if diverged[member]:
                record.status = DIVERGED
                record.note(f"update {update:,}: diverged, a parameter is not finite")
            else:
                record.evaluations[update] = outcomes[member]
                numbers = record.summary()
                record.note(
                    f"update {update:,} after {record.seconds:.1f} s: return {numbers['return99']:.2f}, "
                    f"success {numbers['success']:.2f}"
                )
                if ended:
                    record.status = DONE
                    record.policy = states[member]
                    record.note("done")
                else:
                    record.learner = states[member]
            kept.append((runs[member].run_id, record))
        alive = healthy
        keep(kept)
        tick(StepTimes(update, training, evaluating))
