"""Action-free SMORe: a score of states and goals alone (appendix A.4 of the SMORe paper).

For deterministic dynamics the score needs no action. With ``y = discount S(s', g) - S(s, g)`` and Pearson's chi-square,
whose density ratio ``w = max(0, 1 + y/2)`` is clipped at 0,

    L(S)  = beta (1-discount) E_rho[S(s, g)] + E_Mix[f*_+(y)] - (1-beta) E_rho[y]            (Eqs. 51, 62, 63)
    f*_+(y) = w y - (w - 1)^2 = y + y^2/4 where y >= -2, and -1 below                        (Theorem 2)
    L(pi) = -E_rho[ min(w, 100) log pi(a|s, g) ]

The gradient flows through ``S(s')`` and ``S(s)`` alike: this is the true dual, not a semi-gradient, and needs neither a
target nor a value network.

The paper gives no experiment and no recipe for the policy. Cloning weighted by the implied ratio ``w`` is the natural
one and is used here; rho stands for the initial distribution, as in the paper's practical losses. Corrected misprints:
stray factors ``alpha`` and ``pi(a'|s')`` in Eq. 62, ``min over S(s, a)`` for ``S(s, g)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

import torch

from baselines._smore_variants import SMOReVariant
from smore_sweep import NetworkSpec, method
from smore_sweep.losses import LOG_STD_RANGE, gaussian_log_prob

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch
    from smore_sweep.task import Sizes

MAX_WEIGHT = 100.0


@method
class SMOReActionFree(SMOReVariant):
    """The configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "SMORe (action-free)"
    paper: ClassVar[str] = "Sikchi et al., Score Models for Offline Goal-Conditioned RL, ICLR 2024, App. A.4"

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        return {
            "S": NetworkSpec(state, 1, hidden, rate),
            "pi": NetworkSpec(state, sizes.action, hidden, rate, log_std=sizes.action, cosine_decay=True),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # S at s and s' of rho and q, with gradient; the policy on rho.
        return {"S": 3 * 4 * batch_size, "pi": 3 * batch_size}

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        rows = batch.actions.shape[1]
        half = rows // 2
        states = torch.cat([batch.observations, batch.next_observations], 1)
        scores = nets["S"](states, torch.cat([batch.goals, batch.goals], 1))[..., 0]
        bellman = knobs["discount"] * scores[:, rows:] - scores[:, :rows]
        score_loss = action_free_loss(
            scores[:, :half],
            bellman[:, :half],
            bellman[:, half:],
            beta=knobs["beta"][:, 0],
            effective_horizon=knobs["effective_horizon"][:, 0],
        )
        weights = ratio(bellman[:, :half].detach()).clamp(max=MAX_WEIGHT)
        means = torch.tanh(nets["pi"](batch.observations[:, :half], batch.goals[:, :half]))
        log_std = nets["pi"].log_std.clamp(*LOG_STD_RANGE)
        log_prob = gaussian_log_prob(batch.actions[:, :half], means, log_std)
        losses = {"score": score_loss, "policy": -(weights * log_prob).mean(-1)}
        return losses, {"score_mean": scores.detach().mean(-1), "weight_mean": weights.mean(-1)}


def ratio(y: torch.Tensor) -> torch.Tensor:
    """Return the implied density ratio ``w = max(0, 1 + y/2)``, element by element."""
    return torch.relu(1.0 + 0.5 * y)


def action_free_loss(
    initial: torch.Tensor,
    bellman_rho: torch.Tensor,
    bellman_q: torch.Tensor,
    *,
    beta: torch.Tensor,
    effective_horizon: torch.Tensor,
) -> torch.Tensor:
    """Return Eq. 63 for Pearson's chi-square, ``[M]``.

    Args:
        initial: ``S(s, g)`` on rho, ``[M, B]``.
        bellman_rho: ``y = discount S(s', g) - S(s, g)`` on rho, ``[M, B]``.
        bellman_q: ``y`` on q, ``[M, B]``.
        beta: mixture ratio of q and rho, ``[M]``.
        effective_horizon: ``1 / (1 - discount)``, ``[M]``.
    """
    # y + y^2/4 = w^2 - 1 with w = 1 + y/2, so the truncated conjugate is max(0, w)^2 - 1.
    on_goal = ratio(bellman_q).square() - 1.0
    on_data = ratio(bellman_rho).square() - 1.0
    mixed = beta * on_goal.mean(-1) + (1.0 - beta) * (on_data - bellman_rho).mean(-1)
    return beta * initial.mean(-1) / effective_horizon + mixed
