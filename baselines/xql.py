"""GC-XQL: extreme Q-learning (Garg et al., ICLR 2023) with goals.

Gumbel regression: if Q's errors are Gumbel distributed, the V that solves ``E[exp(u / beta)] = 1`` is the maximum-
likelihood estimate of the soft maximum of Q over the data's actions:

    v(u) = exp(z - m) - z exp(-m) - exp(-m),  z = min(u / beta, max_clip),  m = max(-1, the batch's largest z)
    w(u) = exp(temperature u)
    h(e) = e^2 / 2 up to |e| = 20, linear beyond (Huber)

V's target is that of GC-EQL. The losses differ in the clip: a sample beyond it has no gradient here, neither of the
exponential nor of the linear term, so it does not drive V away. The factor ``exp(-m)``, a constant that keeps the
exponential below 1, is the released code's. So are the Huber loss and the clip, which the paper's equations lack.

The release can add uniform random actions to V's batch and noise to its actions, and a gradient penalty on Q; these are
off by default there and left out here. Its default batch is 1024; its scripts take 256. Frame, conventions and
deviations: :mod:`baselines._in_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from baselines._in_sample import WEIGHT_CLIP, InSampleMethod
from smore_sweep import knob, method
from smore_sweep.losses import exponential_weights, rescaling_exponent

HUBER_DELTA = 20.0

RELEASED = {
    "mujoco": {"beta": 2.0, "temperature": 3.0},
    "antmaze": {"beta": 0.6, "temperature": 10.0},
    "kitchen": {"beta": 5.0, "temperature": 0.5},
}
"""The release's constants, by family of D4RL tasks; its scripts vary beta by task: 1-2, 0.6-0.8 and 5-8."""


@method
class GCXQL(InSampleMethod):
    """GC-XQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-XQL"
    paper: ClassVar[str] = "Garg et al., Extreme Q-Learning: MaxEnt RL without Entropy, ICLR 2023, with goals"

    beta: float = knob("scale of the Gumbel distribution", default=2.0, above=0.0, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    max_clip: float = knob("largest exponent in V's loss", default=7.0, above=0.0, high=50.0, stackable=True)

    def value_loss(
        self, targets: torch.Tensor, values: torch.Tensor, knobs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        return gumbel_value_loss(targets - values, knobs["beta"], knobs["max_clip"])

    def policy_weights(self, advantages: torch.Tensor, knobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return exponential_weights(advantages, knobs["temperature"], WEIGHT_CLIP)

    def critic_loss(self, bellman: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.huber_loss(bellman, torch.zeros_like(bellman), reduction="none", delta=HUBER_DELTA)


def gumbel_value_loss(residual: torch.Tensor, beta: torch.Tensor, max_clip: torch.Tensor) -> torch.Tensor:
    """Return ``v``, ``[..., B]``, of the residual ``u``; ``m`` is taken over the last axis."""
    z = torch.minimum(residual / beta, max_clip)
    m = rescaling_exponent(z)
    return torch.exp(z - m) - z * torch.exp(-m) - torch.exp(-m)
