"""WGCSL: weighted goal-conditioned supervised learning (Yang et al., ICLR 2022).

GCSL with each sample weighted by how soon its goal is reached and by the advantage of its action. A critic
``Q(s, a, g)`` and a deterministic policy have slow targets (``Q'``, ``pi'``); ``k`` is the number of steps from ``s'``
to the state whose achieved goal is ``g``:

    L(Q)  = E[(y - Q(s, a, g))^2]
    L(pi) = E[w (pi(s, g) - a)^2]        w = discount^k min(exp A, 10) b

The authors' code and GoFAR's re-implementation differ, so each is a variant; ``r`` is -1, or 0 at the goal:

``release``     y = clip(r + 1 + discount Q'(s', pi'(s', g), g), -c, c) with c = 1/(1-discount)
                A = r + 1 + discount Q(s', pi(s', g), g) - Q(s, pi(s, g), g)
                b = 1 where A is among the best, otherwise 0.05: the *best-advantage weight*. "Best" is above the p-th
                percentile, with p = min(baw_delta * update, 80).
                The critic's goals are the policy's, but for a fifth of them, which are the commanded ones.
                Default: the method as its authors publish it.
``gofar_code``  y = clip(r + discount Q'(s', pi'(s', g), g), -c, 0)
                A = y - clip(Q(s, pi(s, g), g), -c, 0)
                b = 1: there is no best-advantage weight. Critic and policy see the same goals. The SMORe paper's runs
                probably used this code.

``discount_weight=False`` leaves out discount^k, which the authors recommend for random data of the hard tasks.

Deviations from ``release``:

* The percentile is that of the member's current batch; the release's, of the last 50,000 advantages (98 batches).
  No state besides the parameters has to be saved, and no advantage is out of date; the threshold is noisier.
* Targets move by 0.05 every 20 updates, as in GoFAR's code. The release moves them by 0.1 after each of its cycles, of
  1 to 20 updates by task (``target_rate=0.1``).
* Inputs are normalised by the statistics of the whole dataset, not by running ones.
* Two hidden layers, as everywhere here; both codes have three (``hidden_layers=3``).

Both codes step the policy before the critic, which changes nothing: the critic's targets come from the slow copies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines.ddpg import actor_critic, bootstrap, td_targets
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.errors import DeclarationError

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

MAX_ADVANTAGE_WEIGHT = 10.0
WORSE_WEIGHT = 0.05
MAX_PERCENTILE = 80.0

BAW_DELTA: Mapping[str, float] = MappingProxyType(
    dict.fromkeys(("PointReach", "PointRooms", "Reacher", "SawyerReach", "SawyerDoor", "FetchReach"), 0.15)
    | dict.fromkeys(("FetchPush", "FetchSlide", "FetchPick", "HandReach"), 0.01)
)
"""The authors' ``baw_delta`` by task: the full threshold after 534 updates of an easy task, 8,000 of a hard one."""


