"""GC-IQL, GC-SQL, GC-EQL and GC-XQL against NumPy implementations written from their equations, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from baselines import eql, iql, sql, xql
from baselines._in_sample import InSampleMethod
from baselines.eql import GCEQL
from baselines.iql import GCIQL
from baselines.sql import GCSQL
from baselines.xql import GCXQL
from smore_sweep.stacked.rng import Streams
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE
from tests.reference.wiring import MEMBERS, Reference, batch, discounted, networks
from tests.unit.stacked.world import EXPERT, THRESHOLD, T, commanded, observed, replay

Knobs = dict[str, float]


def largest(z: Array) -> float:
    """The constant in the exponent of the released EQL and XQL."""
    return max(-1.0, float(np.max(z)))


# v(u) of one member at targets q and values v; the exponent's constant m belongs to the values ``at``.


def v_iql(q: Array, v: Array, at: Array, knobs: Knobs) -> Array:
    u = q - v
    return np.asarray(np.abs(knobs["expectile"] - (u < 0)) * u**2)


def v_sql(q: Array, v: Array, at: Array, knobs: Knobs) -> Array:
    z = 1 + (q - v) / (2 * knobs["alpha"])
    return np.where(z > 0, z**2, 0.0) + v / knobs["alpha"]


def v_eql(q: Array, v: Array, at: Array, knobs: Knobs) -> Array:
    alpha = knobs["alpha"]
    m = largest(np.minimum((q - at) / alpha, 5))
    return np.asarray(np.exp(np.minimum((q - v) / alpha, 5) - m) + np.exp(-m) * v / alpha)


def v_xql(q: Array, v: Array, at: Array, knobs: Knobs) -> Array:
    beta, clip = knobs["beta"], knobs["max_clip"]
    m = largest(np.minimum((q - at) / beta, clip))
    z = np.minimum((q - v) / beta, clip)
    return np.asarray(np.exp(z - m) - z * np.exp(-m) - np.exp(-m))


def w_sql(u: Array, knobs: Knobs) -> Array:
    return np.clip(u, 0, 100)


def w_eql(u: Array, knobs: Knobs) -> Array:
    return np.clip(np.exp(10 * u / knobs["alpha"]), 0, 100)


def w_awr(u: Array, knobs: Knobs) -> Array:
    return np.clip(np.exp(knobs["temperature"] * u), 0, 100)


VALUE: dict[type[InSampleMethod], Callable[[Array, Array, Array, Knobs], Array]] = {
    GCIQL: v_iql,
    GCSQL: v_sql,
    GCEQL: v_eql,
    GCXQL: v_xql,
}
WEIGHT: dict[type[InSampleMethod], Callable[[Array, Knobs], Array]] = {
    GCIQL: w_awr,
    GCSQL: w_sql,
    GCEQL: w_eql,
    GCXQL: w_awr,
}
KNOBS: dict[type[InSampleMethod], list[Knobs]] = {
    GCIQL: [{"expectile": 0.7, "temperature": 3.0}, {"expectile": 0.9, "temperature": 10.0}],
    GCSQL: [{"alpha": 1.0}, {"alpha": 0.3}],
    GCEQL: [{"alpha": 2.0}, {"alpha": 0.4}],
    GCXQL: [{"beta": 2.0, "temperature": 3.0, "max_clip": 7.0}, {"beta": 0.6, "temperature": 10.0, "max_clip": 2.0}],
}
"""Of two members: a mild one and one for which the clips matter."""
every_method = pytest.mark.parametrize("kind", VALUE, ids=lambda kind: kind.name)


def stacked(members: list[Knobs]) -> dict[str, torch.Tensor]:
    return {name: torch.tensor([[knobs[name]] for knobs in members], dtype=torch.float64) for name in members[0]}


@every_method
def test_value_loss_and_its_gradients(kind: type[InSampleMethod]) -> None:
    random = np.random.default_rng(0)
    q, v = random.normal(0, 2, (2, 2, 30))
    leaf = torch.tensor(v, requires_grad=True)
    got = kind().value_loss(torch.tensor(q), leaf, stacked(KNOBS[kind]))
    (gradient,) = torch.autograd.grad(got.sum(), leaf)
    for member, knobs in enumerate(KNOBS[kind]):
        own = q[member], v[member]
        expected = VALUE[kind](*own, own[1], knobs)
        np.testing.assert_allclose(got[member].detach().numpy(), expected, rtol=CLOSE, atol=1e-9)

        def varied(x: Array, own: tuple[Array, Array] = own, knobs: Knobs = knobs) -> float:
            return float(VALUE[kind](own[0], x, own[1], knobs).sum())

        np.testing.assert_allclose(gradient[member].numpy(), numeric_gradient(varied, own[1]), rtol=CLOSE, atol=1e-8)


@every_method
def test_weights(kind: type[InSampleMethod]) -> None:
    u = np.random.default_rng(1).normal(0, 3, (2, 60))
    got = kind().policy_weights(torch.tensor(u), stacked(KNOBS[kind])).numpy()
    for member, knobs in enumerate(KNOBS[kind]):
        np.testing.assert_allclose(got[member], WEIGHT[kind](u[member], knobs), rtol=CLOSE)


@every_method
def test_extreme_advantages_do_not_overflow(kind: type[InSampleMethod]) -> None:
    """In float32, where exp overflows beyond 88."""
    knobs = {name: values.float() for name, values in stacked(KNOBS[kind]).items()}
    u = torch.tensor([[-1e6, -1.0, 1.0, 1e6], [-1e6, -1e6, -1e6, -1e6]])
    values = (-u).requires_grad_()
    loss = kind().value_loss(torch.zeros(2, 4), values, knobs)
    (gradient,) = torch.autograd.grad(loss.sum(), values)
    weights = kind().policy_weights(u, knobs)
    assert torch.isfinite(loss).all()
    assert torch.isfinite(gradient).all()
    assert weights[0, 0] == 0.0
    assert float(weights[0, -1]) == pytest.approx(100.0, rel=1e-5)
    assert (gradient[1] > 0).all()  # Q far below V: V has to come down


@every_method
def test_a_member_does_not_feel_the_others(kind: type[InSampleMethod]) -> None:
    """Least of all through the largest exponent of a batch."""
    random = torch.Generator().manual_seed(0)
    targets, values = torch.randn(2, 2, 16, generator=random).double()
    targets[1] += 50.0
    knobs = stacked(KNOBS[kind])
    together = kind().value_loss(targets, values, knobs)
    for member in range(2):
        one = slice(member, member + 1)
        alone = kind().value_loss(targets[one], values[one], {name: knob[one] for name, knob in knobs.items()})
        assert torch.equal(together[one], alone)


# Meaning of the values: targets of one state under the data's actions, and the V that the loss prefers.

TARGETS = np.array([-3.0, -2.0, -2.0, -1.0, 0.5])
GRID = np.linspace(-4.0, 2.0, 6001)


def best_value(kind: type[InSampleMethod], **knobs: float) -> float:
    targets = torch.tensor(TARGETS)[None].expand(len(GRID), -1)
    values = torch.tensor(GRID)[:, None].expand(-1, len(TARGETS)).clone().requires_grad_()
    loss = kind().value_loss(targets, values, stacked([knobs] * len(GRID)))
    (gradient,) = torch.autograd.grad(loss.sum(), values)
    # Where the gradient's sign changes: the loss itself is scaled anew at each point of the grid.
    slope = gradient.sum(-1).numpy()
    (crossing,) = np.flatnonzero((slope[:-1] < 0) & (slope[1:] >= 0))
    return float(GRID[crossing])


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_the_value_of_eql_and_of_xql_is_the_soft_maximum(scale: float) -> None:
    expected = scale * math.log(np.mean(np.exp(TARGETS / scale)))
    assert best_value(GCEQL, alpha=scale) == pytest.approx(expected, abs=2e-3)
    assert best_value(GCXQL, beta=scale, max_clip=7.0) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_the_value_of_sql_balances_the_actions_that_are_not_far_below(alpha: float) -> None:
    best = best_value(GCSQL, alpha=alpha)
    assert np.mean(np.maximum(1 + (TARGETS - best) / (2 * alpha), 0)) == pytest.approx(1.0, abs=0.01)


def test_the_value_of_sql_by_hand() -> None:
    # Two targets, 0 and 1, and alpha 0.05: only the better one counts, (1 + (1-V)/0.1) / 2 = 1, so V = 0.9.
    # By that, z = 2 at 1 and -8 at 0: v = 4 + 18 and 0 + 18.
    loss = sql.sparse_value_loss(torch.tensor([0.0, 1.0]), torch.tensor(0.9), torch.tensor(0.05))
    assert loss.tolist() == pytest.approx([18.0, 22.0], rel=1e-6)


def test_the_exponential_losses_by_hand() -> None:
    # u = 2 and 0 at scale 2: z = 1 and 0, so m = 1. V = 0.
    q, v, scale = torch.tensor([2.0, 0.0]), torch.zeros(2), torch.tensor(2.0)
    assert eql.exponential_value_loss(q, v, scale).tolist() == pytest.approx([1.0, math.exp(-1)])
    # e^0 - 2 e^-1 and e^-1 - 0 - e^-1
    gumbel = xql.gumbel_value_loss(q - v, scale, torch.tensor(7.0))
    assert gumbel.tolist() == pytest.approx([1 - 2 * math.exp(-1), 0.0], abs=1e-7)
    # All far below: z = -3, m = -1. e^-2 + e * 6/2.
    far = eql.exponential_value_loss(torch.tensor([0.0]), torch.tensor([6.0]), scale)
    assert far.tolist() == pytest.approx([math.exp(-2) + 3 * math.e])


def test_a_sample_beyond_the_clip_pushes_eqls_value_away_and_leaves_xqls_alone() -> None:
    # u = 12 at scale 2 is z = 6, beyond 5: only EQL's linear term is left, exp(-5) / 2, and it wants V lower still.
    values = torch.tensor([0.0], requires_grad=True)
    scale = torch.tensor(2.0)
    (gradient,) = torch.autograd.grad(eql.exponential_value_loss(torch.tensor([12.0]), values, scale).sum(), values)
    assert gradient.tolist() == pytest.approx([math.exp(-5) / 2])
    loss = xql.gumbel_value_loss(torch.tensor([12.0]) - values, scale, torch.tensor(5.0))
    (gradient,) = torch.autograd.grad(loss.sum(), values)
    assert gradient.tolist() == [0.0]


def test_xqls_critic_loss_is_linear_beyond_20() -> None:
    residual = torch.tensor([-30.0, -20.0, -2.0, 0.0, 2.0, 20.0, 30.0])
    # 2^2/2; 20^2/2; 20^2/2 + 20 * 10
    assert GCXQL().critic_loss(residual).tolist() == [400.0, 200.0, 2.0, 0.0, 2.0, 200.0, 400.0]
    assert GCIQL().critic_loss(residual).tolist() == [900.0, 400.0, 4.0, 0.0, 4.0, 400.0, 900.0]


@pytest.mark.usefixtures("double")
@every_method
def test_the_networks_minimise_the_equations(kind: type[InSampleMethod]) -> None:
    """``losses`` on real networks: which network, which inputs, and where no gradient may flow."""
    method = kind(hidden=12, discount=0.9)
    nets, data = networks(method), batch(20)
    got, _ = method.losses(nets, data, {**stacked(KNOBS[kind]), **discounted(0.9)})

    net = Reference(nets)
    s, s2, g, a, r = data.observations, data.next_observations, data.goals, data.actions, data.rewards
    # No terminal: the bootstrap is taken at the goal, too.
    assert set(r.flatten().tolist()) == {-1.0, 0.0}
    e = r + 0.9 * net.constant("V", s2, g)[..., 0].detach() - net("Q", s, g, a)[..., 0]
    huber = torch.where(e.abs() < 20, e**2 / 2, 20 * e.abs() - 200)
    q = net.target("Q", s, g, a)[..., 0].min(0).values
    v = net("V", s, g)[..., 0]
    u = (q - v).detach().numpy()
    mean, std = torch.tanh(net("pi", s, g)), net.log_std("pi").clamp(-5, 2).exp()
    log_density = (-0.5 * ((a - mean) / std) ** 2 - (std * (2 * math.pi) ** 0.5).log()).sum(-1)
    weights = np.stack([WEIGHT[kind](u[member], knobs) for member, knobs in enumerate(KNOBS[kind])])
    expected = {
        "critic": (huber if kind is GCXQL else e**2).mean(-1).sum(0),
        # Its values and gradients are checked above; here, that these are the right Q and V.
        "value": method.value_loss(q, v, stacked(KNOBS[kind])).mean(-1),
        "policy": -(torch.tensor(weights) * log_density).mean(-1),
    }
    net.assert_minimised(got, expected)
    values = [
        VALUE[kind](q[m].numpy(), v[m].detach().numpy(), v[m].detach().numpy(), KNOBS[kind][m]).mean()
        for m in range(MEMBERS)
    ]
    np.testing.assert_allclose(got["value"].detach().numpy(), values, rtol=CLOSE)


def goals_of(relabelling: str, her_ratio: float, discount: float = 0.99) -> list[tuple[tuple[int, int], int, float]]:
    """(episode, time, goal) of many draws; checks that each reward is that of the goal in the batch."""
    world = replay((EXPERT,))
    method = GCIQL(relabelling=relabelling, discount=discount)
    knobs = {"her_ratio": torch.tensor([[her_ratio]]), **discounted(discount, 1)}
    streams = Streams([0], torch.tensor(1))
    drawn = method.sample(world, streams, knobs, 600)
    again = method._draw(world, streams, knobs, 600)
    assert torch.equal(world.batch(again).goals, drawn.goals)
    return observed(world, again, 0)


def place(goal: float) -> tuple[tuple[int, int], int]:
    """Where an achieved goal of that world was achieved."""
    whole = round(goal)
    return (whole // 1000, whole % 1000 // 100), whole % 100 // 10


def later(draws: list[tuple[tuple[int, int], int, float]]) -> list[int]:
    """How many steps after the transition's start the goal is achieved, checked to be in the same episode. Two of that
    world's achieved goals look almost alike; that episode is left out."""
    kept = [(episode, time, *place(goal)) for episode, time, goal in draws if episode != (0, 2)]
    assert all(episode == other for episode, _, other, _ in kept)
    return [when - time for _, time, _, when in kept]


