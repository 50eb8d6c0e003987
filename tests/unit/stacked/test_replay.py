"""Relabelling samplers, checked exactly: a world whose every row says where it comes from, and exhaustive uniforms.

Three expert and four random episodes of three actions. Observations, actions and goals are numbers that encode (pool,
episode, time); a commanded goal lies 0.25 beside the achieved goals that reach it. Uniform numbers run over a grid that
hits every outcome equally often, so relative frequencies must equal probabilities, as fractions.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes
from smore_sweep.stacked.replay import EpisodeStore, Replay, Transitions

T = 3
EXPERT, RANDOM = 3, 4
N = 4
MEMBERS = (0, 1, 3)
THRESHOLD = 0.5
CPU = torch.device("cpu")

# The time at which an episode's commanded goal is reached, if any. Time 0 is no transition's end.
REACHED = {(0, 0): 3, (0, 1): None, (0, 2): 1, (1, 0): 2, (1, 1): 0, (1, 2): None, (1, 3): 2}
# Twice in one episode: expert episode 2 also at time 3.
AGAIN = {(0, 2): 3}

Episode = tuple[int, int]
Draw = tuple[Episode, int, float]


def code(pool: int, episode: int, time: int) -> float:
    return 1000.0 * pool + 100.0 * episode + 10.0 * time


def achieved(pool: int, episode: int, time: int) -> float:
    """The achieved goal encodes where it is, but where a goal is reached again it is (almost) the first one."""
    if AGAIN.get((pool, episode)) == time:
        return code(pool, episode, REACHED[pool, episode] or 0) + 0.125
    return code(pool, episode, time)


def commanded(pool: int, episode: int) -> float:
    time = REACHED[pool, episode]
    return code(pool, episode, 5) if time is None else code(pool, episode, time) + 0.25


def pool_of(pool: int, count: int, reach: bool = True) -> Episodes:
    def rows(times: Iterable[int], value: Callable[[int, int, int], float]) -> NDArray[np.float32]:
        return np.array([[[value(pool, n, t)] for t in times] for n in range(count)], np.float32)

    goals = np.array([[commanded(pool, n) if reach else 9e4] for n in range(count)], np.float32)
    return Episodes(rows(range(T + 1), code), rows(range(T), code) / 1e4, rows(range(T + 1), achieved), goals)


def replay(
    members: tuple[int, ...] = MEMBERS, *, normalize: bool = False, expert_reach: bool = True, random_reach: bool = True
) -> Replay:
    store = EpisodeStore.build(pool_of(0, EXPERT, expert_reach), pool_of(1, RANDOM, random_reach), THRESHOLD)
    return Replay(store, expert_episodes=members, episodes=N, threshold=THRESHOLD, normalize=normalize, device=CPU)


def own_episodes(experts: int) -> list[Episode]:
    return [(0, n) for n in range(experts)] + [(1, n) for n in range(N - experts)]


def grid(members: int, *sizes: int) -> torch.Tensor:
    """Midpoints of every combination of cells, the same for each member: ``[len(sizes), members, product]``."""
    points = torch.tensor(list(itertools.product(*([(i + 0.5) / size for i in range(size)] for size in sizes)))).T
    return points[:, None].expand(-1, members, -1)


def observed(world: Replay, drawn: Transitions, member: int) -> list[Draw]:
    """(episode, time, goal) of each row, read from the batch; checks that the row's parts belong together."""
    batch = world.batch(drawn, initial=True)
    assert batch.initial_observations is not None
    found = []
    for row in range(batch.observations.shape[1]):
        observation = round(float(batch.observations[member, row, 0]))
        pool, episode, time = observation // 1000, observation % 1000 // 100, observation % 100 // 10
        assert 0 <= time < T
        assert float(batch.next_observations[member, row, 0]) == code(pool, episode, time + 1)
        assert float(batch.achieved_goals[member, row, 0]) == achieved(pool, episode, time)
        assert float(batch.initial_observations[member, row, 0]) == code(pool, episode, 0)
        assert float(batch.actions[member, row, 0]) == pytest.approx(observation / 1e4)
        goal = float(batch.goals[member, row, 0])
        far = abs(achieved(pool, episode, time + 1) - goal) > THRESHOLD
        assert float(batch.rewards[member, row]) == (-1.0 if far else 0.0)
        found.append(((pool, episode), time, goal))
    return found


def shares(draws: list[Draw]) -> dict[Draw, Fraction]:
    return {draw: Fraction(count, len(draws)) for draw, count in Counter(draws).items()}


