"""HIQL: hierarchical implicit Q-learning (Park et al., NeurIPS 2023), as OGBench has it.

A twin value ``V_k(s, phi(s, g))`` sees a goal through a representation of size ``r``, whose length is scaled to
``sqrt(r)``. Both are trained by GCIVL's ``L(V)`` (:mod:`baselines._ogbench`) at the value's goals; the slow targets
have layers ``V'_k`` of their own and the trained ``phi``.

Two policies share the way to a goal. The low one acts towards the state ``w`` that follows ``k`` steps later, given as
a representation; the high one says where to be in ``k`` steps on the way to a goal ``g``, as a representation, too.
Its target ``h`` is the state ``k`` steps on or ``g`` itself, if that is nearer:

    A       = mean_k V_k(s', phi(s', w)) - mean_k V_k(s, phi(s, w))
    L(low)  = -E[ min(exp(low_temperature A), 100) log pi(a | s, phi(s, w)) ]

    B       = mean_k V_k(h, phi(h, g)) - mean_k V_k(s, phi(s, g))
    L(high) = -E[ min(exp(high_temperature B), 100) log high(phi(s, h) | s, g) ]

with V and phi as constants. Both are Gaussians of unit deviation. The method acts, in every step, by the mean of
``pi( . | s, z)``, where ``z`` is the mean of ``high( . | s, g)``, scaled to length ``sqrt(r)``.

A goal of the high policy is a later state, or with a share of ``random_policy_goals`` any one; no way to such a goal is
known, so that ``h`` is then ``k`` steps on. No goal is beyond the last state of an episode. The code's ``phi`` has the
options of other architectures for images, which are not here. Frame and deviations: :mod:`baselines._ogbench`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.losses import exponential_weights

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

EXPLORE_TEMPERATURE = 10.0
"""Of both policies on the ant's ``explore`` data."""
SUBGOAL_STEPS: Mapping[str, int] = MappingProxyType({"humanoidmaze": 100, "play": 10, "noisy": 10})
"""By family of tasks (:func:`baselines._ogbench.family`); the others have the default."""


@method
class HIQL(_ogbench.ValueMethod):
    """HIQL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "HIQL"

    expectile: float = knob("expectile of V", default=0.7, above=0.0, high=0.999, stackable=True)
    low_temperature: float = knob("inverse temperature of the low weights", default=3.0, low=0.0, stackable=True)
    high_temperature: float = knob("inverse temperature of the high weights", default=3.0, low=0.0, stackable=True)
    subgoal_steps: int = knob("k: steps to a subgoal (SUBGOAL_STEPS has it by family)", default=25, low=1)
    repr_dim: int = knob("r: size of the goals' representation", default=10, low=1)

    def by_task(self, task: str) -> Mapping[str, Any]:
        family = _ogbench.family(task)
        own: dict[str, Any] = {}
        if family and (steps := SUBGOAL_STEPS.get(family)):
            own["subgoal_steps"] = steps
        if family == "antmaze-explore":
            own |= {"low_temperature": EXPLORE_TEMPERATURE, "high_temperature": EXPLORE_TEMPERATURE}
        return {**super().by_task(task), **own}

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("high", "pi")

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, size = (self.hidden,) * self.hidden_layers, self.learning_rate, self.repr_dim
        low, high = dataclasses.replace(sizes, goal=size), dataclasses.replace(sizes, action=size)
        value_inputs, pair = sizes.observation + size, sizes.observation + sizes.goal
        return {
            "phi": _ogbench.value_network(pair, hidden, rate, outputs=size),
            "V": _ogbench.value_network(value_inputs, hidden, rate, copies=2, target_rate=self.target_rate),
            "high": _ogbench.policy_network(high, hidden, rate),
            "pi": _ogbench.policy_network(low, hidden, rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # phi and V train at s, with a goal; they are evaluated for the target at s' (V' also at s), for the low policy
        # at s and s', and for the high one at s and h. phi also makes the high policy's target.
        return {
            "phi": (3 + 6) * batch_size,
            "V": (3 + 2 + 4) * batch_size,
            "high": 3 * batch_size,
            "pi": 3 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        goals = replay.goals
        drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), _ogbench.value_goals(self.discount))
        uniform = streams.uniform("policy goals", 4, batch_size)
        mixture = _ogbench.policy_goals(self.random_policy_goals)
        far = goals.relabelled(drawn, uniform, mixture)
        waypoints = goals.on_the_way(far, uniform, mixture, self.subgoal_steps)
        return dataclasses.replace(
            replay.batch(drawn),
            rewards=goals.at_goal(drawn).to(torch.float32) - 1.0,
            policy_goals=replay.goals_of(far),
            subgoals=replay.goals_of(goals.ahead(drawn, self.subgoal_steps)),
            waypoints=replay.goals_of(waypoints),
            waypoint_observations=replay.observations_of(waypoints),
        )

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        s, after, g = batch.observations, batch.next_observations, batch.goals
        far, near, on_the_way, there = batch.policy_goals, batch.subgoals, batch.waypoints, batch.waypoint_observations
        assert far is not None
        assert near is not None
        assert on_the_way is not None
        assert there is not None

        here = scaled(nets["phi"](s, g))
        values = nets["V"](s, here)[..., 0]  # [2, M, B]
        states = torch.cat([after, s, after, s, there, s], 1)
        phi = scaled(nets["phi"].frozen(states, torch.cat([g, near, near, far, far, on_the_way], 1)))
        slow = nets["V"].target(s, here.detach())[..., 0]
        rows = s.shape[1]
        slow_next = nets["V"].target(after, phi[:, :rows])[..., 0]
        value = _ogbench.implicit_value_loss(values, slow, slow_next, batch.rewards, self.discount, knobs["expectile"])

        between = slice(rows, 5 * rows)
        from_s, to_after, far_from_s, to_waypoint = (
            nets["V"].frozen(states[:, between], phi[:, between])[..., 0].mean(0).chunk(4, -1)
        )
        low = exponential_weights(to_after - from_s, knobs["low_temperature"], _ogbench.WEIGHT_CLIP)
        high = exponential_weights(to_waypoint - far_from_s, knobs["high_temperature"], _ogbench.WEIGHT_CLIP)
        low_log_prob = _ogbench.log_prob(batch.actions, nets["pi"](s, phi[:, rows : 2 * rows]))
        high_log_prob = _ogbench.log_prob(phi[:, 5 * rows :], nets["high"](s, far))
        losses = {
            "value": value,
            "low": -(low * low_log_prob).mean(-1),
            "high": -(high * high_log_prob).mean(-1),
        }
        info = {
            "value_mean": values.detach().mean(-1).mean(0),
            "low_weight": low.mean(-1),
            "high_weight": high.mean(-1),
        }
        return losses, info

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        subgoals = scaled(nets["high"].frozen(observations, goals))
        return _ogbench.act(nets, observations, subgoals)


def scaled(vectors: torch.Tensor) -> torch.Tensor:
    """Scale vectors ``[..., r]`` to length ``sqrt(r)``."""
    length: torch.Tensor = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors * (math.sqrt(vectors.shape[-1]) / length)