def test_relabelling() -> None:
    assert all(goal == commanded(*episode) for episode, _, goal in goals_of("future", 0.0))
    assert set(later(goals_of("next", 1.0))) == {1}
    futures = later(goals_of("future", 1.0))
    assert set(futures) == set(range(1, T + 1))
    # Uniform futures of 3 steps: k = 1 in (1/3 + 1/2 + 1)/3 of the cases; k = 2 is half as likely as k = 1 where the
    # discount is 1/2, and a third of the times cannot look further than 1: (1/(1 + 1/2 + 1/4) + 1/(1 + 1/2) + 1)/3.
    near = np.mean(np.array(futures) == 1)
    assert near == pytest.approx(11 / 18, abs=0.06)  # 3 standard errors
    geometric = later(goals_of("geometric", 1.0, discount=0.5))
    assert np.mean(np.array(geometric) == 1) == pytest.approx((4 / 7 + 2 / 3 + 1) / 3, abs=0.06)
    anywhere = [place(goal)[0] for _, _, goal in goals_of("random", 1.0)]
    assert {episode for episode in anywhere if episode[0] == 0} == {(0, n) for n in range(EXPERT)}
    assert THRESHOLD < 10  # or neighbouring goals would count as one


CONSTANTS: list[tuple[type[InSampleMethod], Mapping[str, Mapping[str, Any]]]] = [
    (GCIQL, iql.RELEASED),
    (GCSQL, sql.RELEASED),
    (GCEQL, eql.RELEASED),
    (GCXQL, xql.RELEASED),
]


@pytest.mark.parametrize(("kind", "released"), CONSTANTS, ids=[kind.name for kind, _ in CONSTANTS])
def test_the_released_constants_are_knobs(
    kind: type[InSampleMethod], released: Mapping[str, Mapping[str, Any]]
) -> None:
    assert {"mujoco", "antmaze", "kitchen"} <= released.keys()
    for constants in released.values():
        assert constants.items() <= kind(**constants).fields().items()
