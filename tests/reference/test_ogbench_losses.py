"""OGBench's methods: losses of GCBC, GCIVL and GCIQL against NumPy, their gradients against textbook PyTorch, both
written from the equations, in float64; and the frame that all share."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from baselines import _ogbench, ogbench_crl, qrl
from baselines.gcbc import GCBC
from baselines.gcivl import GCIVL
from baselines.ogbench_crl import OGBenchCRL
from baselines.ogbench_gciql import ALPHA, OGBenchGCIQL
from baselines.qrl import QRL
from smore_sweep.method import Method
from smore_sweep.ogbench_tasks import ogbench_tasks
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch
from smore_sweep.stacked.rng import Streams
from tests.conftest import Array
from tests.reference.gradients import CLOSE
from tests.reference.wiring import CPU, MEMBERS, SIZES, Reference, batch, networks
from tests.unit.stacked.world import MEMBERS as WORLD_MEMBERS
from tests.unit.stacked.world import N, T, replay

EXPECTILES, TEMPERATURES, ALPHAS = (0.9, 0.6), (10.0, 1.0), (0.3, 2.0)
"""Of two members."""


def knobs(**values: tuple[float, float]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor(column, dtype=torch.float64)[:, None] for name, column in values.items()}


def two_goals(rows: int) -> Batch:
    wanted = torch.randn(MEMBERS, rows, SIZES.goal, generator=torch.Generator().manual_seed(2))
    return dataclasses.replace(batch(rows), policy_goals=wanted)


def log_density(actions: Array, means: Array) -> Array:
    return np.asarray((-0.5 * (actions - means) ** 2 - 0.5 * math.log(2 * math.pi)).sum(-1))


def member_of(tensor: torch.Tensor, member: int) -> Array:
    return np.asarray(tensor.detach()[..., member, :].numpy())


@pytest.mark.usefixtures("double")
def test_gcbc_minimises_its_equation() -> None:
    method, data = GCBC(hidden=12), batch(20)
    nets = networks(method)
    got, _ = method.losses(nets, data, {})
    net = Reference(nets)
    means = net("pi", data.observations, data.goals)
    constant = 0.5 * math.log(2 * math.pi) * SIZES.action
    net.assert_minimised(got, {"policy": 0.5 * (means - data.actions).square().sum(-1).mean(-1) + constant})
    by_hand = -log_density(data.actions.numpy(), means.detach().numpy()).mean(-1)
    np.testing.assert_allclose(got["policy"].detach().numpy(), by_hand, rtol=CLOSE)


@pytest.mark.usefixtures("double")
def test_gcivl_minimises_its_equations() -> None:
    method, data = GCIVL(hidden=12, discount=0.9), two_goals(40)
    nets = networks(method)
    got, _ = method.losses(nets, data, knobs(expectile=EXPECTILES, temperature=TEMPERATURES))
    net = Reference(nets)
    s, s2, g, r = data.observations, data.next_observations, data.goals, data.rewards
    w = data.policy_goals
    assert w is not None

    slow, slow_next = net.target("V", s, g)[..., 0], net.target("V", s2, g)[..., 0]
    values, means = net("V", s, g)[..., 0], net("pi", s, w)
    low, high = net.constant("V", s, w)[..., 0].detach(), net.constant("V", s2, w)[..., 0].detach()
    share, weights = torch.zeros(MEMBERS, 40), torch.zeros(MEMBERS, 40)
    for member in range(MEMBERS):
        own_slow, own_next = slow[:, member].numpy(), slow_next[:, member].numpy()
        going_on = (r[member].numpy() != 0).astype(float)
        advantage = r[member].numpy() + 0.9 * going_on * own_next.min(0) - own_slow.mean(0)
        assert (advantage > 0).any()
        assert (advantage < 0).any()
        tau = EXPECTILES[member]
        share[member] = torch.tensor(np.where(advantage >= 0, tau, 1 - tau))
        rise = member_of(high, member).mean(0) - member_of(low, member).mean(0)
        weights[member] = torch.tensor(np.minimum(np.exp(TEMPERATURES[member] * rise), 100))
        error = r[member].numpy() + 0.9 * going_on * own_next - values[:, member].detach().numpy()
        expected = (np.where(advantage >= 0, tau, 1 - tau) * error**2).mean(-1).sum()
        assert got["value"][member].item() == pytest.approx(expected, rel=CLOSE)
        density = log_density(data.actions[member].numpy(), means[member].detach().numpy())
        assert got["policy"][member].item() == pytest.approx(-(weights[member].numpy() * density).mean(), rel=CLOSE)
    errors = torch.where(r == 0, 0.0, 0.9 * slow_next) + r - values
    log_prob = -0.5 * (data.actions - means).square().sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
    net.assert_minimised(got, {"value": (share * errors**2).mean(-1).sum(0), "policy": -(weights * log_prob).mean(-1)})


@pytest.mark.usefixtures("double")
def test_ogbenchs_gciql_minimises_its_equations() -> None:
    method, data = OGBenchGCIQL(hidden=12, discount=0.9), two_goals(40)
    nets = networks(method)
    got, _ = method.losses(nets, data, knobs(expectile=EXPECTILES, alpha=ALPHAS))
    net = Reference(nets)
    s, s2, g, a, r = data.observations, data.next_observations, data.goals, data.actions, data.rewards
    w = data.policy_goals
    assert w is not None

    slow = net.target("Q", s, g, a)[..., 0]
    values, next_values = net("V", s, g)[..., 0], net.constant("V", s2, g)[..., 0].detach()
    scores, means = net("Q", s, g, a)[..., 0], net("pi", s, w)
    inside = torch.minimum(torch.maximum(means, torch.tensor(-1.0)), torch.tensor(1.0))
    assert (inside != means).any()
    climbed = net.constant("Q", s, w, inside)[..., 0].min(0).values
    u = slow.min(0).values - values
    tau = torch.tensor(EXPECTILES)[:, None]
    y = r + torch.where(r == 0, 0.0, 0.9 * next_values)
    cloning = (0.5 * (a - means).square().sum(-1) + 0.5 * math.log(2 * math.pi) * SIZES.action).mean(-1)
    size = climbed.detach().abs().mean(-1) + 1e-6
    expected = {
        "value": ((tau - (u < 0).double()).abs() * u**2).mean(-1),
        "critic": ((y - scores) ** 2).mean(-1).sum(0),
        "policy": -climbed.mean(-1) / size + torch.tensor(ALPHAS) * cloning,
    }
    net.assert_minimised(got, expected)
    for member in range(MEMBERS):
        residual = member_of(slow, member).min(0) - member_of(values, member)
        by_hand = np.abs(EXPECTILES[member] - (residual < 0)) * residual**2
        assert got["value"][member].item() == pytest.approx(by_hand.mean(), rel=CLOSE)
        rewards, after = member_of(r, member), member_of(next_values, member)
        wanted = rewards + np.where(rewards == 0, 0.0, 0.9 * after)
        errors = (wanted - member_of(scores, member)) ** 2
        assert got["critic"][member].item() == pytest.approx(errors.mean(-1).sum(), rel=CLOSE)
        climb, mean = member_of(climbed, member), a[member].numpy() - means[member].detach().numpy()
        density = -0.5 * (mean**2).sum(-1) - 0.5 * math.log(2 * math.pi) * SIZES.action
        by_hand = -climb.mean() / (np.abs(climb).mean() + 1e-6) - ALPHAS[member] * density.mean()
        assert got["policy"][member].item() == pytest.approx(by_hand, rel=CLOSE)


@pytest.mark.usefixtures("double")
def test_beyond_the_box_only_cloning_moves_gciqls_policy() -> None:
    method, data = OGBenchGCIQL(hidden=12), two_goals(8)
    nets = networks(method)
    with torch.no_grad():
        bias = nets["pi"].leaves(nets["pi"].flat.detach())["b3"]
        bias += 50.0
    losses, _ = method.losses(nets, data, knobs(expectile=EXPECTILES, alpha=(0.0, 1.0)))
    (gradient,) = torch.autograd.grad(losses["policy"].sum(), nets["pi"].flat)
    moved = nets["pi"].leaves(gradient)["b3"].abs().sum((1, 2))
    assert moved[0] == 0
    assert moved[1] > 0


@pytest.mark.parametrize("kind", [GCIVL, OGBenchGCIQL])
def test_goals_and_rewards(kind: type[Method]) -> None:
    """Rewards are 0 where the goal is the transition's own state; the shares of goals are those of the mixtures."""
    world, rows = replay(), 4000
    members = range(len(WORLD_MEMBERS))
    method = kind(discount=0.5, random_policy_goals=0.5)
    drawn = method.sample(world, Streams([5] * len(members), torch.tensor(1)), {}, rows)
    assert drawn.policy_goals is not None
    for member in members:
        own = drawn.achieved_goals[member, :, 0]
        assert torch.equal(drawn.rewards[member] == 0, drawn.goals[member, :, 0] == own)
        # At the goal: current ones; a fifth of the rest's futures, those from the last state; random ones.
        hits = float((drawn.rewards[member] == 0).float().mean())
        assert hits == pytest.approx(0.2 + 0.5 / T + 0.3 / (N * T), abs=0.03)
        # The policy's goals: half of them anywhere in the dataset; none is current but from the last state.
        same = (drawn.policy_goals[member, :, 0] // 100) == (own // 100)
        assert float(same.float().mean()) == pytest.approx(0.5 + 0.5 / N, abs=0.03)


def test_gcbcs_goals_are_later_states_of_the_episode() -> None:
    world = replay()
    drawn = GCBC().sample(world, Streams([5] * len(WORLD_MEMBERS), torch.tensor(1)), {}, 2000)
    start, goal = drawn.observations[..., 0], drawn.goals[..., 0]
    assert torch.equal(start // 100, goal // 100)
    time, later = start % 100 // 10, goal % 100 // 10
    last = time == T - 1
    assert set(later.flatten().tolist()) == set(range(1, T))  # neither the first state nor the very last
    assert (later[~last] > time[~last]).all()
    assert (later[last] == T - 1).all()


def test_networks_are_ogbenchs() -> None:
    specs = OGBenchGCIQL().networks(SIZES)
    for name, spec in specs.items():
        value = name != "pi"
        assert (spec.hidden, spec.activation, spec.init) == ((512,) * 3, "gelu", "xavier")
        assert (spec.layer_norm, spec.layer_norm_after, spec.last_scale) == (value, value, 1.0 if value else 0.1)
        assert not value or spec.layer_norm_epsilon == 1e-6
    assert (specs["Q"].copies, specs["Q"].target_rate, specs["V"].copies, specs["V"].target_rate) == (2, 0.005, 1, 0)


@pytest.mark.parametrize(
    "method", [GCBC(hidden=12), GCIVL(hidden=12), OGBenchGCIQL(hidden=12), OGBenchCRL(hidden=12)], ids=lambda m: m.name
)
def test_the_mean_is_clipped_when_acting(method: Method) -> None:
    net = Network(method.networks(SIZES)["pi"], "pi", [0], CPU)
    with torch.no_grad():
        net.flat *= 40.0
    states, goals = torch.randn(1, 30, SIZES.observation), torch.randn(1, 30, SIZES.goal)
    means = net.frozen(states, goals)
    assert (means > 1).any()
    assert (means < -1).any()
    assert torch.equal(method.act({"pi": net}, states, goals), means.clamp(-1, 1))


ALPHAS_OF = (OGBenchGCIQL, QRL, OGBenchCRL)
CONSTANTS = {
    "pointmaze-medium-navigate": (0.99, 0.0, (0.003, 0.0003, 0.03)),
    "pointmaze-giant-navigate": (0.995, 0.0, (0.003, 0.0003, 0.03)),
    "pointmaze-large-stitch": (0.99, 0.5, (0.003, 0.0003, 0.03)),
    "antmaze-giant-stitch": (0.995, 0.5, (0.3, 0.003, 0.1)),
    "antmaze-large-explore": (0.99, 1.0, (0.01, 0.001, 0.003)),
    "humanoidmaze-medium-stitch": (0.995, 0.5, (0.1, 0.001, 0.1)),
    "antsoccer-arena-navigate": (0.99, 0.0, (0.1, 0.003, 0.3)),
    "cube-single-play": (0.99, 0.0, (1.0, 0.3, 3.0)),
    "scene-noisy": (0.99, 0.0, (0.03, 0.03, 0.1)),
    "puzzle-4x4-play": (0.99, 0.0, (1.0, 0.3, 3.0)),
}
"""Discount, share of random goals of the policy, and weights of cloning."""


@pytest.mark.parametrize("task", CONSTANTS)
def test_constants_by_task(task: str) -> None:
    discount, random_goals, alphas = CONSTANTS[task]
    for kind in (GCIVL, *ALPHAS_OF):
        method = kind(**kind().by_task(task))
        assert method.random_policy_goals == random_goals
        assert kind is QRL or method.discount == discount
    assert tuple(kind().by_task(task)["alpha"] for kind in ALPHAS_OF) == alphas
    assert GCBC().by_task(task) == {}


def test_every_task_of_ogbench_has_constants_and_no_other_has() -> None:
    families = {_ogbench.family(task.name) for task in ogbench_tasks() if not task.sizes.image}
    assert families == set(ALPHA) == set(qrl.ALPHA) == set(ogbench_crl.ALPHA)
    assert all(kind().by_task("FetchReach") == {} for kind in (GCIVL, *ALPHAS_OF))
