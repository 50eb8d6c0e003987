"""Train stacks as Ray Tune trials.

Tune places the trials, gives them resources and restarts lost ones. All results go through one actor on the driver's
node (:mod:`smore_sweep.execution.recorder_actor`), so workers need neither a shared disk nor a tracking server.
Episodes reach the workers through Ray's object store, once per node.
"""

from __future__ import annotations

import os
import socket
import traceback
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.tune.schedulers import TrialScheduler

from smore_sweep.code_digest import source_file
from smore_sweep.errors import ClusterError, first_line
from smore_sweep.execution import shipping
from smore_sweep.execution.cluster import Cluster
from smore_sweep.execution.early_stopping import UPDATE
from smore_sweep.execution.evaluators import EvaluatorLostError, Evaluators
from smore_sweep.execution.processor import machine_facts
from smore_sweep.execution.recorder_actor import failure_reason
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.monitoring.usage import UsageMeter
from smore_sweep.planning.code_changes import code_facts
from smore_sweep.planning.stacks import Stack
from smore_sweep.results.record import DIVERGED, PARTIAL, Record, Summary
from smore_sweep.results.record_writer import Assignment, Candidate, RecordingError
from smore_sweep.storage.scratch import scratch_folder
from smore_sweep.tasks import declare, declared
from smore_sweep.training.capture import AUTO
from smore_sweep.training.device import choose_device, prepare
from smore_sweep.training.failures import describe, free_memory, is_crowded, still_works

if TYPE_CHECKING:
    import torch

    from smore_sweep.stacked.episode_store import EpisodeStore


def train_stacks(
    stacks: Sequence[Stack],
    stores: dict[str, tuple[EpisodeStore, dict[float, str]]],
    recorder: Any,
    *,
    git: str,
    cluster: Cluster,
    callback: ProgressCallback,
    padded: int | None = None,
    updates: str = AUTO,
    keep_learner: bool = False,
    scheduler: TrialScheduler | None = None,
    history: Sequence[Sequence[dict[str, float]]] = (),
) -> list[str]:
    """Train all stacks on the connected cluster; blocks.

    Args:
        stacks: The stacks, in the order in which to start them.
        stores: Episodes of each task, and the fingerprint of the dataset at each expert share.
        recorder: The recorder actor.
        git: Git revision for the records.
        cluster: The connected cluster.
        callback: Receives the stacks' progress.
        padded: Members to which a GPU's stacks are filled up.
        updates: How a GPU runs updates (:mod:`smore_sweep.training.capture`).
        keep_learner: Whether to keep the learners of done runs, for longer ones.
        scheduler: Decides whether a stack goes on after an evaluation; None for all.
        history: The stored evaluations of each stack, which are reported to the scheduler first.

    Returns:
        One sentence per error for which runs were given up.

    Raises:
        RecordingError: If the results cannot be written.
    """
    shared = {name: (ray.put(store), fingerprints) for name, (store, fingerprints) in stores.items()}

    trainer = {"CPU": 1.0, "GPU": cluster.gpus_per_stack} if cluster.gpus_per_stack else {"CPU": 1.0}
    resources = tune.PlacementGroupFactory([trainer, *[{"CPU": 1.0}] * cluster.evaluators])
    trainable = tune.with_resources(
        tune.with_parameters(
            _train_stack,
            packed=shipping.pack(
                (list(stacks), declared(), {run.run_id: code_facts(run) for stack in stacks for run in stack.runs})
            ),
            shared=shared,
            recorder=recorder,
            git=git,
            gpu=cluster.gpus_per_stack > 0,
            padded=padded,
            updates=updates,
            evaluators=cluster.evaluators,
            keep_learner=keep_learner,
            compared=scheduler is not None,
            history=history or [()] * len(stacks),
        ),
        resources,
    )
    stop = _Stop()
    with scratch_folder() as scratch:
        tuner = Tuner(
            trainable,
            param_space={"stack": tune.grid_search(list(range(len(stacks))))},
            tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=cluster.slots, scheduler=scheduler),
            run_config=RunConfig(
                name="tune",
                storage_path=str(scratch),  # Tune's own state, which nothing reads
                verbose=0,
                stop=stop,
                # A trial fails only if its worker is lost, and restarts from the last records. The recorder counts the
                # failures of training.
                failure_config=FailureConfig(max_failures=-1),
                callbacks=[_TuneCallback(callback)],
            ),
        )
        tuner.fit()
    if stop.reason:
        raise RecordingError(stop.reason)
    failed: list[str] = ray.get(recorder.failed.remote())
    return failed


