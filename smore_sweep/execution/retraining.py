"""Train a published run again in this process, without writing a record or an MLflow entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console

from smore_sweep.console import progress_bar
from smore_sweep.discovery import method_of
from smore_sweep.errors import DeclarationError
from smore_sweep.execution.local import SWEEP, prepare_run
from smore_sweep.planning.plan import Plan
from smore_sweep.results import record
from smore_sweep.results.record import Record
from smore_sweep.run_spec import Budget, RunSpec


def run_of(content: Mapping[str, Any], run_id: str) -> RunSpec:
    """Return the run with a content.

    Raises:
        DeclarationError: If this version of the code cannot train it.
    """
    run = RunSpec(
        method=method_of(content),
        task=content["task"],
        expert_share=content["expert_share"],
        seed=content["seed"],
        scale=content["scale"],
        budget=Budget(**content["budget"]),
        source=content["source"],
    )
    if run.run_id != run_id:
        raise DeclarationError(f"this version gives the run {run_id} another id, {run.run_id}")
    return run


def retrain(out: Console, run: RunSpec, padded: int | None = None) -> Record:
    """Train a run from the start, on the episodes that a sweep would use, and return its record.

    Args:
        out: Shows how far it is.
        run: The run.
        padded: Members to which its stack was filled up, if that was on a GPU.

    Raises:
        DatasetError: If its episodes are missing and cannot be rolled out.
    """
    from smore_sweep.training.loop import TrainingProgress, build_learner, train

    plan = Plan(SWEEP, run.scale, run.source, [run], {run.run_id: record.MISSING}, {})
    store, device, again = prepare_run(out, plan, git="")
    padded = padded if device.type == "cuda" else None
    learner = build_learner([run], store, device, padded)
    done = 0
    with progress_bar(out, run.title, run.budget.updates) as advance:

        def tick(times: TrainingProgress) -> None:
            nonlocal done
            advance(times.update - done)
            done = times.update

        train([run], learner, [again], keep=lambda _: None, tick=tick)
    return again