def added(parts: Iterable[tuple[Draw, Fraction]]) -> dict[Draw, Fraction]:
    total: dict[Draw, Fraction] = {}
    for draw, share in parts:
        total[draw] = total.get(draw, Fraction(0)) + share
    return {draw: share for draw, share in total.items() if share}


def mixture(*parts: tuple[Fraction, dict[Draw, Fraction]]) -> dict[Draw, Fraction]:
    return added((draw, weight * share) for weight, part in parts for draw, share in part.items())


def with_commanded_goals(experts: int) -> dict[Draw, Fraction]:
    episodes = own_episodes(experts)
    return {(e, t, commanded(*e)): Fraction(1, len(episodes) * T) for e in episodes for t in range(T)}


def futures(experts: int) -> list[tuple[Episode, int, int, Fraction]]:
    """(episode, time, time of the future goal, probability)."""
    episodes = own_episodes(experts)
    times = [(t, future) for t in range(T) for future in range(t + 1, T + 1)]
    return [(e, t, future, Fraction(1, N * T * (T - t))) for e in episodes for t, future in times]


def with_future_goals(experts: int) -> dict[Draw, Fraction]:
    return added(((e, t, achieved(*e, future)), share) for e, t, future, share in futures(experts))


def entering_future_goals(experts: int) -> dict[Draw, Fraction]:
    return added(((e, future - 1, achieved(*e, future)), share) for e, _, future, share in futures(experts))


def entering_own_goals(experts: int) -> dict[Draw, Fraction]:
    hits = [
        (e, t - 1, commanded(*e))
        for e in own_episodes(experts)
        for t in range(1, T + 1)
        if abs(achieved(*e, t) - commanded(*e)) <= THRESHOLD
    ]
    return {hit: Fraction(1, len(hits)) for hit in hits}


def test_the_world_has_what_the_tests_need() -> None:
    # Expert 0 at 3, expert 2 at 1 and 3, random 0 and 3 at 2; random 1 only at time 0, which no transition enters.
    assert len(entering_own_goals(0)) == 2
    assert len(entering_own_goals(1)) == 2
    assert len(entering_own_goals(3)) == 4


