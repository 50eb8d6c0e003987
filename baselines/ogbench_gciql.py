"""GCIQL as OGBench has it: implicit Q-learning with goals, whose policy climbs the critic and clones (DDPG+BC).

A twin ``Q_k(s, a, g)`` with slow targets ``Q'_k`` and a value ``V(s, g)``. At the value's goals, with ``m = -r`` and
``u = min_k Q'_k(s, a, g) - V(s, g)``,

    L(V)  = E[ |expectile - 1(u < 0)| u^2 ]
    L(Q)  = sum_k E[ (r + discount m V(s', g) - Q_k(s, a, g))^2 ]                   (V as a constant)

and at the policy's goals, with ``mu`` its mean, the policy minimises DDPG+BC's ``L(pi)`` (:mod:`baselines._ogbench`)
with ``q = min_k Q_k(s, clip(mu, -1, 1), g)``, Q as a constant. The code's other extraction, AWR, is not here. GC-IQL
(:mod:`baselines.iql`) is the SMORe paper's baseline: rewards by distance and no end at the goal, one share of hindsight
goals, AWR with a tanh policy of trained deviation, ReLU networks. Frame and deviations: :mod:`baselines._ogbench`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.losses import expectile_loss

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch
    from smore_sweep.task import Sizes

ALPHA: Mapping[str, float] = MappingProxyType(
    {
        "pointmaze": 0.003,
        "antmaze": 0.3,
        "antmaze-explore": 0.01,
        "humanoidmaze": 0.1,
        "antsoccer": 0.1,
        "play": 1.0,
        "noisy": 0.03,
    }
)
"""The weight of cloning by family of tasks (:func:`baselines._ogbench.family`)."""


@method
class OGBenchGCIQL(_ogbench.ValueMethod):
    """The configuration of OGBench's GCIQL; the module's docstring gives the equations."""

    name: ClassVar[str] = "GCIQL (OGBench)"

    alpha: float = knob("weight of cloning (ALPHA has it by family)", default=0.3, low=0.0, stackable=True)

    def by_task(self, task: str) -> Mapping[str, Any]:
        family = _ogbench.family(task)
        return {**super().by_task(task), **({} if family is None else {"alpha": ALPHA[family]})}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, state, rate = (self.hidden,) * self.hidden_layers, sizes.observation + sizes.goal, self.learning_rate
        inputs = state + sizes.action
        return {
            "Q": _ogbench.value_network(inputs, hidden, rate, copies=2, target_rate=self.target_rate),
            "V": _ogbench.value_network(state, hidden, rate),
            "pi": _ogbench.policy_network(sizes, hidden, rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train. Q's target is evaluated at s, V at s', and the policy climbs Q: forwards, and back to the action.
        return {"Q": (3 + 1 + 2) * batch_size, "V": (3 + 1) * batch_size, "pi": 3 * batch_size}

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, goals, actions = batch.observations, batch.goals, batch.actions
        values = nets["V"](states, goals)[..., 0]
        slow = nets["Q"].target(states, goals, actions)[..., 0].amin(0)
        next_values = nets["V"].frozen(batch.next_observations, goals)[..., 0]
        targets = batch.rewards - self.discount * batch.rewards * next_values
        scores = nets["Q"](states, goals, actions)[..., 0]  # [2, M, B]

        wanted = batch.policy_goals
        assert wanted is not None
        means = nets["pi"](states, wanted)
        climbed = nets["Q"].through(states, wanted, means.clamp(-1.0, 1.0))[..., 0].amin(0)
        policy, cloning = _ogbench.climbing_loss(climbed, means, actions, knobs["alpha"])
        losses = {
            "value": expectile_loss(slow - values, knobs["expectile"]).mean(-1),
            "critic": (targets - scores).square().mean(-1).sum(0),
            "policy": policy,
        }
        return losses, {"value_mean": values.detach().mean(-1), "cloning": cloning}
