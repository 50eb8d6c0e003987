"""Train one run in this process, without Ray, with the same records and MLflow entries as a sweep."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from rich.console import Console

from smore_sweep.console import format_duration, make_console, progress_bar
from smore_sweep.data import generate, pools
from smore_sweep.execution.datasets import build_stores, missing_episodes
from smore_sweep.execution.own_methods import check_own_methods
from smore_sweep.execution.processor import machine_facts
from smore_sweep.execution.session import check_folder, interruptible, sweep_experiment
from smore_sweep.exit_codes import INCOMPLETE, INTERRUPTED
from smore_sweep.planning.code_changes import changed_runs, code_facts, refuse_changes
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record, run_files
from smore_sweep.results.record import Record
from smore_sweep.results.record_writer import Candidate, RecordingError
from smore_sweep.results.recorder import Recorder, recording
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep
from smore_sweep.stacked import fused
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import StoragePath
from smore_sweep.training import capture

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.episode_store import EpisodeStore

SWEEP = Sweep(name="single", description="single runs", grids=(), scales={})


def train_one(run: RunSpec, results: StoragePath, mirrors: Sequence[str] = ()) -> int:
    """Train a run from its record to its end and print how well it does.

    Args:
        run: The run.
        results: Results folder.
        mirrors: Where else to show the run.

    Returns:
        The exit code.

    Raises:
        UserError: If anything about the request is wrong, or the run has a record and its code has changed since.
    """
    out = make_console()
    capture.chosen()  # refuse a bad value before anything starts
    fused.chosen()
    check_folder(results)
    experiment = sweep_experiment(SWEEP, results, mirrors)
    with hold(results, "smore-sweep train", out.print) as fence, interruptible():
        run_files.load(results, run.run_id)  # puts a broken file aside
        stored = run_files.peek_each(results, [run.run_id])
        folder = run_files.run_folder(results, run.run_id)
        refuse_changes(changed_runs([run], stored), f", or remove {folder} to train it again")
        state = run_files.states_of(stored, [run.run_id])[run.run_id]
        plan = Plan(SWEEP, run.scale, run.source, [run], {run.run_id: state}, {})
        out.print(f"{run.title}  (run {run.run_id}, {state})")
        try:
            with recording(experiment, partial(out.print, markup=False), fence) as recorder:
                if state == record.DONE:
                    recorder.publish([(run.run_id, run.title)])
                else:
                    _train(out, plan, recorder, experiment.tags["git"])
        except KeyboardInterrupt:
            out.print("\nInterrupted. The same command resumes from the last evaluation.")
            return INTERRUPTED
        except RecordingError as error:
            out.print(f"\n{error}. Fix this and give the same command again.", markup=False)
            return INCOMPLETE
        final = run_files.load(results, run.run_id)
    assert final is not None
    _report(out, final, folder)
    return 0


def prepare_run(out: Console, plan: Plan, git: str) -> tuple[EpisodeStore, torch.device, Record]:
    """Prepare the training of a plan's only run: its episodes, this process's device, and a fresh record."""
    import torch

    from smore_sweep.training.device import choose_device, prepare

    (run,) = plan.runs
    check_own_methods(plan.runs)
    for pool in missing_episodes(plan):
        generate.ensure(out, *pool, plan.pools()[pool])
    episodes = {pool: pools.load(*pool, count, plan.source) for pool, count in plan.pools().items()}
    store, fingerprints = build_stores(plan, episodes)[run.task]
    device = choose_device(torch.cuda.is_available())
    prepare(device)
    facts = {"dataset": fingerprints[run.expert_share], "stack": "single", "git": git}
    facts |= machine_facts(device.type == "cuda") | code_facts(run)
    return store, device, Record(run.content(), facts=facts)


def _train(out: Console, plan: Plan, recorder: Recorder, git: str) -> None:
    from smore_sweep.training.loop import TrainingProgress, build_learner, load_records, train

    (run,) = plan.runs
    store, device, fresh = prepare_run(out, plan, git)
    if device.type == "cpu" and (warning := fused.why_not()):
        out.print(warning, markup=False)
    where = f"process {os.getpid()} on {socket.gethostname()}"
    assignment = recorder.begin([Candidate(run.run_id, run.title, fresh)], where)
    ((_, current),) = assignment.members
    learner = build_learner([run], store, device)
    load_records(learner, [run], [current])
    done = current.update

    with progress_bar(out, "updates", run.budget.updates - done) as advance:

        def keep(records: Sequence[tuple[str, Record]]) -> None:
            recorder.keep(records)
            for _, latest in records:
                if latest.evaluations:
                    out.print(f"  update {latest.update:,}: return {latest.summary()['return99']:.2f}")

        def tick(times: TrainingProgress) -> None:
            nonlocal done
            advance(times.update - done)
            done = times.update

        train([run], learner, [current], keep=keep, tick=tick, updates=capture.chosen())


def _report(out: Console, final: Record, folder: StoragePath) -> None:
    out.print(f"{final.status} after {final.update:,} updates, {format_duration(final.seconds)}")
    if final.evaluations:
        episodes = len(final.evaluations[max(final.evaluations)].reached)
        numbers = "   ".join(f"{name} {value:.3f}" for name, value in final.summary().items())
        out.print(f"last evaluation, {episodes} episodes: {numbers}")
    out.print(f"raw outcomes: {folder / 'done.npz'}")
