"""The losses of SMORe's ablations against NumPy implementations written from the paper's equations, in float64."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch

from baselines.smore_action_free import SMOReActionFree, action_free_loss, ratio
from baselines.smore_actor_critic import SMOReActorCritic, actor_critic_loss
from smore_sweep.method import Method
from smore_sweep.stacked.networks import Network, Networks
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE
from tests.reference.wiring import discounted
from tests.unit.stacked.test_networks import plain

BETA = np.array([0.5, 0.2])
DISCOUNT, HORIZON = torch.tensor(0.9, dtype=torch.float64), torch.tensor(10.0, dtype=torch.float64)


def l_actor_critic(
    initial: Array, after_goal: Array, on_goal: Array, y_rho: Array, y_q: Array, *, beta: float, discount: float
) -> float:
    """Eq. 8, term by term; Mix is beta q + (1 - beta) rho."""
    mixed = beta * np.mean(y_q**2) + (1 - beta) * np.mean(y_rho**2)
    terms = [
        beta * (1 - discount) * np.mean(initial),
        beta * discount * np.mean(after_goal),
        -beta * np.mean(on_goal),
        0.25 * mixed,
    ]
    return float(sum(terms))


def l_action_free(initial: Array, y_rho: Array, y_q: Array, *, beta: float, discount: float) -> float:
    """Eq. 63 with ``w`` the positive part of the inverse derivative of ``f(x) = (x - 1)^2``."""

    def dual(y: Array) -> Array:
        w = np.maximum(0.0, 1.0 + y / 2.0)
        return np.asarray(w * y - (w - 1.0) ** 2)

    mixed = beta * np.mean(dual(y_q)) + (1 - beta) * np.mean(dual(y_rho))
    return float(beta * (1 - discount) * np.mean(initial) + mixed - (1 - beta) * np.mean(y_rho))


def test_actor_critic_loss_and_its_gradients() -> None:
    arrays = list(np.random.default_rng(0).normal(0, 3, (5, 2, 7)))
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    values = actor_critic_loss(*leaves, beta=torch.tensor(BETA), discount=DISCOUNT, effective_horizon=HORIZON)
    expected = [l_actor_critic(*(a[m] for a in arrays), beta=BETA[m], discount=0.9) for m in range(2)]
    np.testing.assert_allclose(values.detach().numpy(), expected, rtol=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(values.sum(), leaves)):
        for m in range(2):

            def varied(x: Array, place: int = place, m: int = m) -> float:
                return l_actor_critic(
                    *(x if i == place else a[m] for i, a in enumerate(arrays)), beta=BETA[m], discount=0.9
                )

            np.testing.assert_allclose(gradient[m].numpy(), numeric_gradient(varied, arrays[place][m]), rtol=CLOSE)


def test_actor_critic_loss_by_hand() -> None:
    one = torch.ones(1, 2)
    # beta .5, discount .9: .5 * (.1 * 10 + .9 * 20 - 30) + .25 * (.5 * 4 + .5 * 16) = -5.5 + 2.5
    got = actor_critic_loss(
        10 * one,
        20 * one,
        30 * one,
        4 * one,
        2 * one,
        beta=torch.tensor([0.5]),
        discount=DISCOUNT,
        effective_horizon=HORIZON,
    )
    assert got.tolist() == pytest.approx([-3.0])


def test_action_free_loss_and_its_gradients() -> None:
    arrays = list(np.random.default_rng(1).normal(0, 3, (3, 2, 40)))
    assert (arrays[1] < -2).any()
    assert (arrays[1] > 2).any()
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    values = action_free_loss(*leaves, beta=torch.tensor(BETA), effective_horizon=HORIZON)
    expected = [l_action_free(*(a[m] for a in arrays), beta=BETA[m], discount=0.9) for m in range(2)]
    np.testing.assert_allclose(values.detach().numpy(), expected, rtol=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(values.sum(), leaves)):
        for m in range(2):

            def varied(x: Array, place: int = place, m: int = m) -> float:
                return l_action_free(
                    *(x if i == place else a[m] for i, a in enumerate(arrays)), beta=BETA[m], discount=0.9
                )

            numeric = numeric_gradient(varied, arrays[place][m])
            np.testing.assert_allclose(gradient[m].numpy(), numeric, rtol=CLOSE, atol=1e-9)


def test_the_truncated_conjugate_is_the_supremum_over_non_negative_ratios() -> None:
    """``f*_+(y) = sup_{x >= 0} x y - (x - 1)^2``, on a fine grid of x; and its maximiser is the ratio."""
    x = np.linspace(0, 10, 200_001)
    for y in (-7.0, -2.0, -0.5, 0.0, 3.0):
        objective = x * y - (x - 1) ** 2
        at = torch.tensor([[y]], dtype=torch.float64)
        nothing = torch.zeros_like(at)
        # beta = 1 leaves (1 - discount) E[S] + f*_+ on q, and the first is 0 here.
        loss = action_free_loss(nothing, nothing, at, beta=torch.ones(1), effective_horizon=HORIZON)
        assert float(loss) == pytest.approx(objective.max(), abs=1e-8)
        assert float(ratio(at)) == pytest.approx(x[objective.argmax()], abs=1e-4)


def world(method: Method) -> tuple[Networks, dict[str, torch.Tensor], Batch]:
    """Two members' networks away from their initial values, the same parameters as plain leaves, and a batch."""
    normal = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    specs = method.networks(Sizes(observation=4, goal=2, action=3))
    nets = {name: Network(spec, name, range(2), torch.device("cpu")) for name, spec in specs.items()}
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.3 * normal(net.flat.shape)
    states, next_states, goals = (normal(2, 12, width) for width in (4, 4, 2))
    batch = Batch(states, torch.tanh(normal(2, 12, 3)), next_states, goals, goals + 1, -torch.ones(2, 12))
    return nets, {name: net.flat.detach().clone().requires_grad_() for name, net in nets.items()}, batch


