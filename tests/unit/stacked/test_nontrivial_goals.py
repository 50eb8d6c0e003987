"""Goals away from the start, against the conditional distribution that defines them."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.replay import Replay
from tests.unit.stacked.world import (
    CPU,
    EXPERT,
    MEMBERS,
    THRESHOLD,
    Episode,
    achieved,
    added,
    futures,
    grid,
    observed,
    pool_of,
    replay,
    shares,
)


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
        drawn = world.goals.nontrivial_goals(world.goals.own_goals(uniform[:2]), uniform, 1.0, entering=entering)
        expected = added(((e, f - 1 if entering else t, achieved(*e, f)), share / total) for e, t, f, share in odds)
        assert shares(observed(world, drawn, member)) == expected


def test_only_a_share_of_the_goals_is_moved_and_none_where_nothing_moves() -> None:
    world, uniform = replay(), grid(3, 24, 1, 6, 4)
    own = world.goals.own_goals(uniform[:2])
    drawn = world.goals.nontrivial_goals(own, uniform, 0.25, entering=False)
    kept = uniform[3] >= 0.25
    assert torch.equal(drawn.goal[kept], own.goal[kept])
    assert (drawn.goal[~kept] != own.goal[~kept]).all()  # commanded goals are never achieved ones

    still = pool_of(0, EXPERT)
    still.achieved_goals[:] = 1.0
    store = EpisodeStore.build(still, still, THRESHOLD)
    frozen = Replay(store, expert_episodes=[1], episodes=3, threshold=THRESHOLD, normalize=False, device=CPU)
    own = frozen.goals.own_goals(uniform[:2, :1])
    assert torch.equal(frozen.goals.nontrivial_goals(own, uniform[:, :1], 1.0, entering=False).goal, own.goal)
