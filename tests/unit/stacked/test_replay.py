"""Batches: their rows belong together, rewards fit the goals, inputs are normalised."""

from __future__ import annotations

import numpy as np
import torch

from smore_sweep.episodes import Episodes
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from tests.unit.stacked.world import (
    CPU,
    MEMBERS,
    THRESHOLD,
    N,
    T,
    achieved,
    commanded,
    grid,
    observed,
    own_arrays,
    replay,
)


def test_offsets_count_the_steps_from_the_next_state_to_the_goal() -> None:
    world = replay()
    drawn = world.goals.future_goals(grid(3, N, T, 6, 2), torch.full((3, 1), 0.5))
    offsets = world.batch(drawn, offsets=True).offsets
    assert offsets is not None
    for member in range(3):
        for row, (episode, time, goal) in enumerate(observed(world, drawn, member)):
            ahead = int(offsets[member, row])
            if goal == commanded(*episode):
                assert ahead == 0
            else:
                assert goal == achieved(*episode, time + 1 + ahead)
    assert offsets.max() == T - 1


def test_joined_draws_follow_each_other() -> None:
    world = replay()
    first, second = world.goals.own_goals(grid(3, N, T)), world.goals.own_goals(grid(3, N, T).flip(-1))
    for member in range(3):
        both = observed(world, first, member) + observed(world, second, member)
        assert observed(world, first.joined(second), member) == both


def test_inputs_are_normalised_by_each_members_own_statistics() -> None:
    raw, world = replay(), replay(normalize=True)
    drawn = raw.goals.future_goals(grid(3, N, T, 6, 2), torch.full((3, 1), 0.5))
    plain, normal = raw.batch(drawn, initial=True), world.batch(drawn, initial=True)
    for member, experts in enumerate(MEMBERS):
        observations, goals = own_arrays(experts)
        for name, data in (
            ("observations", observations),
            ("next_observations", observations),
            ("initial_observations", observations),
            ("goals", goals),
            ("achieved_goals", goals),
        ):
            expected = (getattr(plain, name)[member].double().numpy() - data.mean()) / data.std()
            assert np.abs(expected).max() < 5
            np.testing.assert_allclose(getattr(normal, name)[member].numpy(), expected, rtol=1e-5, atol=1e-6)
    assert torch.equal(normal.rewards, plain.rewards)
    assert torch.equal(normal.actions, plain.actions)
    assert 0 < float((plain.rewards == 0).float().mean()) < 1


def test_normalised_inputs_have_a_floor_and_a_clip() -> None:
    def constant(count: int) -> Episodes:
        observations = np.full((count, T + 1, 2), 7.0, np.float32)
        observations[:, :, 1] += np.linspace(0, 0.002, count, dtype=np.float32)[:, None]  # deviates by less than 0.01
        goals = np.full((count, T + 1, 1), -3.0, np.float32)
        return Episodes(observations, np.zeros((count, T, 1), np.float32), goals, goals[:, 0])

    store = EpisodeStore.build(constant(2), constant(2), THRESHOLD)
    world = Replay(store, expert_episodes=[1], episodes=2, threshold=THRESHOLD, normalize=True, device=CPU)
    mean = store.states[: T + 1, 1].astype(np.float64).mean()  # both episodes are their pool's first
    inputs = torch.tensor([[[7.01, mean], [7.0, mean + 0.005], [107.0, -100.0]]], dtype=torch.float32)
    got = world.normalize_observations(inputs)[0]
    # Divided by the floor 0.01, not by 0: (1, 0), (0, 0.5); the rest is clipped at +-5.
    torch.testing.assert_close(got, torch.tensor([[1.0, 0.0], [0.0, 0.5], [5.0, -5.0]]), rtol=0.0, atol=2e-4)
    goals = world.normalize_goals(torch.tensor([[[-3.0], [-2.97], [1e6]]]))[0, :, 0]
    torch.testing.assert_close(goals, torch.tensor([0.0, 3.0, 5.0]), rtol=0.0, atol=1e-4)


def test_distance_decides_about_the_reward_in_every_dimension() -> None:
    """A 3-4-5 triangle: the threshold is inclusive, |ag' - g| > threshold costs 1."""
    goals = np.array([[[0, 0], [3, 4], [3, 4.5]]], np.float32)
    data = Episodes(
        np.zeros((1, 3, 1), np.float32), np.zeros((1, 2, 1), np.float32), goals, np.zeros((1, 2), np.float32)
    )
    store = EpisodeStore.build(data, data, 5.0)
    world = Replay(store, expert_episodes=[0], episodes=1, threshold=5.0, normalize=False, device=CPU)
    batch = world.batch(world.goals.own_goals(torch.tensor([[[0.0, 0.0]], [[0.0, 0.5]]])))
    assert batch.rewards.tolist() == [[0.0, -1.0]]
