"""Forward and backward passes of stacked networks in PyTorch's kernels, on any device and in any precision.

They are written out: products go straight into their place, biases and activations are applied in place, and on a CPU
the passes run member by member, so the activations of one member stay in the cache and its numbers are bitwise the same
in a stack of any size. On a GPU a pass is one batched product per layer. They are the reference of the fused passes
(:mod:`smore_sweep.stacked.fused`), and their substitute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from smore_sweep.stacked.network_spec import NetworkSpec

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network

Leaves = list[dict[str, torch.Tensor]]
"""Parameters by block, then by leaf name."""


@dataclass
class _Layer:
    """What a hidden layer keeps for the backward pass.

    Attributes:
        outputs: the next layer's inputs.
        activated: the activation's values or, of GELU, its arguments.
        normalised: with LayerNorm, the values before normalisation with the means and reciprocal standard deviations of
            their rows.
    """

    outputs: torch.Tensor
    activated: torch.Tensor
    normalised: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None


def forward(
    net: Network, x: torch.Tensor, parameters: Leaves, *, keep: bool
) -> tuple[torch.Tensor, list[list[_Layer]]]:
    """Outputs ``[stack, B, outputs]`` for ``x`` ``[stack, B, inputs]`` and, to ``keep``, each block's hidden layers."""
    spec = _spec(net)
    last = len(spec.hidden)
    outputs = x.new_empty(net.stack, x.shape[1], spec.outputs)
    blocks = []
    for block, leaves in zip(net.blocks, parameters, strict=True):
        h, layers = x[block], []
        for i in range(last):
            z, normalised = torch.bmm(h, leaves[f"w{i}"]).add_(leaves[f"b{i}"]), None
            if spec.layer_norm and not spec.layer_norm_after:
                z, normalised = _normalised(spec, z, leaves, i)
            h = activated = _activate(spec, z)
            if spec.activation == "gelu":
                activated = z
            if spec.layer_norm and spec.layer_norm_after:
                h, normalised = _normalised(spec, h, leaves, i)
            if keep:
                layers.append(_Layer(h, activated, normalised))
        torch.baddbmm(leaves[f"b{last}"], h, leaves[f"w{last}"], out=outputs[block])
        blocks.append(layers)
    return outputs, blocks


class Pass(torch.autograd.Function):
    """A forward pass whose backward pass writes every leaf's gradient straight into one flat buffer."""

    @staticmethod
    def forward(ctx: Any, net: Network, x: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
        outputs, ctx.layers = forward(net, x, net.parameters, keep=True)
        ctx.net, ctx.x = net, x
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        net: Network = ctx.net
        spec = _spec(net)
        last = len(spec.hidden)
        _, to_inputs, to_parameters = ctx.needs_input_grad
        flat_gradient = net.zero_gradient() if to_parameters else None
        slots: Leaves = net.by_block(flat_gradient) if flat_gradient is not None else [{} for _ in net.blocks]
        x_gradient = torch.empty_like(ctx.x) if to_inputs else None
        for block, leaves, out, layers in zip(net.blocks, net.parameters, slots, ctx.layers, strict=True):
            d = gradients[0][block]
            for i in reversed(range(last + 1)):
                before = layers[i - 1].outputs if i else ctx.x[block]
                if to_parameters:
                    if i == last:  # a product with few columns is slow, its transpose with few rows is not
                        out[f"w{i}"].copy_(torch.bmm(d.transpose(1, 2), before).transpose(1, 2))
                    else:
                        torch.bmm(before.transpose(1, 2), d, out=out[f"w{i}"])
                    torch.sum(d, 1, keepdim=True, out=out[f"b{i}"])
                if i == 0:
                    break
                after = leaves[f"w{i}"].transpose(1, 2)
                d = d * after if spec.outputs == 1 and i == last else torch.bmm(d, after)
                layer = layers[i - 1]
                if not spec.layer_norm_after:
                    d = _activation_gradient(spec, d, layer.activated)
                if layer.normalised is not None:
                    z, mean, rstd = layer.normalised
                    d, to_scale, to_shift = _layer_norm_backward(d, z, mean, rstd, leaves[f"scale{i - 1}"])
                    if to_parameters:
                        out[f"scale{i - 1}"].copy_(to_scale)
                        out[f"shift{i - 1}"].copy_(to_shift)
                if spec.layer_norm_after:
                    d = _activation_gradient(spec, d, layer.activated)
            if x_gradient is not None:
                torch.bmm(d, leaves["w0"].transpose(1, 2), out=x_gradient[block])
        return None, x_gradient, flat_gradient


def _spec(net: Network) -> NetworkSpec:
    """Return the declaration of a stack of MLPs."""
    assert isinstance(net.spec, NetworkSpec)
    return net.spec


def _activate(spec: NetworkSpec, z: torch.Tensor) -> torch.Tensor:
    """Apply the activation, in place but for GELU, whose gradient needs its arguments."""
    if spec.activation == "gelu":
        return torch.nn.functional.gelu(z, approximate="tanh")
    return z.relu_() if spec.activation == "relu" else z.tanh_()


def _activation_gradient(spec: NetworkSpec, d: torch.Tensor, activated: torch.Tensor) -> torch.Tensor:
    """Multiply ``d``, in place, by the activation's gradient at what a layer keeps of it."""
    if spec.activation == "gelu":
        torch.ops.aten.gelu_backward.grad_input(d, activated, approximate="tanh", grad_input=d)
    elif spec.activation == "relu":
        torch.ops.aten.threshold_backward.grad_input(d, activated, 0, grad_input=d)
    else:
        torch.ops.aten.tanh_backward.grad_input(d, activated, grad_input=d)
    return d


def _normalised(
    spec: NetworkSpec, z: torch.Tensor, leaves: dict[str, torch.Tensor], i: int
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Normalise layer ``i``; also return what :attr:`_Layer.normalised` holds."""
    normalised, mean, rstd = _layer_norm(z, leaves[f"scale{i}"], leaves[f"shift{i}"], spec.layer_norm_epsilon)
    return normalised, (z, mean, rstd)


def _layer_norm(
    z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, epsilon: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise ``z`` ``[members, B, width]`` with each member's scale and shift ``[members, 1, width]``; also return
    the means and reciprocal standard deviations of the rows. PyTorch's kernel takes one scale, so a single member's is
    passed to it, which saves two passes over the activations."""
    width = z.shape[-1:]
    if len(z) == 1:
        return torch.native_layer_norm(z, width, scale.view(width), shift.view(width), epsilon)
    normalised, mean, rstd = torch.native_layer_norm(z, width, None, None, epsilon)
    return torch.addcmul(shift, normalised, scale), mean, rstd


def _layer_norm_backward(
    d: torch.Tensor, z: torch.Tensor, mean: torch.Tensor, rstd: torch.Tensor, scale: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of :func:`_layer_norm`'s ``z``, scale and shift, given that of its output, ``d``."""
    width, backward = z.shape[-1:], torch.ops.aten.native_layer_norm_backward
    if len(z) == 1:
        d, to_scale, to_shift = backward(d, z, width, mean, rstd, scale.view(width), scale.view(width), [True] * 3)
        return d, to_scale.view_as(scale), to_shift.view_as(scale)
    to_scale, to_shift = (d * (z - mean) * rstd).sum(1, keepdim=True), d.sum(1, keepdim=True)
    return backward(d * scale, z, width, mean, rstd, None, None, [True, False, False])[0], to_scale, to_shift
