"""SMORe's losses against NumPy implementations written from the paper's equations, in float64."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from smore_sweep.smore import SMORe, paper_loss, release_loss, release_stable_loss
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from tests.conftest import Array, numeric_gradient
from tests.reference.f_divergences import ALL, f_star
from tests.reference.gradients import CLOSE
from tests.reference.wiring import discounted
from tests.unit.stacked.test_networks import plain


def eq10(initial: Array, rho: Array, q: Array, *, beta: float, discount: float, divergence: str) -> float:
    """Eq. 10 in its general form: beta (1-gamma) E_rho[S] + beta E_q[f*(y)] + (1-beta) E_rho[f*(y) - y]."""
    start = beta * (1 - discount) * np.mean(initial)
    on_q = beta * np.mean(f_star(divergence, q))
    on_rho = (1 - beta) * np.mean(f_star(divergence, rho) - rho)
    return float(start + on_q + on_rho)


def batch(members: int = 3, copies: int = 2, rows: int = 8) -> tuple[Array, Array, Array]:
    random = np.random.default_rng(1)
    initial, rho, q = random.normal(0.0, 1.5, (3, copies, members, rows))
    return initial, rho, q


BETA = (0.2, 0.5, 1.0)


@pytest.mark.parametrize("divergence", ALL)
def test_paper_loss_and_its_gradients(divergence: str) -> None:
    arrays = batch()
    beta = torch.tensor(BETA, dtype=torch.float64)

    def loss(*inputs: torch.Tensor) -> torch.Tensor:
        return paper_loss(*inputs, beta=beta, effective_horizon=torch.tensor(1 / 0.03), divergence=divergence)

    got = loss(*map(torch.tensor, arrays))
    assert got.shape == (2, 3)
    for copy, member in np.ndindex(2, 3):
        own = [array[copy, member] for array in arrays]
        settings: dict[str, Any] = {"beta": BETA[member], "discount": 0.97, "divergence": divergence}
        assert float(got[copy, member]) == pytest.approx(eq10(*own, **settings), rel=CLOSE)
        for place in range(3):

            def varied(
                x: Array, own: list[Array] = own, place: int = place, settings: dict[str, Any] = settings
            ) -> float:
                return eq10(*(x if i == place else array for i, array in enumerate(own)), **settings)

            leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
            (gradient,) = torch.autograd.grad(loss(*leaves).sum(), leaves[place])
            expected = numeric_gradient(varied, own[place])
            np.testing.assert_allclose(gradient[copy, member].numpy(), expected, rtol=CLOSE, atol=1e-8)


def test_pearson_loss_is_equation_8() -> None:
    """beta (1-gamma) E_rho[S] + beta gamma E_q[M'] - beta E_q[S] + 0.25 E_Mix[(gamma M' - S)^2], M' for S(s', pi)."""
    random = np.random.default_rng(2)
    s_initial, s_rho, s_q, m_rho, m_q = random.normal(0.0, 2.0, (5, 64))
    beta, gamma = 0.3, 0.95
    mix = beta * np.mean((gamma * m_q - s_q) ** 2) + (1 - beta) * np.mean((gamma * m_rho - s_rho) ** 2)
    start = beta * (1 - gamma) * np.mean(s_initial)
    equation_8 = start + beta * gamma * np.mean(m_q) - beta * np.mean(s_q)
    rows = [torch.tensor(array)[None] for array in (s_initial, gamma * m_rho - s_rho, gamma * m_q - s_q)]
    beta_tensor = torch.tensor([beta], dtype=torch.float64)
    for divergence, coefficient in (("pearson", 0.25), ("printed", 1.0)):
        got = float(
            paper_loss(
                *rows, beta=beta_tensor, effective_horizon=torch.tensor([1 / (1 - gamma)]), divergence=divergence
            )
        )
        assert got == pytest.approx(equation_8 + coefficient * mix, rel=1e-9)


def test_paper_loss_by_hand() -> None:
    # beta 0.5, discount 0.9: 0.5 * 0.1 * (1 + 3)/2 = 0.1; on q: 0.5 * (2 + 1) = 1.5; on rho: 0.5 * (4^2 / 4) = 2.
    initial, rho, q = torch.tensor([[1.0, 3.0]]), torch.tensor([[4.0]]), torch.tensor([[2.0]])
    got = paper_loss(
        initial, rho, q, beta=torch.tensor([0.5]), effective_horizon=torch.tensor([10.0]), divergence="pearson"
    )
    assert float(got) == pytest.approx(0.1 + 1.5 + 2.0, rel=1e-6)


def release(s_rho: Array, s_q: Array, y_rho: Array) -> float:
    return float(-np.mean(s_q) + 1e-4 * np.mean(s_rho) + 0.5 * np.mean(y_rho**2))


def release_stable(s_rho: Array, s_q: Array, y_rho: Array, *, gamma: float) -> float:
    """``y = gamma M' - S``, so ``S - (-2 + gamma M') = 2 - y``."""
    return float(
        np.mean((s_q - 2 / (1 - gamma)) ** 2) + 1e-4 * (1 - gamma) * np.mean(s_rho**2) + 0.5 * np.mean((2 - y_rho) ** 2)
    )


@pytest.mark.parametrize("stable", [False, True])
def test_released_losses_and_their_gradients(stable: bool) -> None:
    s_rho, s_q, y_rho = (100 * array[0, 0] for array in batch())
    arrays = [s_rho, s_q, y_rho]
    gamma = 0.99

    def loss(*inputs: torch.Tensor) -> torch.Tensor:
        s_rho, s_q, y_rho = inputs
        horizon = torch.tensor(1 / (1 - gamma))
        return release_stable_loss(s_rho, s_q, y_rho, horizon) if stable else release_loss(s_rho, s_q, y_rho)

    def expected(*inputs: Array) -> float:
        return release_stable(*inputs, gamma=gamma) if stable else release(*inputs)

    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = loss(*leaves)
    assert float(value.detach()) == pytest.approx(expected(*arrays), rel=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(value, leaves)):

        def varied(x: Array, place: int = place) -> float:
            return expected(*(x if i == place else array for i, array in enumerate(arrays)))

        # The loss is a polynomial of degree 2, for which central differences are exact at any step.
        np.testing.assert_allclose(
            gradient.numpy(), numeric_gradient(varied, arrays[place], 1.0), rtol=CLOSE, atol=1e-9
        )


def test_released_losses_by_hand() -> None:
    s_rho, s_q, y_rho = torch.tensor([10.0, 20.0]), torch.tensor([5.0, 7.0]), torch.tensor([1.0, -3.0])
    # -(5+7)/2 + 1e-4 * 15 + 0.5 * (1+9)/2 = -6 + 0.0015 + 2.5
    assert float(release_loss(s_rho, s_q, y_rho)) == pytest.approx(-3.4985, rel=1e-6)
    # 2 / (1-0.99) = 200: (195^2 + 193^2)/2 = 37637; 1e-6 * (100+400)/2 = 2.5e-4; 0.5 * (1 + 25)/2 = 6.5
    assert float(release_stable_loss(s_rho, s_q, y_rho, torch.tensor(100.0))) == pytest.approx(37643.50025, rel=1e-5)


WIRED = [
    SMORe(hidden=12),
    SMORe(hidden=12, variant="printed", beta=0.3),
    SMORe(hidden=12, variant="release"),
    SMORe(hidden=12, variant="release_stable", discount=0.9),
    SMORe(hidden=12, initial_action="policy", discount=0.9),
    SMORe(hidden=12, extraction="gradient", initial_action="policy"),
    SMORe(hidden=12, extraction="gradient_bc"),
]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("method", WIRED, ids=[method.label for method in WIRED])
def test_the_networks_minimise_the_equations(method: SMORe) -> None:
    """``SMORe.losses`` on real networks: which network, which half of the batch, and where no gradient may flow."""
    members, rows = 2, 6
    normal = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    nets = {
        name: Network(spec, name, range(members), torch.device("cpu"))
        for name, spec in method.networks(Sizes(observation=4, goal=2, action=3)).items()
    }
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.3 * normal(net.flat.shape)
    states, next_states, goals = (normal(members, 2 * rows, width) for width in (4, 4, 2))
    actions = torch.tanh(normal(members, 2 * rows, 3))
    noise = normal(members, rows, 3) if method.initial_action == "policy" else None
    batch = Batch(states, actions, next_states, goals, goals + 1, -torch.ones(members, 2 * rows), noise=noise)
    expectile, temperature, beta = torch.tensor([[0.8], [0.6]]), torch.tensor([[3.0], [0.5]]), torch.tensor([0.5, 0.2])
    bc_weight = torch.tensor([0.4, 1.5])
    knobs = {"beta": beta[:, None], "expectile": expectile, "temperature": temperature, "bc_weight": bc_weight[:, None]}
    knobs |= discounted(method.discount)
    got, info = method.losses(nets, batch, knobs)

    def forward(name: str, flat: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        return plain(nets[name], flat, *inputs)

    flat = {name: net.flat.detach().clone().requires_grad_() for name, net in nets.items()}
    rho, q = slice(0, rows), slice(rows, None)
    score = forward("S", flat["S"], states, goals, actions)[..., 0]
    bootstrap = forward("M", flat["M"].detach(), next_states, goals)[..., 0]
    y = method.discount * bootstrap - score
    means = torch.tanh(forward("pi", flat["pi"], states[:, rho], goals[:, rho]))
    stochastic = method.extraction == "awr"
    log_std = nets["pi"].leaves(flat["pi"])["log_std"].clamp(-5.0, 2.0) if stochastic else torch.tensor(-torch.inf)
    if method.variant in ("paper", "printed"):
        initial = score[..., rho]
        if noise is not None:
            taken = (means + log_std.exp() * noise).clamp(-1, 1).detach()
            initial = forward("S", flat["S"], states[:, rho], goals[:, rho], taken)[..., 0]
        coefficient = 0.25 if method.variant == "paper" else 1.0
        on_q = (y[..., q] + coefficient * y[..., q] ** 2).mean(-1)
        on_rho = (coefficient * y[..., rho] ** 2).mean(-1)
        loss = beta * (1 - method.discount) * initial.mean(-1) + beta * on_q + (1 - beta) * on_rho
    elif method.variant == "release":
        loss = -score[..., q].mean(-1) + 1e-4 * score[..., rho].mean(-1) + 0.5 * (y[..., rho] ** 2).mean(-1)
    else:
        best = 2 / (1 - method.discount)
        regression = 0.5 * ((score - (-2 + method.discount * bootstrap))[..., rho] ** 2).mean(-1)
        loss = ((score[..., q] - best) ** 2).mean(-1) + 1e-4 * (1 - method.discount) * (score[..., rho] ** 2).mean(-1)
        loss = loss + regression
    assert nets["S"].target_flat is not None
    target = forward("S", nets["S"].target_flat, states[:, rho], goals[:, rho], actions[:, rho])[..., 0].min(0).values
    value = forward("M", flat["M"], states[:, rho], goals[:, rho])[..., 0]
    u = target - value
    expected = {
        "score": loss.sum(0),
        "value": (torch.where(u > 0, expectile, 1 - expectile) * u**2).mean(-1),
    }
    if stochastic:
        weights = torch.exp(temperature * u).clamp(max=100.0).detach()
        normal_density = torch.exp(-0.5 * ((actions[:, rho] - means) / log_std.exp()) ** 2) / (
            log_std.exp() * (2 * math.pi) ** 0.5
        )
        expected["policy"] = -(weights * normal_density.log().sum(-1)).mean(-1)
        torch.testing.assert_close(info["weight_share"], weights.sum(-1) ** 2 / (rows * (weights**2).sum(-1)))
    else:
        climbed = forward("S", flat["S"].detach(), states[:, rho], goals[:, rho], means)[..., 0].min(0).values
        expected["policy"] = -climbed.mean(-1)
        if method.extraction == "gradient_bc":
            distance = ((means - actions[:, rho]) ** 2).sum((1, 2)) / (3 * rows)
            expected["policy"] = -climbed.mean(-1) / climbed.abs().mean(-1).detach() + bc_weight * distance
    assert got.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, rtol=1e-9, atol=1e-12)
    gradients = torch.autograd.grad(sum(got.values(), torch.zeros(members)).sum(), [net.flat for net in nets.values()])
    plainly = torch.autograd.grad(sum(expected.values(), torch.zeros(members)).sum(), list(flat.values()))
    for net, mine, gradient in zip(nets.values(), gradients, plainly, strict=True):
        for leaf, values in net.leaves(gradient).items():
            torch.testing.assert_close(net.leaves(mine)[leaf], values, rtol=1e-8, atol=1e-10)
            assert values.abs().max() > 0
