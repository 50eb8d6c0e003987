"""Find the policy to draw: a task's own, a uniform-random one, or that of a done run."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smore_sweep.errors import UserError
from smore_sweep.results.record import DONE
from smore_sweep.results.run_files import load, run_ids
from smore_sweep.seeding import episode_seed
from smore_sweep.storage.paths import StoragePath
from smore_sweep.task import Task
from smore_sweep.tasks import task
from smore_sweep.training.evaluation import ROWS, side_by_side

if TYPE_CHECKING:
    import torch

    from smore_sweep.task import Observation, Policy
    from smore_sweep.training.evaluation import Actor

    EpisodePolicy = Callable[[int], Policy]
    """The policy of each evaluation episode, by number."""


def find_policy(task: Task, name: str, results: StoragePath) -> tuple[str, EpisodePolicy]:
    """Find a policy of a task.

    Args:
        task: The task.
        name: One of the task's policies, or the id of a done run, or the beginning of one.
        results: Results folder of the run.

    Returns:
        The full name, and the policy.

    Raises:
        UserError: If there is no such policy, or more than one.
    """
    own = (*(() if task.dataset else task.pools), "random")
    if name in own:
        function = task.policy(name)
        return name, (lambda _: function) if function else (lambda number: _random_policy(task, number))
    run_id = find_run(name, results)
    if run_id is None:
        valid = ", ".join(dict.fromkeys(own))
        raise UserError(f"{task.name} has no policy {name!r}; it has: {valid}, or give the id of a run in {results}")
    return run_id, trained_policy(task, run_id, results)


def find_run(name: str, results: StoragePath) -> str | None:
    """Return the id of the stored run that begins so, or None. Raises :class:`UserError` if there are several."""
    matches = [run_id for run_id in run_ids(results) if run_id.startswith(name)]
    if len(matches) > 1:
        examples = f"{matches[0]} and {matches[1]}"
        raise UserError(f"policy {name!r} is ambiguous; {len(matches)} runs in {results} begin so, such as {examples}")
    return matches[0] if matches else None


def trained_policy(task: Task, run_id: str, results: StoragePath) -> EpisodeActor:
    """Return a done run's policy. Its actions equal those of the run's evaluation to the bit.

    Raises:
        UserError: If the run is not done, is of another task, or has no policy.
    """
    from smore_sweep.discovery import method_of
    from smore_sweep.training.policy import restore

    record = load(results, run_id)
    if record is None or record.status != DONE:
        raise UserError(f"run {run_id} is {record.status if record else 'missing'}; only done runs have a policy")
    content = record.content
    if content["task"] != task.name:
        raise UserError(f"run {run_id} was trained on {content['task']}, not on {task.name}")
    if not record.policy:
        raise UserError(f"run {run_id} has an old record without a policy; remove its folder and run its sweep again")
    # A record selects one of the shipped methods; it cannot name code to import.
    return EpisodeActor(task, restore(method_of(content), task.sizes, record.policy))


class EpisodeActor:
    """A trained policy that acts in one evaluation episode at a time."""

    def __init__(self, task: Task, actor: Actor) -> None:
        self._task, self._actor = task, actor
        # As in evaluation, products have ROWS rows: others may round differently.
        self._observations = np.zeros((1, ROWS, task.sizes.observation), task.sizes.dtype)
        self._goals = np.zeros((1, ROWS, task.sizes.goal), task.sizes.dtype)
        self._memories: defaultdict[int, dict[int, torch.Tensor]] = defaultdict(dict)
        """What the method keeps from step to step, by episode."""

    def __call__(self, number: int) -> Policy:
        """Return the policy of an episode, to be called once per step."""
        steps = itertools.count()
        return lambda observation: self.act(observation, number, next(steps))

    def act(self, observation: Observation, number: int, step: int) -> NDArray[np.float32]:
        """Return the action of an episode's step. Steps of an episode are in order; step 0 begins it again."""
        from smore_sweep.stacked.rng import Draws

        memory = self._memories[number]
        if step == 0:
            memory.clear()
        index, draws = (0, number % ROWS), Draws(self._task.name, side_by_side(number), step, memory=memory)
        self._observations[index], self._goals[index] = observation["observation"], observation["desired_goal"]
        action: NDArray[np.float32] = self._actor.act(self._observations, self._goals, draws)[index]
        return action


@dataclass(frozen=True)
class TrainedPolicy:
    """The policy of a done run."""

    run_id: str
    task: Task
    _actor: EpisodeActor

    @classmethod
    def load(cls, name: str, results: StoragePath) -> TrainedPolicy:
        """Load the policy of the stored run whose id begins so.

        Raises:
            UserError: If there is no such run, more than one, or the run is not done.
        """
        run_id = find_run(name, results)
        if run_id is None or (record := load(results, run_id)) is None:
            raise UserError(f"no run in {results} has an id that begins with {name!r}")
        own = task(record.content["task"])
        return cls(run_id, own, trained_policy(own, run_id, results))

    def act(self, observation: ArrayLike, goal: ArrayLike, *, episode: int = 0, step: int = 0) -> NDArray[np.float32]:
        """Return the action ``[action]`` in [-1, 1] for an observation ``[observation]`` and a goal ``[goal]``.

        It equals that of the run's evaluation to the bit.

        Args:
            observation: The observation.
            goal: The goal.
            episode: Number of an evaluation episode. With ``step`` it keys the random numbers of a policy that acts by
                some; others do not depend on it.
            step: Number of the step in it.

        Raises:
            UserError: For other shapes.
        """
        dtype = self.task.sizes.dtype
        given = {"observation": np.asarray(observation, dtype), "desired_goal": np.asarray(goal, dtype)}
        sizes = {"observation": self.task.sizes.observation, "desired_goal": self.task.sizes.goal}
        for name, array in given.items():
            if array.shape != (sizes[name],):
                kind = name.removeprefix("desired_")
                raise UserError(
                    f"{self.task.name}: a {kind} of shape {array.shape} is not valid; it is [{sizes[name]}]"
                )
        return self._actor.act(given, episode, step)


def _random_policy(task: Task, number: int) -> Policy:
    generator = np.random.default_rng(episode_seed("play", task.name, number))
    return lambda _: generator.uniform(-1.0, 1.0, task.sizes.action).astype(np.float32)
