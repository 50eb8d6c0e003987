"""A world whose every row says where it comes from, and exhaustive uniform numbers.

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
from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.goals import Transitions
from smore_sweep.stacked.replay import Replay

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


def own_arrays(experts: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Observations and goals (achieved and commanded) of a member's dataset."""
    episodes = own_episodes(experts)
    observations = np.array([code(*e, t) for e in episodes for t in range(T + 1)])
    goals = np.array([achieved(*e, t) for e in episodes for t in range(T + 1)] + [commanded(*e) for e in episodes])
    return observations, goals
