"""U2O: unsupervised-to-online RL (Kim, Park, Levine et al., 2024), skills offline and then one task online.

Offline it is HILP (:mod:`baselines.hilp`), and acts on goals as HILP does. The online phase has one goal, the task's,
and the reward ``r`` of its next achieved goal, 0 at the goal and -1 elsewhere. It begins with a bridge: on ``labelled``
transitions of the dataset, with moves ``d = phi_1(s') - phi_1(s)``, the skill that fits the reward best is

    z* = w / |w|,   w = argmin_w E[ (r + 1 - d . w)^2 ],

and rewards are shifted and scaled to the mean and the deviation of those that the skill had offline:

    r' = (r - mean(r)) std(d . z*) / std(r) + mean(d . z*)

From then on HILP's losses of Q, U and pi are minimised with ``z*`` for every skill and ``r'`` for ``rho``, on the
dataset and the collected episodes as one buffer. phi stands still. Episodes are collected by draws from the policy's
Gaussian at ``z*``; evaluations act by its mean.

Source: the paper. Readings and deviations:

* The paper has one reward function for a run, so the task must have one goal (``Task.goals = 1``).
* ``z*`` is fitted to 1 at the goal and 0 elsewhere. With -1 elsewhere the few transitions at the goal would drown in
  the drift of all others.
* ``w`` lies among the directions in which states move: singular values of the moves below 0.3 of the largest count as
  0. A plane in 32 dimensions has some in which they hardly do. The least squares would end there, with rewards so small
  that the policy's weights are all 1.
* The mean and deviation offline are those of ``d . z*`` on the labelled transitions. ``std(r)`` is at least that of
  one transition at the goal. If there is none, ``z*`` is the first axis.
* Nothing ends at the goal, as no skill ends offline, and collected episodes are as long as those of the data: one that
  the environment ends earlier stays in its last state.
* Inputs keep the statistics of the dataset. ``waypoints`` concern acting before the online phase.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from baselines.hilp import HILP, places
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.losses import LOG_STD_RANGE
from smore_sweep.method import POLICY

if TYPE_CHECKING:
    from smore_sweep.stacked.experience import Experience
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

FLAT = 0.3
"""Share of the largest singular value of the moves below which a direction counts as one without any."""
BRIDGE = "bridge"
"""The vector of ``z*``, the factor of a reward, and what is added; zeros until the online phase."""


@method
class U2O(HILP):
    """U2O's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "U2O"
    paper: ClassVar[str] = "Kim et al., Unsupervised-to-Online Reinforcement Learning, 2024"
    learns_online: ClassVar[bool] = True

    labelled: int = knob("transitions that the bridge fits", default=10_000, low=1)

    @property
    def acts_with(self) -> tuple[str, ...]:
        return (*super().acts_with, BRIDGE)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        return {**super().networks(sizes), BRIDGE: NetworkSpec(0, self.latent + 2, (), self.learning_rate)}

    def begin_online(self, nets: Networks, experience: Experience, streams: Streams) -> None:
        batch = experience.batch(streams.uniform("labelled", 3, self.labelled))
        here, there, _ = places(batch.observations, batch.next_observations, batch.goals)
        moves = (nets["phi"].frozen(*there) - nets["phi"].frozen(*here))[0].cpu().numpy()
        bridges = np.stack([bridge(*each) for each in zip(moves, batch.rewards.cpu().numpy(), strict=True)])
        vector = nets[BRIDGE].vector
        vector.copy_(torch.from_numpy(bridges)[:, None])

    def online_losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        skill, factor, shift = self._bridge(nets)
        skills = skill.expand(-1, batch.rewards.shape[-1], -1)
        losses, info = self.skill_losses(nets, batch, skills, batch.rewards * factor + shift, knobs)
        return losses, {"reward_mean": batch.rewards.mean(-1), **info}

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        skill, _, _ = self._bridge(nets)
        if not skill.any():
            return super().sample_actions(nets, observations, goals, draws)
        return self._means(nets, observations).clamp(-1.0, 1.0)

    def explore(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws) -> torch.Tensor:
        means = self._means(nets, observations)
        deviation = nets[POLICY].log_std.clamp(*LOG_STD_RANGE).exp()
        return means + deviation * draws.normal("exploration", means.shape[-1])

    def _means(self, nets: Networks, observations: torch.Tensor) -> torch.Tensor:
        """Return the means of the policy at the skill, ``[M, B, action]``."""
        skill, _, _ = self._bridge(nets)
        return nets[POLICY].frozen(observations, skill.expand(-1, observations.shape[1], -1))

    def _bridge(self, nets: Networks) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the skill ``[M, 1, latent]``, and factor and shift of rewards, ``[M, 1]`` each."""
        vector = nets[BRIDGE].vector.detach()
        return vector[..., : self.latent], vector[..., self.latent], vector[..., self.latent + 1]


def bridge(moves: NDArray[np.float32], rewards: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the skill that fits rewards ``[n]`` of moves ``[n, d]``, and the factor and shift that give the rewards
    the mean and the deviation of the skill's own: ``[d + 2]``. Those of a member that has diverged are not numbers."""
    if not np.isfinite(moves).all():
        return np.full(moves.shape[-1] + 2, np.nan, np.float32)
    steps, labels = moves.astype(np.float64), rewards.astype(np.float64)
    fit = np.linalg.lstsq(steps, labels + 1.0, FLAT)[0]
    skill = fit / np.linalg.norm(fit) if np.any(fit) else np.eye(len(fit))[0]
    own = steps @ skill
    factor = own.std() / max(labels.std(), len(labels) ** -0.5)
    return np.concatenate([skill, [factor, own.mean() - factor * labels.mean()]]).astype(np.float32)
