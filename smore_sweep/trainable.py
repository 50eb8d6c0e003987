"""Stacks as Ray Tune trials. Besides the small client of :mod:`smore_sweep.submit` the only file that imports ray.

Tune places the trials, gives them their resources and starts a lost one again; it is not the book-keeper. Everything
that lasts goes through one actor on the driver's node, the :class:`smore_sweep.recorder.Recorder`: it alone writes the
results folder and MLflow, so workers need neither a shared disk nor a tracking server, and there is one writer.
Episodes reach the workers through Ray's object store, once a node.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray import tune
from ray.tune import Callback, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from smore_sweep.machine import ENVIRONMENT, LARGEST_STACK
from smore_sweep.method import SpecError
from smore_sweep.record import PARTIAL, Record
from smore_sweep.recorder import Recorder
from smore_sweep.spec import RunSpec, Stack
from smore_sweep.submit import TOKEN
from smore_sweep.tracking import Job

if TYPE_CHECKING:
    from smore_sweep.replay import Store

TRIES = 3
"""How often a stack is tried, the last times from its last evaluation, if its worker is lost or fails."""


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


@dataclass(frozen=True)
class Progress:
    """Sent by a training stack about once a second; see :class:`smore_sweep.train.Tick`."""

    stack: int
    update: int
    training_seconds: float
    evaluation_seconds: float
    latest: float | None


@contextlib.contextmanager
def connected(address: str | None, gpus_per_stack: float | None, cpus: int | None = None) -> Iterator[Cluster]:
    """Start a local Ray, of as many CPUs as the machine has unless told otherwise, or connect to the cluster at
    ``address``; leave it at the end.

    Raises :class:`SpecError` if there is no such cluster, or if a stack asks for more GPUs than the cluster has."""
    warnings.filterwarnings("ignore", category=FutureWarning, module="ray")
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"  # Tune's own report: two pages a sweep, even if asked to be silent
    options: dict[str, Any] = {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    if address:
        options = {"address": address, "runtime_env": {"env_vars": ENVIRONMENT}}
    else:
        os.environ.update(ENVIRONMENT)  # inherited by the workers, which Ray can then start ahead of their use
    on_sigterm = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        said = str(error).splitlines()[0]  # which is the same if the cluster refuses us
        raise SpecError(f"no Ray cluster at {address!r}: {said} (if it wants a token: {TOKEN})") from None
    signal.signal(signal.SIGTERM, on_sigterm)  # Ray has put handlers of its own in its place, which end the process
    try:
        resources = ray.cluster_resources()
        cpus, gpus = int(resources.get("CPU", 0)), float(resources.get("GPU", 0))
        wanted = gpus_per_stack if gpus_per_stack is not None else min(gpus, 1.0)
        if not (0 <= wanted <= 1 or (float(wanted).is_integer() and wanted > 0)):
            raise SpecError(f"gpus per stack = {wanted:g} is not valid; it must be in [0, 1] or a whole number")
        if wanted > gpus:
            raise SpecError(f"gpus per stack = {wanted:g} is more than the cluster has ({gpus:g}); give 0 to use CPUs")
        if cpus < 1:
            raise SpecError("the Ray cluster has no CPU to train on")
        yield Cluster(cpus, gpus, wanted)
    finally:
        ray.shutdown()


@contextlib.contextmanager
def recording(job: Job, hidden: Sequence[tuple[str, str]], warn: Callable[[str], None]) -> Iterator[Any]:
    """The recorder, as an actor on the driver's node. It shows ``hidden`` runs (id, title), which ended while MLflow
    was away, and on the way out sees to it that no entry says that it still runs.

    It connects to MLflow while the workers start. They wait for it, so a store that cannot be used is refused, with a
    :class:`SpecError`, before anything trains."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    recorder = ray.remote(Recorder).options(num_cpus=0, scheduling_strategy=here).remote(job)
    shown = recorder.publish.remote(list(hidden))
    try:
        yield recorder
    finally:
        try:
            ray.get(shown)
            trouble = ray.get(recorder.close.remote())
        except ray.exceptions.ActorDiedError as error:
            _, refused, reason = str(error).rpartition("SpecError: ")
            if refused:
                raise SpecError(reason.splitlines()[0]) from None
            raise
        if trouble:
            warn(f"MLflow was away ({trouble}); the results are safe, and the next `make sweep` will show them there")


