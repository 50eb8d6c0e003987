"""Stacked encoders against PyTorch's modules, member by member, and their bits in stacks of any size."""

from __future__ import annotations

import math

import pytest
import torch

from smore_sweep.stacked import networks
from smore_sweep.stacked.encoder_spec import Convolution, EncoderSpec
from smore_sweep.stacked.networks import Network

CPU = torch.device("cpu")
SEEDS = [4, 0, 9]
IMAGE = (12, 10, 3)
LAYERS = (Convolution(4, 5, 2, 2), Convolution(6, 3, 1, 1))
SPECS = {
    "one image": EncoderSpec(IMAGE, LAYERS, 1e-3),
    "two images": EncoderSpec(IMAGE, LAYERS, 1e-3, images=2),
    "twin with a target": EncoderSpec(IMAGE, LAYERS, 1e-3, copies=2, target_rate=0.1),
}
every_spec = pytest.mark.parametrize("kind", SPECS)


def encoder(spec: EncoderSpec, seeds: list[int] = SEEDS) -> Network:
    """With every leaf away from its initial value, by amounts that depend on the member's seed alone."""
    net = Network(spec, "encoder", seeds, CPU)
    with torch.no_grad():
        for leaf in net.leaves(net.flat.detach()).values():
            for member, seed in zip(net.by_member(leaf).unbind(0), seeds, strict=True):
                noise = torch.randn(member.shape, generator=torch.Generator().manual_seed(seed), dtype=member.dtype)
                member.add_(0.2 * noise)
    return net


def images(spec: EncoderSpec, seeds: list[int] = SEEDS) -> list[torch.Tensor]:
    return [
        torch.stack(
            [torch.rand(7, math.prod(IMAGE), generator=torch.Generator().manual_seed(seed + i)) for seed in seeds]
        )
        for i in range(spec.images)
    ]