class _TuneCallback(Callback):  # type: ignore[misc]
    """Pass the stacks' progress to a callback."""

    def __init__(self, callback: ProgressCallback) -> None:
        self._callback = callback

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles callbacks for a restore, which is not used; a terminal cannot be pickled

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:
        if "progress" in result:
            self._callback.on_progress(result["progress"])
        for sentence in result.get("news", ()):
            self._callback.on_failure(sentence)

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        self._callback.on_worker_lost(trial.config["stack"])

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **_: Any) -> None:
        self._callback.on_stack_end(trial.config["stack"])

    def on_step_end(self, iteration: int, trials: Any, **_: Any) -> None:
        self._callback.on_step()


class _Stop(Stopper):  # type: ignore[misc]
    """Stop all trials once one reports that the results cannot be written."""

    reason = ""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self.reason = self.reason or result.get("stop", "")
        return False

    def stop_all(self) -> bool:
        """Return whether to stop; Tune calls it after every step."""
        return bool(self.reason)


def _train_stack(
    config: dict[str, int],
    packed: bytes,
    shared: dict[str, tuple[Any, dict[float, str]]],
    recorder: Any,
    git: str,
    gpu: bool,
    padded: int | None,
    updates: str,
    evaluators: int,
    keep_learner: bool,
    compared: bool,
    history: Sequence[Sequence[dict[str, float]]],
) -> None:
    """Run one trial: train a stack from the records of its runs.

    Training errors go to the recorder, which assigns the runs to try next, so a trial ends without an error. Tune
    restarts it only if its worker is lost.
    """
    try:
        stacks, tasks, code = shipping.unpack(packed)
    except Exception as error:  # of the user's modules
        tune.report({"stop": f"a worker cannot import the sweep's code: {type(error).__name__}: {first_line(error)}"})
        return
    declare(tasks)
    try:
        device = choose_device(gpu)
    except ClusterError as error:
        tune.report({"stop": str(error)})
        return
    index = config["stack"]
    stack: Stack = stacks[index]
    for point in history[index]:
        tune.report(point)
    store_ref, fingerprints = shared[stack.runs[0].task]
    facts = {"stack": stack.name, "git": git, **machine_facts(gpu)}
    candidates = [
        Candidate(
            run.run_id,
            run.title,
            Record(run.content(), facts={"dataset": fingerprints[run.expert_share], **facts, **code[run.run_id]}),
        )
        for run in stack.runs
    ]
    where = f"stack {stack.name}, process {os.getpid()} on {socket.gethostname()}"
    try:
        while True:
            assignment: Assignment = ray.get(recorder.begin.remote(candidates, where))
            if assignment.news:
                tune.report({"news": assignment.news})
            if not assignment.members:
                return
            try:
                _check_code(stack, code)
                _train_assignment(
                    index,
                    stack,
                    assignment,
                    store_ref,
                    recorder,
                    device,
                    padded,
                    updates,
                    evaluators,
                    keep_learner,
                    compared,
                )
            except ray.exceptions.RayError:
                raise
            except EvaluatorLostError:
                continue  # from the last records, with new evaluators; the recorder counts it as a lost worker
            except Exception as error:
                if gpu and not still_works():
                    os._exit(1)  # Tune starts another process, from the last records
                run_ids = [run_id for run_id, _ in assignment.members]
                members = assignment.filled_up_to(padded)
                if is_crowded(error, members):
                    ray.get(recorder.crowded.remote(run_ids, members))
                else:
                    ray.get(recorder.fail.remote(run_ids, describe(error), traceback.format_exc()))
    except (ray.exceptions.RayTaskError, ray.exceptions.ActorDiedError) as error:  # from the recorder
        tune.report({"stop": failure_reason(error)})


