"""The recorder as a Ray actor, the only writer of results and MLflow in a sweep."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from smore_sweep.errors import UserError
from smore_sweep.results.record_writer import RecordingError
from smore_sweep.results.recorder import Recorder
from smore_sweep.results.tracking import Experiment
from smore_sweep.storage.fence import OPEN, Fence


@contextlib.contextmanager
def recorder_actor(
    experiment: Experiment, ended: Sequence[tuple[str, str]], warn: Callable[[str], None], fence: Fence = OPEN
) -> Iterator[Any]:
    """Run the recorder as an actor on the driver's node.

    It connects to MLflow while the workers start. They wait for it, so a tracking store that cannot be used is refused
    before anything trains. On exit no MLflow entry is left running: an interrupt in the meantime takes effect
    afterwards, and only a second one at once.

    Args:
        experiment: Where the runs are tracked.
        ended: Ended runs (id, title); those that MLflow lacks are published.
        warn: Called with a sentence if MLflow could not be used on the way.
        fence: Closed once another process may write the results.

    Raises:
        UserError: If the results or the tracking store cannot be used.
        RecordingError: If the recorder is lost later on.
    """
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    recorder = ray.remote(Recorder).options(num_cpus=0, scheduling_strategy=here).remote(experiment, fence)
    publication = recorder.publish.remote(list(ended))
    interrupt: KeyboardInterrupt | None = None
    try:
        yield recorder
    finally:
        ending = [publication, recorder.close.remote()]
        try:
            try:
                _, trouble = ray.get(ending)
            except KeyboardInterrupt as error:
                interrupt = error
                _, trouble = ray.get(ending)
        except (ray.exceptions.ActorDiedError, ray.exceptions.RayTaskError) as error:
            if isinstance(cause := getattr(error, "cause", None), UserError):
                raise cause from None
            raise RecordingError(failure_reason(error)) from None
        if trouble:
            warn(trouble)
        if interrupt:
            raise interrupt


def failure_reason(error: Exception) -> str:
    """Return one line on why the recorder failed, from the exception that Ray raised."""
    if isinstance(error, ray.exceptions.RayTaskError):
        cause = error.cause
        return str(cause) if isinstance(cause, RecordingError) else f"{type(cause).__name__}: {cause}".splitlines()[0]
    return "the process that keeps the results, on the driver's node, was lost"
