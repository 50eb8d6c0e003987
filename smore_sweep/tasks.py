"""The task table: one row per task, with the paper's names. Environments are imported when one is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smore_sweep.errors import DeclarationError, unknown

if TYPE_CHECKING:
    import gymnasium
    import numpy as np

    Observation = dict[str, np.ndarray]
    Policy = Callable[[Observation], np.ndarray]


@dataclass(frozen=True)
class Sizes:
    """Dimensions of a task's observation, goal and action vectors."""

    observation: int
    goal: int
    action: int


@dataclass(frozen=True)
class Task:
    """A goal-conditioned task.

    The sparse reward is ``-1[|achieved - desired| > threshold]``, success is ``|achieved - desired| <
    success_tolerance`` (Euclidean norm, in the goal's units). Policies are functions of one observation.

    Attributes:
        name: The paper's name.
        env_id: Gymnasium id.
        sizes: Sizes of observations, goals and actions.
        threshold: Distance up to which the goal counts as reached.
        expert: Expert policy, as ``module:function``.
        step_milliseconds: Rough time of an environment step on one core, for estimates only.
        horizon: Steps per episode; an episode that ends earlier stays in its last state for the rest.
        success_threshold: Distance below which an episode succeeds; None for ``threshold``.
        suboptimal: Policy whose episodes the data mix with the expert's.
        medium: Medium policy, as ``module:function``; empty if there is none.
        expert_noise: Standard deviation of the Gaussian noise on the expert's actions in the data, for diversity (the
            WGCSL data are noisy too).
    """

    name: str
    env_id: str
    sizes: Sizes
    threshold: float
    expert: str
    step_milliseconds: float
    horizon: int = 50
    success_threshold: float | None = None
    suboptimal: str = "random"
    medium: str = ""
    expert_noise: float = 0.2

    @property
    def success_tolerance(self) -> float:
        """Distance below which an episode succeeds."""
        return self.threshold if self.success_threshold is None else self.success_threshold

    @property
    def pools(self) -> tuple[str, str]:
        """Policies whose episodes make up the task's data."""
        return ("expert", self.suboptimal)

    def make(self, **options: Any) -> gymnasium.Env[Any, Any]:
        """Build the Gymnasium goal environment (needs MuJoCo) with its own options, such as ``render_mode``."""
        import gymnasium

        import smore_sweep.envs  # noqa: F401  registers the ids

        return gymnasium.make(self.env_id, max_episode_steps=self.horizon, **options)

    def policy(self, name: str) -> Policy | None:
        """Return a policy by name: a function from one observation to one action, or None for the uniform-random one.

        Raises:
            DeclarationError: For an unknown name.
        """
        paths = {"expert": self.expert, self.suboptimal: self.medium, "random": ""}
        if name not in paths:
            raise DeclarationError(f"{self.name} has no policy {name!r}; it has: {', '.join(paths)}")
        if name == "random":
            return None
        module, function = paths[name].split(":")
        policy: Policy = getattr(importlib.import_module(module), function)
        return policy


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        Task("Reacher", "smore/Reacher-v0", Sizes(11, 2, 2), 0.05, "smore_sweep.experts.reacher:reach", 0.15),
        Task("FetchReach", "smore/FetchReach-v0", Sizes(10, 3, 4), 0.05, "smore_sweep.experts.fetch:reach", 2.0),
        Task("FetchPush", "smore/FetchPush-v0", Sizes(25, 3, 4), 0.05, "smore_sweep.experts.fetch:push", 2.5),
        Task("FetchPick", "smore/FetchPick-v0", Sizes(25, 3, 4), 0.05, "smore_sweep.experts.fetch_pick:pick", 2.5),
        Task(
            "FetchSlide",
            "smore/FetchSlide-v0",
            Sizes(25, 3, 4),
            0.05,
            "smore_sweep.experts.fetch_slide:slide",
            2.5,
            expert_noise=0.05,  # success .97 at 0, .82 at 0.05, .5 at 0.1: a strike cannot be corrected
        ),
        *(
            # The environment's own noise is diverse enough.
            Task(
                f"FetchReachNoise{sigma}",
                f"smore/FetchReachNoise{sigma}-v0",
                Sizes(10, 3, 4),
                0.05,
                "smore_sweep.experts.fetch:reach",
                2.0,
                expert_noise=0.0,
            )
            for sigma in (0.5, 1.0, 1.5)
        ),
        Task(
            "HandReach",
            "smore/HandReach-v0",
            Sizes(63, 15, 20),
            0.01,
            "smore_sweep.experts.hand:reach",
            1.5,
            expert_noise=0.05,  # the fingertips together may be off by 1 cm only: see the expert
        ),
        Task("SawyerReach", "smore/SawyerReach-v0", Sizes(3, 3, 3), 0.06, "smore_sweep.experts.sawyer:reach", 0.2),
        Task(
            "SawyerDoor",
            "smore/SawyerDoor-v0",
            Sizes(4, 1, 3),
            0.06,
            "smore_sweep.experts.sawyer:open_door",
            0.4,
            success_threshold=0.02,
        ),
        Task("PointReach", "smore/PointReach-v0", Sizes(2, 2, 2), 1.0, "smore_sweep.experts.points:reach", 0.03),
        Task("PointRooms", "smore/PointRooms-v0", Sizes(2, 2, 2), 1.0, "smore_sweep.experts.points:rooms", 0.03),
        *(
            # Noise makes runners stumble.
            Task(
                f"{body}TgtVel-{kind}",
                f"smore/{body}TargetVelocity-v0",
                sizes,
                0.5,
                f"smore_sweep.experts.locomotion:{expert}",
                milliseconds,
                horizon=1000,
                suboptimal=suboptimal,
                medium=f"smore_sweep.experts.locomotion:{medium}",
                expert_noise=0.0,
            )
            for body, sizes, milliseconds, expert, medium in (
                ("Cheetah", Sizes(17, 1, 6), 0.2, "run_cheetah", "jog_cheetah"),
                ("Ant", Sizes(111, 1, 8), 0.7, "gallop_ant", "trot_ant"),
            )
            for kind, suboptimal in (("m-e", "medium"), ("r-e", "random"))
        ),
    )
}


def task(name: str) -> Task:
    """Return a task by name.

    Raises:
        DeclarationError: For an unknown name; the message lists the valid ones.
    """
    if name not in TASKS:
        raise DeclarationError(unknown("task", name, TASKS))
    return TASKS[name]