def _check_code(stack: Stack, code: dict[str, dict[str, str]]) -> None:
    """Raise :class:`ClusterError` if this worker imports other code than the driver has checked."""
    for run in stack.runs:
        if code_facts(run) != code[run.run_id]:
            raise ClusterError(
                f"this worker has other code than the driver, of {source_file(type(run.method))} or of {run.task}"
            )


def _train_assignment(
    index: int,
    stack: Stack,
    assignment: Assignment,
    store_ref: Any,
    recorder: Any,
    device: torch.device,
    padded: int | None,
    updates: str,
    evaluators: int,
    keep_learner: bool,
    compared: bool,
) -> None:
    """Train the runs of a stack that the recorder assigned."""
    from smore_sweep.training.assessment import assess_here
    from smore_sweep.training.loop import TrainingProgress, build_learner, load_records, train

    prepare(device)
    free_memory(device)
    meter = UsageMeter(device)
    by_id = {run.run_id: run for run in stack.runs}
    runs = [by_id[run_id] for run_id, _ in assignment.members]
    records = [record for _, record in assignment.members]
    writes: list[Any] = []
    evaluated, ended = 0, assignment.ended
    latest: float | None = None
    point: dict[str, float] = {}

    def compare(update: int) -> dict[str, float]:
        return _point(update, records, assignment.others, len(stack.runs)) if compared else {}

    def keep(batch: Sequence[tuple[str, Record]]) -> None:
        nonlocal evaluated, latest, ended, point
        # Training goes on while a batch of records is written; one write is under way at most.
        if writes:
            ray.get(writes.pop())
        returns = [record.summary()["return99"] for _, record in batch if record.status != DIVERGED]
        evaluated, latest = batch[0][1].update, fmean(returns) if returns else None
        point = compare(evaluated)
        ended += sum(record.status != PARTIAL for _, record in batch)
        writes.append(recorder.keep.remote(list(batch)))

    def tick(times: TrainingProgress) -> None:
        progress = Progress(
            index, len(runs), times.update, assignment.behind + len(runs) * times.update, ended, evaluated,
            latest, times.training_seconds, times.evaluation_seconds, meter.look(),
        )  # fmt: skip
        tune.report({"progress": progress, **point})

    for update in [*records[0].evaluations, records[0].update]:  # runs may have caught up with others meanwhile
        if stored := compare(update):
            tune.report(stored)
    assess = Evaluators(evaluators) if evaluators else assess_here
    learner = build_learner(runs, ray.get(store_ref), device, padded and assignment.filled_up_to(padded))
    load_records(learner, runs, records)
    try:
        train(
            runs, learner, records, keep=keep, tick=tick, updates=updates, assess=assess, keep_learner=keep_learner,
            until=assignment.until,
        )  # fmt: skip
    finally:
        ray.get(writes)


def _point(update: int, records: Sequence[Record], others: Sequence[Summary], runs: int) -> dict[str, float]:
    """Return what a search compares of a trial: its mean metrics over all its runs at an update.

    The point of a trial of which a run has diverged says only that. It is empty where a run has no evaluation.

    Args:
        update: The update.
        records: Records of the runs that train.
        others: Summaries of the others that have a record.
        runs: Runs of the trial.
    """
    if DIVERGED in {*(record.status for record in records), *(summary.status for summary in others)}:
        return {UPDATE: update, DIVERGED: True}
    numbers = [record.evaluations[update].summary() for record in records if update in record.evaluations]
    numbers += [summary.evaluations[update] for summary in others if update in summary.evaluations]
    if len(numbers) < runs:
        return {}
    return {UPDATE: update, **{name: fmean(each[name] for each in numbers) for name in numbers[0]}}
