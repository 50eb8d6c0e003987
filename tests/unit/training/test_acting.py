"""Acting by several networks and random numbers: an episode's bits are its own, whatever is rolled out beside it."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict
from numpy.typing import NDArray

from smore_sweep.rendering.policies import EpisodeActor
from smore_sweep.results.encoding import decode, encode
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.task import Task
from smore_sweep.training.evaluation import evaluate
from smore_sweep.training.learner import Arrays
from smore_sweep.training.policy import restore
from tests.contract.best_of_noise import BestOfNoise
from tests.contract.members import SIZES, stack, trained

METHOD = BestOfNoise(hidden=16)


class Drift(gymnasium.Env[Any, Any]):
    """A point in three dimensions; the goal is one of two of them. An episode ends outside a ball, if it does."""

    radius = np.inf

    def __init__(self) -> None:
        goal = Box(-9.0, 9.0, (2,))
        self.observation_space = Dict(observation=Box(-9.0, 9.0, (3,)), achieved_goal=goal, desired_goal=goal)
        self.action_space = Box(-1.0, 1.0, (2,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._place, self._goal = self.np_random.normal(size=3), self.np_random.normal(size=2)
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        self._place = 0.9 * self._place + 0.5 * np.array([*action, action[0] - action[1]])
        return self._observation(), 0.0, bool(np.linalg.norm(self._place) > self.radius), False, {}

    def _observation(self) -> dict[str, NDArray[Any]]:
        return {
            "observation": self._place.astype(np.float32),
            "achieved_goal": self._place[:2].astype(np.float32),
            "desired_goal": self._goal.astype(np.float32),
        }


class Ending(Drift):
    radius = 2.2


TASK = Task("Drift", Drift, threshold=0.3, horizon=15)
ENDING = dataclasses.replace(TASK, environment=Ending)


@pytest.fixture(scope="module")
def kept() -> list[Arrays]:
    return trained(stack(METHOD), 20).policies()


def outcomes(arrays: Arrays, episodes: int = 5, task: Task = TASK, method: BestOfNoise = METHOD) -> Outcomes:
    return evaluate({0: restore(method, SIZES, arrays)}, task, episodes=episodes)[0]


def same(first: Outcomes, second: Outcomes) -> bool:
    return all(np.array_equal(one, getattr(second, name)) for name, one in vars(first).items())


def test_what_is_kept_is_the_trained_networks_that_act(kept: list[Arrays]) -> None:
    leaves = [f"{kind}{layer}" for layer in range(3) for kind in "wb"]
    statistics = ["observations/mean", "observations/scale", "goals/mean", "goals/scale"]
    assert sorted(kept[0]) == sorted([*leaves, *(f"Q/{leaf}" for leaf in leaves), *statistics])
    assert kept[0]["Q/w0"].shape == (2, 7, 16)


def test_alone_in_a_stack_and_permuted(kept: list[Arrays]) -> None:
    policies = {member: restore(METHOD, SIZES, arrays) for member, arrays in enumerate(kept)}
    together = evaluate(policies, TASK, episodes=5)
    permuted = trained(stack(METHOD, [2, 0, 1]), 20).policies()
    for slot, member in enumerate([2, 0, 1]):
        alone = trained(stack(METHOD, [member]), 20).policies()[0]
        assert same(together[member], outcomes(alone))
        assert same(together[member], outcomes(permuted[slot]))
    assert not same(together[0], together[1])


def test_five_episodes_or_fifty(kept: list[Arrays]) -> None:
    few, many = outcomes(kept[0], 5), outcomes(kept[0], 50)
    assert same(few, Outcomes(**{name: array[:5] for name, array in vars(many).items()}))
    assert len(np.unique(many.distances, axis=0)) == 50


def test_an_episode_that_ends_leaves_the_others_alone(kept: list[Arrays]) -> None:
    whole, ended = outcomes(kept[0], 50), outcomes(kept[0], 50, ENDING)
    lasts = (ended.distances == whole.distances).sum(1)
    assert lasts.min() < 6
    assert (lasts == TASK.horizon).sum() > 5
    for before, after, last in zip(whole.distances, ended.distances, lasts, strict=True):
        assert np.array_equal(before[:last], after[:last])
        assert np.all(after[last:] == after[last - 1])


def test_a_record_restores_it_and_play_repeats_its_episodes(kept: list[Arrays]) -> None:
    budget = Budget(episodes=8, updates=20, batch_size=8, evaluate_every=10, evaluation_episodes=2, final_episodes=2)
    run = RunSpec(method=METHOD, task="PointReach", expert_share=0.5, seed=3, scale="test", budget=budget)
    record = Record(run.content(), DONE, 20, evaluations={20: outcomes(kept[0])}, policy=kept[0])
    restored = decode(io.BytesIO(encode(record)), run.run_id, ended=True)
    assert same(restored.evaluations[20], outcomes(restored.policy))
    actor = EpisodeActor(TASK, restore(METHOD, SIZES, restored.policy))
    env = TASK.make()
    for episode in (4, 1):
        policy, observation = actor(episode), TASK.reset(env, episode)
        for distance in restored.evaluations[20].distances[episode]:
            observation = env.step(policy(observation))[0]
            assert np.float32(np.linalg.norm(observation["achieved_goal"] - observation["desired_goal"])) == distance


def test_random_numbers_are_of_the_task_and_shared_by_the_knobs_values(kept: list[Arrays]) -> None:
    first = outcomes(kept[0])
    assert not same(first, outcomes(kept[0], task=dataclasses.replace(TASK, name="Other")))
    # One proposal is the first of four: where it is the best of four, the first step is the same.
    one = outcomes(kept[0], 50, method=dataclasses.replace(METHOD, samples=1))
    four = outcomes(kept[0], 50)
    share = (one.distances[:, 0] == four.distances[:, 0]).mean()
    assert 0.1 < share < 0.6
