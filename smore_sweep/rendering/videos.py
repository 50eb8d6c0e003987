"""Attach an animation of the final policy to one run of each cell of a sweep, in MLflow."""

from __future__ import annotations

from smore_sweep.discovery import load_sweep
from smore_sweep.errors import TrackingError, UserError
from smore_sweep.execution.session import sweep_experiment
from smore_sweep.exit_codes import INCOMPLETE
from smore_sweep.planning.choices import Choices
from smore_sweep.planning.plan import make_plan
from smore_sweep.results import record, run_files
from smore_sweep.results.tracking import Tracker
from smore_sweep.run_spec import GENERATED, RunSpec
from smore_sweep.storage.paths import StoragePath, local_folder
from smore_sweep.tasks import task as find_task

TAG = "video"
"""Tag of entries with an animation; its value is the file's name."""


def videos(name: str, scale: str | None, *, source: str = GENERATED, results: StoragePath) -> int:
    """Animate the first evaluation episode of each cell's first done seed, and attach it to the run's MLflow entry.

    A cell is a task, method and expert share. Entries that have their animation are left alone.

    Returns:
        The exit code: 1 if a run has no entry.

    Raises:
        UserError: If no run is done, if this machine cannot draw, or if MLflow cannot be used.
    """
    plan = make_plan(load_sweep(name), scale, results, Choices(source=source))
    runs = first_done(plan.runs, results)
    if not runs:
        option = "" if source == GENERATED else f" SOURCE={source}"
        raise UserError(f"no finished run in {results}; run: make sweep SWEEP={name} SCALE={plan.scale}{option}")
    try:
        return _attach(Tracker(sweep_experiment(plan.sweep, results)), runs, results)
    except TrackingError as error:
        raise UserError(
            f"MLflow could not be used: {error}; the animations so far are in {local_folder(results) / 'play'}"
        ) from None


def first_done(runs: list[RunSpec], results: StoragePath) -> list[RunSpec]:
    """Return the first done run of each configuration, task and expert share. Diverged runs do not count."""
    cells: dict[tuple[object, ...], RunSpec] = {}
    summaries = run_files.peek_each(results, [run.run_id for run in runs])
    for run in runs:
        cell = run.method, run.task, run.expert_share
        if cell not in cells and run.run_id in summaries and summaries[run.run_id].status == record.DONE:
            cells[cell] = run
    return list(cells.values())


def _attach(tracker: Tracker, runs: list[RunSpec], results: StoragePath) -> int:
    from smore_sweep.rendering.animation import environment, film
    from smore_sweep.rendering.policies import trained_policy

    environments = {}  # kept alive: when MuJoCo frees one, the next one's pictures miss parts
    without_entry = 0
    for run in runs:
        path = local_folder(results) / "play" / f"{run.task}-{run.run_id}.gif"
        tags = tracker.tags(run.run_id)
        if tags is None:
            without_entry += 1
            continue
        if tags.get(TAG) == path.name:
            print(f"{run.title}: has its animation")
            continue
        task = find_task(run.task)
        episode_policy = trained_policy(task, run.run_id, results)
        if run.task not in environments:
            environments[run.task] = environment(task)
        path.parent.mkdir(parents=True, exist_ok=True)
        success = film(environments[run.task], task, episode_policy, [0], path).summary()["success"]
        tracker.attach(run.run_id, path, TAG)
        print(f"{run.title}: {'reaches' if success else 'misses'} the goal, {path}", flush=True)
    if without_entry:
        print(f"{without_entry} runs are not in MLflow yet; `make sweep` shows them there")
    return INCOMPLETE if without_entry else 0
