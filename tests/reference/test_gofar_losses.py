"""GoFAR's losses against NumPy implementations written from its equations, in float64."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from baselines.gofar import GoFAR, discriminator_loss, regression_weights, value_loss
from baselines.gofar_expectile import GoFARExpectile
from smore_sweep.method import Method
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from tests.conftest import Array, numeric_gradient
from tests.reference.gradients import CLOSE
from tests.reference.wiring import discounted
from tests.unit.stacked.test_networks import plain

CPU = torch.device("cpu")


def bce(logits: Array, label: float) -> float:
    """Binary cross-entropy from probabilities, as the equation reads."""
    p = 1 / (1 + np.exp(-logits))
    return float(-np.mean(label * np.log(p) + (1 - label) * np.log(1 - p)))


def l_discriminator(on_goals: Array, on_achieved: Array, slope: Array, *, penalty: float) -> float:
    norms = np.sqrt(np.sum(slope**2, axis=-1))
    return bce(on_goals, 1.0) + bce(on_achieved, 0.0) + penalty * float(np.mean((norms - 1) ** 2))


def l_value(divergence: str, residual: Array, initial: Array, *, discount: float) -> float:
    start = (1 - discount) * np.mean(initial)
    if divergence == "chi_square":
        return float(start + np.mean((residual + 1) ** 2))
    return float(start + np.log(np.mean(np.exp(residual))))


def test_discriminator_loss_and_its_gradients() -> None:
    random = np.random.default_rng(0)
    arrays = [random.normal(0, 2, 12), random.normal(0, 2, 12), random.normal(0, 1, (12, 4))]
    leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    value = discriminator_loss(*leaves, penalty=0.3)
    assert float(value.detach()) == pytest.approx(l_discriminator(*arrays, penalty=0.3), rel=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(value, leaves)):

        def varied(x: Array, place: int = place) -> float:
            return l_discriminator(*(x if i == place else array for i, array in enumerate(arrays)), penalty=0.3)

        np.testing.assert_allclose(gradient.numpy(), numeric_gradient(varied, arrays[place]), rtol=CLOSE, atol=1e-9)


def test_discriminator_loss_by_hand() -> None:
    # sigma(0) = 1/2 twice: 2 log 2. Slopes (3, 4) and (0, 0) have lengths 5 and 0: 0.01 * (16 + 1)/2 = 0.085.
    zeros = torch.zeros(2)
    got = discriminator_loss(zeros, zeros, torch.tensor([[3.0, 4.0], [0.0, 0.0]]), penalty=0.01)
    assert float(got) == pytest.approx(2 * math.log(2) + 0.085, rel=1e-6)


def test_discriminator_loss_of_extreme_logits_and_a_zero_slope() -> None:
    # A logit of -1e4 at (g, g) costs 1e4, the same at (ag, g) nothing; the probability itself underflows at -104.
    logits = torch.tensor([-1e4, 1e4], requires_grad=True)
    slope = torch.zeros(2, 3, requires_grad=True)
    value = discriminator_loss(logits, logits, slope, penalty=1.0)
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == pytest.approx(5e3 + 5e3 + 1.0)
    assert logits.grad is not None
    assert slope.grad is not None
    assert logits.grad.tolist() == [-0.5, 0.5]
    assert slope.grad.tolist() == [[0.0] * 3] * 2


@pytest.mark.parametrize("divergence", ["chi_square", "kl"])
def test_value_loss_and_its_gradients(divergence: str) -> None:
    random = np.random.default_rng(1)
    arrays = [random.normal(0, 2, (3, 10)), random.normal(0, 2, (3, 10))]
    residual, initial = leaves = [torch.tensor(array, requires_grad=True) for array in arrays]
    values = value_loss(divergence, residual, initial, torch.full((3,), 50.0))
    expected = [l_value(divergence, *(array[member] for array in arrays), discount=0.98) for member in range(3)]
    np.testing.assert_allclose(values.detach().numpy(), expected, rtol=CLOSE)
    for place, gradient in enumerate(torch.autograd.grad(values.sum(), leaves)):
        for member in range(3):

            def varied(x: Array, place: int = place, member: int = member) -> float:
                own: list[Any] = [x if i == place else array[member] for i, array in enumerate(arrays)]
                return l_value(divergence, *own, discount=0.98)

            numeric = numeric_gradient(varied, arrays[place][member])
            np.testing.assert_allclose(gradient[member].numpy(), numeric, rtol=CLOSE, atol=1e-9)


def test_value_loss_by_hand() -> None:
    residual, initial = torch.tensor([1.0, -1.0]), torch.tensor([10.0, 30.0])
    # 0.1 * 20 + (2^2 + 0^2)/2
    assert float(value_loss("chi_square", residual, initial, torch.tensor(10.0))) == pytest.approx(4.0, rel=1e-6)
    # 0.1 * 20 + log((e + 1/e)/2)
    expected = 2 + math.log(math.cosh(1.0))
    assert float(value_loss("kl", residual, initial, torch.tensor(10.0))) == pytest.approx(expected, rel=1e-6)


def test_value_loss_of_large_residuals_is_finite() -> None:
    # exp(e) overflows float32 beyond 88: log mean exp (1000, -1000) = 1000 - log 2.
    residual = torch.tensor([1000.0, -1000.0], requires_grad=True)
    value = value_loss("kl", residual, torch.zeros(2), torch.tensor(50.0))
    value.backward()  # type: ignore[no-untyped-call]
    assert float(value.detach()) == pytest.approx(1000 - math.log(2), rel=1e-6)
    assert residual.grad is not None
    assert residual.grad.tolist() == [1.0, 0.0]


def test_regression_weights() -> None:
    residual = np.random.default_rng(2).normal(0, 2, (2, 50))
    chi, kl = (regression_weights(name, torch.tensor(residual)).numpy() for name in ("chi_square", "kl"))
    np.testing.assert_allclose(chi, np.maximum(residual + 1, 0), rtol=CLOSE)
    np.testing.assert_allclose(kl, np.clip(np.exp(residual), 0, 10), rtol=CLOSE)


def test_regression_weights_of_extreme_residuals() -> None:
    extreme = torch.tensor([-1e6, -1.0, 0.0, 1e6])
    assert regression_weights("kl", extreme).tolist() == pytest.approx([0.0, math.exp(-1), 1.0, 10.0])
    assert regression_weights("chi_square", extreme).tolist() == [0.0, 0.0, 1.0, 1e6 + 1]


def test_gradient_penalty_equals_double_backward() -> None:
    """The written-out input gradient, and the penalty's gradient with respect to every parameter."""
    net = Network(NetworkSpec(6, 1, (16, 16), 1e-3, init="xavier", activation="tanh"), "c", [0, 1], CPU)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        net.flat += 0.3 * torch.randn(net.flat.shape, generator=generator)
    inputs = torch.randn(2, 9, 6, generator=generator)
    logits = torch.randn(2, 2, 9, generator=generator)

    plain = net.flat.detach().double().requires_grad_()
    leaves = net.leaves(plain)
    x = inputs.double().requires_grad_()
    h = x
    for i in range(2):
        h = torch.tanh(h @ leaves[f"w{i}"] + leaves[f"b{i}"])
    output = h @ leaves["w2"] + leaves["b2"]
    (slope,) = torch.autograd.grad(output.sum(), x, create_graph=True)
    loss = discriminator_loss(logits[0].double(), logits[1].double(), slope, penalty=1.0).sum()
    (expected,) = torch.autograd.grad(loss, plain)

    written_out = net.input_gradient(inputs)
    torch.testing.assert_close(written_out.double(), slope, rtol=1e-5, atol=1e-5)
    (got,) = torch.autograd.grad(discriminator_loss(logits[0], logits[1], written_out, penalty=1.0).sum(), net.flat)
    scale = float(expected.abs().max())
    assert scale > 1e-3
    torch.testing.assert_close(got.double() / scale, expected / scale, rtol=0.0, atol=1e-5)


