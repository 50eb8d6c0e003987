"""SMORe without AWR and without the expectile loss: the score's objective with the policy inside (Table 16's last row).

Eq. 8 of the SMORe paper is a saddle point in the score ``S(s, a, g)`` and the policy. Its offline form (Eqs. 9-11)
avoids actions that the data do not have; this form does not avoid them, and the paper has it as an ablation:

    L(S)  = beta (1-discount) E_rho[S(s, mu(s, g), g)] + beta discount E_q[S(s', mu(s', g), g)] - beta E_q[S(s, a, g)]
            + 1/4 E_Mix[ (discount min S_target(s', mu(s', g), g) - S(s, a, g))^2 ]
    L(mu) = -E_rho[ min S(s, mu(s, g), g) ]

The caption says that its values explode: nothing is clipped here, and a run that does explode is recorded as diverged.

Choices where the paper is silent: the squared term bootstraps on the slow target of the twin score, the linear ones
keep their gradient; the policy is deterministic; both losses are differentiated at the same parameters. Networks,
inputs and samplers are those of :mod:`smore_sweep.smore`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines._smore_variants import SMOReVariant
from smore_sweep import NetworkSpec, knob, method

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch
    from smore_sweep.task import Sizes


@method
class SMOReActorCritic(SMOReVariant):
    """The ablation's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "SMORe (w/o AWR and Expectile loss)"
    paper: ClassVar[str] = "Sikchi et al., Score Models for Offline Goal-Conditioned RL, ICLR 2024, Table 16"

    target_rate: float = knob("step of S's target towards S, each update", default=0.005, above=0.0, high=1.0)

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        return {
            "S": NetworkSpec(state + sizes.action, 1, hidden, rate, copies=2, target_rate=self.target_rate),
            "pi": NetworkSpec(state, sizes.action, hidden, rate, cosine_decay=True),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # S trains at (s, a) of rho and q, at (s', mu) of q and at (s, mu) of rho; its target bootstraps at (s', mu) of
        # both. The policy trains through S at (s, mu) of rho, and acts at s and at both s'.
        return {"S": 3 * 4 * batch_size + 2 * batch_size + 2 * batch_size, "pi": 3 * batch_size + 2 * batch_size}

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        half = batch.actions.shape[1] // 2
        state, next_state, goals = batch.observations, batch.next_observations, batch.goals
        means = torch.tanh(nets["pi"](state[:, :half], goals[:, :half]))
        next_actions = torch.tanh(nets["pi"].frozen(next_state, goals))

        scores = nets["S"](
            torch.cat([state, next_state[:, half:], state[:, :half]], 1),
            torch.cat([goals, goals[:, half:], goals[:, :half]], 1),
            torch.cat([batch.actions, next_actions[:, half:], means.detach()], 1),
        )[..., 0]
        on_data, on_goal, after_goal, initial = torch.split(scores, half, -1)
        bootstrap = knobs["discount"] * nets["S"].target(next_state, goals, next_actions)[..., 0].amin(0)
        score_loss = actor_critic_loss(
            initial,
            after_goal,
            on_goal,
            bootstrap[:, :half] - on_data,
            bootstrap[:, half:] - on_goal,
            beta=knobs["beta"][:, 0],
            discount=knobs["discount"][:, 0],
            effective_horizon=knobs["effective_horizon"][:, 0],
        )
        climbed = nets["S"].through(state[:, :half], goals[:, :half], means)[..., 0].amin(0)
        losses = {"score": score_loss.sum(0), "policy": -climbed.mean(-1)}
        return losses, {"score_mean": torch.cat([on_data, on_goal], -1).detach().mean(-1).mean(0)}


def actor_critic_loss(
    initial: torch.Tensor,
    after_goal: torch.Tensor,
    on_goal: torch.Tensor,
    bellman_rho: torch.Tensor,
    bellman_q: torch.Tensor,
    *,
    beta: torch.Tensor,
    discount: torch.Tensor,
    effective_horizon: torch.Tensor,
) -> torch.Tensor:
    """Return Eq. 8, ``[..., M]``.

    Args:
        initial: ``S(s, mu)`` on rho, ``[..., M, B]``.
        after_goal: ``S(s', mu)`` on q, ``[..., M, B]``.
        on_goal: ``S(s, a)`` on q, ``[..., M, B]``.
        bellman_rho: ``discount S_target(s', mu) - S(s, a)`` on rho, ``[..., M, B]``.
        bellman_q: the same on q.
        beta: mixture ratio of q and rho, ``[M]``.
        discount: discount of the score, ``[M]``.
        effective_horizon: ``1 / (1 - discount)``, ``[M]``.
    """
    linear = initial.mean(-1) / effective_horizon + discount * after_goal.mean(-1) - on_goal.mean(-1)
    squared = beta * bellman_q.square().mean(-1) + (1.0 - beta) * bellman_rho.square().mean(-1)
    return beta * linear + 0.25 * squared
