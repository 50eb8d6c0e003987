"""Mixtures of current, future and random goals: relative frequencies equal probabilities, exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from fractions import Fraction

import pytest
import torch

from smore_sweep.stacked.goal_mixture import GoalMixture
from smore_sweep.stacked.goals import Transitions
from tests.unit.stacked.world import MEMBERS, N, T, grid, own_episodes, replay

Share = dict[tuple[tuple[int, int], int, tuple[tuple[int, int], int]], Fraction]


def _state(row: int) -> tuple[tuple[int, int], int]:
    """The (pool, episode), time of a state row: three expert episodes, then the random ones, of T + 1 states."""
    episode, time = divmod(row, T + 1)
    return ((0, episode) if episode < 3 else (1, episode - 3)), time


def _observed(drawn: Transitions, member: int) -> Share:
    rows = zip(*(field[member].tolist() for field in (drawn.episode, drawn.time, drawn.goal)), strict=True)
    counts = Counter((_state(episode * (T + 1))[0], time, _state(goal)) for episode, time, goal in rows)
    return {key: Fraction(count, sum(counts.values())) for key, count in counts.items()}


def _expected(experts: int, mixture: GoalMixture) -> Share:
    """By the definition: every transition, each kind of goal, its share times its distribution."""
    episodes, end = own_episodes(experts), T - 1
    shares: Share = defaultdict(Fraction)
    for episode in episodes:
        for time in range(T):
            each = Fraction(1, N * T)
            shares[episode, time, (episode, time)] += each * Fraction(mixture.current)
            for goal, share in _future(time, end).items():
                shares[episode, time, (episode, goal)] += each * Fraction(mixture.future) * share
            for other in episodes:
                for when in range(T):
                    shares[episode, time, (other, when)] += each * Fraction(mixture.random) * Fraction(1, N * T)
    return {key: share for key, share in shares.items() if share}


def _future(time: int, end: int) -> dict[int, Fraction]:
    """Uniform over t+1 .. end, but for half weight at both ends (a rounded uniform number)."""
    first = min(time + 1, end)
    if first == end:
        return {end: Fraction(1)}
    inner = {goal: Fraction(1, end - first) for goal in range(first, end + 1)}
    return inner | {first: inner[first] / 2, end: inner[end] / 2}


@pytest.mark.parametrize(
    "shares", [(0.25, 0.5, 0.25), (0.0, 0.5, 0.5), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)]
)
def test_each_goal_has_its_probability(shares: tuple[float, float, float]) -> None:
    world, mixture = replay(), GoalMixture(*shares)
    # 12 cells of the fifth number hit a share of 2/3 evenly, 4 of the last a share of 1/4; T cells the states.
    drawn = world.goals.mixed_goals(grid(3, N, T, 2 * T, N, 6, 4), mixture)
    for member, experts in enumerate(MEMBERS):
        assert _observed(drawn, member) == _expected(experts, mixture)


def test_geometric_goals_beyond_the_end_fall_on_it() -> None:
    world, discount = replay(), 0.5
    drawn = world.goals.mixed_goals(grid(3, N, T, 64, 1, 1, 1), GoalMixture(0.0, 1.0, 0.0, discount))
    assert set((drawn.goal % (T + 1)).flatten().tolist()) == {1, 2}
    at_start = drawn.time[0] == 0
    steps = drawn.goal[0][at_start] % (T + 1)
    assert (steps == 1).float().mean() == 0.5  # P(k = 1) = 1 - discount; all others end at T - 1 = 2
    assert (steps == 2).float().mean() == 0.5


def test_other_goals_of_the_same_transitions_and_hits_by_index() -> None:
    world = replay()
    first = world.goals.mixed_goals(grid(3, N, T, 2, 2, 2, 2), GoalMixture(0.5, 0.5, 0.0))
    second = world.goals.relabelled(first, torch.zeros(4, *first.time.shape), GoalMixture(1.0, 0.0, 0.0))
    assert (first.episode == second.episode).all()
    assert (first.time == second.time).all()
    assert world.goals.at_goal(second).all()
    hits = world.goals.at_goal(first)
    assert (hits == (first.goal == first.episode * (T + 1) + first.time)).all()
    assert 0 < hits.float().mean() < 1


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_states_some_steps_on_and_on_the_way(steps: int) -> None:
    """Cut off at the end of goals and, on the way to a goal of the own future, at that goal; a random goal does not
    count, though it may be of the same episode."""
    world, mixture = replay(), GoalMixture(0.25, 0.5, 0.25)
    uniform = grid(3, N, T, 2 * T, N, 6, 4)
    drawn = world.goals.mixed_goals(uniform, mixture)
    ahead = world.goals.ahead(drawn, steps)
    on_the_way = world.goals.on_the_way(drawn, uniform[2:], mixture, steps)
    for found in (ahead, on_the_way):
        assert torch.equal(found.episode, drawn.episode)
        assert torch.equal(found.time, drawn.time)
    later = (drawn.time + steps).clamp(max=T - 1)
    assert torch.equal(ahead.goal, drawn.episode * (T + 1) + later)
    current = uniform[5] < mixture.current
    future = ~current & (uniform[4] < mixture.future / (1 - mixture.current))
    time_of_goal = torch.where(current, drawn.time, torch.where(future, drawn.goal % (T + 1), T))
    assert torch.equal(on_the_way.goal, drawn.episode * (T + 1) + torch.minimum(later, time_of_goal))
    same = ~current & ~future & (drawn.goal // (T + 1) == drawn.episode) & (drawn.goal < ahead.goal)
    assert same.any()
    assert torch.equal(on_the_way.goal[same], ahead.goal[same])


@pytest.mark.parametrize("shares", [(0.5, 0.5, 0.5), (-0.5, 1.0, 0.5)])
def test_shares_add_up_to_one(shares: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="do not add up to 1"):
        GoalMixture(*shares)
