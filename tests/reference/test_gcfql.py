"""GC-FQL against its equations in float64, and its policy where the answer is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from baselines.gcfql import GCFQL, STEPS
from smore_sweep.stacked.networks import Networks
from smore_sweep.stacked.replay import Batch
from smore_sweep.stacked.rng import Draws, Streams
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, replay

ROWS, SIZE = 30, SIZES.action
ALPHAS = (3.0, 0.5)
"""Of two members."""


def noisy(rows: int = ROWS) -> Batch:
    random = torch.Generator().manual_seed(2)
    wanted = torch.randn(MEMBERS, rows, SIZES.goal, generator=random)
    normal = torch.randn(MEMBERS, rows, 3 * SIZE, generator=random)
    tau = torch.rand(MEMBERS, rows, 1, generator=random)
    noise = torch.cat([normal[..., :SIZE], tau, normal[..., SIZE:]], -1)
    data = batch(rows)
    return replace(data, rewards=1.0 + data.rewards, policy_goals=wanted, noise=noise)


def alphas(*values: float) -> dict[str, torch.Tensor]:
    return {"alpha": torch.tensor(values)[:, None]}


@pytest.mark.usefixtures("double")
def test_gcfql_minimises_its_equations() -> None:
    method, data = GCFQL(hidden=12, discount=0.9), noisy()
    nets = networks(method)
    got, _ = method.losses(nets, data, alphas(*ALPHAS))
    net = Reference(nets)
    s, s2, g, w, a = data.observations, data.next_observations, data.goals, data.policy_goals, data.actions
    assert data.noise is not None
    assert w is not None
    x0, tau, z, z2 = data.noise.split([SIZE, 1, SIZE, SIZE], -1)  # type: ignore[no-untyped-call]

    inside = net.constant("pi", s2, g, z2).detach().clip(-1, 1)
    after = 1 / (1 + torch.exp(-net.target("Q", s2, g, inside)[..., 0]))
    y = torch.where(data.rewards == 1, 1.0, 0.9 * after.min(0).values)
    assert (y == 1).any()
    logits = net("Q", s, g, a)[..., 0]
    p = 1 / (1 + torch.exp(-logits))
    critic = -(y * torch.log(p) + (1 - y) * torch.log(1 - p)).mean(-1).sum(0) / 2

    flow = ((net("flow", s, w, (1 - tau) * x0 + tau * a, tau) - (a - x0)) ** 2).sum(-1).mean(-1) / SIZE
    x = z
    for step in range(STEPS):
        time = torch.full((MEMBERS, ROWS, 1), step / STEPS)
        x = x + net.constant("flow", s, w, x, time).detach() / STEPS
    mu = net("pi", s, w, z)
    assert (mu.abs() > 1).any()
    q = net.constant("Q", s, w, mu.clip(-1, 1))[..., 0].mean(0)
    apart = ((mu - x.clip(-1, 1)) ** 2).sum(-1).mean(-1) / SIZE
    policy = torch.tensor(ALPHAS) * apart - q.mean(-1) / q.detach().abs().mean(-1)
    net.assert_minimised(got, {"critic": critic, "flow": flow, "policy": policy})


@pytest.mark.usefixtures("double")
def test_the_policy_and_the_critic_do_not_move_the_flow() -> None:
    """Nor does the policy's loss move the critic."""
    method = GCFQL(hidden=12)
    nets = networks(method)
    losses, _ = method.losses(nets, noisy(), alphas(*ALPHAS))
    moved = {loss: {name for name, net in nets.items() if _reaches(losses[loss], net.flat)} for loss in losses}
    assert moved == {"critic": {"Q"}, "flow": {"flow"}, "policy": {"pi"}}


def _reaches(loss: torch.Tensor, flat: torch.Tensor) -> bool:
    (gradient,) = torch.autograd.grad(loss.sum(), flat, retain_graph=True, allow_unused=True)
    return gradient is not None and bool(gradient.abs().max() > 0)


def test_with_a_heavy_flow_the_policy_ends_where_the_flow_does() -> None:
    method, data = GCFQL(hidden=48, hidden_layers=2), noisy(10)
    nets = {name: type(net)(net.spec, name, range(MEMBERS), CPU) for name, net in networks(method).items()}
    optimiser = torch.optim.Adam([nets["pi"].flat], lr=3e-3)
    distances = []
    for _ in range(100):
        losses, info = method.losses(nets, data, alphas(1e4, 1e4))
        (nets["pi"].flat.grad,) = torch.autograd.grad(losses["policy"].sum(), nets["pi"].flat)
        optimiser.step()
        distances.append(info["distance"])
    assert (distances[-1] < 0.01 * distances[0]).all(), distances[::20]


def test_goals_rewards_and_noise() -> None:
    world, rows = replay(), 4000
    members = range(len(WORLD_MEMBERS))
    drawn = GCFQL(discount=0.5).sample(world, Streams([5] * len(members), torch.tensor(1)), {}, rows)
    assert drawn.policy_goals is not None
    assert drawn.noise is not None
    assert drawn.noise.shape == (len(members), rows, 4)
    for member in members:
        own = drawn.achieved_goals[member, :, 0]
        assert torch.equal(drawn.rewards[member] == 1, drawn.goals[member, :, 0] == own)
        # At the goal: current ones; futures of the last state; random ones ...
        hits = float(drawn.rewards[member].mean())
        assert hits == pytest.approx(0.2 + 0.5 / T + 0.3 / (N * T), abs=0.03)
        # ... and the policy's are half of them anywhere.
        same = (drawn.policy_goals[member, :, 0] // 100) == (own // 100)
        assert float(same.float().mean()) == pytest.approx(0.5 + 0.5 / N, abs=0.03)


def test_it_acts_by_the_policy_of_fresh_noise() -> None:
    method = GCFQL(hidden=12)
    nets: Networks = {"pi": type(net := networks(method)["pi"])(net.spec, "pi", [0], CPU)}
    random = torch.Generator().manual_seed(6)
    states, goals = (torch.randn(1, 5, size, generator=random) for size in (SIZES.observation, SIZES.goal))
    first, later = (Draws("Task", range(5), step) for step in (0, 1))
    actions = method.sample_actions(nets, states, goals, first)
    expected = nets["pi"].frozen(states, goals, first.normal("action", SIZE)).clamp(-1, 1)
    assert torch.equal(actions, expected)
    assert not torch.equal(actions, method.sample_actions(nets, states, goals, later))


def test_constants_by_task() -> None:
    assert GCFQL().by_task("pointmaze-medium-navigate") == {}
    assert GCFQL().by_task("FetchPush") == {"discount": 0.98, "alpha": 0.3, "normalize_inputs": True}
