"""Stacked networks: every parameter carries a leading dimension of ``copies * M`` (twin critics are two copies).

A network's parameters live in one flat buffer, so its gradient, its Adam step and its target update are one operation
each. Forward and backward passes are written out (:class:`_Pass`): products go straight into their place, biases and
activations are applied in place, and on a CPU the passes run member by member, so the activations of one member stay in
the cache and its numbers are bitwise the same in a stack of any size. On a GPU a pass is one batched product per layer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from smore_sweep.seeding import key
from smore_sweep.stacked.network_spec import NetworkSpec

LAYER_NORM_EPS = 1e-5
"""PyTorch's default; flax, which the release of SMORe uses, has 1e-6."""

LANES = 32
"""Flat buffers are padded to a multiple of this, so that element-wise CPU kernels have no scalar tail: tail and vector
code round differently, and which member lies in the tail would depend on the stack."""

Leaves = list[dict[str, torch.Tensor]]
"""Parameters by block, then by leaf name."""


class Network:
    """One stacked MLP and, if its spec says so, its target.

    Args:
        spec: the network of one member.
        name: the network's name, which scopes its initial values.
        seeds: the members' seeds, ``M`` in number.
        device: where the parameters live.
    """

    def __init__(self, spec: NetworkSpec, name: str, seeds: Sequence[int], device: torch.device) -> None:
        self.spec = spec
        self.members = len(seeds)
        self.stack = spec.copies * self.members
        self._layout = {leaf: torch.Size((self.stack, *shape)) for leaf, shape in spec.shapes().items()}
        initial = [_initial(spec, leaf, shape[1:], name, seeds).flatten() for leaf, shape in self._layout.items()]
        size = sum(piece.numel() for piece in initial)
        self.flat = torch.cat([*initial, torch.zeros(-size % LANES)]).to(device)
        self._padding = slice(size, None)
        self.target_flat = self.flat.clone() if spec.target_rate else None
        self.blocks = _blocks(self.stack, device)
        self.parameters = self.by_block(self.flat)
        self.target_parameters = self.by_block(self.target_flat) if self.target_flat is not None else None
        self.flat.requires_grad_()

    def leaves(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """View a buffer that is laid out as the parameters by leaf name, ``[copies * M, ...]`` each."""
        views, start = {}, 0
        for leaf, shape in self._layout.items():
            views[leaf] = flat[start : start + shape.numel()].view(shape)
            start += shape.numel()
        return views

    def by_block(self, flat: torch.Tensor) -> Leaves:
        """View the leaves of a buffer block by block (:attr:`blocks`)."""
        cut = {name: torch.split(leaf, self.stack // len(self.blocks)) for name, leaf in self.leaves(flat).items()}
        return [dict(zip(cut, leaves, strict=True)) for leaves in zip(*cut.values(), strict=True)]

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the trained parameters on the concatenated inputs ``[M, B, .]``.

        Returns:
            ``[copies, M, B, outputs]``, or ``[M, B, outputs]`` for a single copy.
        """
        return self._shape(_Pass.apply(self, self._joined(inputs), self.flat))  # type: ignore[no-untyped-call]

    def through(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass whose gradient reaches the inputs and not the parameters, for a policy that climbs a critic."""
        return self._shape(_Pass.apply(self, self._joined(inputs), self.flat.detach()))  # type: ignore[no-untyped-call]

    def frozen(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass of the trained parameters, without gradient."""
        with torch.no_grad():
            return self._shape(_forward(self, self._joined(inputs), self.parameters, keep=False)[0])

    def target(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass of the target parameters, without gradient."""
        assert self.target_parameters is not None, "this network was declared without a target"
        with torch.no_grad():
            return self._shape(_forward(self, self._joined(inputs), self.target_parameters, keep=False)[0])

    def input_gradient(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``d output / d input`` ``[M, B, inputs]`` of a single-output tanh network, as an expression whose own
        gradient reaches the parameters: gradient penalties then need no second pass through autograd."""
        gradients = []
        # Block by block as everywhere: a product's last digits may depend on how many there are in its batch.
        for block, leaves in zip(self.blocks, self.by_block(self.flat), strict=True):
            activations, h = [], inputs[block]
            for i in range(len(self.spec.hidden)):
                h = torch.tanh(torch.baddbmm(leaves[f"b{i}"], h, leaves[f"w{i}"]))
                activations.append(h)
            gradient = leaves[f"w{len(activations)}"].transpose(-1, -2)
            for i in reversed(range(len(activations))):
                gradient = (gradient * (1.0 - activations[i].square())) @ leaves[f"w{i}"].transpose(-1, -2)
            gradients.append(gradient)
        return torch.cat(gradients)

    def zero_gradient(self) -> torch.Tensor:
        """A buffer for the parameters' gradient, zero where a pass does not write."""
        gradient = torch.empty_like(self.flat)
        gradient[self._padding] = 0.0
        if self.spec.log_std:
            self.leaves(gradient)["log_std"].zero_()
        return gradient

    @property
    def log_std(self) -> torch.Tensor:
        """The trained log standard deviation, ``[M, 1, outputs]``."""
        return self.leaves(self.flat)["log_std"]

    def move_target(self, step: torch.Tensor) -> None:
        """Move the target after update number ``step`` (a 0-d integer tensor)."""
        if self.target_flat is not None:
            due = (step % self.spec.target_period == 0).to(self.flat.dtype)
            self.target_flat.lerp_(self.flat.detach(), self.spec.target_rate * due)

    def by_member(self, leaf: torch.Tensor) -> torch.Tensor:
        """View a leaf-shaped tensor as ``[M, copies, ...]``, the form in which members are saved."""
        return leaf.view(self.spec.copies, self.members, *leaf.shape[1:]).transpose(0, 1)

    def _joined(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        joined = torch.cat(list(inputs), -1) if len(inputs) > 1 else inputs[0]
        return joined.repeat(self.spec.copies, 1, 1) if self.spec.copies > 1 else joined

    def _shape(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.view(self.spec.copies, self.members, *outputs.shape[1:]) if self.spec.copies > 1 else outputs


Networks = dict[str, Network]


def _blocks(stack: int, device: torch.device) -> list[slice]:
    """Members that are computed together: one by one on a CPU, all at once on a GPU."""
    return [slice(e, e + 1) for e in range(stack)] if device.type == "cpu" else [slice(None)]


@dataclass
class _Layer:
    """A hidden layer's activations for the backward pass and, with LayerNorm, the values before normalisation with the
    means and reciprocal standard deviations of their rows."""

    activations: torch.Tensor
    normalised: tuple[torch.Tensor, torch.Tensor, torch.Tensor] | None = None


def _forward(
    net: Network, x: torch.Tensor, parameters: Leaves, *, keep: bool
) -> tuple[torch.Tensor, list[list[_Layer]]]:
    """Outputs ``[stack, B, outputs]`` for ``x`` ``[stack, B, inputs]`` and, to ``keep``, each block's hidden layers."""
    spec, last = net.spec, len(net.spec.hidden)
    outputs = x.new_empty(net.stack, x.shape[1], spec.outputs)
    blocks = []
    for block, leaves in zip(net.blocks, parameters, strict=True):
        h, layers = x[block], []
        for i in range(last):
            z, normalised = torch.bmm(h, leaves[f"w{i}"]).add_(leaves[f"b{i}"]), None
            if spec.layer_norm:
                before = z
                z, mean, rstd = _layer_norm(before, leaves[f"scale{i}"], leaves[f"shift{i}"])
                normalised = (before, mean, rstd)
            h = z.relu_() if spec.activation == "relu" else z.tanh_()
            if keep:
                layers.append(_Layer(h, normalised))
        torch.baddbmm(leaves[f"b{last}"], h, leaves[f"w{last}"], out=outputs[block])
        blocks.append(layers)
    return outputs, blocks


class _Pass(torch.autograd.Function):
    """A forward pass whose backward pass writes every leaf's gradient straight into one flat buffer."""

    @staticmethod
    def forward(ctx: Any, net: Network, x: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
        outputs, ctx.layers = _forward(net, x, net.parameters, keep=True)
        ctx.net, ctx.x = net, x
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        net: Network = ctx.net
        spec, last = net.spec, len(net.spec.hidden)
        _, to_inputs, to_parameters = ctx.needs_input_grad
        flat_gradient = net.zero_gradient() if to_parameters else None
        slots: Leaves = net.by_block(flat_gradient) if flat_gradient is not None else [{} for _ in net.blocks]
        x_gradient = torch.empty_like(ctx.x) if to_inputs else None
        for block, leaves, out, layers in zip(net.blocks, net.parameters, slots, ctx.layers, strict=True):
            d = gradients[0][block]
            for i in reversed(range(last + 1)):
                before = layers[i - 1].activations if i else ctx.x[block]
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
                if spec.activation == "relu":
                    torch.ops.aten.threshold_backward.grad_input(d, before, 0, grad_input=d)
                else:
                    torch.ops.aten.tanh_backward.grad_input(d, before, grad_input=d)
                if (normalised := layers[i - 1].normalised) is not None:
                    z, mean, rstd = normalised
                    d, to_scale, to_shift = _layer_norm_backward(d, z, mean, rstd, leaves[f"scale{i - 1}"])
                    if to_parameters:
                        out[f"scale{i - 1}"].copy_(to_scale)
                        out[f"shift{i - 1}"].copy_(to_shift)
            if x_gradient is not None:
                torch.bmm(d, leaves["w0"].transpose(1, 2), out=x_gradient[block])
        return None, x_gradient, flat_gradient


def _layer_norm(
    z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Normalise ``z`` ``[members, B, width]`` with each member's scale and shift ``[members, 1, width]``; also return
    the means and reciprocal standard deviations of the rows. PyTorch's kernel takes one scale, so a single member's is
    passed to it, which saves two passes over the activations."""
    width = z.shape[-1:]
    if len(z) == 1:
        return torch.native_layer_norm(z, width, scale.view(width), shift.view(width), LAYER_NORM_EPS)
    normalised, mean, rstd = torch.native_layer_norm(z, width, None, None, LAYER_NORM_EPS)
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


def _initial(spec: NetworkSpec, leaf: str, shape: Sequence[int], name: str, seeds: Sequence[int]) -> torch.Tensor:
    """Return initial values ``[copies * M, *shape]``; each member's depend on its seed alone."""
    kind = leaf.rstrip("0123456789")
    if kind == "scale":
        return torch.ones(spec.copies * len(seeds), *shape)
    if kind != "w":
        return torch.zeros(spec.copies * len(seeds), *shape)
    values = torch.empty(spec.copies * len(seeds), *shape)
    for copy in range(spec.copies):
        for member, seed in enumerate(seeds):
            generator = torch.Generator().manual_seed(key(seed, "init", name, leaf, copy))
            weight = values[copy * len(seeds) + member]
            if spec.init == "orthogonal":
                torch.nn.init.orthogonal_(weight, gain=math.sqrt(2.0), generator=generator)
            else:
                torch.nn.init.xavier_uniform_(weight, generator=generator)
    return values
