"""Stacked networks: every parameter carries a leading dimension of ``copies * M`` (twin critics are two copies).

A network's parameters live in one flat buffer, member after member, so its gradient, its Adam step and its target
update are one operation each. Forward and backward passes are those of :mod:`smore_sweep.stacked.fused` or, where these
do not fit, of :mod:`smore_sweep.stacked.passes`; in both a member's numbers are bitwise the same in a stack of any size
on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from smore_sweep.seeding import key
from smore_sweep.stacked import convolutions, fused, passes
from smore_sweep.stacked.encoder_spec import EncoderSpec
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.stacked.passes import Leaves

LANES = 32
"""A member's parameters are padded to a multiple of this, so that element-wise CPU kernels have no scalar tail: tail
and vector code round differently, and which member lies in the tail would depend on the stack."""


class Network:
    """One stacked MLP or encoder of images and, if its spec says so, its target.

    Args:
        spec: the network of one member.
        name: the network's name, which scopes its initial values.
        seeds: the members' seeds, ``M`` in number.
        device: where the parameters live.
        blank: whether the parameters are left at zero, to be filled.
    """

    def __init__(
        self,
        spec: NetworkSpec | EncoderSpec,
        name: str,
        seeds: Sequence[int],
        device: torch.device,
        *,
        blank: bool = False,
    ) -> None:
        self.spec = spec
        self.members = len(seeds)
        self.stack = spec.copies * self.members
        self._shapes = spec.shapes()
        self._starts: dict[str, int] = {"end": 0}
        for leaf, shape in self._shapes.items():
            self._starts[leaf] = self._starts["end"]
            self._starts["end"] += math.prod(shape)
        self.member_size = -(-self._starts["end"] // LANES) * LANES
        """Parameters of one copy of one member in the flat buffers, with padding."""
        initial = torch.zeros(self.stack, self.member_size)
        for leaf, values in () if blank else self.leaves(initial).items():
            values.copy_(_initial(spec, leaf, self._shapes[leaf], name, seeds))
        self.flat = initial.flatten().to(device)
        self.target_flat = self.flat.clone() if spec.target_rate else None
        self.blocks = _blocks(self.stack, device)
        self.parameters = self.by_block(self.flat)
        self.target_parameters = self.by_block(self.target_flat) if self.target_flat is not None else None
        self.flat.requires_grad_()
        self.trains = True
        """Whether the present update moves it, so that its gradient is needed. A GPU's captured update has no such turn
        and always takes the gradient."""
        self._fused = (
            fused.Passes(spec, self.members, self.member_size, self._starts) if isinstance(spec, NetworkSpec) else None
        )

    def repeated(self, count: int) -> Network:
        """Return a stack of so many copies of the only member, without targets."""
        assert self.members == 1
        copies = Network(self.spec, "", [0] * count, self.flat.device, blank=True)
        for leaf, values in self.leaves(self.flat.detach()).items():
            copies.by_member(copies.leaves(copies.flat.detach())[leaf]).copy_(self.by_member(values))
        return copies

    def leaves(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """View a buffer that is laid out as the parameters by leaf name, ``[copies * M, ...]`` each.

        Together, so that autograd puts the leaves' gradients side by side; one by one it would fill a whole buffer with
        zeros for each.
        """
        sizes = [math.prod(shape) for shape in self._shapes.values()]
        pieces = flat.view(self.stack, -1).split([*sizes, self.member_size - sum(sizes)], 1)  # type: ignore[no-untyped-call]
        return {
            leaf: piece.view(self.stack, *shape)
            for (leaf, shape), piece in zip(self._shapes.items(), pieces[:-1], strict=True)
        }

    def by_block(self, flat: torch.Tensor) -> Leaves:
        """View the leaves of a buffer block by block (``blocks``)."""
        cut = {name: torch.split(leaf, self.stack // len(self.blocks)) for name, leaf in self.leaves(flat).items()}
        return [dict(zip(cut, leaves, strict=True)) for leaves in zip(*cut.values(), strict=True)]

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Run the trained parameters on the concatenated inputs ``[M, B, .]``; an encoder takes images.

        Returns:
            ``[copies, M, B, outputs]``, or ``[M, B, outputs]`` for a single copy.
        """
        return self._differentiable(self._trained, inputs)

    def through(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass whose gradient reaches the inputs and not the parameters, for a policy that climbs a critic."""
        return self._differentiable(self.flat.detach(), inputs)

    def frozen(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass of the trained parameters, without gradient."""
        return self._constant(self.flat.detach(), self.parameters, inputs)

    def target(self, *inputs: torch.Tensor) -> torch.Tensor:
        """Forward pass of the target parameters, without gradient."""
        assert self.target_flat is not None, "this network was declared without a target"
        assert self.target_parameters is not None
        return self._constant(self.target_flat, self.target_parameters, inputs)

    def input_gradient(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return ``d output / d input`` ``[M, B, inputs]`` of a single-output tanh network, as an expression whose own
        gradient reaches the parameters: gradient penalties then need no second pass through autograd."""
        gradients = []
        assert isinstance(self.spec, NetworkSpec)
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
        gradient.view(self.stack, -1)[:, self._starts.get("log_std", self._starts["end"]) :] = 0.0
        return gradient

    @property
    def log_std(self) -> torch.Tensor:
        """The trained log standard deviation, ``[M, 1, outputs]``."""
        return self._leaf(self._trained, "log_std")

    @property
    def vector(self) -> torch.Tensor:
        """The trained vector ``[M, 1, outputs]`` of a network without inputs."""
        return self._leaf(self._trained, "b0")

    @property
    def _trained(self) -> torch.Tensor:
        """The parameters, constants while the network stands still."""
        return self.flat if self.trains else self.flat.detach()

    def move_target(self, step: torch.Tensor) -> None:
        """Move the target after update number ``step`` (a 0-d integer tensor)."""
        if self.target_flat is not None:
            due = (step % self.spec.target_period == 0).to(self.flat.dtype)
            self.target_flat.lerp_(self.flat.detach(), self.spec.target_rate * due)

    def by_member(self, leaf: torch.Tensor) -> torch.Tensor:
        """View a leaf-shaped tensor as ``[M, copies, ...]``, the form in which members are saved."""
        return leaf.view(self.spec.copies, self.members, *leaf.shape[1:]).transpose(0, 1)

    def _leaf(self, flat: torch.Tensor, leaf: str) -> torch.Tensor:
        shape, start = self._shapes[leaf], self._starts[leaf]
        return flat.view(self.stack, -1)[:, start : start + math.prod(shape)].view(self.stack, *shape)

    def _differentiable(self, flat: torch.Tensor, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        if isinstance(self.spec, EncoderSpec):
            return self._shape(convolutions.forward(self, self.spec, self.by_block(flat), inputs))
        if (kernels := self._kernels()) is not None:
            return _FusedPass.apply(self, kernels, flat, *inputs)  # type: ignore[no-untyped-call, no-any-return]
        return self._shape(passes.Pass.apply(self, self._joined(inputs), flat))  # type: ignore[no-untyped-call]

    def _constant(self, flat: torch.Tensor, parameters: Leaves, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        if self._fused is not None and (kernels := self._kernels()) is not None:
            return self._fused.forward(kernels, flat, inputs, keep=False)[0]
        with torch.no_grad():
            if isinstance(self.spec, EncoderSpec):
                return self._shape(convolutions.forward(self, self.spec, parameters, inputs))
            return self._shape(passes.forward(self, self._joined(inputs), parameters, keep=False)[0])

    def _kernels(self) -> fused.Kernels | None:
        """The compiled kernels that fit this network."""
        if self._fused is None or self.flat.device.type != "cpu" or self.flat.dtype != torch.float32:
            return None
        return fused.kernels() if self._fused.fit else None

    def _joined(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        joined = torch.cat(list(inputs), -1) if len(inputs) > 1 else inputs[0]
        return joined.repeat(self.spec.copies, 1, 1) if self.spec.copies > 1 else joined

    def _shape(self, outputs: torch.Tensor) -> torch.Tensor:
        return outputs.view(self.spec.copies, self.members, *outputs.shape[1:]) if self.spec.copies > 1 else outputs


class _FusedPass(torch.autograd.Function):
    """A fused forward pass with its fused backward pass, which fills one flat buffer with every leaf's gradient."""

    @staticmethod
    def forward(
        ctx: Any, net: Network, kernels: fused.Kernels, flat: torch.Tensor, *inputs: torch.Tensor
    ) -> torch.Tensor:
        assert net._fused is not None
        outputs, ctx.kept = net._fused.forward(kernels, flat, inputs, keep=True)
        ctx.net, ctx.kernels, ctx.flat = net, kernels, flat
        ctx.widths = [x.shape[-1] for x in inputs]
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        _, _, to_parameters, *wanted = ctx.needs_input_grad
        flat_gradient = torch.empty_like(ctx.flat) if to_parameters else None
        inputs = ctx.net._fused.backward(
            ctx.kernels, ctx.flat, gradients[0], ctx.kept, flat_gradient, ctx.widths, wanted
        )
        return None, None, flat_gradient, *inputs


Networks = dict[str, Network]


def _blocks(stack: int, device: torch.device) -> list[slice]:
    """Members that are computed together: one by one on a CPU, all at once on a GPU."""
    return [slice(e, e + 1) for e in range(stack)] if device.type == "cpu" else [slice(None)]


def _initial(
    spec: NetworkSpec | EncoderSpec, leaf: str, shape: Sequence[int], name: str, seeds: Sequence[int]
) -> torch.Tensor:
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
            _fill(spec, leaf, values[copy * len(seeds) + member], generator)
    return values


def _fill(spec: NetworkSpec | EncoderSpec, leaf: str, weight: torch.Tensor, generator: torch.Generator) -> None:
    """Draw the initial weights of a layer."""
    if isinstance(spec, EncoderSpec):
        torch.nn.init.xavier_uniform_(weight, gain=math.sqrt(2.0), generator=generator)
        return
    scale = spec.last_scale if leaf == f"w{len(spec.hidden)}" else 1.0
    if spec.init == "orthogonal":
        torch.nn.init.orthogonal_(weight, gain=math.sqrt(2.0) * scale, generator=generator)
    else:
        gain = math.sqrt(2.0) if spec.init == "xavier_relu" else 1.0
        torch.nn.init.xavier_uniform_(weight, gain=gain * scale, generator=generator)
