"""The training loop of one stack: updates, evaluations and records."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from smore_sweep.method import Method
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.run_spec import RunSpec, by_training
from smore_sweep.tasks import task
from smore_sweep.training.assessment import Assess, Pending, assess_here
from smore_sweep.training.capture import AUTO, Updates
from smore_sweep.training.device import wait
from smore_sweep.training.online import collect, due, only_goal

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from smore_sweep.results.outcomes import Outcomes
    from smore_sweep.stacked.episode_store import EpisodeStore
    from smore_sweep.training.learner import Arrays, Learner

REPORT_SECONDS = 1.0
"""Time between two progress reports."""


@dataclass(frozen=True)
class TrainingProgress:
    """Updates done by each run of a stack, and the seconds that this process spent on them and on evaluation."""

    update: int
    training_seconds: float
    evaluation_seconds: float


def build_learner(
    runs: Sequence[RunSpec], store: EpisodeStore, device: torch.device, padded: int | None = None
) -> Learner:
    """Build the learner of a stack of runs, before its first update.

    Runs that differ in knobs of test time alone are one member. Copies of the first one fill the stack up to ``padded``
    members. A GPU chooses its kernels by the size of a stack, so a run's last digits depend on it.
    """
    from smore_sweep.stacked.experience import Experience
    from smore_sweep.stacked.replay import Replay
    from smore_sweep.training.learner import Learner

    first = runs[0]
    runs = [each[0] for each in by_training(runs)]
    runs = [*runs, *[first] * ((padded or 0) - len(runs))]
    methods: list[Method] = [run.method.as_trained() for run in runs]
    budget = first.budget
    row = task(first.task)
    replay = Replay(
        store,
        expert_episodes=[run.expert_episodes for run in runs],
        episodes=budget.episodes,
        threshold=row.threshold,
        normalize=first.method.normalize_inputs,
        whole_goals=first.method.whole_goals,
        device=device,
    )
    experience = Experience(replay, budget.online_episodes, only_goal(row)) if budget.online_episodes else None
    return Learner(
        methods,
        [run.seed for run in runs],
        row.sizes,
        replay,
        batch_size=budget.batch_size,
        updates=budget.updates,
        device=device,
        experience=experience,
    )


def load_records(learner: Learner, runs: Sequence[RunSpec], records: Sequence[Record]) -> None:
    """Bring a fresh learner to where its runs' records stand."""
    if records[0].update:
        by_id = {run.run_id: record for run, record in zip(runs, records, strict=True)}
        states = [by_id[each[0].run_id].learner for each in by_training(runs)]
        learner.load([*states, *states[:1] * (learner.members - len(states))], records[0].update)


