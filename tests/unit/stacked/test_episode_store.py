"""The tables that all stacks read: which goals are reached, and the statistics of nested datasets."""

from __future__ import annotations

import numpy as np
import pytest

from smore_sweep.episodes import Episodes
from smore_sweep.stacked import episode_store
from smore_sweep.stacked.episode_store import EpisodeStore
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
