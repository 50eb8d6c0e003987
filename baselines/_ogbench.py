"""The common frame of OGBench's methods (Park et al., ICLR 2025): networks, goals, policies and constants by task.

Networks are MLPs of three hidden layers of 512 with GELU, from Xavier uniform; those of values and critics have
LayerNorm after the activation. A policy is a Gaussian of unit deviation around the network's linear output, whose last
layer starts ten times smaller; it acts by its mean, clipped to [-1, 1]. Inputs are not normalised.

Value and policy have goals of their own, each from a mixture (:class:`~smore_sweep.stacked.goal_mixture.GoalMixture`)
of the current state, a later one of the episode and any one. A transition is at its goal if the goal is its own state,
by index; its reward is then 0, else -1, and nothing is bootstrapped there (``m = -r``).

Two losses are shared. A twin value without a critic, with slow targets ``V'_k``, regresses to an upper expectile over
the data's next states; each has its own target and both have the weight of the slow values (``implicit_value_loss``):

    y_k   = r + discount m V'_k(s', g)
    A     = r + discount m min_k V'_k(s', g) - mean_k V'_k(s, g)
    L(V)  = sum_k E[ |expectile - 1(A < 0)| (y_k - V_k(s, g))^2 ]

A policy climbs the score ``q`` of its mean ``mu``, clipped to [-1, 1], and clones (DDPG+BC, ``climbing_loss``). Beyond
the box of actions only cloning moves ``mu``:

    L(pi) = -E[q] / (E|q| + 1e-6) - alpha E[ log pi(a|s, g) ]                       (E|q| as a constant)

Sources: the paper, and the code (``impls/agents``, ``impls/utils``, ``impls/hyperparameters.sh``) at commit 1d41409.
Deviation, for all: targets follow each update; the code's lag behind it by one.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from smore_sweep.method import POLICY, Method, knob, method
from smore_sweep.stacked.goal_mixture import GoalMixture
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.tasks import OGBENCH_FAMILIES

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

PAPER = "Park et al., OGBench: Benchmarking Offline Goal-Conditioned RL, ICLR 2025"

CURRENT, FUTURE, RANDOM = 0.2, 0.5, 0.3
"""Shares of a value's goals."""
WEIGHT_CLIP = 100.0

RANDOM_POLICY_GOALS: Mapping[str, float] = MappingProxyType({"stitch": 0.5, "explore": 1.0})
"""Share of random goals of the policy by dataset; the others have none."""
LONG_DISCOUNT = 0.995
"""Discount of giant mazes and of the humanoid."""


def family(task: str) -> str | None:
    """Return the name under which hyperparameters are chosen: the body of a maze, ``antmaze-explore``, or the dataset
    of a manipulation task, ``play`` or ``noisy``; None for a task that is not OGBench's."""
    body, dataset = task.partition("-")[0], task.rpartition("-")[2]
    if body not in OGBENCH_FAMILIES:
        return None
    if body in ("cube", "scene", "puzzle"):
        return dataset
    return f"{body}-explore" if dataset == "explore" else body


def discount_by_task(task: str) -> dict[str, float]:
    """Return the knob of the discount for a task, if it has one of its own."""
    long = "giant" in task or task.startswith("humanoidmaze")
    return {"discount": LONG_DISCOUNT} if long and family(task) else {}


