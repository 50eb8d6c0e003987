"""Roll-outs of every member's policy. Out come raw outcomes: at each step, was the goal reached, and how far is it.

One protocol for every method: the evaluation episodes are seeded by the task and their number, and by nothing else.
Discounted returns, success rates and distances are computed later from what is kept here
(:mod:`smore_sweep.results.outcomes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smore_sweep.results.outcomes import Outcomes
from smore_sweep.seeding import episode_seed
from smore_sweep.tasks import Task

if TYPE_CHECKING:
    import gymnasium

ROWS = 4
"""Episodes of one member that are rolled out side by side. Fixed, so that a member's actions are computed by the same
products in a stack of any size, and come out bitwise the same."""
ENVIRONMENTS = 4
"""Environments that a process keeps."""


class Actor(Protocol):
    """Maps raw observations ``[M, B, o]`` and goals ``[M, B, g]`` to actions ``[M, B, a]``."""

    def act(self, observations: NDArray[np.float32], goals: NDArray[np.float32]) -> NDArray[np.float32]: ...


@lru_cache(maxsize=2)
def _environments(task: Task) -> list[gymnasium.Env[Any, Any]]:
    return [task.make() for _ in range(ENVIRONMENTS)]


def evaluate(actor: Actor, task: Task, *, members: int, alive: Sequence[int], episodes: int) -> dict[int, Outcomes]:
    """Outcomes of the first ``episodes`` evaluation episodes for each member in ``alive``."""
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
    """Groups of jobs in which each member has at most ``ROWS`` episodes, with distinct rows ``episode % ROWS``."""
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
        observation, _ = env.reset(seed=episode_seed("evaluation", task.name, episode))
        observations[member, episode % ROWS] = observation["observation"]
        goals[member, episode % ROWS] = observation["desired_goal"]
    ended = [False] * len(wave)
    for t in range(task.horizon):
        actions = actor.act(observations, goals)
        for i, (member, episode) in enumerate(wave):
            row, kept = episode % ROWS, outcomes[member]
            if ended[i]:  # of itself, and nothing is reached any more
                kept.distances[episode, t] = kept.distances[episode, t - 1]
                continue
            observation, _, ended[i], _, _ = envs[i].step(actions[member, row])
            observations[member, row] = observation["observation"]
            distance = float(np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"]))
            kept.distances[episode, t] = distance
            kept.reached[episode, t] = distance <= task.threshold
            kept.succeeded[episode, t] = distance < task.success_tolerance
