"""GCIVL: goal-conditioned implicit value learning, as OGBench has it (IQL without a critic).

A twin value ``V_k(s, g)`` regresses to an upper expectile over the data's next states at the value's goals
(``L(V)`` of :mod:`baselines._ogbench`). The policy clones actions by how much the value rises: at its own goals,

    B     = mean_k V_k(s', g) - mean_k V_k(s, g)                                    (V as a constant)
    L(pi) = -E[ min(exp(temperature B), 100) log pi(a|s, g) ]

without reward or discount in ``B``. The value is biased upwards where next states are random. Frame and deviations:
:mod:`baselines._ogbench`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.losses import exponential_weights

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch
    from smore_sweep.task import Sizes


@method
class GCIVL(_ogbench.ValueMethod):
    """GCIVL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "GCIVL"

    temperature: float = knob("inverse temperature of the policy weights", default=10.0, low=0.0, stackable=True)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, state = (self.hidden,) * self.hidden_layers, sizes.observation + sizes.goal
        return {
            "V": _ogbench.value_network(state, hidden, self.learning_rate, copies=2, target_rate=self.target_rate),
            "pi": _ogbench.policy_network(sizes, hidden, self.learning_rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # V trains; its target and, at the policy's goals, itself are evaluated at s and s'.
        return {"V": (3 + 2 + 2) * batch_size, "pi": 3 * batch_size}

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        states, next_states, goals = batch.observations, batch.next_observations, batch.goals
        slow = nets["V"].target(states, goals)[..., 0]  # [2, M, B]
        slow_next = nets["V"].target(next_states, goals)[..., 0]
        values = nets["V"](states, goals)[..., 0]
        value = _ogbench.implicit_value_loss(values, slow, slow_next, batch.rewards, self.discount, knobs["expectile"])

        wanted = batch.policy_goals
        assert wanted is not None
        rises = (nets["V"].frozen(next_states, wanted) - nets["V"].frozen(states, wanted))[..., 0].mean(0)
        weights = exponential_weights(rises, knobs["temperature"], _ogbench.WEIGHT_CLIP)
        log_prob = _ogbench.log_prob(batch.actions, nets["pi"](states, wanted))
        losses = {
            "value": value,
            "policy": -(weights * log_prob).mean(-1),
        }
        return losses, {"value_mean": values.detach().mean(-1).mean(0), "weight_mean": weights.mean(-1)}
