"""Evaluations that may go on while training does. An evaluation is a pure function of policies, task and episodes, so
it yields the same bits wherever and whenever it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smore_sweep.method import Method
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.task import Task
from smore_sweep.training.evaluation import evaluate

Policies = Mapping[int, tuple[Method, Mapping[str, NDArray[np.float32]]]]
"""By member: the method, and the arrays of the member's policy."""


class Pending(Protocol):
    """An evaluation under way."""

    def ready(self) -> bool:
        """Return whether the result is there."""
        ...

    def result(self) -> Mapping[int, Outcomes]:
        """Wait for the outcomes by member."""
        ...


Assess = Callable[[Policies, Task, int], Pending]
"""Starts the first so many evaluation episodes of each policy."""


@dataclass(frozen=True)
class Finished:
    """An evaluation that is done."""

    outcomes: Mapping[int, Outcomes]

    def ready(self) -> bool:
        """Return true."""
        return True

    def result(self) -> Mapping[int, Outcomes]:
        """Return the outcomes by member."""
        return self.outcomes


def assess_here(policies: Policies, task: Task, episodes: int) -> Finished:
    """Evaluate in this process before training goes on."""
    return Finished(evaluate_arrays(policies, task, episodes))


def evaluate_arrays(policies: Policies, task: Task, episodes: int) -> dict[int, Outcomes]:
    """Restore the policies on the CPU and roll them out."""
    from smore_sweep.training.policy import restore

    actors = {member: restore(method, task.sizes, arrays) for member, (method, arrays) in policies.items()}
    return evaluate(actors, task, episodes=episodes)
