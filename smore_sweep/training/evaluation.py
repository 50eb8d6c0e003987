"""Roll-outs of members' policies. They keep raw outcomes: each step's distance, and whether the goal is reached.

There is one protocol for all methods: the evaluation episodes are seeded by the task and their number alone.
:mod:`smore_sweep.results.outcomes` computes discounted returns, success rates and distances from the raw outcomes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smore_sweep.images import as_numbers
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.task import Task

if TYPE_CHECKING:
    import gymnasium
    import torch

    from smore_sweep.stacked.rng import Draws
    from smore_sweep.task import Observation

ROWS = 4
"""Episodes of one member that are rolled out side by side, in as many environments. Fixed, because products of other
sizes may round differently."""


def side_by_side(episode: int) -> range:
    """Return the episodes among which an episode is rolled out, whether or not there are that many."""
    start = episode - episode % ROWS
    return range(start, start + ROWS)


class Actor(Protocol):
    """One member's policy."""

    def act(self, observations: NDArray[Any], goals: NDArray[Any], draws: Draws) -> NDArray[np.float32]:
        """Map raw observations ``[1, B, o]``, goals ``[1, B, g]`` and random numbers to actions ``[1, B, a]``."""
        ...


@lru_cache(maxsize=2)
def environments(task: Task) -> list[gymnasium.Env[Any, Any]]:
    """Return this process's :data:`ROWS` environments of a task, created once."""
    return [task.make() for _ in range(ROWS)]


def evaluate(actors: Mapping[int, Actor], task: Task, *, episodes: int) -> dict[int, Outcomes]:
    """Roll out the first ``episodes`` evaluation episodes of a task for each member.

    Args:
        actors: each member's own policy. One that acts for a whole stack would cost a stack's work for every action.
        task: the task to evaluate on.
        episodes: number of episodes per member.

    Returns:
        Outcomes by member.
    """
    return {member: _evaluate_one(actor, task, episodes) for member, actor in actors.items()}


def goal_distance(observation: Observation) -> float:
    """Return the Euclidean distance of an observation's achieved goal from its desired one."""
    return float(np.linalg.norm(as_numbers(observation["achieved_goal"]) - as_numbers(observation["desired_goal"])))


def _evaluate_one(actor: Actor, task: Task, episodes: int) -> Outcomes:
    outcome = Outcomes(
        reached=np.zeros((episodes, task.horizon), bool),
        succeeded=np.zeros((episodes, task.horizon), bool),
        distances=np.zeros((episodes, task.horizon), np.float32),
    )
    for start in range(0, episodes, ROWS):
        _roll(actor, task, range(start, min(start + ROWS, episodes)), outcome)
    return outcome


def _roll(actor: Actor, task: Task, episodes: range, outcome: Outcomes) -> None:
    """Roll out up to :data:`ROWS` episodes side by side."""
    from smore_sweep.stacked.rng import Draws

    envs = environments(task)
    observations = np.zeros((1, ROWS, task.sizes.observation), task.sizes.dtype)
    goals = np.zeros((1, ROWS, task.sizes.goal), task.sizes.dtype)
    for row, episode in enumerate(episodes):
        observation = task.reset(envs[row], episode)
        observations[0, row], goals[0, row] = observation["observation"], observation["desired_goal"]
    ended = [False] * len(episodes)
    memory: dict[int, torch.Tensor] = {}
    for t in range(task.horizon):
        actions = actor.act(observations, goals, Draws(task.name, side_by_side(episodes[0]), t, memory=memory))
        for row, episode in enumerate(episodes):
            if ended[row]:  # before the horizon: the last distance holds, and no goal is reached any more
                outcome.distances[episode, t] = outcome.distances[episode, t - 1]
                continue
            observation, _, ended[row], _, info = envs[row].step(actions[0, row])
            observations[0, row] = observation["observation"]
            distance = goal_distance(observation)
            outcome.distances[episode, t] = distance
            outcome.reached[episode, t] = distance <= task.threshold
            outcome.succeeded[episode, t] = task.step_succeeded(observation, distance, info)
