"""U2O's bridge and its online losses against their equations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from baselines.u2o import U2O, bridge
from smore_sweep.stacked.rng import Draws
from tests.reference.wiring import MEMBERS, SIZES, Reference, batch, networks

ROWS, LATENT = 40, 3


def moves(count: int, *scales: float) -> np.ndarray:
    return (np.random.default_rng(0).normal(size=(count, len(scales))) * scales).astype(np.float32)


def test_the_skill_fits_the_reward_as_the_normal_equations_do() -> None:
    steps = moves(400, 1.0, 0.8, 0.6)
    rewards = np.where(steps @ [1.0, -1.0, 0.5] > 1.5, 0.0, -1.0).astype(np.float32)
    found = bridge(steps, rewards)
    exact = steps.astype(np.float64)
    fit = np.linalg.solve(exact.T @ exact, exact.T @ (rewards + 1.0))
    np.testing.assert_allclose(found[:3], fit / np.linalg.norm(fit), rtol=1e-5)
    linear = bridge(steps, steps @ np.array([0.0, 3.0, 4.0], np.float32) - np.float32(1.0))
    np.testing.assert_allclose(linear[:3], [0.0, 0.6, 0.8], atol=1e-5)


def test_rewards_get_the_mean_and_deviation_that_the_skill_had() -> None:
    steps = moves(400, 1.0, 0.8, 0.6) + np.float32(0.3)
    rewards = np.where(steps[:, 0] > 1.5, 0.0, -1.0)
    *skill, factor, shift = bridge(steps, rewards.astype(np.float32)).astype(np.float64)
    own, scaled = steps @ np.array(skill), factor * rewards + shift
    assert own.mean() > 0.2
    np.testing.assert_allclose([scaled.mean(), scaled.std()], [own.mean(), own.std()], rtol=1e-5)


def test_a_direction_without_moves_has_no_share_of_the_skill() -> None:
    """Noise there would fit the reward with a huge weight."""
    steps = moves(400, 1.0, 0.8, 0.001)
    rewards = np.where(steps[:, 1] > 1.0, 0.0, -1.0).astype(np.float32)
    skill = bridge(steps, rewards)[:3]
    assert abs(skill[2]) < 0.01
    assert skill[1] > 0.9


def test_without_a_transition_at_the_goal_everything_stays_finite() -> None:
    steps = moves(100, 1.0, 0.8, 0.6)
    *skill, factor, shift = bridge(steps, np.full(100, -1.0, np.float32))
    assert skill == [1.0, 0.0, 0.0]
    np.testing.assert_allclose([factor, shift - factor], [10 * steps[:, 0].std(), steps[:, 0].mean()], rtol=1e-4)


@pytest.mark.usefixtures("double")
def test_online_losses_are_those_of_one_skill_under_the_scaled_reward() -> None:
    method, data = U2O(hidden=12, latent=LATENT, discount=0.9), batch(ROWS)
    nets = networks(method)
    vector = torch.tensor([[0.6, 0.0, 0.8, 0.3, 0.2], [0.0, 1.0, 0.0, 0.5, -0.1]])
    nets["bridge"].vector.data.copy_(vector[:, None])
    columns = {"expectile": (0.5, 0.5), "skill_expectile": (0.8, 0.7), "temperature": (2.0, 0.5)}
    knobs = {name: torch.tensor(column, dtype=torch.float64)[:, None] for name, column in columns.items()}
    got, info = method.online_losses(nets, data, knobs)
    net = Reference({name: nets[name] for name in ("Q", "U", "pi")})
    s, a, z = data.observations, data.actions, vector[:, None, :LATENT].expand(-1, ROWS, -1)
    reward = data.rewards * vector[:, 3:4] + vector[:, 4:]
    y = reward + 0.9 * net.constant("U", data.next_observations, z)[..., 0].detach()
    u = net.target("Q", s, z, a)[..., 0].min(0).values - net("U", s, z)[..., 0]
    log_std = net.log_std("pi").clamp(-5.0, 2.0)
    scaled = (a - net("pi", s, z)) * torch.exp(-log_std)
    log_prob = -0.5 * scaled.square().sum(-1) - log_std.sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    expected = {
        "value": ((knobs["skill_expectile"] - (u < 0).double()).abs() * u.square()).mean(-1),
        "critic": (y - net("Q", s, z, a)[..., 0]).square().mean(-1).sum(0),
        "policy": -(torch.exp(knobs["temperature"] * u.detach()).clamp(max=100.0) * log_prob).mean(-1),
    }
    net.assert_minimised(got, expected)
    torch.testing.assert_close(info["reward_mean"], data.rewards.mean(-1))


def test_it_acts_by_the_goal_before_the_bridge_and_by_its_skill_after_it() -> None:
    method, data = U2O(hidden=12, latent=LATENT), batch(ROWS)
    nets, draws = networks(method), Draws("Task", range(ROWS), 0)
    s, g = data.observations, data.goals
    vector = nets["bridge"].vector.detach()
    vector.zero_()
    with torch.no_grad():
        towards = method.sample_actions(nets, s, g, draws)
        assert not torch.equal(towards, method.sample_actions(nets, s, -g, draws))
        vector[:, 0, 1] = 1.0
        means = nets["pi"].frozen(s, vector[..., :LATENT].expand(-1, ROWS, -1))
        assert torch.equal(method.sample_actions(nets, s, g, draws), means.clamp(-1.0, 1.0))
        nets["pi"].log_std.fill_(math.log(0.5))
        noise = (method.explore(nets, s, g, draws) - means) / 0.5
    drawn = draws.normal("exploration", SIZES.action).expand(MEMBERS, -1, -1)
    torch.testing.assert_close(noise, drawn, rtol=1e-5, atol=1e-5)
