"""Actors on CPU cores that evaluate policies while a GPU trains on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray

from smore_sweep.errors import first_line
from smore_sweep.execution import shipping
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.task import Task
from smore_sweep.tasks import declare, declared
from smore_sweep.training.assessment import Policies, evaluate_arrays


class EvaluatorLostError(Exception):
    """A worker that evaluated was lost, such as with its node; the runs are not to blame."""


class _Evaluator:
    """Keeps its environments between evaluations."""

    def __init__(self, packed: bytes) -> None:
        import torch

        from smore_sweep.training.device import prepare

        declare(shipping.unpack(packed))
        prepare(torch.device("cuda"))  # as the process that trains, so that the bits do not depend on who evaluates

    def evaluate(self, policies: Policies, task: Task, episodes: int) -> dict[int, Outcomes]:
        return evaluate_arrays(policies, task, episodes)


@dataclass(frozen=True)
class _Parts:
    """The parts of an evaluation, one an actor."""

    references: list[Any]

    def ready(self) -> bool:
        """Return whether all actors are done."""
        _, waiting = ray.wait(self.references, num_returns=len(self.references), timeout=0)
        return not waiting

    def result(self) -> Mapping[int, Outcomes]:
        """Wait for the outcomes by member. What fails in an actor fails as if this process had evaluated."""
        try:
            parts = ray.get(self.references)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayError as error:
            raise EvaluatorLostError(first_line(error)) from None
        return {member: outcomes for part in parts for member, outcomes in part.items()}


class Evaluators:
    """Actors that evaluate; pass the object to :func:`smore_sweep.training.loop.train` as ``assess``.

    Inside a Tune trial they take the CPUs of the trial's own placement group. They end with the object.

    Args:
        count: Number of actors, at least 1.
    """

    def __init__(self, count: int) -> None:
        actor = ray.remote(num_cpus=1)(_Evaluator)
        self._actors = [actor.remote(shipping.pack(declared())) for _ in range(count)]

    def __call__(self, policies: Policies, task: Task, episodes: int) -> _Parts:
        """Start an evaluation; each actor takes every so many-th member."""
        members, count = list(policies), len(self._actors)
        shares = [{member: policies[member] for member in members[i::count]} for i in range(count)]
        return _Parts([
            actor.evaluate.remote(share, task, episodes)
            for actor, share in zip(self._actors, shares, strict=True)
            if share
        ])  # fmt: skip
