"""The online phase: members collect their own episodes, and scheduling never changes a member's numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from baselines.u2o import U2O
from smore_sweep.data.rollout import rollout
from smore_sweep.envs.points import PointReach
from smore_sweep.errors import DeclarationError
from smore_sweep.planning.continuation import _has_schedule
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.task import Task
from smore_sweep.tasks import declare
from smore_sweep.training.capture import AUTO, WARM_UP, Updates
from smore_sweep.training.learner import Learner
from smore_sweep.training.loop import build_learner, load_records, train
from smore_sweep.training.online import due, only_goal
from tests.contract.members import HORIZON, assert_equal, pool, saved, stack
from tests.contract.test_capture import TapeRecorder

METHOD = U2O(hidden=16, latent=4, labelled=60)


class Corner(PointReach):
    """Its one goal lies in a corner; episodes of the data have others."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, info = super().reset(seed=seed)
        if options:
            self._goal = observation["desired_goal"] = np.array([3.0, 3.0])
        return observation, info


TASK = Task("Corner", Corner, threshold=1.0, horizon=20, goals=1, expert="smore_sweep.experts.points:reach")
declare([TASK])
BUDGET = Budget(
    episodes=6, updates=10, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1, online_episodes=2,
    updates_per_episode=3,
)  # fmt: skip
OFFLINE = replace(BUDGET, online_episodes=0, updates_per_episode=0, updates=4)
RUNS = [
    RunSpec(method=METHOD, task="Corner", expert_share=share, seed=seed, scale="test", budget=BUDGET)
    for seed, share in enumerate((0.5, 0.0, 1.0))
]


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def store() -> EpisodeStore:
    return EpisodeStore.build(rollout("Corner", "expert", 0, 6), rollout("Corner", "random", 0, 6), 1.0)


def trained(
    store: EpisodeStore, runs: Sequence[RunSpec], *, stop: int = 0, padded: int | None = None, **options: Any
) -> list[Record]:
    """Train runs; with ``stop`` they are killed after this update's evaluation, and resumed."""
    records = [Record(run.content()) for run in runs]

    def keep(batch: object) -> None:
        nonlocal stop
        if records[0].update == stop:
            stop = 0
            raise KilledError

    while True:
        learner = build_learner(runs, store, torch.device("cpu"), padded)
        load_records(learner, runs, records)
        try:
            train(runs, learner, records, keep=keep, tick=lambda _: None, **options)
        except KilledError:
            continue
        return records


@pytest.fixture(scope="module")
def undisturbed(store: EpisodeStore) -> list[Record]:
    return trained(store, RUNS, keep_learner=True)


def assert_same(records: Sequence[Record], expected: Sequence[Record]) -> None:
    for record, other in zip(records, expected, strict=True):
        assert record.status == other.status == DONE
        assert_equal(record.policy, other.policy)
        assert_equal(record.kept, other.kept)
        for update, outcomes in other.evaluations.items():
            np.testing.assert_array_equal(record.evaluations[update].distances, outcomes.distances)


@pytest.mark.parametrize("stop", [2, 4, 6, 8])
def test_a_killed_stack_goes_on_exactly(stop: int, store: EpisodeStore, undisturbed: list[Record]) -> None:
    """Before the online phase, at its beginning after update 4, and in it, with one episode and with two."""
    assert_same(trained(store, RUNS, stop=stop, keep_learner=True), undisturbed)


def test_a_stack_of_three_equals_three_stacks_of_one(store: EpisodeStore, undisturbed: list[Record]) -> None:
    for run, expected in zip(RUNS, undisturbed, strict=True):
        assert_same(trained(store, [run], keep_learner=True), [expected])
    assert_same(trained(store, RUNS[::-1], padded=4, keep_learner=True), undisturbed[::-1])


