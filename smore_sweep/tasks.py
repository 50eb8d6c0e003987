"""The task table: one row a task, named as in the paper. Importing it costs nothing; environments load when made."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smore_sweep.method import Sizes, SpecError

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    Observation = dict[str, np.ndarray]
    Policy = Callable[[Observation], np.ndarray]


@dataclass(frozen=True)
class Task:
    """One goal-conditioned task. The sparse reward is ``-1[|achieved - desired| > threshold]``, success is
    ``|achieved - desired| < success_threshold`` (Euclidean norm, in the goal's units). Episodes last ``horizon``
    environment steps; one that ends earlier stays in its last state for the rest.

    ``expert`` and ``medium`` name policies, functions of one observation: ``module:function``. The data mix the
    expert's episodes with those of the medium policy or, if there is none, of the uniform-random one."""

    name: str
    env_id: str
    sizes: Sizes
    threshold: float
    expert: str
    step_milliseconds: float
    """Roughly what an environment step takes on a core, for estimates only."""
    horizon: int = 50
    success_threshold: float | None = None
    medium: str = ""
    expert_noise: float = 0.2
    """Standard deviation of the Gaussian noise on the expert's actions in the data, for diversity (the WGCSL data are
    noisy too)."""

    @property
    def success_tolerance(self) -> float:
        """The threshold of success, which is the reward's unless the task says otherwise."""
        return self.threshold if self.success_threshold is None else self.success_threshold

    @property
    def suboptimal(self) -> str:
        """The pool that the expert's episodes are mixed with."""
        return "medium" if self.medium else "random"

    @property
    def pools(self) -> tuple[str, str]:
        """The policies whose episodes make up the task's data."""
        return ("expert", self.suboptimal)

    def make(self) -> gymnasium.Env[Any, Any]:
        """The Gymnasium goal environment (needs MuJoCo)."""
        import gymnasium

        import smore_sweep.envs  # noqa: F401  registers the ids

        return gymnasium.make(self.env_id, max_episode_steps=self.horizon)

    def policy(self, name: str) -> Policy | None:
        """The policy of that name: a function from one observation to one action, without memory. ``None`` is the
        uniform-random one. Raises :class:`SpecError` for any other name."""
        paths = {"expert": self.expert, self.suboptimal: self.medium, "random": ""}
        if name not in paths:
            raise SpecError(f"{self.name} has no policy {name!r}; it has: {', '.join(paths)}")
        if not paths[name]:
            return None
        module, function = paths[name].split(":")
        found: Policy = getattr(importlib.import_module(module), function)
        return found


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("Reacher", "smore/Reacher-v0", Sizes(11, 2, 2), 0.05, "smore_sweep.experts.reacher:reach", 0.15),
        Task("FetchReach", "smore/FetchReach-v0", Sizes(10, 3, 4), 0.05, "smore_sweep.experts.fetch:reach", 2.0),
        Task("FetchPush", "smore/FetchPush-v0", Sizes(25, 3, 4), 0.05, "smore_sweep.experts.fetch:push", 2.5),
    )
}


def task(name: str) -> Task:
    """The row of that name, or a :class:`SpecError` that lists the valid names."""
    if name not in TASKS:
        raise SpecError(f"unknown task {name!r}; the tasks are: {', '.join(TASKS)}")
    return TASKS[name]
