"""Stable contrastive RL (Zheng et al., ICLR 2024): contrastive critics from images, with the authors' design choices.

Two heads ``f_i(s, a, g) = phi_i(s, a) . psi_i(g)`` tell a pair's own future from others', at a batch's pairs ``j``.
Goals ``g`` are achieved after a geometric time, ``P(t + k) ~ discount^k``, cut off at the episode's end; ``r`` is the
next state of the pair before, a random one. With ``bce(f, 1) = log(1 + e^-f)``, ``bce(f, 0) = log(1 + e^f)``,

    nce:  L(f) = sum_i E[ bce(f_i(s_j, a_j, g_j), 1) + 1/(B-1) sum over k != j of bce(f_i(s_j, a_j, g_k), 0) ]
    td:   L(f) = sum_i E[ (1-discount) bce(f_i(s, a, s'), 1) + discount w bce(f_i(s, a, r), 1) + bce(f_i(s, a, r), 0) ]
          w    = min(20, exp min_i f'_i(s', a', r)),  a' ~ pi(.|s', r),  f' slow, w as a constant
    L(pi) = -(1-b) E[ min_i f_i(s, a', g) ] - b E[ log pi(a | crop s, crop g) ],  a' ~ pi(.|s, g)

``td`` is C-learning's loss (Eysenbach et al., ICLR 2021), the release's default; ``nce`` is its ``use_td=False``.
Networks, crops and deviations: :mod:`baselines._images`. CRL (:mod:`baselines.crl`) is the same idea from vectors.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _images
from smore_sweep import knob, method
from smore_sweep.errors import DeclarationError

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

LARGEST_WEIGHT = 20.0


@method
class StableCRL(_images.ImageMethod):
    """The configuration of stable contrastive RL; the module's docstring gives the equations."""

    name: ClassVar[str] = "Stable CRL"
    paper: ClassVar[str] = "Zheng et al., Stabilizing Contrastive RL, ICLR 2024"
    whole_goals: ClassVar[bool] = True  # of 'td', for which states are goals

    loss: str = knob("the critics' loss", default="td", choices=("td", "nce"))
    bc_coefficient: float = knob("b: share of cloning", default=0.05, low=0.0, high=1.0, stackable=True)
    discount: float = knob("discount of the future", default=0.99, above=0.0, high=0.9999, stackable=True)
    target_rate: float = knob("step of the critics' targets ('td')", default=0.005, above=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss != "td" and "target_rate" in self.changed():
            raise DeclarationError(f"{self.name}: loss = {self.loss!r} has no target_rate; only 'td' has")

    def networks(self, sizes: Sizes) -> _images.Specs:
        rate = self.target_rate if self.loss == "td" else 0.0
        return self.critic_networks(sizes, rate) | self.policy_networks(sizes)

    def rows(self, batch_size: int) -> dict[str, int]:
        # The critics train on states and goals, or next states; the policy climbs them, forwards and back to the
        # action, and clones. With 'td' it proposes next actions, which targets judge, and goals are encoded for it.
        td = batch_size * (self.loss == "td")
        clones = 3 * batch_size * (self.encoder != "none" and self.crop != "none")
        policy = 3 * batch_size + clones + td
        return self.pass_rows(
            encoder=3 * 2 * batch_size + 2 * td,
            phi=(3 + 2) * batch_size + td,
            psi=3 * batch_size + 2 * td,
            pi_encoder=policy,
            pi=policy,
        )

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        always = torch.ones_like(knobs["discount"])
        uniform = streams.uniform("rho", 4, batch_size)
        batch = replay.batch(replay.goals.future_goals(uniform, always, log_discount=knobs["log_discount"]))
        states, goals = self.cropped(replay, streams, batch.observations, batch.goals)
        noise = streams.normal("policy", batch_size, 2 * batch.actions.shape[-1])
        return dataclasses.replace(batch, policy_observations=states, policy_goals=goals, noise=noise)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals, actions, noise = batch.observations, batch.goals, batch.actions, batch.noise
        assert noise is not None
        own_noise, next_noise = (_images.DEVIATION * part for part in noise.chunk(2, -1))
        features = _images.encoded(nets, "encoder", _images.trained, states)
        phi = nets["phi"](features, actions)
        if self.loss == "nce":
            psi = nets["psi"](_images.encoded(nets, "encoder", _images.trained, goals))
            # As in the networks: member by member on a CPU, all at once on a GPU.
            size = nets["phi"].stack // len(nets["phi"].blocks)
            blocks = zip(torch.split(phi.flatten(0, 1), size), torch.split(psi.flatten(0, 1), size), strict=True)
            critic = torch.cat([nce_loss(torch.bmm(pairs, ends.mT)) for pairs, ends in blocks]).view(phi.shape[:2])
            own, goal_psi = _images.inner(phi, psi), psi.detach()
        else:
            nexts = batch.next_observations
            proposed = _images.policy(nets, nexts, nexts.roll(1, 1), _images.frozen) + next_noise
            next_features = _images.encoded(nets, "encoder", _images.target, nexts)
            judged = nets["psi"].target(next_features).roll(1, 2)
            weights = _images.inner(nets["phi"].target(next_features, proposed), judged).amin(0)
            psi = nets["psi"](_images.encoded(nets, "encoder", _images.trained, nexts))
            own = _images.inner(phi, psi)
            critic = td_loss(own, _images.inner(phi, psi.roll(1, 2)), weights, knobs["discount"])
            goal_psi = nets["psi"].frozen(_images.encoded(nets, "encoder", _images.frozen, goals))
        means = _images.policy(nets, states, goals)
        climbed = _images.inner(nets["phi"].through(features.detach(), means + own_noise), goal_psi).amin(0)
        if batch.policy_observations is not states:
            means = _images.cloning_policy(nets, batch)
        cloning = -_images.log_prob(actions, means).mean(-1)
        share = knobs["bc_coefficient"][:, 0]
        losses = {"critic": critic.sum(0), "policy": share * cloning - (1.0 - share) * climbed.mean(-1)}
        return losses, {"own": own.detach().mean(-1).mean(0), "cloning": cloning.detach()}


def softplus(x: torch.Tensor) -> torch.Tensor:
    """Return ``log(1 + e^x)``. PyTorch's own rounds differently at the end of a tensor on a CPU."""
    return -torch.nn.functional.logsigmoid(-x)


def nce_loss(logits: torch.Tensor) -> torch.Tensor:
    """Return the binary noise-contrastive loss ``[...]`` of logits ``[..., B, B]``, whose diagonal is positive."""
    own = logits.diagonal(dim1=-2, dim2=-1)
    others = (softplus(logits).sum(-1) - softplus(own)) / (logits.shape[-1] - 1)
    return (softplus(-own) + others).mean(-1)


def td_loss(own: torch.Tensor, random: torch.Tensor, judged: torch.Tensor, discount: torch.Tensor) -> torch.Tensor:
    """Return C-learning's loss ``[..., M]``.

    Args:
        own: logits of the next state, ``[..., M, B]``.
        random: logits of a random state, ``[..., M, B]``.
        judged: targets' logits of it at the next state and action, ``[M, B]``.
        discount: ``[M, 1]``.
    """
    weights = judged.clamp(max=math.log(LARGEST_WEIGHT)).exp()
    terms = (1.0 - discount) * softplus(-own) + discount * weights * softplus(-random) + softplus(random)
    return terms.mean(-1)
