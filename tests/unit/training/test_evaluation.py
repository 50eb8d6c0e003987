"""Evaluation: a member's outcomes are its own policy's, episode by episode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smore_sweep.results.outcomes import Outcomes
from smore_sweep.stacked.rng import Draws
from smore_sweep.tasks import task
from smore_sweep.training.evaluation import ROWS, evaluate

TASK = task("PointReach")


class Towards:
    """Moves by a share of the way to the goal, and counts its calls."""

    def __init__(self, share: float) -> None:
        self.share, self.calls = share, 0

    def act(self, observations: NDArray[np.float32], goals: NDArray[np.float32], draws: Draws) -> NDArray[np.float32]:
        assert observations.shape[:2] == goals.shape[:2] == (1, ROWS)
        self.calls += 1
        actions: NDArray[np.float32] = np.clip(self.share * (goals - observations[..., : goals.shape[-1]]), -1.0, 1.0)
        return actions


def same(first: Outcomes, second: Outcomes, episodes: int) -> bool:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(np.array_equal(one[:episodes], other[:episodes]) for one, other in pairs)


def test_members_act_for_themselves_and_only_when_rolled_out() -> None:
    actors = {3: Towards(1.0), 5: Towards(-1.0)}
    outcomes = evaluate(actors, TASK, episodes=ROWS + 1)
    assert list(outcomes) == [3, 5]
    assert [actor.calls for actor in actors.values()] == [2 * TASK.horizon] * 2
    assert outcomes[3].distances[:, -1].max() < outcomes[5].distances[:, -1].min()
    alone = evaluate({0: Towards(1.0)}, TASK, episodes=ROWS + 1)[0]
    assert same(outcomes[3], alone, ROWS + 1)


def test_the_first_episodes_do_not_depend_on_how_many_there_are() -> None:
    few, many = (evaluate({0: Towards(1.0)}, TASK, episodes=count)[0] for count in (2, 2 * ROWS + 1))
    assert few.distances.shape == (2, TASK.horizon)
    assert same(few, many, 2)