@method
class WGCSL(Method):
    """WGCSL's configuration; the module's docstring gives the equations and the variants."""

    name: ClassVar[str] = "WGCSL"
    paper: ClassVar[str] = "Yang et al., Rethinking Goal-Conditioned Supervised Learning, ICLR 2022"

    variant: str = knob("whose code", default="release", choices=("release", "gofar_code"))
    her_ratio: float = knob("share of hindsight goals", default=1.0, low=0.0, high=1.0, stackable=True)
    critic_her_ratio: float = knob(
        "share of the policy's hindsight goals that the critic of 'release' has too",
        default=0.8,
        low=0.0,
        high=1.0,
        stackable=True,
    )
    baw_delta: float = knob(
        "growth of the best-advantage percentile per update, 'release' (BAW_DELTA has it by task)",
        default=0.15, low=0.0, stackable=True,
    )  # fmt: skip
    discount_weight: bool = knob("weigh by discount^k", default=True)
    discount: float = knob(
        "discount of the critic and of the weights", default=0.98, above=0.0, high=0.9999, stackable=True
    )
    learning_rate: float = knob("Adam, both networks", default=5e-4, above=0.0, stackable=True)
    target_rate: float = knob("step of the targets (release: 0.1)", default=0.05, above=0.0, high=1.0)
    target_period: int = knob("updates between two steps of the targets", default=20, low=1)
    hidden: int = knob("width of a hidden layer", default=256, low=1)
    hidden_layers: int = knob("hidden layers (release: 3)", default=2, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics (release: running statistics)", default=True)

    def __post_init__(self) -> None:
        for name in ("critic_her_ratio", "baw_delta"):
            if self.variant != "release" and name in self.changed():
                raise DeclarationError(f"WGCSL: variant {self.variant!r} has no {name}; only 'release' has")

    @property
    def revision(self) -> int:
        # In revision 1, the critic's hindsight goals were a subset of the policy's only at a her_ratio of 1.
        return 2 if self.variant == "release" and self.her_ratio < 1.0 else 1

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {"baw_delta": BAW_DELTA[task]} if self.variant == "release" and task in BAW_DELTA else {}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        return actor_critic(sizes, hidden, self.learning_rate, self.target_rate, self.target_period)

    def rows(self, batch_size: int) -> dict[str, int]:
        # Both train, their targets bootstrap. The advantage needs Q at s and, in the release, pi and Q at s'.
        release = self.variant == "release"
        return {
            "Q": 3 * batch_size + batch_size + batch_size * (2 if release else 1),
            "pi": 3 * batch_size + batch_size + batch_size * release,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample ``batch_size`` transitions with the policy's goals; in the release, the same transitions with the
        critic's goals follow."""
        uniform = streams.uniform("rho", 4, batch_size)
        drawn = replay.goals.future_goals(uniform, knobs["her_ratio"])
        if self.variant == "release":  # the same numbers: where both goals are hindsight goals, they are the same
            critics = knobs["her_ratio"] * knobs["critic_her_ratio"]
            drawn = drawn.joined(replay.goals.future_goals(uniform, critics))
        return dataclasses.replace(replay.batch(drawn, offsets=self.discount_weight), step=streams.step)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        release = self.variant == "release"
        rows = batch.actions.shape[1] // (2 if release else 1)
        imitated, judged = slice(0, rows), slice(-rows, None)  # in GoFAR's code, both are the whole batch
        states, next_states, goals = batch.observations, batch.next_observations, batch.goals
        bound = knobs["effective_horizon"]

        scores = nets["Q"](states[:, judged], goals[:, judged], batch.actions[:, judged])[..., 0]
        targets = td_targets(
            batch.rewards[:, judged] + (1.0 if release else 0.0),
            bootstrap(nets, next_states[:, judged], goals[:, judged]),
            knobs,
            highest=bound if release else 0.0,
        )
        policy_actions = torch.tanh(nets["pi"](states[:, imitated], goals[:, imitated]))
        if release:
            assert batch.step is not None
            values, next_values = self._main_values(nets, batch, policy_actions.detach())
            advantages = batch.rewards[:, imitated] + 1.0 + knobs["discount"] * next_values - values
            percentile = (knobs["baw_delta"] * batch.step).clamp(max=MAX_PERCENTILE)
            weights = advantage_weights(advantages) * best_advantage_weights(advantages, percentile)
        else:
            values = nets["Q"].frozen(states, goals, policy_actions.detach())[..., 0]
            weights = advantage_weights(targets - values.clamp(min=-bound).clamp(max=0.0))
        if batch.offsets is not None:
            weights = weights * discount_weights(batch.offsets[:, imitated], knobs["log_discount"])
        error = (policy_actions - batch.actions[:, imitated]).square().mean(-1)
        losses = {"critic": (targets - scores).square().mean(-1), "policy": (weights * error).mean(-1)}
        return losses, {"score_mean": scores.detach().mean(-1), "weight_mean": weights.mean(-1)}

    @staticmethod
    def _main_values(nets: Networks, batch: Batch, policy_actions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ``Q(s, pi(s, g), g)`` and ``Q(s', pi(s', g), g)``, ``[M, B]`` each, at the policy's goals, from one
        product."""
        rows = policy_actions.shape[1]
        states, next_states = batch.observations[:, :rows], batch.next_observations[:, :rows]
        goals = batch.goals[:, :rows]
        next_actions = torch.tanh(nets["pi"].frozen(next_states, goals))
        both = nets["Q"].frozen(
            torch.cat([states, next_states], 1),
            torch.cat([goals, goals], 1),
            torch.cat([policy_actions, next_actions], 1),
        )
        return both[:, :rows, 0], both[:, rows:, 0]


def advantage_weights(advantages: torch.Tensor) -> torch.Tensor:
    """Return ``min(exp A, 10)``, element by element. Clipping the exponent avoids overflow."""
    return torch.exp(advantages.clamp(max=math.log(MAX_ADVANTAGE_WEIGHT)))


def best_advantage_weights(advantages: torch.Tensor, percentile: torch.Tensor) -> torch.Tensor:
    """Return 1 for advantages ``[M, B]`` that are not below their member's percentile (``[M, 1]``, 0 to 100, linear
    between ranks), 0.05 for the others."""
    # The first rank at or above the percentile divides the advantages as the interpolated value between two ranks does.
    rank = torch.ceil(percentile / 100.0 * (advantages.shape[-1] - 1)).long()
    threshold = advantages.sort(-1).values.gather(-1, rank)
    return torch.where(advantages >= threshold, 1.0, WORSE_WEIGHT)


def discount_weights(offsets: torch.Tensor, log_discount: torch.Tensor) -> torch.Tensor:
    """Return ``discount^k``, element by element; 1 for commanded goals, whose offset is 0."""
    return torch.exp(log_discount * offsets)  # a power would round differently at the end of a row
