"""Find the runs that a sweep still needs. The results are the only state."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from smore_sweep.discovery import all_sweeps
from smore_sweep.errors import DeclarationError, StorageError, did_you_mean
from smore_sweep.planning.choices import AS_DECLARED, Choices
from smore_sweep.planning.code_changes import changed_runs
from smore_sweep.results import record, run_files
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep
from smore_sweep.storage.paths import StoragePath
from smore_sweep.tasks import pools_of, task

EXPORT = "runs.parquet"
"""File that makes a folder an export (:mod:`analysis.frames.archive`)."""


@dataclass(frozen=True)
class Plan:
    """The runs of a sweep at a scale, on the data of one source, and the state of each.

    Attributes:
        states: ``done``, ``partial`` or ``missing``, by run id.
        behind: Updates behind the partial runs, by run id.
        changed: Stored runs whose code has changed since, by the name of the changed file.
        accepted: Those that their owner has accepted as they are, likewise.
        datasets: Fingerprints of the episodes of the stored runs, by run id.
    """

    sweep: Sweep
    scale: str
    source: str
    runs: list[RunSpec]
    states: dict[str, str]
    behind: dict[str, int]
    changed: dict[str, list[str]] = field(default_factory=dict)
    accepted: dict[str, list[str]] = field(default_factory=dict)
    datasets: dict[str, str] = field(default_factory=dict)

    @property
    def pending(self) -> list[tuple[RunSpec, int]]:
        """Runs that are not done, with the updates behind them."""
        return [(run, self.behind.get(run.run_id, 0)) for run in self.runs if self.states[run.run_id] != record.DONE]

    @property
    def pending_trainings(self) -> list[tuple[RunSpec, int]]:
        """The first of the pending runs that one training serves, with the updates behind them."""
        return list({(run.training_id, behind): (run, behind) for run, behind in reversed(self.pending)}.values())[::-1]

    def of(self, runs: Sequence[RunSpec]) -> Plan:
        """Return the plan of some of the runs."""
        chosen = {run.run_id for run in runs}

        def among(changes: dict[str, list[str]]) -> dict[str, list[str]]:
            own = {file: [run_id for run_id in run_ids if run_id in chosen] for file, run_ids in changes.items()}
            return {file: run_ids for file, run_ids in own.items() if run_ids}

        return replace(self, runs=list(runs), changed=among(self.changed), accepted=among(self.accepted))

    def count(self, state: str) -> int:
        """Count the runs in a state."""
        return sum(1 for run in self.runs if self.states[run.run_id] == state)

    def rows(self) -> list[tuple[str, str, float, Counter[str], RunSpec]]:
        """Return (task, method label, expert share, runs by state, an example run) per cell, in declared order."""
        cells: dict[tuple[str, str, float], list[RunSpec]] = defaultdict(list)
        for run in self.runs:
            cells[run.task, run.named.label, run.expert_share].append(run)
        return [(*key, Counter(self.states[run.run_id] for run in runs), runs[0]) for key, runs in cells.items()]

    def pools(self) -> dict[tuple[str, str], int]:
        """Return the number of episodes that the pending runs need, by (task, policy)."""
        return required_pools(run for run, _ in self.pending)


def make_plan(sweep: Sweep, scale: str | None, results: StoragePath, choices: Choices = AS_DECLARED) -> Plan:
    """Expand a sweep and read the states of its runs.

    Raises:
        DeclarationError: For anything wrong in the declaration or in the choices.
        StorageError: If the results folder cannot be read.
    """
    if _is_export(results):
        raise DeclarationError(
            f"{results} is an export, for tables, figures and reports; plan, run and status need a results folder"
        )
    for name in (*choices.tasks, *sweep.tasks):
        pools_of(name)
    runs = choices.expand(sweep, scale)
    run_ids = [run.run_id for run in runs]
    summaries = run_files.peek_each(results, run_ids, on_broken=None)
    states = run_files.states_of(summaries, run_ids)
    behind = {run_id: summary.update for run_id, summary in summaries.items() if summary.status == record.PARTIAL}
    return Plan(
        sweep,
        sweep.scale(scale),
        choices.source,
        runs,
        states,
        behind,
        changed_runs(runs, summaries),
        changed_runs(runs, summaries, accepted=True),
        {run_id: summary.facts["dataset"] for run_id, summary in summaries.items() if "dataset" in summary.facts},
    )


def _is_export(results: StoragePath) -> bool:
    try:
        return isinstance(results, Path) and (results / EXPORT).exists()
    except OSError as error:  # a folder that one may not enter, or no name for one
        raise StorageError(f"results folder {results} cannot be read: {error.strerror}") from None


def required_pools(runs: Iterable[RunSpec]) -> dict[tuple[str, str], int]:
    """Return the number of episodes that runs need, by (task, policy)."""
    needed: dict[tuple[str, str], int] = {}
    for run in runs:
        counts = (run.expert_episodes, run.budget.episodes - run.expert_episodes)
        for pool, count in zip(pools_of(run.task), counts, strict=False):
            needed[pool] = max(count, needed.get(pool, 0))
    return needed


def task_pools(name: str, scale: str | None) -> dict[tuple[str, str], int]:
    """Return the number of episodes of a task that the shipped sweeps need, by (task, policy).

    Sweeps that have the task but leave it out at that scale count too.

    Args:
        name: The task.
        scale: The scale, or None for each sweep's own.

    Raises:
        DeclarationError: If no sweep has the task at that scale.
    """
    task(name)
    sweeps = [sweep for sweep in all_sweeps(None) if name in sweep.tasks]
    at_scale = [sweep for sweep in sweeps if scale is None or scale in sweep.scales]
    if not at_scale:
        known = dict.fromkeys(scale for sweep in sweeps for scale in sweep.scales)
        raise DeclarationError(
            f"no sweep has {name} at scale {scale!r}; its scales are: {', '.join(known)}{did_you_mean(scale, known)}"
            if sweeps and scale
            else f"no sweep has {name}; say how many episodes with --episodes (EPISODES=...)"
        )
    return required_pools(run for sweep in at_scale for run in sweep.expand(scale, seeds=1, tasks=[name]))
