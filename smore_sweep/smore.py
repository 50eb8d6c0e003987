"""SMORe: score models for offline goal-conditioned reinforcement learning (Sikchi et al., ICLR 2024).

Three networks: a twin score ``S(s, a, g)`` with a slow target, a value ``M(s, g)`` and a Gaussian policy
``pi(a|s, g)``. With ``rho`` the relabelled data, ``q`` the goal-transition distribution and
``y = discount * M(s', g) - S(s, a, g)`` (``M`` as a constant), the paper's practical losses are

    Eq. 10  L(S)  = beta (1-discount) E_rho[S] + beta E_q[f*(y)] + (1-beta) E_rho[f*(y) - y]
    Eq. 9   L(M)  = E_rho[ L_expectile( min S_target - M ) ]
    Eq. 11  L(pi) = -E_rho[ min(exp(temperature (min S_target - M)), 100) log pi(a|s, g) ]

Eq. 10 is written here for any f-divergence of Table 3 (appendix A); for Pearson chi-square ``f*(y) = y + y^2/4``.

The paper and its released code differ, so each reading is a variant:

``paper``           the equations above. Default, because it is what the paper derives and argues for.
``printed``         Eq. 10 with the Bellman coefficient 1 that is printed there; Eq. 8 derives 1/4. Pearson only.
``release``         the released ``smore`` loss: ``-E_q[S] + 1e-4 E_rho[S] + 0.5 E_rho[y^2]``.
``release_stable``  the released default, a least-squares surrogate: goal transitions are regressed to +200, and all
                    data get reward -2: ``E_q[(S-200)^2] + 1e-6 E_rho[S^2] + 0.5 E_rho[(S - (discount M - 2))^2]`` at a
                    discount of 0.99; else ``2/(1-discount)`` for 200 and ``1e-4 (1-discount)`` for 1e-6.

The ``release`` variants are the released losses, not the released program, which also differs in this:

* LayerNorm's epsilon is flax's 1e-6; here it is PyTorch's 1e-5.
* It has a gradient penalty, which it leaves out by default; here there is none.
* Its samplers never take an episode's last achieved goal, take 2% of the goals from the next episode and never sample
  the last 2% of the episodes; here goals are uniform over the rest of their own episode, as the paper reads.
* Its cosine learning rate rises again beyond the run's length; here it is defined up to that length only.

The policy can also be extracted in other ways (``extraction``, :mod:`smore_sweep.extraction`), with ``q = min S``. The
paper's Table 16 compares Eq. 11 (``awr``) with "SMORe (w/o AWR)". The paper gives no formula for it; its caption
describes the deterministic policy gradient ``gradient``. ``gradient_bc`` and ``sampling`` are not in the paper.

Deviations, for all variants:

* Eq. 9's printed argument ``M - S`` would give the lower expectile, Eq. 11 lacks its minus sign; both are as in the
  code.
* Eq. 10's second term, ``beta discount E_q[S(s', pi)]``, has no gradient once ``M`` stands for it; the code drops it
  too.
* The first term takes the dataset's action, as the released code does, unless ``initial_action`` says "policy".
* The three losses are differentiated at the same parameters. The paper's order (S, M, pi) and the release's (M, pi, S)
  differ from it only by a lag of one optimiser step in ``M``.
* Inputs are normalised by default. The paper does not say; the release leaves it off by default.
* Twin score, its target, LayerNorm on ``M`` and the clip at 100 are the release's; the paper does not mention them.
* ``moved_share`` is ours, for tasks in which most hindsight goals are reached from the start
  (:mod:`smore_sweep.stacked.nontrivial_goals`).
* Two hidden layers of 256 are Table 4's; the release uses three (``hidden_layers=3``). The cosine decay of Table 4 is
  applied to the policy, as the release does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from smore_sweep.errors import DeclarationError
from smore_sweep.extraction import EXTRACTIONS, ExtractingMethod, climbing_loss, sampling_loss
from smore_sweep.losses import LOG_STD_RANGE, expectile_loss, exponential_weights, gaussian_log_prob
from smore_sweep.method import knob, method
from smore_sweep.stacked.flow import flow_noise, velocity_network
from smore_sweep.stacked.network_spec import NetworkSpec

if TYPE_CHECKING:
    from smore_sweep.stacked.goals import Transitions
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

DIVERGENCES = ("pearson", "kl", "hellinger", "total_variation", "jensen_shannon")
VARIANTS = ("paper", "printed", "release", "release_stable")

MAX_RATIO = 100.0
RATIO_EDGE = {
    "kl": 1.0 + math.log(MAX_RATIO),
    "hellinger": 1.0 - MAX_RATIO**-0.5,
    "jensen_shannon": math.log(2.0 * MAX_RATIO / (1.0 + MAX_RATIO)),
}
"""The ``y`` at which ``f*'(y)`` reaches ``MAX_RATIO``."""

