"""GC-IQL: implicit Q-learning (Kostrikov, Nair and Levine, ICLR 2022) with goals.

V is an upper expectile of Q over the data's actions, and the policy clones actions by their advantage ``u``:

    v(u) = |expectile - 1(u < 0)| u^2        w(u) = exp(temperature u)

Frame, conventions and deviations: :mod:`baselines._in_sample`. V has no LayerNorm here, as in the release.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from baselines._in_sample import WEIGHT_CLIP, InSampleMethod
from smore_sweep import knob, method
from smore_sweep.losses import expectile_loss, exponential_weights

RELEASED = {
    "mujoco": {"expectile": 0.7, "temperature": 3.0},
    "antmaze": {"expectile": 0.9, "temperature": 10.0},
    "kitchen": {"expectile": 0.7, "temperature": 0.5},
}
"""The release's constants, by family of D4RL tasks."""


@method
class GCIQL(InSampleMethod):
    """GC-IQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-IQL"
    paper: ClassVar[str] = "Kostrikov et al., Offline RL with Implicit Q-Learning, ICLR 2022, with goals"
    value_layer_norm: ClassVar[bool] = False

    expectile: float = knob("expectile of V", default=0.7, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)

    def value_loss(
        self, targets: torch.Tensor, values: torch.Tensor, knobs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        return expectile_loss(targets - values, knobs["expectile"])

    def policy_weights(self, advantages: torch.Tensor, knobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return exponential_weights(advantages, knobs["temperature"], WEIGHT_CLIP)
