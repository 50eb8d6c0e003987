"""Episodes that members collect themselves, each a pure function of task, seed, the episode's number and the policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes
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
    """Return the goal ``[g]`` of a task that has one."""
    return np.asarray(row.reset(environments(row)[0], 0)["desired_goal"], np.float32)


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
    states = [observation]
    actions: list[NDArray[Any]] = []
    ended = False
    for t in range(steps):
        inputs = [_vector(observation, name)[None, None] for name in ("observation", "desired_goal")]
        action = policy.explore(inputs[0], inputs[1], Draws(f"{row.name} {purpose}", [number], t))[0, 0]
        actions.append(np.nan_to_num(action))  # a member that has diverged is noticed at the next evaluation
        if not ended:
            observation, _, ended, _, _ = env.step(actions[-1])
        states.append(observation)
    seen, achieved = (np.stack([_vector(each, name) for each in states]) for name in ("observation", "achieved_goal"))
    return Episodes(seen[None], np.stack(actions)[None], achieved[None], _vector(observation, "desired_goal")[None])


def _vector(observation: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    return np.asarray(observation[name], np.float32)
