"""The samplers of transitions and goals: relative frequencies equal probabilities, exactly."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
import torch

from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from tests.unit.stacked.world import (
    CPU,
    EXPERT,
    MEMBERS,
    RANDOM,
    THRESHOLD,
    N,
    T,
    achieved,
    added,
    entering_future_goals,
    entering_own_goals,
    grid,
    mixture,
    observed,
    own_episodes,
    pool_of,
    replay,
    shares,
    with_commanded_goals,
    with_future_goals,
)


def test_the_world_has_what_the_tests_need() -> None:
    # Expert 0 at 3, expert 2 at 1 and 3, random 0 and 3 at 2; random 1 only at time 0, which no transition enters.
    assert len(entering_own_goals(0)) == 2
    assert len(entering_own_goals(1)) == 2
    assert len(entering_own_goals(3)) == 4


def test_own_goals_are_uniform_over_each_members_transitions() -> None:
    world = replay()
    drawn = world.goals.own_goals(grid(3, N, T))
    for member, experts in enumerate(MEMBERS):
        assert shares(observed(world, drawn, member)) == with_commanded_goals(experts)


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_future_goals(her_ratio: float) -> None:
    world = replay()
    drawn = world.goals.future_goals(grid(3, N, T, 6, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        share = Fraction(her_ratio)
        expected = mixture((share, with_future_goals(experts)), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_geometric_future_goals(her_ratio: float) -> None:
    """With a discount of 1/2 the steps ahead have odds 4 : 2 : 1, cut off at the episode's end; 42 cells hit every
    boundary of 1/7 and 1/3."""
    world, log_discount = replay(), torch.full((3, 1), math.log(0.5))
    drawn = world.goals.future_goals(grid(3, N, T, 42, 4), torch.full((3, 1), her_ratio), log_discount=log_discount)
    for member, experts in enumerate(MEMBERS):
        geometric = added(
            ((e, t, achieved(*e, t + k)), Fraction(1, N * T) * Fraction(2 ** (T - t - k), 2 ** (T - t) - 1))
            for e in own_episodes(experts)
            for t in range(T)
            for k in range(1, T - t + 1)
        )
        share = Fraction(her_ratio)
        expected = mixture((share, geometric), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_next_goals(her_ratio: float) -> None:
    world = replay()
    drawn = world.goals.next_goals(grid(3, N, T, 1, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        following = {(e, t, achieved(*e, t + 1)): Fraction(1, N * T) for e in own_episodes(experts) for t in range(T)}
        share = Fraction(her_ratio)
        expected = mixture((share, following), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_random_goals(her_ratio: float) -> None:
    world = replay()
    drawn = world.goals.random_goals(grid(3, N, T, N, 4, T), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        episodes = own_episodes(experts)
        anywhere = added(
            ((e, t, achieved(*other, when)), Fraction(1, (N * T) ** 2))
            for e, other in itertools.product(episodes, episodes)
            for t in range(T)
            for when in range(1, T + 1)
        )
        share = Fraction(her_ratio)
        expected = mixture((share, anywhere), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_goal_transitions(her_ratio: float) -> None:
    world = replay()
    drawn = world.goals.goal_transitions(grid(3, N, T, 6, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        share = Fraction(her_ratio)
        expected = mixture((share, entering_future_goals(experts)), (1 - share, entering_own_goals(experts)))
        draws = observed(world, drawn, member)
        assert shares(draws) == expected
        assert all(abs(achieved(*episode, time + 1) - goal) <= THRESHOLD for episode, time, goal in draws)


def test_her_ratio_is_one_per_member() -> None:
    world, uniform = replay(), grid(3, N, T, 6, 4)
    ratios = torch.tensor([[0.0], [0.5], [1.0]])
    drawn = world.goals.future_goals(uniform, ratios)
    for member, (experts, share) in enumerate(zip(MEMBERS, (Fraction(0), Fraction(1, 2), Fraction(1)), strict=True)):
        expected = mixture((share, with_future_goals(experts)), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize(
    ("members", "expert_reach", "random_reach"),
    [
        ((0, 1, 3), False, False),  # nobody ever reaches a commanded goal
        ((0, 0, 0), True, False),  # only experts do, and no member has any
        ((0, 1, 3), True, False),  # only experts do, and the first member has none of them
    ],
)
def test_members_without_a_goal_transition_of_their_own_always_relabel(
    members: tuple[int, ...], expert_reach: bool, random_reach: bool
) -> None:
    world = replay(members, expert_reach=expert_reach, random_reach=random_reach)
    # 12 cells in the first dimension: 4 episodes or 3 hits.
    drawn = world.goals.goal_transitions(grid(3, 12, T, 6, 1), torch.zeros(3, 1))
    for member, experts in enumerate(members):
        by_experts = {hit for hit in entering_own_goals(experts) if hit[0][0] == 0} if expert_reach else set()
        expected = {hit: Fraction(1, len(by_experts)) for hit in by_experts} or entering_future_goals(experts)
        assert shares(observed(world, drawn, member)) == expected


def test_extreme_uniforms_stay_inside() -> None:
    world = replay()
    largest = torch.full((4, 3, 1), 1.0 - 2.0**-24)
    ratio = torch.full((3, 1), 1.0)
    for drawn in (
        world.goals.future_goals(largest, ratio),
        world.goals.future_goals(largest, ratio, log_discount=torch.full((3, 1), math.log(0.99))),
        world.goals.goal_transitions(largest, ratio),
    ):
        for member, experts in enumerate(MEMBERS):
            ((episode, time, goal),) = observed(world, drawn, member)
            assert episode == own_episodes(experts)[-1]
            assert (time, goal) == (T - 1, achieved(*episode, T))


@pytest.mark.parametrize(
    ("members", "episodes", "message"),
    [
        ([4], 4, "4 expert episodes are needed, the store has 3"),
        ([1, 0], 5, "5 random episodes are needed, the store has 4"),
    ],
)
def test_too_few_episodes_are_refused(members: list[int], episodes: int, message: str) -> None:
    store = EpisodeStore.build(pool_of(0, EXPERT), pool_of(1, RANDOM), THRESHOLD)
    with pytest.raises(ValueError, match=message):
        Replay(store, expert_episodes=members, episodes=episodes, threshold=THRESHOLD, normalize=False, device=CPU)
