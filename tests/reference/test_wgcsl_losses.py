"""WGCSL's weights and losses against NumPy implementations written from its equations."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from baselines.wgcsl import BAW_DELTA, WGCSL, advantage_weights, best_advantage_weights, discount_weights
from smore_sweep.stacked.rng import Streams
from tests.reference.wiring import MEMBERS, Reference, batch, commanded, discounted, networks
from tests.unit.stacked.world import EXPERT, T, replay


def test_advantage_weights() -> None:
    advantages = np.random.default_rng(0).normal(0.0, 3.0, (2, 50))
    got = advantage_weights(torch.tensor(advantages)).numpy()
    np.testing.assert_allclose(got, np.clip(np.exp(advantages), 0.0, 10.0), rtol=1e-9)
    assert advantage_weights(torch.tensor([-1e6, 0.0, 1e6, 3e38])).tolist() == pytest.approx([0.0, 1.0, 10.0, 10.0])


@pytest.mark.parametrize("rows", [1, 7, 50])
def test_best_advantage_weights(rows: int) -> None:
    advantages = np.random.default_rng(1).normal(0.0, 3.0, (5, rows))
    percentiles = np.array([[0.0], [0.15], [33.3], [80.0], [100.0]])
    got = best_advantage_weights(torch.tensor(advantages), torch.tensor(percentiles)).numpy()
    for member in range(5):
        threshold = np.percentile(advantages[member], percentiles[member, 0])
        np.testing.assert_allclose(got[member], np.where(advantages[member] >= threshold, 1.0, 0.05), rtol=1e-6)


def test_best_advantage_weights_by_hand() -> None:
    # The 50th percentile of 1 .. 5 is 3, the 80th is 4.2; ties are all good, extremes do no harm.
    advantages = torch.tensor([[5.0, 1.0, 4.0, 2.0, 3.0]] * 2 + [[-1e30, 2.0, 2.0, 2.0, 1e30]])
    got = best_advantage_weights(advantages, torch.tensor([[50.0], [80.0], [50.0]]))
    low = pytest.approx(0.05)
    assert got[0].tolist() == [1.0, low, 1.0, low, 1.0]
    assert got[1].tolist() == [1.0, low, low, low, low]
    assert got[2].tolist() == [low, 1.0, 1.0, 1.0, 1.0]


def test_discount_weights() -> None:
    offsets = torch.tensor([[0, 1, 2, 49], [3, 0, 0, 10]])
    got = discount_weights(offsets, torch.tensor(math.log(0.98))).numpy()
    np.testing.assert_allclose(got, 0.98 ** offsets.numpy(), rtol=1e-5)
    assert got[0, 0] == 1.0


@pytest.mark.parametrize("delta", sorted(set(BAW_DELTA.values())))
def test_the_authors_deltas_reach_the_last_percentile_when_they_say(delta: float) -> None:
    """534 updates of an easy task, 8,000 of a hard one."""
    assert math.ceil(80 / delta - 1e-9) == {0.15: 534, 0.01: 8000}[delta]
    assert WGCSL(baw_delta=delta).baw_delta == delta


ROWS = 10


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("step", [3, 1000])
@pytest.mark.parametrize("weighted", [True, False])
def test_the_releases_networks_minimise_its_equations(step: int, weighted: bool) -> None:
    method = WGCSL(hidden=12, discount=0.9, discount_weight=weighted)
    nets, data = networks(method), batch(2 * ROWS)
    k = torch.arange(MEMBERS * 2 * ROWS).view(MEMBERS, 2 * ROWS) % 7
    data = dataclasses.replace(data, step=torch.tensor(step), offsets=k if weighted else None)
    baw_delta = torch.tensor([[0.15], [11.0]])
    got, _ = method.losses(nets, data, {"baw_delta": baw_delta, **discounted(0.9)})

    net = Reference(nets)
    # The first half is the policy's ...
    s, s2, g, a, r = (
        x[:, :ROWS] for x in (data.observations, data.next_observations, data.goals, data.actions, data.rewards)
    )
    chosen = torch.tanh(net("pi", s, g))
    with torch.no_grad():
        next_value = net("Q", s2, g, torch.tanh(net("pi", s2, g)))[..., 0]
        advantage = (r + 1) + 0.9 * next_value - net("Q", s, g, chosen)[..., 0]
        weight = advantage.exp().clamp(0, 10)
        percentile = np.minimum(baw_delta.numpy()[:, 0] * step, 80)
        for member in range(MEMBERS):
            threshold = np.percentile(advantage[member].numpy(), percentile[member])
            weight[member] *= torch.where(advantage[member] >= threshold, 1.0, 0.05)
        if weighted:
            weight *= 0.9 ** k[:, :ROWS]
    # ... the second the critic's.
    sc, s2c, gc, ac, rc = (
        x[:, ROWS:] for x in (data.observations, data.next_observations, data.goals, data.actions, data.rewards)
    )
    y = (rc + 1) + 0.9 * net.target("Q", s2c, gc, torch.tanh(net.target("pi", s2c, gc)))[..., 0]
    expected = {
        "critic": ((y.clamp(-10, 10) - net("Q", sc, gc, ac)[..., 0]) ** 2).mean(-1),
        "policy": (weight * ((chosen - a) ** 2).mean(-1)).mean(-1),
    }
    net.assert_minimised(got, expected)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("weighted", [True, False])
def test_gofars_networks_minimise_its_equations(weighted: bool) -> None:
    method = WGCSL(hidden=12, discount=0.9, discount_weight=weighted, variant="gofar_code")
    nets, data = networks(method), batch(ROWS)
    k = torch.arange(MEMBERS * ROWS).view(MEMBERS, ROWS) % 7
    data = dataclasses.replace(data, step=torch.tensor(5), offsets=k if weighted else None)
    got, _ = method.losses(nets, data, discounted(0.9))

    net = Reference(nets)
    s, s2, g = data.observations, data.next_observations, data.goals
    y = data.rewards + 0.9 * net.target("Q", s2, g, torch.tanh(net.target("pi", s2, g)))[..., 0]
    y = y.clamp(-10, 0)
    chosen = torch.tanh(net("pi", s, g))
    with torch.no_grad():
        own = net("Q", s, g, chosen)[..., 0]
        assert own.max() > 0  # the clip matters
        weight = (y - own.clamp(-10, 0)).exp().clamp(0, 10)
        if weighted:
            weight *= 0.9**k
    expected = {
        "critic": ((y - net("Q", s, g, data.actions)[..., 0]) ** 2).mean(-1),
        "policy": (weight * ((chosen - data.actions) ** 2).mean(-1)).mean(-1),
    }
    net.assert_minimised(got, expected)


def test_the_releases_critic_sees_some_goals_as_they_were_commanded() -> None:
    knobs = {"her_ratio": torch.ones(1, 1), "critic_her_ratio": torch.full((1, 1), 0.8)}
    rows = 4000
    drawn = WGCSL().sample(replay((EXPERT,)), Streams([0], torch.tensor(7)), knobs, rows)
    assert drawn.offsets is not None
    assert drawn.step is not None
    assert int(drawn.step) == 7
    assert drawn.actions.shape == (1, 2 * rows, 1)
    for shared in (drawn.observations, drawn.actions, drawn.next_observations, drawn.achieved_goals):
        assert torch.equal(shared[:, :rows], shared[:, rows:])
    hindsight = ~commanded(drawn.goals)[0]
    assert hindsight[:rows].all()
    kept = hindsight[rows:]
    assert float(kept.float().mean()) == pytest.approx(0.8, abs=0.02)  # 3 standard errors
    assert torch.equal(drawn.goals[0, rows:][kept], drawn.goals[0, :rows][kept])
    assert torch.equal(drawn.offsets[0, rows:][kept], drawn.offsets[0, :rows][kept])
    assert (drawn.offsets[0, rows:][~kept] == 0).all()
    assert set(drawn.offsets[0, :rows].tolist()) == set(range(T))


def test_the_releases_critic_has_a_part_of_the_policys_hindsight_goals() -> None:
    knobs = {"her_ratio": torch.full((1, 1), 0.5), "critic_her_ratio": torch.full((1, 1), 0.8)}
    rows = 4000
    drawn = WGCSL().sample(replay((EXPERT,)), Streams([0], torch.tensor(7)), knobs, rows)
    hindsight = ~commanded(drawn.goals)[0]
    policys, critics = hindsight[:rows], hindsight[rows:]
    assert float(policys.float().mean()) == pytest.approx(0.5, abs=0.025)
    assert float(critics.float().mean()) == pytest.approx(0.4, abs=0.025)
    assert (policys | ~critics).all()


def test_gofars_critic_and_policy_share_their_goals() -> None:
    knobs = {"her_ratio": torch.ones(1, 1), "critic_her_ratio": torch.full((1, 1), 0.8)}
    drawn = WGCSL(variant="gofar_code").sample(replay((EXPERT,)), Streams([0], torch.tensor(1)), knobs, 50)
    assert drawn.actions.shape == (1, 50, 1)
