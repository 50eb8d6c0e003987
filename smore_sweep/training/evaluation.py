"""Roll-outs of every member's policy. They keep raw outcomes: each step's distance, and whether the goal is reached.

There is one protocol for all methods: the evaluation episodes are seeded by the task and their number alone.
:mod:`smore_sweep.results.outcomes` computes discounted returns, success rates and distances from the raw outcomes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smore_sweep.results.outcomes import Outcomes
from smore_sweep.tasks import Task

if TYPE_CHECKING:
    import gymnasium

ROWS = 4
"""Episodes of one member that are rolled out side by side. Fixed, so that a member's actions are computed by the same
products in a stack of any size, and come out bitwise the same."""
ENVIRONMENTS = 4
"""Environments per process."""


class Actor(Protocol):
    """A stack's policies."""

    def act(self, observations: NDArray[np.float32], goals: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map raw observations ``[M, B, o]`` and goals ``[M, B, g]`` to actions ``[M, B, a]``."""
        ...


@lru_cache(maxsize=2)
def _environments(task: Task) -> list[gymnasium.Env[Any, Any]]:
    return [task.make() for _ in range(ENVIRONMENTS)]


def evaluate(actor: Actor, task: Task, *, members: int, alive: Sequence[int], episodes: int) -> dict[int, Outcomes]:
    """Roll out the first ``episodes`` evaluation episodes for each member in ``alive``.

    Args:
        actor: acts for all ``members``; actions of members that are not in ``alive`` are ignored.
        task: the task to evaluate on.
        members: size of the stack, ``M``.
        alive: the members to evaluate.
        episodes: number of episodes per member.

    Returns:
        Outcomes by member.
    """
    outcomes = {
        member: Outcomes(
            reached=np.zeros((episodes, task.horizon), bool),
            succeeded=np.zeros((episodes, task.horizon), bool),
            distances=np.zeros((episodes, task.horizon), np.float32),
        )
        for member in alive
    }
    jobs = [(member, episode) for member in alive for episode in range(episodes)]
    for wave in _waves(jobs):
        _roll(actor, task, members, wave, outcomes)
    return outcomes


def _waves(jobs: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Group the jobs (member, episode) so that in each group a member's episodes have distinct rows
    ``episode % ROWS``."""
    by_turn: dict[int, list[tuple[int, int]]] = {}
    for member, episode in jobs:
        by_turn.setdefault(episode // ROWS, []).append((member, episode))
    for turn in by_turn.values():
        for start in range(0, len(turn), ENVIRONMENTS):
            yield turn[start : start + ENVIRONMENTS]


def _roll(actor: Actor, task: Task, members: int, wave: list[tuple[int, int]], outcomes: dict[int, Outcomes]) -> None:
    envs = _environments(task)
    observations = np.zeros((members, ROWS, task.sizes.observation), np.float32)
    goals = np.zeros((members, ROWS, task.sizes.goal), np.float32)
    for env, (member, episode) in zip(envs, wave, strict=False):
        observation = task.reset(env, episode)
        observations[member, episode % ROWS] = observation["observation"]
        goals[member, episode % ROWS] = observation["desired_goal"]
    ended = [False] * len(wave)
    for t in range(task.horizon):
        actions = actor.act(observations, goals)
        for i, (member, episode) in enumerate(wave):
            row, outcome = episode % ROWS, outcomes[member]
            if ended[i]:  # before the horizon: the last distance holds, and no goal is reached any more
                outcome.distances[episode, t] = outcome.distances[episode, t - 1]
                continue
            observation, _, ended[i], _, info = envs[i].step(actions[member, row])
            observations[member, row] = observation["observation"]
            achieved, desired = observation["achieved_goal"], observation["desired_goal"]
            distance = float(np.linalg.norm(achieved - desired))
            outcome.distances[episode, t] = distance
            outcome.reached[episode, t] = distance <= task.threshold
            succeeded = (
                task.succeeded(achieved, desired, distance) if task.success != "environment" else info["success"]
            )
            outcome.succeeded[episode, t] = succeeded
