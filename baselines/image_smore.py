"""SMORe from images (section 4.4 and appendix C.2 of the paper): the score is an inner product.

Equation 10 in the Pearson form, as in :mod:`smore_sweep.smore`, with ``S_i(s, a, g) = phi_i(s, a) . psi_i(g)`` for two
heads. With ``y = discount V(s', g) - S(s, a, g)`` (V as a constant) and ``u = min_i S'_i(s, a, g) - V(s, g)``, S' slow,

    L(S)  = sum_i beta (1 - discount) E_rho[S_i] + beta E_q[y_i + y_i^2 / 4] + (1 - beta) E_rho[y_i^2 / 4]
    L(V)  = E_rho[ |expectile - 1(u < 0)| u^2 ]
    L(pi) = -E_rho[ min(exp(temperature u), 100) log pi(a | crop s, crop g) ]       (the weight as a constant)

The released code has no image experiment, so this is written from the paper, with Table 5's networks and Table 4's
constants. Its first term takes the data's actions. Networks, crops and deviations: :mod:`baselines._images`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _images
from smore_sweep import knob, method
from smore_sweep.losses import expectile_loss, exponential_weights
from smore_sweep.smore import SMORe, paper_loss, rho_and_q

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes


@method
class ImageSMORe(_images.ImageMethod):
    """The configuration of SMORe from images; the module's docstring gives the equations."""

    name: ClassVar[str] = "SMORe (images)"
    paper: ClassVar[str] = SMORe.paper

    beta: float = knob("mixture ratio of q and rho", default=0.5, above=0.0, high=1.0, stackable=True)
    expectile: float = knob("expectile of V", default=0.8, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of the score", default=0.99, low=0.0, high=0.9999, stackable=True)
    target_rate: float = knob("step of the score's target, each update", default=0.005, above=0.0, high=1.0)

    def networks(self, sizes: Sizes) -> _images.Specs:
        return self.critic_networks(sizes, self.target_rate) | self.value_networks(sizes) | self.policy_networks(sizes)

    def rows(self, batch_size: int) -> dict[str, int]:
        # S trains on rho and q, its target is evaluated on rho. V trains on rho and bootstraps both.
        heads, values, policy = 3 * 2 * batch_size + batch_size, (3 + 2) * batch_size, 3 * batch_size
        return self.pass_rows(
            encoder=2 * heads, phi=heads, psi=heads, V_encoder=values, V=values, pi_encoder=policy, pi=policy
        )

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample ``batch_size`` transitions of rho, followed by as many of q; the policy's goals are rho's."""
        rho, q = rho_and_q(replay, streams, knobs["her_ratio"], batch_size)
        batch = replay.batch(rho.joined(q))
        states, goals = (part[:, :batch_size] for part in (batch.observations, batch.goals))
        states, goals = self.cropped(replay, streams, states, goals)
        return dataclasses.replace(batch, policy_observations=states, policy_goals=goals)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        half = batch.actions.shape[1] // 2
        states, goals, actions = (part[:, :half] for part in (batch.observations, batch.goals, batch.actions))
        scores = _images.score(nets, batch.observations, batch.actions, batch.goals)
        next_values = _images.value(nets, batch.next_observations, batch.goals, _images.frozen)
        bellman = knobs["discount"] * next_values - scores
        score_loss = paper_loss(
            scores[..., :half],
            bellman[..., :half],
            bellman[..., half:],
            beta=knobs["beta"][:, 0],
            effective_horizon=knobs["effective_horizon"][:, 0],
            divergence="pearson",
        )
        targets = _images.score(nets, states, actions, goals, _images.target).amin(0)
        values = _images.value(nets, states, goals)
        weights = exponential_weights((targets - values).detach(), knobs["temperature"])
        means = _images.cloning_policy(nets, batch)
        losses = {
            "score": score_loss.sum(0),
            "value": expectile_loss(targets - values, knobs["expectile"]).mean(-1),
            "policy": -(weights * _images.log_prob(actions, means)).mean(-1),
        }
        return losses, {"score_mean": scores.detach().mean(-1).mean(0), "weight_mean": weights.mean(-1)}