def module(net: Network, flat: torch.Tensor, place: int) -> torch.nn.Sequential:
    """PyTorch's own layers with one copy's parameters of one member."""
    spec, leaves = net.spec, net.leaves(flat)
    assert isinstance(spec, EncoderSpec)
    layers: list[torch.nn.Module] = []
    channels, height, width = spec.images * IMAGE[2], *IMAGE[:2]
    for i, layer in enumerate(spec.layers):
        convolution = torch.nn.Conv2d(channels, layer.channels, layer.kernel, layer.stride, layer.padding)
        torch.nn.utils.vector_to_parameters(
            torch.cat([leaves[f"w{i}"][place].flatten(), leaves[f"b{i}"][place]]).detach(), convolution.parameters()
        )
        channels = layer.channels
        height, width = ((n + 2 * layer.padding - layer.kernel) // layer.stride + 1 for n in (height, width))
        layers.append(convolution)
        norm = torch.nn.LayerNorm((channels, height, width))
        norm.weight.data, norm.bias.data = (leaves[f"{name}{i}"][place].detach() for name in ("scale", "shift"))
        layers.append(norm)
        layers.append(torch.nn.ReLU())
    return torch.nn.Sequential(*layers)


def expected(net: Network, flat: torch.Tensor, inputs: list[torch.Tensor]) -> torch.Tensor:
    outputs = []
    for place in range(net.stack):
        pictures = torch.cat([x[place % net.members].view(-1, *IMAGE) for x in inputs], -1)
        outputs.append(module(net, flat, place)(pictures.permute(0, 3, 1, 2)).permute(0, 2, 3, 1).flatten(1))
    stacked = torch.stack(outputs)
    return stacked.view(net.spec.copies, net.members, *stacked.shape[1:]) if net.spec.copies > 1 else stacked


@every_spec
@pytest.mark.parametrize("together", [False, True])
def test_features_equal_those_of_pytorchs_layers(kind: str, together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if together:
        monkeypatch.setattr(networks, "_blocks", lambda stack, device: [slice(None)])
    net = encoder(SPECS[kind])
    inputs = images(SPECS[kind])
    wanted = expected(net, net.flat, inputs)
    assert wanted.shape[-1] == SPECS[kind].outputs
    torch.testing.assert_close(net(*inputs), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net.frozen(*inputs), wanted, rtol=1e-4, atol=1e-5)
    assert not net.frozen(*inputs).requires_grad
    if net.target_flat is not None:
        target = expected(net, net.target_flat, inputs)
        torch.testing.assert_close(net.target(*inputs), target, rtol=1e-4, atol=1e-5)
        assert (target - wanted).abs().max() > 0.1


@every_spec
@pytest.mark.parametrize("together", [False, True])
def test_gradients_equal_finite_differences(kind: str, together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if together:
        monkeypatch.setattr(networks, "_blocks", lambda stack, device: [slice(None)])
    torch.set_default_dtype(torch.float64)
    try:
        net = encoder(SPECS[kind], SEEDS[:2])
        inputs = [x[:, :2].contiguous().requires_grad_() for x in images(SPECS[kind], SEEDS[:2])]
        weights = torch.randn(net(*inputs).shape, generator=torch.Generator().manual_seed(1))

        def loss() -> torch.Tensor:
            return (weights * net(*inputs)).sum()

        gradient, *to_inputs = torch.autograd.grad(loss(), [net.flat, *inputs])
        chosen = torch.randint(len(gradient), (12,), generator=torch.Generator().manual_seed(2)).tolist()
        chosen += [int(gradient.abs().argmax())]
        for flat, slope in ((net.flat.detach(), gradient), (inputs[-1].detach().view(-1), to_inputs[-1].view(-1))):
            for place in (int(i) % len(slope) for i in chosen):
                with torch.no_grad():
                    flat[place] += 1e-6
                    above = loss()
                    flat[place] -= 2e-6
                    below = loss()
                    flat[place] += 1e-6
                torch.testing.assert_close((above - below) / 2e-6, slope[place], rtol=1e-4, atol=1e-6)
    finally:
        torch.set_default_dtype(torch.float32)


@every_spec
def test_a_member_has_the_same_bits_in_any_stack(kind: str) -> None:
    spec = SPECS[kind]

    def outcome(seeds: list[int]) -> list[list[torch.Tensor]]:
        net, inputs = encoder(spec, seeds), [x.requires_grad_() for x in images(spec, seeds)]
        features = net(*inputs)
        gradients = torch.autograd.grad(features.square().sum(), [net.flat, *inputs])
        by_seed = features.transpose(0, 1) if spec.copies > 1 else features
        parts = [by_seed, net.by_member(gradients[0].view(net.stack, -1)), *gradients[1:]]
        return [[part[member] for part in parts] for member in range(len(seeds))]

    together = outcome(SEEDS)
    for member, seed in enumerate(SEEDS):
        for alone, stacked in zip(outcome([seed])[0], together[member], strict=True):
            assert torch.equal(alone, stacked)
    permuted = outcome(SEEDS[::-1])
    for member in range(3):
        assert all(torch.equal(a, b) for a, b in zip(together[member], permuted[2 - member], strict=True))


def test_through_reaches_the_images_and_not_the_parameters() -> None:
    net, [x] = encoder(SPECS["one image"]), images(SPECS["one image"])
    x.requires_grad_()
    net.through(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert net.flat.grad is None


def test_members_are_independent() -> None:
    net, [x] = encoder(SPECS["one image"]), images(SPECS["one image"])
    (gradient,) = torch.autograd.grad(net(x)[1].sum(), [net.flat])
    moved = net.by_member(gradient.view(net.stack, -1)).abs().flatten(1).sum(1)
    assert moved.gt(0).tolist() == [False, True, False]


def test_initial_values_are_xavier_uniform_with_relus_gain() -> None:
    spec = EncoderSpec(
        (48, 48, 3), (Convolution(32, 8, 4, 2), Convolution(64, 4, 2, 1), Convolution(64, 3, 1, 1)), 1e-3
    )
    net = Network(spec, "encoder", [1, 2], CPU)
    assert spec.outputs == 2304  # 48 -> 12 -> 6 -> 6
    leaves = net.leaves(net.flat.detach())
    for i, (before, after, kernel) in enumerate(((3, 32, 8), (32, 64, 4), (64, 64, 3))):
        bound = math.sqrt(2.0) * math.sqrt(6.0 / ((before + after) * kernel**2))
        assert bound * 0.98 < float(leaves[f"w{i}"].abs().max()) <= bound
        assert not leaves[f"b{i}"].any()
        assert (leaves[f"scale{i}"] == 1).all()
    assert not torch.equal(leaves["w0"][0], leaves["w0"][1])


def test_operations_are_those_of_the_products() -> None:
    spec = EncoderSpec(IMAGE, LAYERS, 1e-3, copies=2)
    assert spec.flops(7) == 2 * 7 * 2 * (6 * 5 * 4 * 3 * 25 + 6 * 5 * 6 * 4 * 9)