def train_stacks(
    stacks: Sequence[Stack],
    stores: dict[str, tuple[Store, dict[float, str]]],
    recorder: Any,
    *,
    git: str,
    cluster: Cluster,
    listen: Callable[[Progress], None],
) -> list[str]:
    """Train all stacks on the connected cluster; blocks. ``stores`` gives each task's episodes and, by expert share,
    the fingerprint of that dataset. Returns a sentence for each stack that failed for good."""
    shared = {name: (ray.put(store), prints) for name, (store, prints) in stores.items()}

    resources = {"cpu": 1.0, "gpu": cluster.gpus_per_stack} if cluster.gpus_per_stack else {"cpu": 1.0}
    trainable = tune.with_resources(
        tune.with_parameters(
            _train_stack, stacks=list(stacks), shared=shared, recorder=recorder, git=git, gpu=cluster.gpus_per_stack > 0
        ),
        resources,
    )
    with tempfile.TemporaryDirectory(prefix="smore_sweep-") as scratch:
        tuner = Tuner(
            trainable,
            param_space={"stack": tune.grid_search(list(range(len(stacks))))},
            tune_config=TuneConfig(reuse_actors=True, max_concurrent_trials=cluster.slots),
            run_config=RunConfig(
                name="tune",
                storage_path=scratch,  # Tune's own state, which nobody reads
                verbose=0,
                failure_config=FailureConfig(max_failures=TRIES - 1),
                callbacks=[_Listener(listen)],
            ),
        )
        failed = [(stacks[result.config["stack"]].name, result.error) for result in tuner.fit() if result.error]
    return [f"{name}: {(str(error).strip() or repr(error)).splitlines()[-1]}" for name, error in failed]


class _Listener(Callback):  # type: ignore[misc]
    """Hands the stacks' signs of life to the driver's view."""

    def __init__(self, listen: Callable[[Progress], None]) -> None:
        self._listen = listen

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles its callbacks for a restore that is never made; a terminal cannot be pickled

    def on_trial_result(self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **_: Any) -> None:
        self._listen(result["progress"])


def _train_stack(
    config: dict[str, int],
    stacks: list[Stack],
    shared: dict[str, tuple[Any, dict[float, str]]],
    recorder: Any,
    git: str,
    gpu: bool,
) -> None:
    """One trial: train a stack from where its runs' records stand, which is further on after a restart."""
    from smore_sweep.machine import choose_device, prepare
    from smore_sweep.train import Tick, build, join, train

    device = choose_device(gpu)
    prepare(device)
    stack = stacks[config["stack"]]
    found = ray.get(recorder.load.remote([run.run_id for run in stack.runs]))
    reference, prints = shared[stack.runs[0].task]
    runs: list[RunSpec] = []
    current: list[Record] = []
    for run, record in zip(stack.runs, found, strict=True):
        if record is None:
            facts = {"dataset": prints[run.expert_share], "stack": stack.name, "git": git}
            record = Record(run.content(), facts=facts)
        if record.status == PARTIAL:
            runs.append(run)
            current.append(record)
    titles = {run.run_id: run.title for run in runs}
    writing: list[Any] = []
    latest: list[float] = []

    def keep(kept: Sequence[tuple[str, Record]]) -> None:
        # The next stretch trains while these are written; at most one batch of records is under way.
        if writing:
            ray.get(writing.pop())
        returns = [record.summary()["return99"] for _, record in kept if record.evaluations]
        latest[:] = [sum(returns) / len(returns)] if returns else []
        writing.append(recorder.keep.remote(list(kept), [titles[run_id] for run_id, _ in kept]))

    def tick(now: Tick) -> None:
        progress = Progress(
            config["stack"], now.update, now.training_seconds, now.evaluation_seconds,
            latest[0] if latest else None,
        )  # fmt: skip
        tune.report({"progress": progress})

    store = ray.get(reference)
    # The runs of a stack stand at the same update, unless its last records could not all be written.
    for update in sorted({record.update for record in current}, reverse=True):
        members = [member for member, record in enumerate(current) if record.update == update]
        part, standing = [runs[member] for member in members], [current[member] for member in members]
        learner = build(part, store, device)
        join(learner, standing)
        train(part, learner, standing, keep=keep, tick=tick)
    ray.get(writing)
