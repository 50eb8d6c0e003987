"""Remembered states: some of a member's own dataset, kept with its policy for acting."""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
import pytest
import torch

from smore_sweep.method import method
from smore_sweep.results.encoding import decode, encode
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import DONE, Record
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.stacked.networks import Networks
from smore_sweep.stacked.replay import normalize
from smore_sweep.stacked.rng import Draws
from smore_sweep.training.learner import Arrays
from smore_sweep.training.policy import REMEMBERED, restore
from tests.contract.best_of_noise import BestOfNoise
from tests.contract.members import EPISODES, EXPERTS, HORIZON, SIZES, assert_equal, stack, store, trained

STATES = 6


@method
class Nearest(BestOfNoise):
    """It takes the action of a remembered state and its own goal that is nearest to its action here."""

    name: ClassVar[str] = "Nearest"

    @property
    def remembers(self) -> int:
        return STATES

    def recall(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return nets["pi"].frozen(observations, goals, torch.zeros_like(goals)).tanh()

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        assert draws.remembered is not None
        own = nets["pi"].frozen(observations, goals, torch.zeros_like(goals)).tanh()
        nearest = torch.cdist(own, draws.remembered)[0].argmin(-1)
        return draws.remembered[:, nearest]


METHOD = Nearest(hidden=16)


@pytest.fixture(scope="module")
def kept() -> list[Arrays]:
    return trained(stack(METHOD), 6).policies()


def test_they_are_states_of_the_members_own_episodes(kept: list[Arrays]) -> None:
    table = store(SIZES)
    for arrays, experts in zip(kept, EXPERTS, strict=True):
        statistics = [
            torch.from_numpy(array)[None] for name, array in arrays.items() if "/mean" in name or "/sc" in name
        ]
        own = np.concatenate([np.arange(begin, end) for begin, end in table.spans(experts, EPISODES)])
        rows = (own[:, None] * (HORIZON + 1) + np.arange(HORIZON)).ravel()
        states = torch.from_numpy(table.states[rows])[None]
        seen = torch.cat([
            normalize(states[..., : SIZES.observation], *statistics[:2]),
            normalize(states[..., SIZES.observation :], *statistics[2:]),
        ], -1)[0].numpy()  # fmt: skip
        found = np.concatenate([arrays[name] for name in REMEMBERED], -1)
        assert found.shape == (STATES, SIZES.observation + SIZES.goal)
        assert (found[:, None] == seen).all(-1).any(-1).all()
        assert len(np.unique(found, axis=0)) > 1


def test_they_are_of_the_seed_and_the_data_alone(kept: list[Arrays]) -> None:
    later = trained(stack(METHOD, [2, 0, 1]), 9).policies()
    for slot, member in enumerate([2, 0, 1]):
        alone = trained(stack(METHOD, [member]), 6).policies()[0]
        assert_equal(alone, kept[member])
        for name in REMEMBERED:
            assert np.array_equal(later[slot][name], kept[member][name])
    assert not np.array_equal(kept[0][REMEMBERED[0]], kept[1][REMEMBERED[0]])


def acted(arrays: Arrays) -> np.ndarray:
    random = np.random.default_rng(0)
    observations, goals = (random.normal(size=(1, 9, size)).astype(np.float32) for size in (3, 2))
    return restore(METHOD, SIZES, arrays).act(observations, goals, Draws("Task", range(9), 0))


def test_acting_has_what_the_method_recalls(kept: list[Arrays]) -> None:
    actions = acted(kept[0])
    assert 1 < len(np.unique(actions[0], axis=0)) <= STATES
    other = {**kept[0], REMEMBERED[1]: kept[0][REMEMBERED[1]] + 1}
    assert not np.array_equal(acted(other), actions)


def test_a_record_keeps_them(kept: list[Arrays]) -> None:
    budget = Budget(episodes=8, updates=6, batch_size=8, evaluate_every=6, evaluation_episodes=2, final_episodes=2)
    run = RunSpec(method=METHOD, task="PointReach", expert_share=0.5, seed=3, scale="test", budget=budget)
    outcome = Outcomes(*(np.zeros((2, 50), kind) for kind in (bool, bool, np.float32)))
    record = Record(run.content(), DONE, 6, evaluations={6: outcome}, policy=kept[0])
    restored = decode(io.BytesIO(encode(record)), run.run_id, ended=True)
    assert np.array_equal(acted(restored.policy), acted(kept[0]))


def test_a_policy_from_before_its_method_remembered_is_restored() -> None:
    arrays = trained(stack(BestOfNoise(hidden=16)), 6).policies()[0]
    assert not any(name in arrays for name in REMEMBERED)
    assert restore(METHOD, SIZES, arrays)._remembered is None
