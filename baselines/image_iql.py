"""GC-IQL from images: implicit Q-learning with goals, and an inner product for a critic.

A twin ``Q_i(s, a, g) = phi_i(s, a) . psi_i(g)``, Q' slow, and a value ``V(s, g)``. The reward is -1, or 0 where the
next image is the goal, by index and not by distance; nothing is bootstrapped there (``m = -r``). With
``u = min_i Q'_i(s, a, g) - V(s, g)``,

    L(Q)  = sum_i E[ (r + discount m V(s', g) - Q_i(s, a, g))^2 ]                   (V as a constant)
    L(V)  = E[ |expectile - 1(u < 0)| u^2 ]
    L(pi) = -E[ min(exp(temperature u), 100) log pi(a | crop s, crop g) ]           (the weight as a constant)

GC-IQL from vectors (:mod:`baselines.iql`) bootstraps everywhere. There a goal is a region in which the data may stay;
an image is never seen again. Networks, crops and deviations: :mod:`baselines._images`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _images
from smore_sweep import knob, method
from smore_sweep.losses import expectile_loss, exponential_weights

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class ImageGCIQL(_images.ImageMethod):
    """The configuration of GC-IQL from images; the module's docstring gives the equations."""

    name: ClassVar[str] = "GC-IQL (images)"
    paper: ClassVar[str] = "Kostrikov et al., Offline RL with Implicit Q-Learning, ICLR 2022, with goals"

    expectile: float = knob("expectile of V", default=0.8, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of Q", default=0.99, low=0.0, high=0.9999, stackable=True)
    target_rate: float = knob("step of Q's target, each update", default=0.005, above=0.0, high=1.0)

    def networks(self, sizes: Sizes) -> _images.Specs:
        return self.critic_networks(sizes, self.target_rate) | self.value_networks(sizes) | self.policy_networks(sizes)

    def rows(self, batch_size: int) -> dict[str, int]:
        # Q and V train; Q's target is evaluated at s, V also at s'.
        heads, policy = (3 + 1) * batch_size, 3 * batch_size
        return self.pass_rows(
            encoder=2 * heads, phi=heads, psi=heads, V_encoder=heads, V=heads, pi_encoder=policy, pi=policy
        )

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        batch = replay.batch(replay.goals.future_goals(streams.uniform("rho", 4, batch_size), knobs["her_ratio"]))
        states, goals = self.cropped(replay, streams, batch.observations, batch.goals)
        return dataclasses.replace(batch, policy_observations=states, policy_goals=goals)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals, actions = batch.observations, batch.goals, batch.actions
        scores = _images.score(nets, states, actions, goals)
        next_values = _images.value(nets, batch.next_observations, goals, _images.frozen)
        bellman = batch.rewards - knobs["discount"] * batch.rewards * next_values - scores
        targets = _images.score(nets, states, actions, goals, _images.target).amin(0)
        values = _images.value(nets, states, goals)
        weights = exponential_weights((targets - values).detach(), knobs["temperature"])
        means = _images.cloning_policy(nets, batch)
        losses = {
            "critic": bellman.square().mean(-1).sum(0),
            "value": expectile_loss(targets - values, knobs["expectile"]).mean(-1),
            "policy": -(weights * _images.log_prob(actions, means)).mean(-1),
        }
        return losses, {"value_mean": values.detach().mean(-1), "weight_mean": weights.mean(-1)}