def check(
    nets: Networks, flat: dict[str, torch.Tensor], got: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]
) -> None:
    """Losses and the gradient of their sum agree, parameter by parameter."""
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, rtol=1e-9, atol=1e-12)
    mine = torch.autograd.grad(torch.stack(list(got.values())).sum(), [net.flat for net in nets.values()])
    plainly = torch.autograd.grad(torch.stack(list(expected.values())).sum(), list(flat.values()))
    for net, first, second in zip(nets.values(), mine, plainly, strict=True):
        for leaf, values in net.leaves(second).items():
            torch.testing.assert_close(net.leaves(first)[leaf], values, rtol=1e-8, atol=1e-10)
            assert values.abs().max() > 0


@pytest.mark.usefixtures("double")
def test_the_actor_critic_minimises_the_equations() -> None:
    method = SMOReActorCritic(hidden=12, discount=0.9)
    nets, flat, batch = world(method)
    beta = torch.tensor(BETA)
    got, _ = method.losses(nets, batch, {"beta": beta[:, None], **discounted(0.9)})

    rho, q = slice(0, 6), slice(6, None)
    s, a, s2, g = batch.observations, batch.actions, batch.next_observations, batch.goals
    target = nets["S"].target_flat
    assert target is not None

    def policy(parameters: torch.Tensor, states: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return torch.tanh(plain(nets["pi"], parameters, states, goals))

    def score(parameters: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        return plain(nets["S"], parameters, *inputs)[..., 0]

    fixed, taken = flat["pi"].detach(), policy(flat["pi"], s[:, rho], g[:, rho])
    after = policy(fixed, s2, g)
    bootstrap = 0.9 * score(target, s2, g, after).min(0).values
    y = bootstrap - score(flat["S"], s, g, a)
    linear = (
        0.1 * score(flat["S"], s[:, rho], g[:, rho], taken.detach()).mean(-1)
        + 0.9 * score(flat["S"], s2[:, q], g[:, q], after[:, q]).mean(-1)
        - score(flat["S"], s[:, q], g[:, q], a[:, q]).mean(-1)
    )
    squared = beta * (y[..., q] ** 2).mean(-1) + (1 - beta) * (y[..., rho] ** 2).mean(-1)
    climbed = score(flat["S"].detach(), s[:, rho], g[:, rho], taken).min(0).values
    check(nets, flat, got, {"score": (beta * linear + 0.25 * squared).sum(0), "policy": -climbed.mean(-1)})


@pytest.mark.usefixtures("double")
def test_the_action_free_score_minimises_the_equations() -> None:
    method = SMOReActionFree(hidden=12, discount=0.9)
    nets, flat, batch = world(method)
    beta = torch.tensor(BETA)
    got, _ = method.losses(nets, batch, {"beta": beta[:, None], **discounted(0.9)})

    rho, q = slice(0, 6), slice(6, None)
    here = plain(nets["S"], flat["S"], batch.observations, batch.goals)[..., 0]
    y = 0.9 * plain(nets["S"], flat["S"], batch.next_observations, batch.goals)[..., 0] - here
    w = (1 + y / 2).clamp(min=0)
    dual = w * y - (w - 1) ** 2
    on_data = (dual - y)[:, rho].mean(-1)
    score = beta * 0.1 * here[:, rho].mean(-1) + beta * dual[:, q].mean(-1) + (1 - beta) * on_data
    means = torch.tanh(plain(nets["pi"], flat["pi"], batch.observations[:, rho], batch.goals[:, rho]))
    std = nets["pi"].leaves(flat["pi"])["log_std"].clamp(-5, 2).exp()
    density = torch.exp(-0.5 * ((batch.actions[:, rho] - means) / std) ** 2) / (std * (2 * math.pi) ** 0.5)
    policy = -(w[:, rho].clamp(max=100).detach() * density.log().sum(-1)).mean(-1)
    check(nets, flat, got, {"score": score, "policy": policy})
