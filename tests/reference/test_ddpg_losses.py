"""DDPG's targets and losses, and GCSL's, against their equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.ddpg import DDPG, td_targets
from baselines.gcsl import GCSL
from smore_sweep.stacked.rng import Streams
from tests.reference.wiring import Reference, batch, commanded, discounted, networks
from tests.unit.stacked.world import EXPERT, replay


def test_td_targets() -> None:
    random = np.random.default_rng(0)
    rewards, values = random.integers(-1, 1, (2, 60)), random.normal(-5.0, 10.0, (2, 60))
    got = td_targets(torch.tensor(rewards), torch.tensor(values), discounted(0.9, 1)).numpy()
    expected = np.clip(rewards + 0.9 * values, -10.0, 0.0)
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert {-10.0, 0.0} < set(expected.flatten())


def test_td_targets_by_hand() -> None:
    rewards, values = torch.tensor([[-1.0, 0.0, 0.0, -1.0, 0.0]]), torch.tensor([[-2.0, -2.0, 3.0, -11.0, 1e30]])
    assert td_targets(rewards, values, discounted(0.5, 1)).tolist() == [[-2.0, -1.0, 0.0, -2.0, 0.0]]
    assert td_targets(rewards, values, discounted(0.5, 1), highest=2.0).tolist() == [[-2.0, -1.0, 1.5, -2.0, 2.0]]


@pytest.mark.usefixtures("double")
def test_ddpgs_networks_minimise_the_equations() -> None:
    method = DDPG(hidden=12, discount=0.9)
    nets, data = networks(method), batch(8)
    action_l2 = torch.tensor([1.0, 0.3])
    got, _ = method.losses(nets, data, {"action_l2": action_l2[:, None], **discounted(0.9)})

    net = Reference(nets)
    states, goals = data.observations, data.goals
    next_actions = torch.tanh(net.target("pi", data.next_observations, goals))
    y = data.rewards + 0.9 * net.target("Q", data.next_observations, goals, next_actions)[..., 0]
    y = y.clamp(-10, 0)
    assert (y < 0).any()  # something is left of the bootstrap
    chosen = torch.tanh(net("pi", states, goals))
    value = net.constant("Q", states, goals, chosen)[..., 0].mean(-1)
    expected = {
        "critic": ((y - net("Q", states, goals, data.actions)[..., 0]) ** 2).mean(-1),
        "policy": -value + action_l2 * (chosen**2).mean((-1, -2)),
    }
    net.assert_minimised(got, expected)


@pytest.mark.usefixtures("double")
def test_gcsls_network_minimises_the_equation() -> None:
    method = GCSL(hidden=12)
    nets, data = networks(method), batch(8)
    got, _ = method.losses(nets, data, {})
    net = Reference(nets)
    squares = (torch.tanh(net("pi", data.observations, data.goals)) - data.actions) ** 2
    net.assert_minimised(got, {"policy": squares.sum((-1, -2)) / (8 * 3)})


def test_gcsl_is_always_in_hindsight() -> None:
    method = GCSL()
    knobs = {"her_ratio": torch.tensor([[method.her_ratio]])}
    drawn = method.sample(replay((EXPERT,)), Streams([0], torch.tensor(1)), knobs, 500)
    assert not commanded(drawn.goals).any()
