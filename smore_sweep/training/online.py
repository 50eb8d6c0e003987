"""Episodes that members collect themselves, each a pure function of task, seed, the episode's number and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes
from smore_sweep.errors import DeclarationError
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.task import Task
from smore_sweep.tasks import task
from smore_sweep.training.evaluation import environments

if TYPE_CHECKING:
    from smore_sweep.training.learner import Learner
    from smore_sweep.training.policy import Policy


def due(budget: Budget, update: int) -> bool:
    """Return whether an episode is to be collected after so many updates."""
    online = update - budget.offline_updates
    return budget.online_episodes > 0 and online >= 0 and online % budget.updates_per_episode == 0


def only_goal(row: Task) -> NDArray[np.float32]:
    """Return the goal ``[g]`` of a task that has one.

    Raises:
        DeclarationError: two of its episodes have different ones.
    """
    first, second = (_vector(row.reset(environments(row)[0], episode), "desired_goal") for episode in range(2))
    if not np.array_equal(first, second):
        raise DeclarationError(
            f"{row.name}: goals = 1 is not valid; its environment has the goals {first.tolist()} and {second.tolist()}"
        )
    return first


def collect(learner: Learner, runs: Sequence[RunSpec], update: int) -> None:
    """Add an episode of each member to a learner's experience.

    Args:
        learner: the learner.
        runs: its members' runs; copies of the first that fill a stack up get the first one's episode.
        update: updates done, which number the episode.
    """
    from smore_sweep.training.policy import restore

    assert learner.experience is not None
    budget, row = runs[0].budget, task(runs[0].task)
    number = (update - budget.offline_updates) // budget.updates_per_episode
    episodes = [
        _episode(restore(run.method.as_trained(), row.sizes, arrays), row, run.seed, number, learner.experience.steps)
        for run, arrays in zip(runs, learner.policies(), strict=False)
    ]
    learner.experience.add([*episodes, *episodes[:1] * (learner.members - len(episodes))])


def _episode(policy: Policy, row: Task, seed: int, number: int, steps: int) -> Episodes:
    from smore_sweep.stacked.rng import Draws

    purpose = f"online {seed}"
    env = environments(row)[0]
    observation = row.reset(env, number, purpose)
    goal = _vector(observation, "desired_goal")
    states, achieved = [_vector(observation, "observation")], [_vector(observation, "achieved_goal")]
    actions: list[NDArray[np.float32]] = []
    ended = False
    for t in range(steps):
        draws = Draws(f"{row.name} {purpose}", [number], t)
        action = policy.explore(states[-1][None, None], goal[None, None], draws)[0, 0]
        actions.append(np.nan_to_num(action))  # a member that has diverged is noticed at the next evaluation
        if not ended:
            observation, _, ended, _, _ = env.step(actions[-1])
        states.append(_vector(observation, "observation"))
        achieved.append(_vector(observation, "achieved_goal"))
    return Episodes(np.stack(states)[None], np.stack(actions)[None], np.stack(achieved)[None], goal[None])


def _vector(observation: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    return np.array(observation[name], np.float32)
