"""One run, trained in this process: no Ray, the same records, the same MLflow page."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial

from rich.console import Console

from smore_sweep import console
from smore_sweep.data import generate, pools
from smore_sweep.execution.runner import (
    INCOMPLETE,
    INTERRUPTED,
    build_stores,
    check_folder,
    interruptible,
    missing_episodes,
    sweep_experiment,
)
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record
from smore_sweep.results.record import Record
from smore_sweep.results.recorder import Candidate, Recorder, RecordingError, recording
from smore_sweep.spec import RunSpec, Sweep
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import StoragePath

SWEEP = Sweep(name="single", description="single runs", grids=(), scales={})


def train_one(run: RunSpec, results: StoragePath) -> int:
    """Train a run from where it stands to its end, and say how well it does. Returns the exit code."""
    out = console.console()
    check_folder(results)
    job = sweep_experiment(SWEEP, results)
    with hold(results, "smore-sweep train", out.print), interruptible():
        record.load(results, run.run_id)  # puts a broken file aside
        state = record.state(results, run.run_id)
        plan = Plan(SWEEP, run.scale, run.source, [run], {run.run_id: state}, {})
        out.print(f"{run.title}  (run {run.run_id}, {state})")
        try:
            with recording(job, partial(out.print, markup=False)) as recorder:
                if state == record.DONE:
                    recorder.publish([(run.run_id, run.title)])
                else:
                    _train(out, plan, recorder, job.tags["git"])
        except KeyboardInterrupt:
            out.print("\nInterrupted. The same command goes on from the last evaluation.")
            return INTERRUPTED
        except RecordingError as error:
            out.print(f"\n{error}. Once that is mended, the same command goes on.", markup=False)
            return INCOMPLETE
        found = record.load(results, run.run_id)
    assert found is not None
    _report(out, found, record.run_folder(results, run.run_id))
    return 0


def _train(out: Console, plan: Plan, recorder: Recorder, git: str) -> None:
    import torch

    from smore_sweep.training.device import choose_device, prepare
    from smore_sweep.training.loop import TrainingProgress, build_learner, load_records, train

    (run,) = plan.runs
    for pool in missing_episodes(plan):
        generate.ensure(out, *pool, plan.pools()[pool])
    episodes = {pool: pools.load(*pool, count, plan.source) for pool, count in plan.pools().items()}
    store, prints = build_stores(plan, episodes)[run.task]
    device = choose_device(torch.cuda.is_available())
    prepare(device)
    fresh = Record(run.content(), facts={"dataset": prints[run.expert_share], "stack": "single", "git": git})
    part = recorder.begin([Candidate(run.run_id, run.title, fresh)], f"process {os.getpid()} on {socket.gethostname()}")
    ((_, current),) = part.members
    learner = build_learner([run], store, device)
    load_records(learner, [current])
    done = current.update

    with console.counting(out, "updates", run.budget.updates - done) as advance:

        def keep(kept: Sequence[tuple[str, Record]]) -> None:
            recorder.keep(kept)
            for _, now in kept:
                if now.evaluations:
                    out.print(f"  update {now.update:,}: return {now.summary()['return99']:.2f}")

        def tick(now: TrainingProgress) -> None:
            nonlocal done
            advance(now.update - done)
            done = now.update

        train([run], learner, [current], keep=keep, tick=tick)


def _report(out: Console, found: Record, folder: StoragePath) -> None:
    out.print(f"{found.status} after {found.update:,} updates, {console.duration(found.seconds)}")
    if found.evaluations:
        episodes = len(found.evaluations[max(found.evaluations)].reached)
        numbers = "   ".join(f"{name} {value:.3f}" for name, value in found.summary().items())
        out.print(f"last evaluation, {episodes} episodes: {numbers}")
    out.print(f"raw outcomes: {folder / 'done.npz'}")
