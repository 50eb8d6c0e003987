"""The tables that all stacks read: which goals are reached, and the statistics of nested datasets."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

from smore_sweep.episodes import Episodes
from smore_sweep.stacked import episode_store
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from tests.unit.stacked.world import EXPERT, RANDOM, THRESHOLD, N, own_arrays, pool_of


def test_hits_are_the_times_within_the_threshold_of_the_commanded_goal() -> None:
    """A 3-4-5 triangle: the threshold is inclusive, and no transition ends at time 0."""
    goals = np.array([[[0, 0], [3, 4], [3, 4.5]]], np.float32)
    data = Episodes(
        np.zeros((1, 3, 1), np.float32), np.zeros((1, 2, 1), np.float32), goals, np.zeros((1, 2), np.float32)
    )
    assert EpisodeStore.build(data, data, 5.0).hits.tolist() == [[0, 1], [1, 1]]


@pytest.mark.parametrize("piece", [1, 5, 10_000])
@pytest.mark.parametrize("experts", [0, 1, 3])
def test_statistics_are_those_of_the_dataset(experts: int, piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episode_store, "PIECE", piece)
    store = EpisodeStore.build(pool_of(0, EXPERT), pool_of(1, RANDOM), THRESHOLD)
    observations, goals = own_arrays(experts)
    expected = [statistic for data in (observations, goals) for statistic in (data.mean(), 1 / data.std())]
    np.testing.assert_allclose(np.concatenate(store.statistics(experts, N)), expected, rtol=1e-12)


def whole(count: int, seed: int) -> Episodes:
    """Episodes of 40 steps whose goals are whole observations of nine numbers."""
    random = np.random.default_rng(seed)
    observations = random.normal(size=(count, 41, 9)).astype(np.float32)
    actions = random.uniform(-1, 1, (count, 40, 2)).astype(np.float32)
    return Episodes(observations, actions, observations.copy(), observations[:, -1])


def test_goals_that_are_whole_observations_are_kept_once() -> None:
    """In memory and where a store is sent: a row a state, a row a commanded goal, and the actions."""
    expert, other = whole(20, 0), whole(10, 1)
    store = EpisodeStore.build(expert, other, 0.1)
    assert store.separate_states is None
    assert np.shares_memory(store.states, store.goals)
    numbers = 30 * 41 * 9 + 30 * 9 + 30 * 40 * 2
    assert sum(array.nbytes for array in (store.goals, store.actions)) == 4 * numbers
    assert len(pickle.dumps(store)) < 4 * numbers + store.hits.nbytes + 2_000
    moved = replace(other, achieved_goals=other.achieved_goals + 1)
    assert EpisodeStore.build(expert, moved, 0.1).separate_states is not None


@pytest.mark.parametrize("normalize", [False, True])
def test_batches_are_the_same_with_goals_kept_once(normalize: bool) -> None:
    once = EpisodeStore.build(whole(4, 0), whole(3, 1), 0.1)
    twice = replace(once, separate_states=np.concatenate([once.states, once.states], -1))
    batches = []
    for store in (once, twice):
        world = Replay(
            store, expert_episodes=[3, 1], episodes=4, threshold=0.1, normalize=normalize, device=torch.device("cpu")
        )
        uniform = torch.rand(5, 2, 50, generator=torch.Generator().manual_seed(0))
        batches.append(world.batch(world.goals.random_goals(uniform, torch.tensor([[0.5], [1.0]])), initial=True))
    assert batches[0].others == batches[1].others == {}
    for name, expected in vars(batches[1]).items():
        if name == "others":
            continue
        assert (expected is None) == (vars(batches[0])[name] is None)
        assert expected is None or torch.equal(vars(batches[0])[name], expected), name


def test_goals_that_are_observations_to_a_method_are_normalised_as_those() -> None:
    """A state is the same to its networks as an observation and as a goal."""
    far = replace(whole(4, 0), desired_goals=np.full((4, 9), 50.0, np.float32))
    store = EpisodeStore.build(far, far.first(0), 0.1)
    for whole_goals in (True, False):
        world = Replay(
            store, expert_episodes=[4], episodes=4, threshold=0.1, normalize=True, whole_goals=whole_goals,
            device=torch.device("cpu"),
        )  # fmt: skip
        batch = world.batch(world.goals.own_goals(torch.rand(2, 1, 50)))
        assert torch.equal(batch.observations, batch.achieved_goals) == whole_goals


def test_a_single_pool_is_not_copied() -> None:
    """Its arrays may be files of gigabytes that are mapped into memory."""
    pool = whole(3, 0)
    store = EpisodeStore.build(pool, pool.first(0), 0.1)
    assert np.shares_memory(store.actions, pool.actions)
