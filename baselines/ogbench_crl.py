"""CRL as OGBench has it: contrastive critics, whose policy climbs the logits and clones (DDPG+BC).

Two critics ``k`` score a pair by an inner product of representations of size ``r``,
``l_ij = phi(s_i, a_i) . psi(g_j) / sqrt(r)``. Goal ``g_i`` is a later state of the episode of ``(s_i, a_i)``, after a
geometric time; all that lies beyond the end falls on the end. The other goals of the batch are its negatives:

    L(phi, psi) = mean over i, j and k of BCE( l_ij, 1[i = j] )

At the optimum ``exp(l)`` is, up to a constant, the density of ``g`` in the discounted future of ``(s, a)`` over its
density among all goals. At the policy's goals, with ``mu`` its mean, it minimises DDPG+BC's ``L(pi)``
(:mod:`baselines._ogbench`) with the logit itself, phi and psi as constants,

    q           = min_k phi_k(s, clip(mu, -1, 1)) . psi_k(g) / sqrt(r)

The code's other extraction, AWR with a second, action-free critic, is not here. CRL (:mod:`baselines.crl`) is the SMORe
paper's baseline, as its authors have it: logits that are not scaled, ReLU networks without LayerNorm, one kind of
goals, and a tanh policy of trained deviation whose terms are not normalised. Frame and deviations:
:mod:`baselines._ogbench`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from baselines.crl import nce_loss
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.stacked.goal_mixture import GoalMixture

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

ALPHA: Mapping[str, float] = MappingProxyType(
    {
        "pointmaze": 0.03,
        "antmaze": 0.1,
        "antmaze-explore": 0.003,
        "humanoidmaze": 0.1,
        "antsoccer": 0.3,
        "play": 3.0,
        "noisy": 0.1,
    }
)
"""The weight of cloning by family of tasks (:func:`baselines._ogbench.family`)."""


@method
class OGBenchCRL(_ogbench.OGBenchMethod):
    """The configuration of OGBench's CRL; the module's docstring gives the equations."""

    name: ClassVar[str] = "CRL (OGBench)"

    alpha: float = knob("weight of cloning (ALPHA has it by family)", default=0.1, low=0.0, stackable=True)
    discount: float = knob("discount of the goals' times", default=0.99, above=0.0, high=0.9999)
    repr_dim: int = knob("size of the representations", default=512, low=1)

    def by_task(self, task: str) -> Mapping[str, Any]:
        family = _ogbench.family(task)
        own = {} if family is None else {"alpha": ALPHA[family]}
        return {**super().by_task(task), **_ogbench.discount_by_task(task), **own}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, size = (self.hidden,) * self.hidden_layers, self.learning_rate, self.repr_dim
        pair = sizes.observation + sizes.action
        return {
            "phi": _ogbench.value_network(pair, hidden, rate, outputs=size, copies=2),
            "psi": _ogbench.value_network(sizes.goal, hidden, rate, outputs=size, copies=2),
            "pi": _ogbench.policy_network(sizes, hidden, rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # phi and psi train. The policy climbs phi, forwards and back to the action; psi reads its goals.
        return {"phi": (3 + 2) * batch_size, "psi": (3 + 1) * batch_size, "pi": 3 * batch_size}

    def flops(self, sizes: Sizes, batch_size: int) -> int:
        logits = 2 * 2 * batch_size * batch_size * self.repr_dim
        return super().flops(sizes, batch_size) + 3 * logits

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        futures = GoalMixture(0.0, 1.0, 0.0, self.discount)
        own = _ogbench.policy_goals(self.random_policy_goals)
        return _ogbench.value_and_policy_batch(replay, streams, batch_size, futures, own)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, actions, wanted = batch.observations, batch.actions, batch.policy_goals
        assert wanted is not None
        scale = 1.0 / math.sqrt(self.repr_dim)
        pairs, ends = scale * nets["phi"](states, actions), nets["psi"](batch.goals)  # [2, M, B, r]

        means = nets["pi"](states, wanted)
        climbed = scale * nets["phi"].through(states, means.clamp(-1.0, 1.0))
        scores = (climbed * nets["psi"].frozen(wanted)).sum(-1).amin(0)
        policy, cloning = _ogbench.climbing_loss(scores, means, actions, knobs["alpha"])
        # As in the networks: member by member on a CPU, all at once on a GPU.
        size = nets["phi"].stack // len(nets["phi"].blocks)
        blocks = zip(torch.split(pairs.flatten(0, 1), size), torch.split(ends.flatten(0, 1), size), strict=True)
        contrast = torch.cat([nce_loss(*block) for block in blocks])
        losses = {"critic": contrast.view(ends.shape[:2]).mean(0), "policy": policy}
        positives = (pairs.detach() * ends.detach()).sum(-1).mean(-1).mean(0)
        return losses, {"positive_mean": positives, "cloning": cloning}