WIRED = [GoFAR(hidden=12), GoFAR(hidden=12, divergence="kl", discount=0.9), GoFAR(hidden=12, reward="binary")]


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("method", WIRED, ids=[method.label for method in WIRED])
def test_the_networks_minimise_the_equations(method: GoFAR) -> None:
    """``GoFAR.losses`` on real networks: which network, which inputs, and where no gradient may flow."""
    members, rows = 2, 6
    normal = partial(torch.randn, generator=torch.Generator().manual_seed(0))
    nets = {
        name: Network(spec, name, range(members), CPU)
        for name, spec in method.networks(Sizes(observation=4, goal=2, action=3)).items()
    }
    with torch.no_grad():
        for net in nets.values():
            net.flat += 0.3 * normal(net.flat.shape)
    states, next_states, initial, goals, achieved = (normal(members, rows, width) for width in (4, 4, 4, 2, 2))
    actions, rewards = torch.tanh(normal(members, rows, 3)), -(normal(members, rows) > 0).to(torch.float64)
    share = torch.rand(members, rows, generator=torch.Generator().manual_seed(1))
    batch = Batch(states, actions, next_states, goals, achieved, rewards, initial_observations=initial, noise=share)
    got, _ = method.losses(nets, batch, discounted(method.discount, members))

    flat = {name: net.flat.detach().clone().requires_grad_() for name, net in nets.items()}

    def forward(name: str, flat: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
        return plain(nets[name], flat, *inputs)

    expected = {}
    if method.reward == "discriminator":
        on_goals = forward("c", flat["c"], goals, goals)[..., 0]
        on_achieved = forward("c", flat["c"], achieved, goals)[..., 0]
        between = torch.cat([share[..., None] * goals + (1 - share[..., None]) * achieved, goals], -1).requires_grad_()
        (slope,) = torch.autograd.grad(forward("c", flat["c"], between).sum(), between, create_graph=True)
        cross_entropy = -torch.sigmoid(on_goals).log().mean(-1) - (1 - torch.sigmoid(on_achieved)).log().mean(-1)
        expected["discriminator"] = cross_entropy + 0.01 * ((slope.norm(dim=-1) - 1) ** 2).mean(-1)
        p = torch.sigmoid(on_achieved)
        rewards = (p.log() - (1 - p).log()).detach()
    assert nets["V"].target_flat is not None
    value = forward("V", flat["V"], states, goals)[..., 0]
    e = rewards + method.discount * forward("V", nets["V"].target_flat, next_states, goals)[..., 0] - value
    start = (1 - method.discount) * forward("V", flat["V"], initial, goals)[..., 0].mean(-1)
    if method.divergence == "kl":
        expected["value"], weights = start + e.exp().mean(-1).log(), e.exp().clamp(0, 10)
    else:
        expected["value"], weights = start + ((e + 1) ** 2).mean(-1), torch.relu(e + 1)
    policy = torch.tanh(forward("pi", flat["pi"], states, goals))
    expected["policy"] = (weights.detach() * ((policy - actions) ** 2).mean(-1)).mean(-1)

    assert got.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, rtol=1e-9, atol=1e-12)
    gradients = torch.autograd.grad(sum(got.values(), torch.zeros(members)).sum(), [net.flat for net in nets.values()])
    plainly = torch.autograd.grad(sum(expected.values(), torch.zeros(members)).sum(), list(flat.values()))
    for net, mine, gradient in zip(nets.values(), gradients, plainly, strict=True):
        for leaf, values in net.leaves(gradient).items():
            torch.testing.assert_close(net.leaves(mine)[leaf], values, rtol=1e-8, atol=1e-10)
            assert values.abs().max() > 0


@pytest.mark.parametrize("kind", [GoFAR, GoFARExpectile])
def test_every_network_has_the_hidden_layers_that_are_asked_for(kind: type[Method]) -> None:
    specs: Any = kind(hidden=8, hidden_layers=3).networks(Sizes(3, 2, 1)).values()
    assert {spec.hidden for spec in specs} == {(8, 8, 8)}
