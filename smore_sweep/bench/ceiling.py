"""Measure bare products in the shapes and the order of an update: ``python -m smore_sweep.bench.ceiling``.

The matrix-product rate is that of one square product whose matrices are still in the core's cache. An update also has
narrow layers, and more activations than a cache holds. This benchmark makes only the products of GCSL, the simplest
method, for a stack of 10: no data, no loss, no optimiser, all memory allocated before. A second measurement adds
biases, ReLUs and their gradients, which every step needs.
"""

from __future__ import annotations

import itertools
import statistics
import sys
from dataclasses import dataclass
from functools import partial

import torch

from smore_sweep.bench.speed import product, rate
from smore_sweep.bench.synthetic import TASK
from smore_sweep.discovery import find_method
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.tasks import task
from smore_sweep.training import device

MEMBERS, BATCH, ROUNDS = 10, 512, 15
DEVICE = torch.device("cpu")
METHOD = find_method("gcsl")()


@dataclass(frozen=True)
class Policies:
    """The tensors of an update of GCSL's policies, by layer: ``[MEMBERS, ...]``."""

    inputs: list[torch.Tensor]
    weights: list[torch.Tensor]
    biases: list[torch.Tensor]
    outputs: list[torch.Tensor]

    @classmethod
    def make(cls) -> Policies:
        """Create tensors of the task's sizes; the values do not matter for speed."""
        [spec] = METHOD.networks(task(TASK).sizes).values()
        assert isinstance(spec, NetworkSpec)
        widths = [spec.inputs, *spec.hidden, spec.outputs]
        activations = [torch.randn(MEMBERS, BATCH, width) for width in widths]
        weights = [torch.randn(MEMBERS, a, b) / a**0.5 for a, b in itertools.pairwise(widths)]
        biases = [torch.zeros(MEMBERS, 1, width) for width in widths[1:]]
        return cls(activations[:-1], weights, biases, activations[1:])

    def update(self, gradients: Policies, *, pointwise: bool) -> None:
        """Run forward and backward passes, member by member like the learner. Overwrites ``gradients``."""
        last = len(self.weights) - 1
        for m in (slice(i, i + 1) for i in range(MEMBERS)):
            for i in range(last + 1):
                out = torch.bmm(self.inputs[i][m], self.weights[i][m], out=self.outputs[i][m])
                if pointwise and i < last:
                    out.add_(self.biases[i][m]).relu_()
        for m in (slice(i, i + 1) for i in range(MEMBERS)):
            for i in reversed(range(last + 1)):
                d, before = gradients.outputs[i][m], self.inputs[i][m]
                if pointwise:
                    torch.sum(d, 1, keepdim=True, out=gradients.biases[i][m])
                if i == last:  # like the learner: few rows are faster than few columns
                    torch.bmm(d.transpose(1, 2), before)
                else:
                    torch.bmm(before.transpose(1, 2), d, out=gradients.weights[i][m])
                if i:
                    down = torch.bmm(d, self.weights[i][m].transpose(1, 2), out=gradients.inputs[i][m])
                    if pointwise:
                        torch.ops.aten.threshold_backward.grad_input(down, before, 0, grad_input=down)


def main() -> int:
    """Measure and print."""
    device.prepare(DEVICE)
    policies, gradients = Policies.make(), Policies.make()
    square, operations = product(1, DEVICE)
    flops = MEMBERS * METHOD.flops(task(TASK).sizes, BATCH)
    shares: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS):
        for pointwise, measured in shares.items():
            before = rate(square, 20, DEVICE)
            own = rate(partial(policies.update, gradients, pointwise=pointwise), 3, DEVICE)
            after = rate(square, 20, DEVICE)
            measured.append(own * flops / ((before + after) / 2 * operations))
    for pointwise, name in ((False, "products alone"), (True, "with biases, ReLUs and their gradients")):
        measured = shares[pointwise]
        print(
            f"GCSL, stack of {MEMBERS}, batch {BATCH}: {name} {statistics.median(measured):.0%} of the product rate "
            f"({min(measured):.0%} to {max(measured):.0%})"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
