"""GC-EQL: exponential Q-learning (Xu et al., ICLR 2023) with goals.

Implicit value regularisation with the KL divergence: V solves ``E[exp(u / alpha)] = 1`` over the data's actions, a soft
maximum of Q:

    v(u) = exp(z - m) + exp(-m) V / alpha,  z = min(u / alpha, 5),  m = max(-1, the batch's largest z)
    w(u) = exp(10 u / alpha)

The clip of ``z`` and the factor ``exp(-m)``, a constant that keeps the exponential below 1, are the released code's,
and so is the 10 in ``w``; the paper has none of the three. A sample with ``u > 5 alpha`` no longer pulls V upwards,
while its linear term still pulls V down: once Q is that far above V on most of the data, V falls, and Q follows it.
The SMORe paper says that EQL diverges on some tasks. Frame, conventions and deviations: :mod:`baselines._in_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from baselines._in_sample import WEIGHT_CLIP, InSampleMethod
from smore_sweep import knob, method
from smore_sweep.losses import exponential_weights, rescaling_exponent

EXPONENT_CLIP = 5.0
WEIGHT_FACTOR = 10.0

RELEASED = {
    "mujoco": {"alpha": 2.0},
    "antmaze": {"alpha": 0.5},
    "antmaze-umaze-diverse": {"alpha": 5.0},
    "kitchen": {"alpha": 2.0},
}
"""The release's constants, by family of D4RL tasks."""


@method
class GCEQL(InSampleMethod):
    """GC-EQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-EQL"
    paper: ClassVar[str] = (
        "Xu et al., Offline RL with No OOD Actions: Implicit Value Regularization, ICLR 2023, with goals"
    )

    alpha: float = knob("weight of the regularisation", default=2.0, above=0.0, stackable=True)

    def value_loss(
        self, targets: torch.Tensor, values: torch.Tensor, knobs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        return exponential_value_loss(targets, values, knobs["alpha"])

    def policy_weights(self, advantages: torch.Tensor, knobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return exponential_weights(advantages, WEIGHT_FACTOR / knobs["alpha"], WEIGHT_CLIP)


def exponential_value_loss(targets: torch.Tensor, values: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Return ``v``, ``[..., B]``; ``m`` is taken over the last axis."""
    z = ((targets - values) / alpha).clamp(max=EXPONENT_CLIP)
    m = rescaling_exponent(z)
    return torch.exp(z - m) + torch.exp(-m) * values / alpha
