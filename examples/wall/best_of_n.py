"""TD3+BC that acts by its critic: of N noisy proposals of the policy it takes the one with the highest value.

Both of its knobs concern acting alone, so one training serves all of their values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch
from td3bc import TD3BC

from smore_sweep import knob, method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.rng import Draws


@method
class BestOfN(TD3BC):
    """TD3+BC's training; the critics' minimum ranks the proposals."""

    name: ClassVar[str] = "TD3+BC (best of N)"

    samples: int = knob("proposals of a step", default=8, low=1, test_time=True)
    spread: float = knob("standard deviation of the proposals", default=0.2, low=0.0, test_time=True)

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("pi", "Q")

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        actions = nets["pi"].frozen(observations, goals).tanh()  # [1, B, a]
        noise = draws.normal("proposals", self.samples, actions.shape[-1])  # [1, B, N, a]
        proposals = (actions[:, :, None] + self.spread * noise).clamp(-1.0, 1.0)
        states, wanted = (inputs.repeat_interleave(self.samples, 1) for inputs in (observations, goals))
        values = nets["Q"].frozen(states, wanted, proposals.flatten(1, 2))[..., 0].amin(0)  # [1, B N]
        best = values.view(1, -1, self.samples).argmax(-1)
        return proposals[torch.arange(1)[:, None], torch.arange(best.shape[1]), best]
