"""Stacks as Ray Tune trials. Besides the small client of :mod:`smore_sweep.execution.jobs` the only file that imports
ray.

Tune places the trials, gives them their resources and starts a lost one again; it is not the book-keeper. Everything
that lasts goes through one actor on the driver's node, the :class:`smore_sweep.results.recorder.Recorder`: it alone
writes the results folder and MLflow, so workers need neither a shared disk nor a tracking server, and there is one
writer. Episodes reach the workers through Ray's object store, once a node."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, Stopper, TuneConfig, Tuner
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from smore_sweep.errors import ClusterError, UserError, first_line
from smore_sweep.execution.jobs import TOKEN
from smore_sweep.monitoring.callback import Progress, ProgressCallback
from smore_sweep.monitoring.usage import UsageMeter
from smore_sweep.planning.stacks import LARGEST_STACK, Stack
from smore_sweep.results.record import DIVERGED, PARTIAL, Record
from smore_sweep.results.recorder import Assignment, Candidate, Recorder, RecordingError
from smore_sweep.results.tracking import Experiment
from smore_sweep.training.device import ENVIRONMENT

if TYPE_CHECKING:
    from smore_sweep.stacked.episode_store import EpisodeStore

QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own report: two pages a sweep, even if asked to be silent
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # a trial ends with an error only if its worker was lost: we say so
    # What nobody reads: three logs of every sign of life, and, more than once a sweep, where Tune stands.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000",
}
"""Environment variables for Ray Tune, which is the executor and not the book-keeper."""


@dataclass(frozen=True)
class Cluster:
    """What the plan can count on. ``slots``: stacks that train at the same time."""

    cpus: int
    gpus: float
    gpus_per_stack: float

    @property
    def slots(self) -> int:
        """Stacks that train at the same time."""
        return int(self.gpus / self.gpus_per_stack + 1e-9) if self.gpus_per_stack else self.cpus

    @property
    def largest_stack(self) -> int:
        """Members of a stack at most."""
        return LARGEST_STACK["cuda" if self.gpus_per_stack else "cpu"]


@contextlib.contextmanager
def connected(address: str | None, gpus_per_stack: float | None, cpus: int | None = None) -> Iterator[Cluster]:
    """Start a local Ray, of as many CPUs as the machine has unless told otherwise, or connect to the cluster at
    ``address``; leave it at the end.

    Raises :class:`ClusterError` if there is no such cluster, or if a stack asks for more GPUs than the cluster has."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    os.environ |= QUIET
    options: dict[str, Any] = {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    if address:
        options = {"address": address, "runtime_env": {"env_vars": ENVIRONMENT}}
    else:
        os.environ.update(ENVIRONMENT)  # inherited by the workers, which Ray can then start ahead of their use
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises plain ones, too
        said = first_line(error)  # which is the same if the cluster refuses us
        if address is None:
            raise ClusterError(f"Ray cannot be started: {said}") from None
        raise ClusterError(f"no Ray cluster at {address!r}: {said} (if it wants a token: {TOKEN})") from None
    signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put handlers of its own in its place, which end the process
    try:
        resources = ray.cluster_resources()
        cpus, gpus = int(resources.get("CPU", 0)), float(resources.get("GPU", 0))
        wanted = gpus_per_stack if gpus_per_stack is not None else min(gpus, 1.0)
        if not (0 <= wanted <= 1 or (float(wanted).is_integer() and wanted > 0)):
            raise ClusterError(f"gpus per stack = {wanted:g} is not valid; it must be in [0, 1] or a whole number")
        if wanted > gpus:
            raise ClusterError(
                f"gpus per stack = {wanted:g} is more than the cluster has ({gpus:g}); give 0 to use CPUs"
            )
        if cpus < 1:
            raise ClusterError("the Ray cluster has no CPU to train on")
        yield Cluster(cpus, gpus, wanted)
    finally:
        ray.shutdown()


@contextlib.contextmanager
def recording(job: Experiment, ended: Sequence[tuple[str, str]], warn: Callable[[str], None]) -> Iterator[Any]:
    """The recorder, as an actor on the driver's node. Of ``ended`` runs (id, title) it shows those that MLflow lacks,
    and on the way out it sees to it that no entry says that it still runs.

    It connects to MLflow while the workers start. They wait for it, so a store that cannot be used is refused, with a
    :class:`ClusterError`, before anything trains. Raises :class:`RecordingError` if the recorder is lost later on."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    recorder = ray.remote(Recorder).options(num_cpus=0, scheduling_strategy=here).remote(job)
    shown = recorder.publish.remote(list(ended))
    try:
        yield recorder
    finally:
        try:
            ray.get(shown)
            trouble = ray.get(recorder.close.remote())
        except (ray.exceptions.ActorDiedError, ray.exceptions.RayTaskError) as error:
            if isinstance(cause := getattr(error, "cause", None), UserError):
                raise cause from None
            raise RecordingError(_reason(error)) from None
        if trouble:
            warn(trouble)


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
        tune.report({"stop": _reason(error)})


def _train_part(number: int, stack: Stack, part: Assignment, reference: Any, recorder: Any, gpu: bool) -> None:
    """Train those runs of a stack that the recorder has chosen."""
    from smore_sweep.training.device import choose_device, prepare
    from smore_sweep.training.loop import TrainingProgress, build_learner, load_records, train

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

    def tick(now: TrainingProgress) -> None:
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


def _reason(error: Exception) -> str:
    """Why the recorder cannot go on, in one line."""
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = error.cause
        return str(cause) if isinstance(cause, RecordingError) else f"{type(cause).__name__}: {cause}".splitlines()[0]
    return "the process that keeps the results, on the driver's node, was lost"
