"""Begin longer runs from the kept learners of shorter ones: the record of an undisturbed longer run at that update."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from smore_sweep.data import pools
from smore_sweep.execution.datasets import both_pools, dataset_fingerprint
from smore_sweep.planning.continuation import Continuations
from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import CONTINUED, PARTIAL, Record
from smore_sweep.results.recorder import Recorder
from smore_sweep.run_spec import RunSpec
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import pools_of


def begin_longer(
    found: Continuations, results: StoragePath, recording: Callable[[], AbstractContextManager[Recorder]]
) -> Continuations:
    """Write partial records of the runs that can go on from a shorter one.

    Args:
        found: The runs, and the shorter run of each.
        results: Results folder.
        recording: Opens the recorder, which writes.

    Returns:
        The runs that begin so. Those whose shorter run turns out to be damaged, or of other episodes, do not.
    """
    if not found.shorter:
        return found
    obstacles: dict[str, str] = {}
    datasets: dict[tuple[str, int, int], str | None] = {}
    with recording() as recorder:
        for run in found.runs:
            if (start := found.shorter.get(run.run_id)) is None:
                continue
            data = (run.task, run.expert_episodes, run.budget.episodes)
            if data not in datasets:
                datasets[data] = fingerprint_here(run)
            begun = _begin(run, start, results, datasets[data])
            if isinstance(begun, Record):
                recorder.adopt(run.run_id, begun)
            else:
                obstacles[run.run_id] = f"the run of {start.budget.updates:,} updates {begun}"
    return found.without(obstacles)


def longer_record(run: RunSpec, shorter: Record, kept: Record) -> Record:
    """Return the record of a run at the last update of a shorter one that is the same but for its length.

    The first episodes of the shorter run's last evaluation are those of an evaluation on the way.

    Args:
        run: The longer run.
        shorter: The record of the shorter run, which is done.
        kept: Its kept learner.
    """
    final = shorter.evaluations[shorter.update]
    first = {name: array[: run.budget.evaluation_episodes] for name, array in vars(final).items()}
    return Record(
        run.content(),
        PARTIAL,
        shorter.update,
        shorter.seconds,
        facts=dict(shorter.facts),
        metrics=dict(shorter.metrics),
        evaluations={**shorter.evaluations, shorter.update: Outcomes(**first)},
        learner=kept.learner,
    )


def _begin(run: RunSpec, start: RunSpec, results: StoragePath, dataset: str | None) -> Record | str:
    """Return the record with which a longer run begins, or why there is none."""
    shorter = run_files.load(results, start.run_id)
    kept = run_files.load_learner(results, start.run_id)
    if shorter is None or kept is None or shorter.update != kept.update:
        return "is damaged"
    if shorter.facts.get("dataset") != dataset:
        return "was trained on other episodes than are here"
    record = longer_record(run, shorter, kept)
    record.facts[CONTINUED] = start.run_id
    record.note(f"goes on from update {record.update:,} of run {start.run_id}, the same but for its length")
    return record


def fingerprint_here(run: RunSpec) -> str | None:
    """Return the fingerprint of the episodes that a run would train on; None if they are not all there."""
    counts = (run.expert_episodes, run.budget.episodes - run.expert_episodes)
    needed = list(zip(pools_of(run.task), counts, strict=False))  # a dataset of its own is one pool
    if any(pools.available(*pool, run.source) < count for pool, count in needed):
        return None
    loaded = [pools.load(*pool, count, run.source) for pool, count in needed]
    return dataset_fingerprint(run, *both_pools(loaded))
