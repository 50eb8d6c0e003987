"""What members learn from online: all transitions of their datasets and of their own episodes, alike."""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch

from smore_sweep.episodes import Episodes
from smore_sweep.stacked.experience import Experience
from tests.unit.stacked.world import MEMBERS, N, T, code, grid, own_episodes, replay

OWN = 2
"""Collected episodes; the world has N in a dataset."""
GOAL = code(0, 0, 2)


def collected(member: int, number: int) -> Episodes:
    """An episode that encodes its member and number, apart from the world's; its second state is at the goal."""
    states = np.array([[[code(10 + member, number, t)] for t in range(T + 1)]], np.float32)
    achieved = states.copy()
    achieved[0, 1] = GOAL + 0.25
    return Episodes(states, states[:, :-1] / 1e5, achieved, np.full((1, 1), GOAL, np.float32))


def experience(normalize: bool = False) -> Experience:
    made = Experience(replay(normalize=normalize), 3, np.array([GOAL], np.float32))
    for number in range(OWN):
        made.add([collected(member, number) for member in range(len(MEMBERS))])
    return made


UNIFORM = grid(len(MEMBERS), N + OWN, N * OWN, T)
"""Every transition of a dataset appears ``OWN * OWN * N / N`` times, as does every collected one."""


def test_all_transitions_are_drawn_alike_and_rows_belong_together() -> None:
    batch = experience().batch(UNIFORM)
    for member, experts in enumerate(MEMBERS):
        names = ("observations", "next_observations", "actions", "achieved_goals", "goals")
        columns = [getattr(batch, name)[member, :, 0].tolist() for name in names]
        counts: Counter[float] = Counter()
        for state, following, action, achieved, goal, reward in zip(
            *columns, batch.rewards[member].tolist(), strict=True
        ):
            counts[state] += 1
            own = state >= code(10, 0, 0)
            assert following == state + 10
            np.testing.assert_allclose(action, state / (1e5 if own else 1e4), rtol=1e-6)
            assert goal == GOAL
            at_goal = following % 100 == 10 if own else following == GOAL
            assert reward == (0.0 if at_goal else -1.0)
            assert own or achieved // 100 == state // 100
        mine = [(10 + member, number) for number in range(OWN)]
        expected = {code(*episode, t) for episode in [*own_episodes(experts), *mine] for t in range(T)}
        assert set(counts) == expected
        assert len(set(counts.values())) == 1


def test_before_the_first_episode_it_is_the_dataset() -> None:
    empty = Experience(replay(), 3, np.array([GOAL], np.float32))
    seen = empty.batch(grid(len(MEMBERS), 7, N, T))
    for member, experts in enumerate(MEMBERS):
        states = set(seen.observations[member, :, 0].tolist())
        assert states == {code(*episode, t) for episode in own_episodes(experts) for t in range(T)}
    assert empty.state() == [{}] * len(MEMBERS)


def test_inputs_are_normalised_as_those_of_the_dataset_are() -> None:
    world = replay(normalize=True)
    raw, normal = experience().batch(UNIFORM), experience(normalize=True).batch(UNIFORM)
    for name in ("observations", "next_observations"):
        assert torch.equal(getattr(normal, name), world.normalize_observations(getattr(raw, name)))
    for name in ("goals", "achieved_goals"):
        assert torch.equal(getattr(normal, name), world.normalize_goals(getattr(raw, name)))
    assert torch.equal(normal.rewards, raw.rewards)


def test_a_restored_state_is_read_alike_and_takes_the_next_episode() -> None:
    made, restored = experience(), Experience(replay(), 3, np.array([GOAL], np.float32))
    restored.add([collected(5, 7)] * len(MEMBERS))
    assert restored.load(made.state())
    for each in (made, restored):
        each.add([collected(member, 2) for member in range(len(MEMBERS))])
    first, second = made.batch(UNIFORM), restored.batch(UNIFORM)
    assert torch.equal(first.observations, second.observations)
    assert torch.equal(first.actions, second.actions)
    assert not restored.load([{}] * len(MEMBERS))
    assert (restored.batch(UNIFORM).observations < code(2, 0, 0)).all()  # the datasets alone