EXPECTILE: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("FetchReach", "FetchPick", "FetchPush", "FetchSlide", "SawyerReach", "SawyerDoor"), 0.8)
    | dict.fromkeys(("FetchReachNoise0.5", "FetchReachNoise1.0", "FetchReachNoise1.5"), 0.8)
    | dict.fromkeys(("HandReach", "CheetahTgtVel-m-e", "CheetahTgtVel-r-e", "AntTgtVel-m-e", "AntTgtVel-r-e"), 0.7)
)
"""The expectile by task (appendix C gives it by family). The paper is silent on Reacher, which keeps the default."""

STABLE_REWARD = -2.0
RELEASE_LINEAR = 1e-4
RELEASE_QUADRATIC = 1e-4
"""Times ``1 - discount``."""


@method
class SMORe(ExtractingMethod):
    """SMORe's configuration; the module's docstring gives the equations and the variants."""

    name: ClassVar[str] = "SMORe"
    paper: ClassVar[str] = "Sikchi et al., Score Models for Offline Goal-Conditioned RL, ICLR 2024"
    critics: ClassVar[tuple[str, ...]] = ("S",)

    variant: str = knob("which reading of the score's loss", default="paper", choices=VARIANTS)
    divergence: str = knob("the f of variant 'paper' (Table 3)", default="pearson", choices=DIVERGENCES)
    beta: float = knob("mixture ratio of q and rho", default=0.5, above=0.0, high=1.0, stackable=True)
    expectile: float = knob(
        "expectile of M (EXPECTILE has it by task)", default=0.8, above=0.0, high=0.999, stackable=True
    )
    temperature: float = knob("alpha: inverse temperature of the policy weights", default=3.0, low=0.0, stackable=True)
    her_ratio: float = knob("share of hindsight goals", default=0.8, low=0.0, high=1.0, stackable=True)
    moved_share: float = knob(
        "share of the goals drawn away from where the transition starts (not in the paper)",
        default=0.0, low=0.0, high=1.0, before=0.0,
    )  # fmt: skip
    initial_action: str = knob("action in the first term of Eq. 10", default="dataset", choices=("dataset", "policy"))
    extraction: str = knob(
        "how the policy is extracted from the score", default="awr", choices=EXTRACTIONS, before="awr"
    )
    bc_weight: float = knob("weight of cloning in 'gradient_bc'", default=0.4, low=0.0, stackable=True, before=0.4)
    discount: float = knob("discount of the score", default=0.99, low=0.0, high=0.9999, stackable=True)
    target_rate: float = knob("step of S's target towards S, each update", default=0.005, above=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (release: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: false)", default=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("beta", "initial_action"):
            if self.variant in ("release", "release_stable") and name in self.changed():
                raise DeclarationError(
                    f"SMORe: variant {self.variant!r} has no {name}; only 'paper' and 'printed' have"
                )
        if self.extraction == "sampling" and self.initial_action == "policy":
            raise DeclarationError("SMORe: extraction = 'sampling' has no policy for initial_action = 'policy'")
        if self.divergence != "pearson" and self.variant != "paper":
            raise DeclarationError(
                f"SMORe: divergence = {self.divergence!r} needs variant = 'paper', not {self.variant!r}"
            )

    @property
    def revision(self) -> int:
        """The quadratic weight of ``release_stable`` was a constant once, which is right at a discount of 0.99 only."""
        mended = self.variant == "release_stable" and self.discount != 0.99
        return commanded_goals_revision(self.her_ratio) + mended

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {"expectile": EXPECTILE[task]} if task in EXPECTILE else {}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        state = sizes.observation + sizes.goal
        rate = self.learning_rate
        return {
            "S": NetworkSpec(
                state + sizes.action, 1, hidden, copies=2, target_rate=self.target_rate, learning_rate=rate
            ),
            "M": NetworkSpec(state, 1, hidden, layer_norm=True, learning_rate=rate),
            "pi": velocity_network(state, sizes.action, hidden, rate)
            if self.extraction == "sampling"
            else NetworkSpec(
                state,
                sizes.action,
                hidden,
                learning_rate=rate,
                cosine_decay=True,
                log_std=sizes.action if self.extraction == "awr" else 0,
            ),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # S trains on rho and q; its target, M and pi on rho; M bootstraps on rho, and on q where Eq. 10 is the loss. A
        # policy that climbs S passes through it forwards and back to the action.
        policy_action = self.initial_action == "policy" and self._bootstraps_on_goals
        by_gradient = self.extraction in ("gradient", "gradient_bc")
        return {
            "S": 3 * 2 * batch_size + batch_size + 3 * batch_size * policy_action + 2 * batch_size * by_gradient,
            "M": 3 * batch_size + batch_size * (1 + self._bootstraps_on_goals),
            "pi": 3 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample ``batch_size`` transitions of rho, followed by as many of q."""
        rho, q = rho_and_q(replay, streams, knobs["her_ratio"], batch_size)
        if self.moved_share:
            goals, share = replay.goals, self.moved_share
            rho = goals.nontrivial_goals(rho, streams.uniform("moved rho", 4, batch_size), share, entering=False)
            q = goals.nontrivial_goals(q, streams.uniform("moved q", 4, batch_size), share, entering=True)
        batch = replay.batch(rho.joined(q))
        if self.initial_action == "policy" and self._bootstraps_on_goals:
            batch = batch.with_noise(streams.normal("policy", batch_size, batch.actions.shape[-1]))
        if self.extraction == "sampling":
            batch = batch.with_noise(flow_noise(streams, "flow", batch_size, batch.actions.shape[-1]))
        return batch

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        half = batch.actions.shape[1] // 2
        state, goals = batch.observations, batch.goals
        rho_state, rho_goals, rho_actions = state[:, :half], goals[:, :half], batch.actions[:, :half]

        scores = nets["S"](state, goals, batch.actions)[..., 0]
        bootstrapped = slice(None) if self._bootstraps_on_goals else slice(half)  # rho and q, or rho alone
        next_values = nets["M"].frozen(batch.next_observations[:, bootstrapped], goals[:, bootstrapped])[..., 0]
        bellman = knobs["discount"] * next_values - scores[..., bootstrapped]
        if self.extraction != "sampling":
            means = torch.tanh(nets["pi"](rho_state, rho_goals))
        if self._bootstraps_on_goals:
            initial = scores[..., :half]
            if self.initial_action == "policy":
                assert batch.noise is not None
                sampled = means.detach()
                if self.extraction == "awr":
                    sampled = (sampled + torch.exp(self._log_std(nets).detach()) * batch.noise).clamp(-1.0, 1.0)
                initial = nets["S"](rho_state, rho_goals, sampled)[..., 0]
            score_loss = paper_loss(
                initial,
                bellman[..., :half],
                bellman[..., half:],
                beta=knobs["beta"][:, 0],
                effective_horizon=knobs["effective_horizon"][:, 0],
                divergence="printed" if self.variant == "printed" else self.divergence,
            )
        elif self.variant == "release":
            score_loss = release_loss(scores[..., :half], scores[..., half:], bellman)
        else:
            score_loss = release_stable_loss(
                scores[..., :half], scores[..., half:], bellman, knobs["effective_horizon"][:, 0]
            )

        target = nets["S"].target(rho_state, rho_goals, rho_actions)[..., 0].amin(0)
        values = nets["M"](rho_state, rho_goals)[..., 0]
        losses = {"score": score_loss.sum(0), "value": expectile_loss(target - values, knobs["expectile"]).mean(-1)}
        info = {"score_mean": scores.detach().mean(-1).mean(0)}
        if self.extraction == "awr":
            weights = exponential_weights((target - values).detach(), knobs["temperature"])
            log_prob = gaussian_log_prob(rho_actions, means, self._log_std(nets))
            losses["policy"] = -(weights * log_prob).mean(-1)
            info["weight_mean"] = weights.mean(-1)
            # Kish's effective sample size, as a share of the batch.
            info["weight_share"] = weights.mean(-1).square() / weights.square().mean(-1).clamp_min(1e-30)
        elif self.extraction == "sampling":
            assert batch.noise is not None
            losses["policy"] = sampling_loss(nets["pi"], rho_state, rho_goals, rho_actions, batch.noise)
        else:
            climbed = self.score(nets, rho_state, rho_goals, means)
            weight = knobs["bc_weight"] if self.extraction == "gradient_bc" else None
            losses["policy"] = climbing_loss(climbed, means, rho_actions, weight)
        return losses, info

    def score(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, actions: torch.Tensor
    ) -> torch.Tensor:
        return nets["S"].through(observations, goals, actions)[..., 0].amin(0)

    @property
    def _bootstraps_on_goals(self) -> bool:
        """Whether the score's loss is Eq. 10, whose second term has ``M`` at q's next states."""
        return self.variant in ("paper", "printed")

    @staticmethod
    def _log_std(nets: Networks) -> torch.Tensor:
        return nets["pi"].log_std.clamp(*LOG_STD_RANGE)


def rho_and_q(
    replay: Replay, streams: Streams, her_ratio: torch.Tensor, batch_size: int
) -> tuple[Transitions, Transitions]:
    """Sample ``batch_size`` relabelled transitions (rho), and as many that reach their goal (q)."""
    return (
        replay.goals.future_goals(streams.uniform("rho", 4, batch_size), her_ratio),
        replay.goals.goal_transitions(streams.uniform("q", 4, batch_size), her_ratio),
    )


def commanded_goals_revision(her_ratio: float) -> int:
    """Return the revision of a method that samples q: 2, or 1 at a ``her_ratio`` of 1, where nothing changed.

    In the first revision, the goals of q that are not hindsight goals were the achieved goals within the threshold of
    the commanded ones instead of the commanded ones themselves."""
    return 1 if her_ratio == 1.0 else 2


def conjugate(divergence: str, y: torch.Tensor) -> torch.Tensor:
    """Return ``f*(y)``, element by element (Table 3; "printed" is Pearson with Eq. 10's coefficient of 1).

    ``f*'(y)`` is the implied density ratio. A conjugate that explodes (KL) or ends (Hellinger at 1, Jensen-Shannon at
    log 2) continues along its tangent from the point where that ratio is 100: it stays convex, and its gradient still
    pushes back. Total variation is infinite outside [-1/2, 1/2]; a quadratic barrier stands for that."""
    if divergence == "pearson":
        return y + 0.25 * y.square()
    if divergence == "printed":
        return y + y.square()
    if divergence == "total_variation":
        return y + torch.relu(y.abs() - 0.5).square()
    edge = RATIO_EDGE[divergence]
    inside = y.clamp(max=edge)
    beyond = MAX_RATIO * (y - inside)
    if divergence == "kl":
        return torch.exp(inside - 1.0) + beyond
    if divergence == "hellinger":
        return inside / (1.0 - inside) + beyond
    return -torch.log1p(-torch.expm1(inside)) + beyond


def paper_loss(
    initial: torch.Tensor,
    bellman_rho: torch.Tensor,
    bellman_q: torch.Tensor,
    *,
    beta: torch.Tensor,
    effective_horizon: torch.Tensor,
    divergence: str,
) -> torch.Tensor:
    """Return Eq. 10 for any f.

    Args:
        initial: ``S`` at the first term's actions, ``[..., M, B]``.
        bellman_rho: ``y = discount M(s') - S(s, a)`` on rho, ``[..., M, B]``.
        bellman_q: ``y`` on q, ``[..., M, B]``.
        beta: mixture ratio of q and rho, ``[M]``.
        effective_horizon: ``1 / (1 - discount)``, ``[M]``.
        divergence: see :func:`conjugate`.

    Returns:
        ``[..., M]``.
    """
    start = beta * initial.mean(-1) / effective_horizon
    on_goal = beta * conjugate(divergence, bellman_q).mean(-1)
    on_data = (1.0 - beta) * (conjugate(divergence, bellman_rho) - bellman_rho).mean(-1)
    return start + on_goal + on_data


def release_loss(score_rho: torch.Tensor, score_q: torch.Tensor, bellman_rho: torch.Tensor) -> torch.Tensor:
    """Return the released code's ``smore`` loss: ``[...]`` for inputs ``[..., B]``."""
    return -score_q.mean(-1) + RELEASE_LINEAR * score_rho.mean(-1) + 0.5 * bellman_rho.square().mean(-1)


def release_stable_loss(
    score_rho: torch.Tensor, score_q: torch.Tensor, bellman_rho: torch.Tensor, effective_horizon: torch.Tensor
) -> torch.Tensor:
    """Return the released code's ``smore_stable`` loss, its default: ``[...]`` for inputs ``[..., B]``."""
    best = -STABLE_REWARD * effective_horizon[..., None]
    return (
        (score_q - best).square().mean(-1)
        + RELEASE_QUADRATIC * score_rho.square().mean(-1) / effective_horizon
        + 0.5 * (bellman_rho + STABLE_REWARD).square().mean(-1)
    )
