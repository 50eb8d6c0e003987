"""A short animation of the final policy for one run of each cell of a sweep, attached to the run in MLflow."""

from __future__ import annotations

from smore_sweep.errors import TrackingError, UserError
from smore_sweep.execution.runner import sweep_experiment
from smore_sweep.planning.plan import load_sweep, make_plan
from smore_sweep.results import record, run_files
from smore_sweep.results.tracking import Tracker
from smore_sweep.spec import GENERATED, RunSpec
from smore_sweep.storage.paths import StoragePath, local_folder
from smore_sweep.tasks import task

TAG = "video"
"""Of the entries that have an animation: its file's name."""


def videos(name: str, scale: str | None, *, source: str = GENERATED, results: StoragePath) -> int:
    """Animate the first evaluation episode of the first done seed of every task, method and expert share, and attach it
    to the run's entry, unless it has it. Returns 1 if a run has no entry to attach it to.

    Raises :class:`UserError` if no run is done, if pictures cannot be drawn here, and if MLflow cannot be used."""
    plan = make_plan(load_sweep(name), scale, results, source=source)
    chosen = first_done(plan.runs, results)
    if not chosen:
        own = "" if source == GENERATED else f" SOURCE={source}"
        raise UserError(f"no finished run in {results}; run: make sweep SWEEP={name} SCALE={plan.scale}{own}")
    try:
        return _attach(Tracker(sweep_experiment(plan.sweep, results)), chosen, results)
    except TrackingError as error:
        raise UserError(
            f"MLflow could not be used: {error}; the animations so far are in {local_folder(results) / 'play'}"
        ) from None


def first_done(runs: list[RunSpec], results: StoragePath) -> list[RunSpec]:
    """The first run that is done (and has not diverged) of each configuration, task and expert share."""
    chosen: dict[tuple[object, ...], RunSpec] = {}
    found = run_files.peek_each(results, [run.run_id for run in runs])
    for run in runs:
        cell = run.method, run.task, run.expert_share
        if cell not in chosen and run.run_id in found and found[run.run_id].status == record.DONE:
            chosen[cell] = run
    return list(chosen.values())


def _attach(tracker: Tracker, chosen: list[RunSpec], results: StoragePath) -> int:
    from smore_sweep.rendering.animation import environment, film, trained

    environments = {}  # alive to the end, as what MuJoCo frees of one goes missing in the next one's pictures
    hidden = 0
    for run in chosen:
        path = local_folder(results) / "play" / f"{run.task}-{run.run_id}.gif"
        tags = tracker.tags(run.run_id)
        if tags is None:
            hidden += 1
            continue
        if tags.get(TAG) == path.name:
            print(f"{run.title}: has its animation")
            continue
        row = task(run.task)
        choose = trained(row, run.run_id, results)
        if run.task not in environments:
            environments[run.task] = environment(row)
        path.parent.mkdir(parents=True, exist_ok=True)
        success = film(environments[run.task], row, choose, [0], path).summary()["success"]
        tracker.attach(run.run_id, path, TAG)
        print(f"{run.title}: {'reaches' if success else 'misses'} the goal, {path}", flush=True)
    if hidden:
        print(f"{hidden} runs are not in MLflow yet; `make sweep` shows them there")
    return 1 if hidden else 0
