"""GC-SQL: sparse Q-learning (Xu et al., ICLR 2023) with goals.

Implicit value regularisation with the chi-square function: V solves ``E[max(1 + u / (2 alpha), 0)] = 1`` over the
data's actions, and ignores actions far below it:

    v(u) = 1(z > 0) z^2 + V / alpha,  z = 1 + u / (2 alpha)        w(u) = max(u, 0)

``w`` is the released code's; the paper's would be ``max(z, 0)``, which also clones actions that are a little worse than
V. Frame, conventions and deviations: :mod:`baselines._in_sample`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch

from baselines._in_sample import WEIGHT_CLIP, InSampleMethod
from smore_sweep import knob, method

RELEASED = {
    "mujoco": {"alpha": 1.0},
    "antmaze": {"alpha": 0.1},
    "antmaze-umaze-diverse": {"alpha": 3.0, "learning_rate": 2e-4},
    "kitchen": {"alpha": 0.5},
}
"""The release's constants, by family of D4RL tasks."""


@method
class GCSQL(InSampleMethod):
    """GC-SQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-SQL"
    paper: ClassVar[str] = (
        "Xu et al., Offline RL with No OOD Actions: Implicit Value Regularization, ICLR 2023, with goals"
    )

    alpha: float = knob("weight of the regularisation", default=1.0, above=0.0, stackable=True)

    def value_loss(
        self, targets: torch.Tensor, values: torch.Tensor, knobs: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        return sparse_value_loss(targets, values, knobs["alpha"])

    def policy_weights(self, advantages: torch.Tensor, knobs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return advantages.clamp(0.0, WEIGHT_CLIP)


def sparse_value_loss(targets: torch.Tensor, values: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """Return ``v``, element by element."""
    return torch.relu(1.0 + (targets - values) / (2.0 * alpha)).square() + values / alpha