def train(
    runs: Sequence[RunSpec],
    learner: Learner,
    records: Sequence[Record],
    *,
    keep: Callable[[Sequence[tuple[str, Record]]], None],
    tick: Callable[[TrainingProgress], None],
    updates: str = AUTO,
    assess: Assess = assess_here,
    keep_learner: bool = False,
    until: int | None = None,
) -> None:
    """Train a stack from the update of its ``records`` to its end, or up to an evaluation on the way.

    Args:
        runs: the runs of the stack.
        learner: the stack's learner, at the records' number of updates.
        records: the runs' records, all at the same update; they are changed in place.
        keep: receives (run id, record) of every run at each evaluation, and of a diverged run once.
        tick: receives the progress about once a second.
        updates: how a GPU runs updates (:mod:`smore_sweep.training.capture`).
        assess: starts an evaluation. Training goes on until its result is there; at most one is under way, and records
            are kept in the order of updates.
        keep_learner: whether to keep the learner's state of done runs, from which longer runs can go on.
        until: the update of the last evaluation; None for the runs' end.
    """
    assert len({record.update for record in records}) == 1, "the members of a stack must stand at the same update"
    budget, row = runs[0].budget, task(runs[0].task)
    first = update = records[0].update
    do_update = Updates(learner, updates)
    training = evaluating = 0.0
    trained = by_training(runs)
    member = {run.run_id: number for number, each in enumerate(trained) for run in each}
    members = [member[run.run_id] for run in runs]
    alive = list(range(len(runs)))
    stretch: _Stretch | None = None

    def of_runs(arrays: Sequence[Arrays]) -> list[Arrays]:
        """Give each run those of its member."""
        return [arrays[number] for number in members]

    def settle(behind: _Stretch) -> None:
        """Wait for a stretch's evaluation, and keep its records."""
        nonlocal evaluating
        waited = time.perf_counter()
        outcomes = behind.pending.result()
        waited = time.perf_counter() - waited
        evaluating += waited
        behind.note(records, outcomes, waited)
        keep([(runs[index].run_id, records[index]) for index in behind.alive])
        tick(TrainingProgress(update, training, evaluating))

    last = until or budget.updates
    while update < last and alive:
        goal = min(budget.updates, (update // budget.evaluate_every + 1) * budget.evaluate_every)
        started = reported = time.perf_counter()
        elsewhere = evaluating
        while update < goal:
            if due(budget, update):
                if update == budget.offline_updates:
                    learner.begin_online()
                    do_update = Updates(learner, updates)
                collect(learner, [each[0] for each in trained], update)
            do_update()
            update += 1
            now = time.perf_counter()
            if now - reported >= REPORT_SECONDS or update == first + 1:
                wait(learner.device)
                if stretch and stretch.pending.ready():
                    settle(stretch)
                    stretch = None
                reported = time.perf_counter()
                tick(TrainingProgress(update, training + reported - started - (evaluating - elsewhere), evaluating))
        metrics = {name: values[members] for name, values in learner.metrics().items()}
        diverged = learner.diverged()[members]
        seconds = time.perf_counter() - started - (evaluating - elsewhere)
        training += seconds
        if stretch:
            settle(stretch)

        ended = update == budget.updates
        healthy = [index for index in alive if not diverged[index]]
        policies = of_runs(learner.policies())
        asked = time.perf_counter()
        pending = assess(
            {index: (runs[index].method, policies[index]) for index in healthy},
            row,
            budget.final_episodes if ended else budget.evaluation_episodes,
        )
        asked = time.perf_counter() - asked
        evaluating += asked
        facts, problem = do_update.facts(), do_update.problem
        do_update.problem = ""
        resumable = of_runs(learner.state()) if ended and keep_learner else None
        states = policies if ended else of_runs(learner.state())
        stretch = _Stretch(
            update, ended, seconds + asked, alive, metrics, states, pending, facts, problem, resumable
        )  # fmt: skip
        if update == last or not healthy or pending.ready():
            settle(stretch)
            stretch = None
        alive = healthy


@dataclass(frozen=True)
class _Stretch:
    """Updates up to an evaluation, for the ``alive`` runs: the seconds they took, the last one's metrics, the runs'
    states after it, the evaluation under way, what is to be noted of the updates, and the states from which longer
    runs can go on."""

    update: int
    ended: bool
    seconds: float
    alive: list[int]
    metrics: Mapping[str, NDArray[np.float32]]
    states: Sequence[Arrays]
    pending: Pending
    facts: Mapping[str, str]
    problem: str
    resumable: Sequence[Arrays] | None

    def note(self, records: Sequence[Record], outcomes: Mapping[int, Outcomes], waited: float) -> None:
        """Add the stretch and its outcomes, for which the loop ``waited`` so many seconds, to the runs' records. A run
        without outcomes has diverged."""
        for index in self.alive:
            record = records[index]
            numbers = {name: float(values[index]) for name, values in self.metrics.items()}
            _note_updates(record, self.update, (self.seconds + waited) / len(self.alive), numbers)
            record.facts |= self.facts
            if self.problem:
                record.note(self.problem)
            if index in outcomes:
                _note_evaluation(record, outcomes[index], self.states[index], ended=self.ended)
                record.kept = self.resumable[index] if self.resumable else {}
            else:
                _note_divergence(record)


def _note_updates(record: Record, update: int, seconds: float, metrics: dict[str, float]) -> None:
    """Add the updates since the last evaluation: the run's share of the ``seconds``, and the last update's metrics."""
    record.update = update
    record.seconds += seconds
    record.metrics[update] = {**metrics, "seconds": record.seconds}
    record.learner = {}


def _note_divergence(record: Record) -> None:
    record.status = DIVERGED
    record.note(f"update {record.update:,}: diverged, a parameter is not finite")


def _note_evaluation(record: Record, outcomes: Outcomes, state: Arrays, *, ended: bool) -> None:
    """Add an evaluation with the learner's state, or the final one with the policy."""
    outcomes.check()
    record.evaluations[record.update] = outcomes
    numbers = record.summary()
    record.note(
        f"update {record.update:,} after {record.seconds:.1f} s: return {numbers['return99']:.2f}, "
        f"success {numbers['success']:.2f}"
    )
    if ended:
        record.status = DONE
        record.policy = state
        record.note("done")
    else:
        record.learner = state
