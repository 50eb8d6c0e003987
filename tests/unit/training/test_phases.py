"""Networks that are trained in a part of the run only."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from baselines.fre import FRE
from smore_sweep.method import Method, method
from smore_sweep.planning.continuation import _has_schedule
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.task import Sizes
from smore_sweep.training.learner import Learner
from tests.contract.best_of_noise import BestOfNoise
from tests.contract.members import UPDATES, assert_equal, saved, stack, trained

TURN = 12


@method
class InTurn(BestOfNoise):
    """Its critic is trained up to update 12, its policy from update 13 on."""

    name: ClassVar[str] = "InTurn"

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        nets, share = super().networks(sizes), TURN / UPDATES
        return {"pi": dataclasses.replace(nets["pi"], begins=share), "Q": dataclasses.replace(nets["Q"], ends=share)}


METHOD = InTurn(hidden=16)


def parameters(learner: Learner) -> dict[str, torch.Tensor]:
    return {name: net.flat.detach().clone() for name, net in learner.nets.items()}


def test_one_stands_still_while_the_other_is_trained() -> None:
    learner = stack(METHOD)
    for update in range(1, UPDATES + 1):
        before = parameters(learner)
        after = parameters(trained(learner, 1))
        for name in ("pi", "Q"):
            assert torch.equal(before[name], after[name]) == ((update > TURN) == (name == "Q")), (update, name)


def test_adam_begins_with_the_phase() -> None:
    """Its first step is as long as the learning rate, and the gradients from before leave no trace."""
    learner = trained(stack(METHOD), TURN)
    before = parameters(learner)["pi"]
    state = saved(learner)
    assert not any(np.any(array) for name, array in state[0].items() if name.startswith("pi/") and "/mean" in name)
    steps = (parameters(trained(learner, 1))["pi"] - before).abs()
    assert steps.max().item() == pytest.approx(METHOD.learning_rate, rel=0.01)
    assert (steps > 0.9 * METHOD.learning_rate).float().mean() > 0.5


@pytest.mark.parametrize("update", [5, TURN - 1, TURN, TURN + 1])
def test_a_resumed_run_goes_on_exactly(update: int) -> None:
    undisturbed = trained(stack(METHOD), TURN + 4).state()
    resumed = stack(METHOD)
    resumed.load(saved(trained(stack(METHOD), update)), update)
    for first, second in zip(undisturbed, trained(resumed, TURN + 4 - update).state(), strict=True):
        assert_equal(first, second)


@pytest.mark.parametrize("chosen", [METHOD, FRE(hidden=8, latent=4, hidden_layers=1, encoder_share=TURN / UPDATES)])
def test_a_network_that_stands_still_takes_no_gradient_and_has_the_same_bits(
    chosen: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = trained(stack(chosen), TURN + 4)
    assert {net.trains for net in learner.nets.values()} == {False, True}
    monkeypatch.setattr("smore_sweep.training.learner._Moments.turn", lambda self, update: None)
    always = parameters(trained(stack(chosen), TURN + 4))
    for name, values in parameters(learner).items():
        assert torch.equal(values, always[name]), name


def test_a_longer_run_has_other_phases() -> None:
    budget = Budget(episodes=4, updates=4, batch_size=8, evaluate_every=2, evaluation_episodes=1, final_episodes=1)
    for chosen, scheduled in ((METHOD, True), (BestOfNoise(hidden=16), False)):
        run = RunSpec(method=chosen, task="Reacher", expert_share=0.5, seed=0, scale="test", budget=budget)
        assert _has_schedule(run) == scheduled