def test_members_collect_their_own_episodes_towards_the_goal(undisturbed: list[Record]) -> None:
    first, second, _ = (record.kept["online/observations"] for record in undisturbed)
    assert first.shape == (2, 21, 2)
    starts = np.concatenate([first[:, 0], second[:, 0]])
    assert len(np.unique(starts, axis=0)) == len(starts)
    actions = undisturbed[0].kept["online/actions"]
    assert (np.abs(actions) <= 1.0).all()
    np.testing.assert_allclose(first[:, 1:], np.clip(first[:, :-1] + actions, -5.0, 5.0), atol=1e-5)
    np.testing.assert_array_equal(first, undisturbed[0].kept["online/achieved_goals"])
    assert [update for update in range(10) if due(BUDGET, update)] == [4, 7]
    assert not any(due(OFFLINE, update) for update in range(10))


def test_offline_the_run_is_that_of_a_budget_without_an_online_phase(
    store: EpisodeStore, undisturbed: list[Record]
) -> None:
    records = trained(store, [replace(run, budget=OFFLINE) for run in RUNS])
    for record, other in zip(records, undisturbed, strict=True):
        np.testing.assert_array_equal(record.evaluations[4].distances, other.evaluations[4].distances)
        assert not record.policy["bridge/b0"].any()
    assert _has_schedule(RUNS[0])  # no longer run goes on from one with an online phase
    assert not _has_schedule(replace(RUNS[0], budget=OFFLINE))


def test_the_representation_and_the_bridge_stand_still_online(store: EpisodeStore) -> None:
    learner = build_learner(RUNS, store, torch.device("cpu"))
    for _ in range(3):
        learner.update()
    before = saved(learner)
    learner.begin_online()
    bridged = saved(learner)
    learner.update()
    for old, new, last in zip(before, bridged, saved(learner), strict=True):
        assert {name for name in old if not np.array_equal(old[name], new[name])} == {"bridge/b0"}
        still = {name.partition("/")[0] for name in new if np.array_equal(new[name], last[name])}
        assert still == {"phi", "bridge"}


def test_an_environment_of_many_goals_is_refused() -> None:
    with pytest.raises(DeclarationError, match="Wandering: goals = 1 is not valid; its environment has the goals"):
        only_goal(Task("Wandering", PointReach, threshold=1.0, horizon=20, goals=1))
    np.testing.assert_array_equal(only_goal(TASK), [3.0, 3.0])


@pytest.mark.parametrize("name", ["pi", "phi"])
def test_a_diverged_member_leaves_the_others_alone(name: str, store: EpisodeStore, undisturbed: list[Record]) -> None:
    learner = build_learner(RUNS, store, torch.device("cpu"))
    net = learner.nets[name]
    records = [Record(run.content()) for run in RUNS]

    def keep(_: object) -> None:
        if records[0].update == 4:  # the bridge and an episode come before the next evaluation
            net.by_member(net.leaves(net.flat.detach())["b0"])[1].fill_(math.nan)

    train(RUNS, learner, records, keep=keep, tick=lambda _: None, keep_learner=True)
    assert (records[1].status, records[1].update) == (DIVERGED, 6)
    assert_same([records[0], records[2]], [undisturbed[0], undisturbed[2]])


def begun(method: U2O) -> Learner:
    learner = stack(method, room=3)
    for _ in range(2):
        learner.update()
    learner.begin_online()
    add_episodes(learner, 0)
    return learner


def add_episodes(learner: Learner, seed: int) -> None:
    """Give each member an episode."""
    assert learner.experience is not None
    learner.experience.add([pool(seed + member).first(1) for member in range(3)])


def test_replayed_online_updates_equal_eager_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with the next episode, which must reach the captured tensors."""
    monkeypatch.setenv("SMORE_SWEEP_KERNELS", "torch")
    replayed, eager = begun(METHOD), begun(METHOD)
    update = Updates(replayed, AUTO, TapeRecorder(replayed))
    for learner, step in ((replayed, update), (eager, eager.update)):
        for _ in range(WARM_UP + 2):
            step()
        add_episodes(learner, 9)
        step()
    for state, expected in zip(replayed.state(), eager.state(), strict=True):
        assert_equal(state, expected)
    assert replayed.state()[0]["online/actions"].shape == (2, HORIZON, 2)
