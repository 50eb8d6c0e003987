"""The platform from Python: run a sweep, train a run, load a policy, read results. Libraries are imported late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import smore_sweep.results  # noqa: F401  bound before the function of this name replaces it in the package
from smore_sweep.errors import UserError
from smore_sweep.exit_codes import INTERRUPTED
from smore_sweep.run_spec import GENERATED, RunSpec
from smore_sweep.spec import Sweep
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath, storage_path

if TYPE_CHECKING:
    import pandas as pd

    from smore_sweep.planning.choices import Choices
    from smore_sweep.rendering.policies import TrainedPolicy
    from smore_sweep.results.record import Record


def run(
    sweep: Sweep | str,
    *,
    scale: str | None = None,
    seeds: int | Sequence[int] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    updates: int | None = None,
    source: str = GENERATED,
    results: str | StoragePath = DEFAULT_RESULTS,
    address: str | None = None,
    gpus_per_stack: float | None = None,
    stack_size: int | None = None,
    mirrors: Sequence[str] = (),
    retrain: bool = False,
    keep: bool = False,
) -> pd.DataFrame:
    """Run what a sweep still lacks, and return its results as :func:`results` does.

    A run that failed is ``partial`` or ``missing`` there; calling again resumes it.

    Args:
        sweep: A sweep, the name of a shipped one, or the path of a ``.py`` file.
        scale: Its scale; None for the sweep's own.
        seeds: Seeds per cell, or a list of seeds; None for the scale's number.
        tasks: Tasks to run; None for the scale's.
        methods: Methods to run, by name or by the label of a configuration; None for all.
        settings: Values of knobs in place of the declared ones, as after ``--set``: ``["smore.beta=0.5,0.7"]``.
        updates: Updates of every run; None for the budget's.
        source: Source of the episodes.
        results: Results folder: a path or ``s3://bucket/prefix``.
        address: A running Ray cluster, ``auto`` or ``host:port``; None starts a local Ray.
        gpus_per_stack: GPUs per stack; None for one where the cluster has GPUs.
        stack_size: Largest number of runs in a stack; None for the device's default.
        mirrors: Where else to show the runs: ``tensorboard``, ``wandb``.
        retrain: Train stored runs again whose method or task has changed since.
        keep: Accept them as they are.

    Raises:
        UserError: If anything about the request is wrong.
        KeyboardInterrupt: If it is interrupted. Finished runs are kept.
    """
    from smore_sweep.execution import runner

    folder = storage_path(str(results))
    choices = _choices(seeds, tasks, methods, settings, updates, source)
    code = runner.run(
        sweep,
        scale=scale,
        choices=choices,
        results=folder,
        address=address,
        gpus_per_stack=gpus_per_stack,
        stack_size=stack_size,
        mirrors=mirrors,
        retrain=retrain,
        keep=keep,
    )
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return _results(sweep, scale, choices, folder)


def train(run: RunSpec, *, results: str | StoragePath = DEFAULT_RESULTS, mirrors: Sequence[str] = ()) -> Record:
    """Train one run in this process, without Ray, unless it is done; return its record.

    Args:
        run: The run, such as one of ``sweep.expand()``.
        results: Results folder.
        mirrors: Where else to show the run: ``tensorboard``, ``wandb``.

    Raises:
        UserError: If the run cannot be trained, or its results cannot be written.
        KeyboardInterrupt: If it is interrupted. The next call resumes from the last evaluation.
    """
    from smore_sweep.execution.local import train_one
    from smore_sweep.results import run_files

    folder = storage_path(str(results))
    code = train_one(run, folder, mirrors)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    record = run_files.load(folder, run.run_id)
    if code or record is None:
        raise UserError(f"run {run.run_id} has not ended; the lines above say why")
    return record


def load_policy(run_id: str, *, results: str | StoragePath = DEFAULT_RESULTS) -> TrainedPolicy:
    """Load the policy of a done run: ``load_policy("8e3f").act(observation, goal)``.

    Args:
        run_id: The run's id, or the beginning of it.
        results: Results folder. (Exported results have no policies.)

    Raises:
        UserError: If there is no such run, more than one, or the run is not done.
    """
    from smore_sweep.rendering.policies import TrainedPolicy

    return TrainedPolicy.load(run_id, storage_path(str(results)))


def read_results(
    sweep: Sweep | str,
    *,
    scale: str | None = None,
    seeds: int | Sequence[int] | None = None,
    tasks: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    settings: Sequence[str] = (),
    updates: int | None = None,
    source: str = GENERATED,
    results: str | StoragePath = DEFAULT_RESULTS,
) -> pd.DataFrame:
    """Read the results of a sweep as a tidy frame: one row per expected run, one column per knob, metrics and status.

    Metrics are those after the last update, NaN unless the run is done. The arguments are those of :func:`run`;
    ``results`` may also be exported results.

    Raises:
        UserError: If anything about the request is wrong.
    """
    return _results(
        sweep, scale, _choices(seeds, tasks, methods, settings, updates, source), storage_path(str(results))
    )


def _results(sweep: Sweep | str, scale: str | None, choices: Choices, folder: StoragePath) -> pd.DataFrame:
    from analysis.frames import tidy
    from smore_sweep.discovery import load_sweep

    declared = sweep if isinstance(sweep, Sweep) else load_sweep(sweep)
    return tidy.of_runs(choices.expand(declared, scale), folder)


def _choices(
    seeds: int | Sequence[int] | None,
    tasks: Sequence[str] | None,
    methods: Sequence[str] | None,
    settings: Sequence[str],
    updates: int | None,
    source: str,
) -> Choices:
    from smore_sweep.planning.choices import Choices, parse_settings

    return Choices(
        tasks=tuple(tasks or ()),
        methods=tuple(methods or ()),
        seeds=seeds if seeds is None or isinstance(seeds, int) else tuple(seeds),
        settings=parse_settings(settings),
        updates=updates,
        source=source,
    )