def test_own_goals_are_uniform_over_each_members_transitions() -> None:
    world = replay()
    drawn = world.own_goals(grid(3, N, T))
    for member, experts in enumerate(MEMBERS):
        assert shares(observed(world, drawn, member)) == with_commanded_goals(experts)


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_future_goals(her_ratio: float) -> None:
    world = replay()
    drawn = world.future_goals(grid(3, N, T, 6, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        share = Fraction(her_ratio)
        expected = mixture((share, with_future_goals(experts)), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_geometric_future_goals(her_ratio: float) -> None:
    """With a discount of 1/2 the steps ahead have odds 4 : 2 : 1, cut off at the episode's end; 42 cells hit every
    boundary of 1/7 and 1/3."""
    world = replay()
    drawn = world.future_goals(grid(3, N, T, 42, 4), torch.full((3, 1), her_ratio), discount=0.5)
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
    drawn = world.next_goals(grid(3, N, T, 1, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        following = {(e, t, achieved(*e, t + 1)): Fraction(1, N * T) for e in own_episodes(experts) for t in range(T)}
        share = Fraction(her_ratio)
        expected = mixture((share, following), (1 - share, with_commanded_goals(experts)))
        assert shares(observed(world, drawn, member)) == expected


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_random_goals(her_ratio: float) -> None:
    world = replay()
    drawn = world.random_goals(grid(3, N, T, N, 4, T), torch.full((3, 1), her_ratio))
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


def test_offsets_count_the_steps_from_the_next_state_to_the_goal() -> None:
    world = replay()
    drawn = world.future_goals(grid(3, N, T, 6, 2), torch.full((3, 1), 0.5))
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


@pytest.mark.parametrize("her_ratio", [0.0, 0.75, 1.0])
def test_goal_transitions(her_ratio: float) -> None:
    world = replay()
    drawn = world.goal_transitions(grid(3, N, T, 6, 4), torch.full((3, 1), her_ratio))
    for member, experts in enumerate(MEMBERS):
        share = Fraction(her_ratio)
        expected = mixture((share, entering_future_goals(experts)), (1 - share, entering_own_goals(experts)))
        draws = observed(world, drawn, member)
        assert shares(draws) == expected
        assert all(abs(achieved(*episode, time + 1) - goal) <= THRESHOLD for episode, time, goal in draws)


def away(experts: int) -> list[tuple[Episode, int, int, Fraction]]:
    """Of the futures, those whose goal is not that of the start, with their odds."""
    return [(e, t, f, share) for e, t, f, share in futures(experts) if abs(achieved(*e, f) - achieved(*e, t)) > 0.5]


@pytest.mark.parametrize("entering", [False, True])
def test_moved_goals_are_hindsight_goals_given_that_they_lie_away(entering: bool) -> None:
    """Expert episode 2 is at one place at times 1 and 3, so one of its futures does not count, and its transition at
    time 1 weighs half of what the others do: the grid has a cell for each half."""
    world = replay()
    for member, experts in enumerate(MEMBERS):
        odds = away(experts)
        total = sum(share for *_, share in odds)
        assert total == (Fraction(23, 24) if experts == 3 else 1)
        uniform = grid(3, int(24 * total), 1, 6, 1)
        drawn = world.moved(world.own_goals(uniform[:2]), uniform, 1.0, entering=entering)
        expected = added(((e, f - 1 if entering else t, achieved(*e, f)), share / total) for e, t, f, share in odds)
        assert shares(observed(world, drawn, member)) == expected


def test_only_a_share_of_the_goals_is_moved_and_none_where_nothing_moves() -> None:
    world, uniform = replay(), grid(3, 24, 1, 6, 4)
    own = world.own_goals(uniform[:2])
    drawn = world.moved(own, uniform, 0.25, entering=False)
    kept = uniform[3] >= 0.25
    assert torch.equal(drawn.goal[kept], own.goal[kept])
    assert (drawn.goal[~kept] != own.goal[~kept]).all()  # commanded goals are never achieved ones

    still = pool_of(0, EXPERT)
    still.achieved_goals[:] = 1.0
    store = EpisodeStore.build(still, still, THRESHOLD)
    frozen = Replay(store, expert_episodes=[1], episodes=3, threshold=THRESHOLD, normalize=False, device=CPU)
    own = frozen.own_goals(uniform[:2, :1])
    assert torch.equal(frozen.moved(own, uniform[:, :1], 1.0, entering=False).goal, own.goal)


def test_her_ratio_is_one_per_member() -> None:
    world, uniform = replay(), grid(3, N, T, 6, 4)
    ratios = torch.tensor([[0.0], [0.5], [1.0]])
    drawn = world.future_goals(uniform, ratios)
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
    drawn = world.goal_transitions(grid(3, 12, T, 6, 1), torch.zeros(3, 1))
    for member, experts in enumerate(members):
        by_experts = {hit for hit in entering_own_goals(experts) if hit[0][0] == 0} if expert_reach else set()
        expected = {hit: Fraction(1, len(by_experts)) for hit in by_experts} or entering_future_goals(experts)
        assert shares(observed(world, drawn, member)) == expected


def test_joined_draws_follow_each_other() -> None:
    world = replay()
    first, second = world.own_goals(grid(3, N, T)), world.own_goals(grid(3, N, T).flip(-1))
    for member in range(3):
        both = observed(world, first, member) + observed(world, second, member)
        assert observed(world, first.joined(second), member) == both


def test_extreme_uniforms_stay_inside() -> None:
    world = replay()
    largest = torch.full((4, 3, 1), 1.0 - 2.0**-24)
    ratio = torch.full((3, 1), 1.0)
    for drawn in (
        world.future_goals(largest, ratio),
        world.future_goals(largest, ratio, discount=0.99),
        world.goal_transitions(largest, ratio),
    ):
        for member, experts in enumerate(MEMBERS):
            ((episode, time, goal),) = observed(world, drawn, member)
            assert episode == own_episodes(experts)[-1]
            assert (time, goal) == (T - 1, achieved(*episode, T))


def own_arrays(experts: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observations and goals (achieved and commanded) of a member's dataset."""
    episodes = own_episodes(experts)
    observations = np.array([code(*e, t) for e in episodes for t in range(T + 1)])
    goals = np.array([achieved(*e, t) for e in episodes for t in range(T + 1)] + [commanded(*e) for e in episodes])
    return observations, goals


def test_inputs_are_normalised_by_each_members_own_statistics() -> None:
    raw, world = replay(), replay(normalize=True)
    drawn = raw.future_goals(grid(3, N, T, 6, 2), torch.full((3, 1), 0.5))
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
    batch = world.batch(world.own_goals(torch.tensor([[[0.0, 0.0]], [[0.0, 0.5]]])))
    assert batch.rewards.tolist() == [[0.0, -1.0]]
    assert store.hits.tolist() == [[0, 1], [1, 1]]


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
