"""Train stacks as Ray Tune trials.

Tune places the trials, gives them their resources and restarts a lost one. It does not keep the books: everything that
lasts goes through one actor on the driver's node (:mod:`smore_sweep.execution.recorder_actor`), so workers need neither
a shared disk nor a tracking server. Episodes reach the workers through Ray's object store, once per node.
"""

from __future__ import annotations

import os
import socket
import tempfile
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner

from smore_sweep.execution.cluster import Cluster
from smore_sweep.execution.recorder_actor import failure_reason
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.monitoring.usage import UsageMeter
from smore_sweep.planning.stacks import Stack
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.results.recorder import Assignment, Candidate, RecordingError

if TYPE_CHECKING:
    from smore_sweep.stacked.replay import EpisodeStore


def train_stacks(
    stacks: Sequence[Stack],
    stores: dict[str, tuple[EpisodeStore, dict[float, str]]],
    recorder: Any,
    *,
    git: str,
    cluster: Cluster,
    callback: ProgressCallback,
) -> list[str]:
    """Train all stacks on the connected cluster; blocks. ``stores`` gives each task's episodes and, by expert share,
    the fingerprint of that dataset. Returns a sentence for each error for which runs were given up.

    Raises :class:`RecordingError` if the results cannot be kept."""
    shared = {name: (ray.put(store), prints) for name, (store, prints) in stores.items()}

    resources = {"cpu": 1.0, "gpu": cluster.gpus_per_stack} if cluster.gpus_per_stack else {"cpu": 1.0}
    trainable = tune.with_resources(
        tune.with_parameters(
            _train_stack, stacks=list(stacks), shared=shared, recorder=recorder, git=git, gpu=cluster.gpus_per_stack > 0
        ),
        resources,
    )
    stop = _Stop()
    with tempfile.TemporaryDirectory(prefix="smore_sweep-") as scratch:
        tuner = Tuner(
            trainable,
            param_space={"stack": tune.grid_search(list(range(len(stacks))))},
            tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=cluster.slots),
            run_config=RunConfig(
                name="tune",
                storage_path=scratch,  # Tune's own state, which nobody reads
                verbose=0,
                stop=stop,
                # A trial fails only if its worker is lost, and starts again from the last records. What fails by itself
                # the recorder counts.
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
    """Hands the stacks' progress to a callback."""

    def __init__(self, callback: ProgressCallback) -> None:
        self._callback = callback

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never made; a terminal cannot be pickled

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
    """Ends all trials as soon as one has said why there is no use in training."""

    reason = ""

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self.reason = self.reason or result.get("stop", "")
        return False

    def stop_all(self) -> bool:
        """Asked after every step."""
        return bool(self.reason)


def _train_stack(
    config: dict[str, int],
    stacks: list[Stack],
    shared: dict[str, tuple[Any, dict[float, str]]],
    recorder: Any,
    git: str,
    gpu: bool,
) -> None:
    """One trial: train a stack from where its runs' records stand, which is further on after a restart.

    What fails in training is told to the recorder, which says what to try next. So this ends without an error; it is
    started again only if its worker was lost."""
    number = config["stack"]
    stack = stacks[number]
    reference, prints = shared[stack.runs[0].task]
    candidates = [
        Candidate(
            run.run_id,
            run.title,
            Record(run.content(), facts={"dataset": prints[run.expert_share], "stack": stack.name, "git": git}),
        )
        for run in stack.runs
    ]
    where = f"stack {stack.name}, process {os.getpid()} on {socket.gethostname()}"
    try:
        while True:
            part: Assignment = ray.get(recorder.begin.remote(candidates, where))
            if part.news:
                tune.report({"news": part.news})
            if not part.members:
                return
            try:
                _train_part(number, stack, part, reference, recorder, gpu)
            except ray.exceptions.RayError:
                raise
            except Exception as error:
                said = "".join(traceback.format_exception_only(error)).splitlines()[0]
                run_ids = [run_id for run_id, _ in part.members]
                ray.get(recorder.fail.remote(run_ids, said, traceback.format_exc()))
    except (ray.exceptions.RayTaskError, ray.exceptions.ActorDiedError) as error:  # the recorder's, or its end
        tune.report({"stop": failure_reason(error)})


def _train_part(number: int, stack: Stack, part: Assignment, reference: Any, recorder: Any, gpu: bool) -> None:
    """Train those runs of a stack that the recorder has chosen."""
    from smore_sweep.training.device import choose_device, prepare
    from smore_sweep.training.loop import StepTimes, build_learner, load_records, train

    device = choose_device(gpu)
    prepare(device)
    meter = UsageMeter(device)
    known = {run.run_id: run for run in stack.runs}
    runs = [known[run_id] for run_id, _ in part.members]
    standing = [record for _, record in part.members]
    writing: list[Any] = []
    evaluated, latest, ended = 0, None, part.ended

    def keep(kept: Sequence[tuple[str, Record]]) -> None:
        nonlocal evaluated, latest, ended
        # The next stretch trains while these are written; at most one batch of records is under way.
        if writing:
            ray.get(writing.pop())
        returns = [record.summary()["return99"] for _, record in kept if record.status != DIVERGED]
        evaluated, latest = kept[0][1].update, sum(returns) / len(returns) if returns else None
        ended += sum(record.status != PARTIAL for _, record in kept)
        writing.append(recorder.keep.remote(list(kept)))

    def tick(now: StepTimes) -> None:
        progress = Progress(
            number, len(runs), now.update, part.behind + len(runs) * now.update, ended, evaluated, latest,
            now.training_seconds, now.evaluation_seconds, meter.look(),
        )  # fmt: skip
        tune.report({"progress": progress})

    learner = build_learner(runs, ray.get(reference), device)
    load_records(learner, standing)
    try:
        train(runs, learner, standing, keep=keep, tick=tick)
    finally:
        ray.get(writing)
