"""GCBC from images: goal-conditioned behaviour cloning.

    L(pi) = -E[ log pi(a | crop s, crop g) ]

``g`` is a later image of the episode, uniformly. Networks, crops and deviations: :mod:`baselines._images`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _images
from smore_sweep import method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class ImageGCBC(_images.ImageMethod):
    """The configuration of GCBC from images; the module's docstring gives the equation."""

    name: ClassVar[str] = "GCBC (images)"
    paper: ClassVar[str] = "Ghosh et al., Learning to Reach Goals via Iterated Supervised Learning, ICLR 2021, offline"

    def networks(self, sizes: Sizes) -> _images.Specs:
        return self.policy_networks(sizes)

    def rows(self, batch_size: int) -> dict[str, int]:
        return self.pass_rows(pi_encoder=3 * batch_size, pi=3 * batch_size)

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        always = torch.ones(len(streams.seeds), 1, device=streams.step.device)
        batch = replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), always))
        states, goals = self.cropped(replay, streams, batch.observations, batch.goals)
        return dataclasses.replace(batch, policy_observations=states, policy_goals=goals)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        means = _images.cloning_policy(nets, batch)
        error = (means.detach() - batch.actions).square().mean(-1).mean(-1)
        return {"policy": -_images.log_prob(batch.actions, means).mean(-1)}, {"error": error}
