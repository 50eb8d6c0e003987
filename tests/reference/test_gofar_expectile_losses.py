"""GoFAR with an expectile value and AWR, against its equations. Its loss functions are proven where they come from:
the discriminator's in test_gofar_losses, expectile and AWR in test_losses."""

from __future__ import annotations

import math

import pytest
import torch

from baselines.gofar_expectile import GoFARExpectile
from smore_sweep.stacked.rng import Streams
from tests.reference.wiring import MEMBERS, Reference, batch, commanded, discounted, networks
from tests.unit.stacked.world import EXPERT, replay

ROWS = 8


@pytest.mark.usefixtures("double")
def test_the_networks_minimise_the_equations() -> None:
    method = GoFARExpectile(hidden=12, discount=0.9, gradient_penalty=0.2)
    nets = networks(method)
    share = torch.rand(MEMBERS, ROWS, generator=torch.Generator().manual_seed(2))
    data = batch(ROWS).with_noise(share)
    expectile, temperature = torch.tensor([[0.8], [0.6]]), torch.tensor([[3.0], [40.0]])
    got, _ = method.losses(nets, data, {"expectile": expectile, "temperature": temperature, **discounted(0.9)})

    net = Reference(nets)
    s, s2, g, ag, a = data.observations, data.next_observations, data.goals, data.achieved_goals, data.actions
    p_goal, p_achieved = torch.sigmoid(net("c", g, g)[..., 0]), torch.sigmoid(net("c", ag, g)[..., 0])
    between = torch.cat([share[..., None] * g + (1 - share[..., None]) * ag, g], -1).requires_grad_()
    (slope,) = torch.autograd.grad(net("c", between).sum(), between, create_graph=True)
    reward = (p_achieved.log() - (1 - p_achieved).log()).detach()
    y = reward + 0.9 * net("V", s2, g)[..., 0].detach()
    u = net.target("Q", s, g, a)[..., 0].min(0).values - net("V", s, g)[..., 0]
    weight = (temperature * u).exp().clamp(max=100.0).detach()
    assert (weight == 100.0).any()
    assert (weight < 100.0).any()
    log_std = net.log_std("pi").clamp(-5, 2)
    scaled = (a - torch.tanh(net("pi", s, g))) / log_std.exp()
    log_density = (torch.exp(-0.5 * scaled**2) / (log_std.exp() * math.sqrt(2 * math.pi))).log().sum(-1)
    expected = {
        "discriminator": -(p_goal.log() + (1 - p_achieved).log()).mean(-1)
        + 0.2 * ((slope.norm(dim=-1) - 1) ** 2).mean(-1),
        "critic": sum(((y - net("Q", s, g, a)[copy, ..., 0]) ** 2).mean(-1) for copy in range(2)),
        "value": (torch.where(u > 0, expectile, 1 - expectile) * u**2).mean(-1),
        "policy": -(weight * log_density).mean(-1),
    }
    net.assert_minimised(got, expected)


def test_extreme_advantages_and_rewards_do_not_overflow() -> None:
    method = GoFARExpectile(hidden=12)
    nets = networks(method)
    with torch.no_grad():
        nets["V"].flat *= 1e3
        nets["c"].flat *= 1e3
    knobs = {"expectile": torch.full((MEMBERS, 1), 0.8), "temperature": torch.full((MEMBERS, 1), 3.0)}
    knobs |= discounted(method.discount)
    losses, info = method.losses(nets, batch(ROWS).with_noise(torch.full((MEMBERS, ROWS), 0.5)), knobs)
    assert float(losses["value"].detach().max()) > 1e6
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    for net in nets.values():
        assert net.flat.grad is not None
        assert torch.isfinite(net.flat.grad).all()
    assert (info["weight_mean"] <= 100.0 * (1 + 1e-5)).all()


def test_there_is_no_hindsight() -> None:
    drawn = GoFARExpectile().sample(replay((EXPERT,)), Streams([0], torch.tensor(1)), {}, 200)
    assert commanded(drawn.goals).all()
    assert drawn.noise is not None
    assert drawn.noise.shape == (1, 200)
    assert math.isclose(float(drawn.noise.mean()), 0.5, abs_tol=0.1)
