"""Stacked networks against a plain implementation that leaves the gradients to autograd."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from smore_sweep.stacked import fused, networks
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.stacked.networks import Network

CPU = torch.device("cpu")
SEEDS = [4, 0, 9]
RATE = 1e-3  # nothing is optimised here
SPECS = {
    "relu": NetworkSpec(5, 2, (16, 12), RATE),
    "tanh": NetworkSpec(5, 1, (16, 12), RATE, activation="tanh", init="xavier"),
    "one hidden layer": NetworkSpec(5, 3, (16,), RATE),
    "layer norm": NetworkSpec(5, 2, (16, 12), RATE, layer_norm=True),
    "layer norm, tanh": NetworkSpec(5, 2, (16, 12), RATE, layer_norm=True, activation="tanh"),
    "tanh, layer norm": NetworkSpec(5, 2, (16, 12), RATE, activation="tanh", layer_norm=True, layer_norm_after=True),
    "gelu": NetworkSpec(5, 1, (16, 12), RATE, activation="gelu", init="xavier", last_scale=0.1),
    "gelu, layer norm": NetworkSpec(
        5, 2, (16, 12), RATE, activation="gelu", layer_norm=True, layer_norm_after=True, layer_norm_epsilon=1e-2
    ),
    "twin": NetworkSpec(5, 1, (16, 12), RATE, copies=2, target_rate=0.1),
    "policy": NetworkSpec(5, 2, (16, 12), RATE, log_std=2),
}


@pytest.fixture(params=["float32", "float32, PyTorch's kernels", "float64", "float64, all members at once"])
def precision(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    """Networks of this type, computed member by member or, as on a GPU, all at once; yields how close results have to
    be."""
    if "at once" in request.param:
        monkeypatch.setattr(networks, "_blocks", lambda stack, device: [slice(None)])
    if "kernels" in request.param:
        monkeypatch.setenv(fused.SETTING, fused.TORCH)
    single = request.param.startswith("float32")
    torch.set_default_dtype(torch.float32 if single else torch.float64)
    yield 1e-5 if single else 1e-10
    torch.set_default_dtype(torch.float32)


def network(spec: NetworkSpec) -> Network:
    """With every leaf away from its initial value, so that no term vanishes."""
    net = Network(spec, "net", SEEDS, CPU)
    with torch.no_grad():
        net.flat += 0.2 * torch.randn(net.flat.shape, generator=torch.Generator().manual_seed(0))
    return net


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape) + shape[-1]))


def gelu(x: torch.Tensor) -> torch.Tensor:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {"relu": torch.relu, "tanh": torch.tanh, "gelu": gelu}


def plain_norm(
    spec: NetworkSpec, leaves: dict[str, torch.Tensor], place: int, layer: int, h: torch.Tensor
) -> torch.Tensor:
    if not spec.layer_norm:
        return h
    scale, shift = leaves[f"scale{layer}"][place, 0], leaves[f"shift{layer}"][place, 0]
    variance = h.var(-1, correction=0, keepdim=True)
    return (h - h.mean(-1, keepdim=True)) / torch.sqrt(variance + spec.layer_norm_epsilon) * scale + shift


def plain(net: Network, flat: torch.Tensor, *inputs: torch.Tensor) -> torch.Tensor:
    """The forward pass, member by member and copy by copy, in textbook operations."""
    spec, leaves = net.spec, net.leaves(flat)
    assert isinstance(spec, NetworkSpec)
    outputs = []
    for copy in range(spec.copies):
        for member in range(net.members):
            place = copy * net.members + member
            h = torch.cat([x[member] for x in inputs], -1)
            for i in range(len(spec.hidden)):
                h = torch.nn.functional.linear(h, leaves[f"w{i}"][place].T, leaves[f"b{i}"][place, 0])
                if not spec.layer_norm_after:
                    h = plain_norm(spec, leaves, place, i, h)
                h = ACTIVATIONS[spec.activation](h)
                if spec.layer_norm_after:
                    h = plain_norm(spec, leaves, place, i, h)
            last = len(spec.hidden)
            outputs.append(h @ leaves[f"w{last}"][place] + leaves[f"b{last}"][place])
    shape = (spec.copies, net.members) if spec.copies > 1 else (net.members,)
    stacked = torch.stack(outputs)
    return stacked.view(*shape, *stacked.shape[1:])


def assert_near(got: torch.Tensor, expected: torch.Tensor, precision: float) -> None:
    """Largest difference, relative to the largest entry."""
    assert got.shape == expected.shape
    scale = float(expected.abs().max())
    assert scale > 0
    assert float((got - expected).abs().max()) <= precision * scale


@pytest.mark.parametrize("kind", SPECS)
def test_forward_passes(kind: str, precision: float) -> None:
    net, observations, goals = network(SPECS[kind]), normal(3, 7, 3), normal(3, 7, 2)
    expected = plain(net, net.flat.detach(), observations, goals)
    assert_near(net(observations, goals).detach(), expected, precision)
    assert_near(net.frozen(observations, goals), expected, precision)
    if net.target_flat is not None:
        of_target = plain(net, net.target_flat, observations, goals)
        assert not torch.equal(of_target, expected)
        assert_near(net.target(observations, goals), of_target, precision)


@pytest.mark.parametrize("kind", SPECS)
def test_gradients(kind: str, precision: float) -> None:
    net = network(SPECS[kind])
    leaves = [normal(3, 7, 3).requires_grad_(), normal(3, 7, 2).requires_grad_()]
    weights = normal(*net(*leaves).shape)

    def loss(outputs: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
        extra = net.leaves(flat)["log_std"].square().sum() if SPECS[kind].log_std else 0.0
        return (weights * outputs).sum() + outputs.square().sum() + extra

    expected = torch.autograd.grad(loss(plain(net, net.flat, *leaves), net.flat), [net.flat, *leaves])
    got = torch.autograd.grad(loss(net(*leaves), net.flat), [net.flat, *leaves])
    for name, leaf in net.leaves(expected[0]).items():
        assert_near(net.leaves(got[0])[name], leaf, precision)
    for mine, plainly in zip(got[1:], expected[1:], strict=True):
        assert_near(mine, plainly, precision)


@pytest.mark.parametrize("kind", SPECS)
def test_gradients_through_a_network(kind: str, precision: float) -> None:
    """They reach the inputs, to the last bit as in a full pass, and not the parameters."""
    net, observations = network(SPECS[kind]), normal(3, 7, 3)
    actions = normal(3, 7, 2).requires_grad_()
    outputs = net.through(observations, actions)
    assert torch.equal(outputs, net.frozen(observations, actions))
    (got,) = torch.autograd.grad(outputs.square().sum(), actions)
    (expected,) = torch.autograd.grad(net(observations, actions).square().sum(), actions)
    assert torch.equal(got, expected)
    assert got.abs().max() > 0
    loss = net.through(observations, actions).sum() + 0.0 * net.flat.sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert net.flat.grad is not None
    assert not net.flat.grad.any()


def test_gradients_of_two_passes_add_up(precision: float) -> None:
    net, first, second = network(SPECS["relu"]), normal(3, 7, 5), normal(3, 4, 5)
    expected = torch.autograd.grad(
        plain(net, net.flat, first).square().sum() + plain(net, net.flat, second).sum(), net.flat
    )[0]
    got = torch.autograd.grad(net(first).square().sum() + net(second).sum(), net.flat)[0]
    for name, leaf in net.leaves(expected).items():
        assert_near(net.leaves(got)[name], leaf, precision)


@pytest.mark.parametrize("kind", ["tanh", "layer norm, tanh", "gelu, layer norm"])
def test_gradients_equal_finite_differences(kind: str) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        spec = SPECS[kind]
        small = replace(spec, inputs=2, outputs=1, hidden=(3, 4))
        net = network(small)
        x = normal(3, 2, 2)
        (gradient,) = torch.autograd.grad(net(x).square().sum(), net.flat)
        numeric = torch.empty_like(gradient)
        with torch.no_grad():
            for place in range(net.flat.numel()):
                sides = []
                for step in (1e-6, -2e-6):
                    net.flat[place] += step
                    sides.append(net(x).square().sum())
                net.flat[place] += 1e-6
                numeric[place] = (sides[0] - sides[1]) / 2e-6
        for name, leaf in net.leaves(numeric).items():
            torch.testing.assert_close(net.leaves(gradient)[name], leaf, rtol=1e-6, atol=1e-7)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_members_gradient_is_its_own() -> None:
    net, x = network(SPECS["twin"]), normal(3, 7, 5)
    (gradient,) = torch.autograd.grad(net(x)[:, 1].square().sum(), net.flat)
    for leaf in net.leaves(gradient).values():
        mine = net.by_member(leaf).flatten(1).abs().sum(1)
        assert mine[1] > 0
        assert mine[0] == mine[2] == 0


def test_frozen_and_target_passes_give_no_gradient() -> None:
    net, x = network(SPECS["twin"]), normal(3, 7, 5).requires_grad_()
    assert not net.frozen(x).requires_grad
    assert not net.target(x).requires_grad
    assert net.target_flat is not None
    assert not net.target_flat.requires_grad
    assert net(x).requires_grad


def test_a_network_without_target_has_none() -> None:
    net = network(SPECS["relu"])
    assert net.target_flat is None
    net.move_target(torch.tensor(1))
    with pytest.raises(AssertionError, match="without a target"):
        net.target(normal(3, 7, 5))


def test_target_moves_at_its_period_and_only_then() -> None:
    net = network(NetworkSpec(5, 1, (16,), RATE, target_rate=0.25, target_period=3))
    assert net.target_flat is not None
    target = net.target_flat.clone()
    for step in range(1, 8):
        net.move_target(torch.tensor(step))
        if step % 3 == 0:
            target = target + 0.25 * (net.flat.detach() - target)
            torch.testing.assert_close(net.target_flat, target, rtol=1e-6, atol=1e-7)
            target = net.target_flat.clone()
        else:
            assert torch.equal(net.target_flat, target)


def test_target_starts_at_the_parameters_and_follows_each_step_by_default() -> None:
    net = Network(SPECS["twin"], "net", SEEDS, CPU)
    assert net.target_flat is not None
    assert torch.equal(net.target_flat, net.flat.detach())
    with torch.no_grad():
        net.flat += 1.0
    before = net.target_flat.clone()
    net.move_target(torch.tensor(1))
    for name, leaf in net.leaves(net.target_flat).items():
        torch.testing.assert_close(leaf, net.leaves(before)[name] + 0.1)


@pytest.mark.parametrize("kind", ["relu", "layer norm", "twin"])
def test_orthogonal_init(kind: str) -> None:
    net = Network(SPECS[kind], "net", SEEDS, CPU)
    for name, leaf in net.leaves(net.flat.detach()).items():
        if name.startswith("w"):
            for w in leaf:
                small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
                torch.testing.assert_close(small, 2.0 * torch.eye(len(small)), rtol=0.0, atol=1e-5)
        else:
            assert (leaf == (1.0 if name.startswith("scale") else 0.0)).all()


def test_xavier_init() -> None:
    net = Network(NetworkSpec(30, 20, (40,), RATE, init="xavier"), "net", SEEDS, CPU)
    leaves = net.leaves(net.flat.detach())
    for name, (before, after) in {"w0": (30, 40), "w1": (40, 20)}.items():
        bound = math.sqrt(6 / (before + after))
        assert 0.98 * bound < float(leaves[name].abs().max()) <= bound
        assert float(leaves[name].var()) == pytest.approx(bound**2 / 3, rel=0.1)
    assert (leaves["b0"] == 0).all()
    assert (leaves["b1"] == 0).all()


@pytest.mark.parametrize("init", ["xavier", "orthogonal"])
def test_a_scaled_last_layer(init: str) -> None:
    spec = NetworkSpec(30, 20, (40,), RATE, init=init)
    usual, scaled = (Network(each, "net", SEEDS, CPU) for each in (spec, replace(spec, last_scale=0.1)))
    before, after = usual.leaves(usual.flat.detach()), scaled.leaves(scaled.flat.detach())
    assert torch.equal(after["w0"], before["w0"])
    torch.testing.assert_close(after["w1"], 0.1 * before["w1"])


@pytest.mark.parametrize("kind", SPECS)
def test_a_members_numbers_do_not_depend_on_the_stack(kind: str) -> None:
    """The rows and widths leave remainders of vectors; other stacks have them elsewhere."""
    x = normal(3, 7, 5)
    found = []
    for members in ([0, 1, 2], [1], [2, 1]):
        net = Network(SPECS[kind], "net", [SEEDS[m] for m in members], CPU)
        outputs = net(x[members])
        (gradient,) = torch.autograd.grad(outputs.square().sum(), net.flat)
        place = members.index(1)
        leaves = [net.by_member(leaf)[place] for leaf in net.leaves(gradient).values()]
        found.append([outputs.detach()[..., place, :, :], *leaves])
    for other in found[1:]:
        assert all(torch.equal(mine, yours) for mine, yours in zip(found[0], other, strict=True))


@pytest.mark.parametrize("kind", SPECS)
def test_a_members_init_does_not_depend_on_the_stack(kind: str) -> None:
    alone, together = Network(SPECS[kind], "net", [9], CPU), Network(SPECS[kind], "net", SEEDS, CPU)
    slot = SEEDS.index(9)
    mine = alone.leaves(alone.flat.detach())
    for name, leaf in together.leaves(together.flat.detach()).items():
        assert torch.equal(together.by_member(leaf)[slot], alone.by_member(mine[name])[0])


def test_members_copies_layers_and_networks_start_differently() -> None:
    spec = NetworkSpec(12, 12, (12,), RATE, copies=2)
    drawn = []
    for name in ("S", "M"):
        net = Network(spec, name, [0, 1], CPU)
        leaves = net.leaves(net.flat.detach())
        drawn += [w for leaf in ("w0", "w1") for w in leaves[leaf]]
    assert len(drawn) == 16
    assert all((first - second).abs().max() > 0.1 for i, first in enumerate(drawn) for second in drawn[:i])


@pytest.mark.parametrize("copies", [1, 2])
def test_a_network_without_inputs_is_a_trained_vector(copies: int) -> None:
    net = Network(NetworkSpec(0, 5, (), RATE, copies=copies), "net", SEEDS, CPU)
    assert net.vector.shape == (3 * copies, 1, 5)
    assert not net.vector.any()
    weights = torch.arange(15.0 * copies).view(3 * copies, 1, 5)
    (gradient,) = torch.autograd.grad((weights * net.vector).sum(), net.flat)
    assert torch.equal(net.leaves(gradient)["b0"], weights)
    assert list(net.leaves(gradient)) == ["b0"]
    assert float(gradient.sum()) == float(weights.sum())
    assert net.spec.flops(100) == 0