@method
class OGBenchMethod(Method):
    """Knobs and acting of the methods with a value, or a distance, and a policy."""

    paper: ClassVar[str] = PAPER

    random_policy_goals: float = knob("share of random goals of the policy", default=0.0, low=0.0, high=1.0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=3, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    def by_task(self, task: str) -> Mapping[str, Any]:
        dataset = task.rpartition("-")[2]
        if family(task) is None or dataset not in RANDOM_POLICY_GOALS:
            return {}
        return {"random_policy_goals": RANDOM_POLICY_GOALS[dataset]}

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return act(nets, observations, goals)


@method
class ValueMethod(OGBenchMethod):
    """Knobs and batch of the methods whose value is learnt from rewards."""

    expectile: float = knob("expectile of V", default=0.9, above=0.0, high=0.999, stackable=True)
    discount: float = knob("discount of values, and of their goals", default=0.99, above=0.0, high=0.9999)
    target_rate: float = knob("step of the targets, each update", default=0.005, above=0.0, high=1.0)

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {**super().by_task(task), **discount_by_task(task)}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        own = policy_goals(self.random_policy_goals)
        return value_and_policy_batch(replay, streams, batch_size, value_goals(self.discount), own)


def value_network(
    inputs: int,
    hidden: tuple[int, ...],
    learning_rate: float,
    *,
    outputs: int = 1,
    copies: int = 1,
    target_rate: float = 0.0,
) -> NetworkSpec:
    """Return the network of a value or critic, or of a representation that one is made of."""
    return NetworkSpec(
        inputs, outputs, hidden, learning_rate,
        copies=copies, target_rate=target_rate, activation="gelu", init="xavier",
        layer_norm=True, layer_norm_after=True, layer_norm_epsilon=1e-6,
    )  # fmt: skip


def policy_network(sizes: Sizes, hidden: tuple[int, ...], learning_rate: float) -> NetworkSpec:
    """Return the network of a policy's mean."""
    inputs = sizes.observation + sizes.goal
    return NetworkSpec(inputs, sizes.action, hidden, learning_rate, activation="gelu", init="xavier", last_scale=0.1)


def value_goals(discount: float) -> GoalMixture:
    """Return the mixture of the goals of a value that is learnt from rewards."""
    return GoalMixture(CURRENT, FUTURE, RANDOM, discount)


def policy_goals(random: float) -> GoalMixture:
    """Return the mixture of a policy's goals: a share of random ones, and later states, uniformly."""
    return GoalMixture(0.0, 1.0 - random, random)


def value_and_policy_batch(
    replay: Replay, streams: Streams, batch_size: int, for_value: GoalMixture, for_policy: GoalMixture
) -> Batch:
    """Sample transitions with a value's goals, rewards by index, and the policy's goals."""
    goals = replay.goals
    drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), for_value)
    own = goals.relabelled(drawn, streams.uniform("policy goals", 4, batch_size), for_policy)
    rewards = goals.at_goal(drawn).to(torch.float32) - 1.0
    return dataclasses.replace(replay.batch(drawn), rewards=rewards, policy_goals=replay.goals_of(own))


def log_prob(actions: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
    """Return the log density ``[M, B]`` of actions ``[M, B, a]`` under Gaussians of unit deviation."""
    return -0.5 * (actions - means).square().sum(-1) - 0.5 * math.log(2.0 * math.pi) * actions.shape[-1]


def implicit_value_loss(
    values: torch.Tensor,
    slow: torch.Tensor,
    slow_next: torch.Tensor,
    rewards: torch.Tensor,
    discount: float,
    expectile: torch.Tensor,
) -> torch.Tensor:
    """Return the loss of a twin value without a critic, ``[M]`` (the module's docstring).

    Args:
        values: ``V_k(s, g)``, ``[2, M, B]``.
        slow: ``V'_k(s, g)``, the slow targets, ``[2, M, B]``.
        slow_next: ``V'_k(s', g)``.
        rewards: ``r``, -1 or, at the goal, 0, ``[M, B]``.
        discount: of the next value.
        expectile: ``[M, 1]``.
    """
    discounts = -discount * rewards
    advantages = rewards + discounts * slow_next.amin(0) - slow.mean(0)
    weights = torch.where(advantages >= 0, expectile, 1.0 - expectile)
    errors = rewards + discounts * slow_next - values
    return (weights * errors.square()).mean(-1).sum(0)


def climbing_loss(
    scores: torch.Tensor, means: torch.Tensor, actions: torch.Tensor, alpha: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of DDPG+BC, ``[M]``, and the part of cloning in it, as a constant (the module's docstring).

    Args:
        scores: ``q``, of a critic as a constant, ``[M, B]``.
        means: the policy's means, ``[M, B, a]``.
        actions: those of the data, ``[M, B, a]``.
        alpha: weight of cloning, ``[M, 1]``.
    """
    size = scores.detach().abs().mean(-1) + 1e-6
    cloning = -log_prob(actions, means).mean(-1)
    return -scores.mean(-1) / size + alpha[:, 0] * cloning, cloning.detach()


def act(nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return the policy's means, clipped to [-1, 1]."""
    return nets[POLICY].frozen(observations, goals).clamp(-1.0, 1.0)
