"""QRL: quasimetric reinforcement learning (Wang et al., ICML 2023), as OGBench has it.

A distance ``d(x, y) = IQE(phi(x), phi(y))`` (:mod:`baselines._iqe`) is pushed up between states and random goals, while
no step of the data may cost more than 1; it then becomes the number of steps of the shortest way. In expectations over
transitions and over goals ``g`` that are any states of the dataset,

    C           = E[ max(d(s, s') - 1, 0)^2 ]
    L(d)        = E[ 100 softplus(5 - d(s, g) / 100) ] + lambda C                     (lambda as a constant)
    L(lambda)   = lambda (epsilon - C)                                                (C as a constant)

``lambda`` is the exponential of a trained number that starts at 0, and ``a``, the share of the mean in the distance,
its sigmoid. A model ``F`` predicts the next representation, ``p = phi(s) + F(phi(s), a)``:

    L(F, phi)   = E[ d(phi(s'), p) + d(p, phi(s')) ] / 2

The policy climbs through the model: at its own goals, with ``mu`` its mean, and all but ``mu`` as constants, it
minimises DDPG+BC's ``L(pi)`` (:mod:`baselines._ogbench`) with

    q           = -d( phi(s) + F(phi(s), clip(mu, -1, 1)), phi(g) )

A goal is a whole observation, since ``phi`` takes either. There is no discount and no reward. The code's other
distance, MRN, and its other extraction, AWR, are not here. Frame and deviations: :mod:`baselines._ogbench`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from baselines._iqe import GROUP, iqe
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.stacked.goal_mixture import GoalMixture

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

ALPHA: Mapping[str, float] = MappingProxyType(
    {
        "pointmaze": 0.0003,
        "antmaze": 0.003,
        "antmaze-explore": 0.001,
        "humanoidmaze": 0.001,
        "antsoccer": 0.003,
        "play": 0.3,
        "noisy": 0.03,
    }
)
"""The weight of cloning by family of tasks (:func:`baselines._ogbench.family`)."""
RANDOM_GOALS = GoalMixture(0.0, 0.0, 1.0)
OFFSET, SCALE = 5.0, 100.0
"""Of the softplus in L(d): from distances of 500 on, pushing up wanes."""


@method
class QRL(_ogbench.OGBenchMethod):
    """QRL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "QRL"
    whole_goals: ClassVar[bool] = True

    alpha: float = knob("weight of cloning (ALPHA has it by family)", default=0.003, low=0.0, stackable=True)
    epsilon: float = knob("largest mean square by which a step's distance exceeds 1", default=0.05, low=0.0)
    components: int = knob("components of the distance, of 8 coordinates each", default=64, low=1)

    def by_task(self, task: str) -> Mapping[str, Any]:
        family = _ogbench.family(task)
        return {**super().by_task(task), **({} if family is None else {"alpha": ALPHA[family]})}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, latent = (self.hidden,) * self.hidden_layers, self.learning_rate, self.components * GROUP
        return {
            "phi": _ogbench.value_network(sizes.observation, hidden, rate, outputs=latent),
            "F": _ogbench.value_network(latent + sizes.action, hidden, rate, outputs=latent),
            "mean_share": NetworkSpec(0, 1, (), rate),
            "lambda": NetworkSpec(0, 1, (), rate),
            "pi": _ogbench.policy_network(sizes, hidden, rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # phi trains on s, s' and g, and reads the policy's goals. F trains, and the policy climbs through it: forwards,
        # and back to the action.
        return {"phi": (3 * 3 + 1) * batch_size, "F": (3 + 2) * batch_size, "pi": 3 * batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        own = _ogbench.policy_goals(self.random_policy_goals)
        return _ogbench.value_and_policy_batch(replay, streams, batch_size, RANDOM_GOALS, own)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, actions, wanted = batch.observations, batch.actions, batch.policy_goals
        assert wanted is not None
        share, multiplier = sigmoid(nets["mean_share"].vector[..., 0]), torch.exp(nets["lambda"].vector[:, 0, 0])
        all_states = torch.cat([states, batch.next_observations, batch.goals], 1)
        here, after, there = nets["phi"](all_states).chunk(3, 1)
        predicted = here + nets["F"](here, actions)

        begins, ends = torch.cat([here, here, after, predicted], 1), torch.cat([there, after, predicted, after], 1)
        far, step, ahead, back = iqe(begins, ends, share).chunk(4, 1)
        excess = torch.relu(step - 1.0).square().mean(-1)
        # softplus(x) = -log sigmoid(-x). PyTorch's own rounds differently at the end of a tensor on a CPU.
        pushed = -SCALE * torch.nn.functional.logsigmoid(far / SCALE - OFFSET).mean(-1)

        means, start = nets["pi"](states, wanted), here.detach()
        reached = start + nets["F"].through(start, means.clamp(-1.0, 1.0))
        closeness = -iqe(reached, nets["phi"].frozen(wanted), share.detach())
        policy, cloning = _ogbench.climbing_loss(closeness, means, actions, knobs["alpha"])
        losses = {
            "distance": pushed + multiplier.detach() * excess,
            "multiplier": multiplier * (self.epsilon - excess.detach()),
            "model": 0.5 * (ahead + back).mean(-1),
            "policy": policy,
        }
        info = {"distance_mean": far.mean(-1), "excess": excess, "lambda": multiplier, "mean_share": share[:, 0]}
        return losses, {name: values.detach() for name, values in info.items()} | {"cloning": cloning}


def sigmoid(x: torch.Tensor) -> torch.Tensor:
    """Return the sigmoid, element by element. PyTorch's own rounds differently at the end of a tensor on a CPU."""
    return 1.0 / (1.0 + torch.exp(-x))
