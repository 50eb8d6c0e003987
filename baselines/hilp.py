"""HILP: Hilbert foundation policies (Park, Kreiman and Levine, ICML 2024), asked for goals.

Two representations ``phi_k`` of states, with slow copies ``phi'_k``, place states so that distances are steps. Their
value ``V_k(s, g) = -|phi_k(s) - phi_k(g)|`` is trained as GCIVL's (:mod:`baselines.gcivl`) is, with ``m = -r``:

    y_k    = r + discount m V'_k(s', g)
    A      = r + discount m min_k V'_k(s', g) - mean_k V'_k(s, g)
    L(phi) = sum_k E[ |expectile - 1(A < 0)| (y_k - V_k(s, g))^2 ]

A policy ``pi(a|s, z)`` learns by IQL to move in every direction ``z`` of the first space, drawn uniformly from the unit
sphere for each sample; with ``rho = (phi_1(s') - phi_1(s)) . z`` and ``u = min_k Q'_k(s, a, z) - U(s, z)``,

    L(U)  = E[ |skill_expectile - 1(u < 0)| u^2 ]
    L(Q)  = sum_k E[ (rho + discount U(s', z) - Q_k(s, a, z))^2 ]                   (U and phi as constants)
    L(pi) = -E[ min(exp(temperature u), 100) log pi(a|s, z) ]                       (u as a constant)

It acts on a goal by the direction to it, ``z = (phi_1(g) - phi_1(s)) / |phi_1(g) - phi_1(s)|``, new at every step.
With ``waypoints`` it plans: so many times ``phi_1(g)`` is replaced by a point about half way, the mean of the 10
representations ``p`` of the data's states with the least ``max(|p - phi_1(s)|, |p - phi_1(g)|)``. This concerns acting
alone, so runs that differ in it train once.

Source: the paper, and the code (seohongpark/HILP, ``hilp_gcrl``) at commit be2431b. Deviations:

* Goals that are not of the observations' size are no states. ``phi`` then has inputs for both, and takes a state beside
  a goal of zeros, or a goal beside a state of zeros; the distance is no longer a metric.
* Skills are new in every update. The paper's runs drew the same ones each time, which the code has mended since.
* A way-point is the mean of 10 states among 10,000 that a run draws from its data and keeps in its record; in the code
  of 50 among 50,000, the same share. The mean of a larger share lies so far from walls, and from goals beside them,
  that a path ends before it gets there.
* On tasks that are not OGBench's, whose episodes here have 50 steps, the discount is 0.98 and inputs are normalised
  (``by_task``).
* Targets follow each update; the code's lag behind it by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.losses import LOG_STD_RANGE, expectile_loss, exponential_weights, gaussian_log_prob
from smore_sweep.method import POLICY
from smore_sweep.stacked.goal_mixture import GoalMixture

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

FUTURE, RANDOM = 0.625, 0.375
"""Shares of the goals."""
REMEMBERED, NEAREST = 10_000, 10
"""States that way-points are chosen among, and those whose mean is one."""
LEAST_SQUARE = 1e-6
"""Least square of a distance, whose root has a gradient."""


@method
class HILP(Method):
    """HILP's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "HILP"
    paper: ClassVar[str] = "Park et al., Foundation Policies with Hilbert Representations, ICML 2024"

    latent: int = knob("size of the representation", default=32, low=1)
    expectile: float = knob("expectile of the distance's value", default=0.95, above=0.0, high=0.999, stackable=True)
    skill_expectile: float = knob("expectile of U", default=0.9, above=0.0, high=0.999, stackable=True)
    temperature: float = knob("inverse temperature of the policy weights", default=10.0, low=0.0, stackable=True)
    discount: float = knob("discount of all values, and of the goals", default=0.99, above=0.0, high=0.9999)
    target_rate: float = knob("step of the targets, each update", default=0.005, above=0.0, high=1.0)
    waypoints: int = knob("refinements of the goal (the code: 3)", default=0, low=0, test_time=True, before=0)
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=3, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    @property
    def revision(self) -> int:
        """Way-points were the means of 50 states among 2,000 once."""
        return 2

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {} if _ogbench.family(task) else {"discount": 0.98, "normalize_inputs": True}

    @property
    def acts_with(self) -> tuple[str, ...]:
        return (POLICY, "phi")

    @property
    def remembers(self) -> int:
        return REMEMBERED

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate = (self.hidden,) * self.hidden_layers, self.learning_rate
        skill = sizes.observation + self.latent
        place = sizes.observation + (sizes.goal if sizes.goal != sizes.observation else 0)

        def twins(inputs: int) -> NetworkSpec:
            return _ogbench.value_network(inputs, hidden, rate, copies=2, target_rate=self.target_rate)

        return {
            "phi": replace(twins(place), outputs=self.latent),
            "Q": twins(skill + sizes.action),
            "U": _ogbench.value_network(skill, hidden, rate),
            "pi": NetworkSpec(skill, sizes.action, hidden, rate, init="xavier", last_scale=0.1, log_std=sizes.action),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train: phi at s and g, with its target at s, s' and g, and as a constant at s and s'; Q with its target at
        # s, U as a constant at s'.
        return {
            "phi": (3 * 2 + 3 + 2) * batch_size,
            "Q": (3 + 1) * batch_size,
            "U": (3 + 1) * batch_size,
            "pi": 3 * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions with goals and rewards by index; the noise gives the skills, ``[M, B, latent]``."""
        goals = replay.goals
        drawn = goals.mixed_goals(
            streams.uniform("rho", 6, batch_size), GoalMixture(0.0, FUTURE, RANDOM, self.discount)
        )
        rewards = goals.at_goal(drawn).to(torch.float32) - 1.0
        batch = replace(replay.batch(drawn), rewards=rewards)
        return batch.with_noise(streams.normal("skills", batch_size, self.latent))

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.noise is not None
        here, there, goals = places(batch.observations, batch.next_observations, batch.goals)
        phi, skills = nets["phi"], direction(batch.noise)
        ends = phi.target(*goals)
        slow, slow_next = value(phi.target(*here), ends), value(phi.target(*there), ends)
        values = value(phi(*here), phi(*goals))
        distance = _ogbench.implicit_value_loss(
            values, slow, slow_next, batch.rewards, self.discount, knobs["expectile"]
        )

        moves = ((phi.frozen(*there) - phi.frozen(*here))[0] * skills).sum(-1)
        losses, info = self.skill_losses(nets, batch, skills, moves, knobs)
        return {"distance": distance, **losses}, {"distance_mean": -values.detach().mean(-1).mean(0), **info}

    def skill_losses(
        self,
        nets: Networks,
        batch: Batch,
        skills: torch.Tensor,
        rewards: torch.Tensor,
        knobs: Mapping[str, torch.Tensor],
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        """Return the losses and diagnostics of IQL for ``skills`` ``[M, B, latent]`` under ``rewards`` ``[M, B]``."""
        targets = rewards + self.discount * nets["U"].frozen(batch.next_observations, skills)[..., 0]
        scores = nets["Q"](batch.observations, skills, batch.actions)[..., 0]
        residuals = (
            nets["Q"].target(batch.observations, skills, batch.actions)[..., 0].amin(0)
            - nets["U"](batch.observations, skills)[..., 0]
        )
        weights = exponential_weights(residuals.detach(), knobs["temperature"], _ogbench.WEIGHT_CLIP)
        means = nets[POLICY](batch.observations, skills)
        log_prob = gaussian_log_prob(batch.actions, means, nets[POLICY].log_std.clamp(*LOG_STD_RANGE))
        losses = {
            "value": expectile_loss(residuals, knobs["skill_expectile"]).mean(-1),
            "critic": (targets - scores).square().mean(-1).sum(0),
            "policy": -(weights * log_prob).mean(-1),
        }
        return losses, {"weight_mean": weights.mean(-1)}

    def recall(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        """Return the representations of the remembered states, which planning needs, or nothing."""
        if not self.waypoints:
            return observations[:, :0]
        here, _, _ = places(observations, observations, goals)
        return nets["phi"].frozen(*here)[0]

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        here, _, wanted = places(observations, observations, goals)
        start, end = nets["phi"].frozen(*here)[0], nets["phi"].frozen(*wanted)[0]
        for _ in range(self.waypoints):
            assert draws.remembered is not None
            end = waypoint(start, end, draws.remembered)
        return nets[POLICY].frozen(observations, direction(end - start)).clamp(-1.0, 1.0)


def places(
    observations: torch.Tensor, next_observations: torch.Tensor, goals: torch.Tensor
) -> tuple[tuple[torch.Tensor, ...], ...]:
    """Return the inputs of ``phi`` for states, next states and goals. Goals of the states' size are states."""
    if goals.shape[-1] == observations.shape[-1]:
        return (observations,), (next_observations,), (goals,)
    no_goal, no_state = torch.zeros_like(goals), torch.zeros_like(observations)
    return (observations, no_goal), (next_observations, no_goal), (no_state, goals)


def waypoint(start: torch.Tensor, end: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """Return the mean of the :data:`NEAREST` ``points`` ``[1, n, d]`` whose larger distance, to ``start`` or to
    ``end`` ``[1, B, d]``, is least: ``[1, B, d]``."""
    apart = [torch.cdist(each, points, compute_mode="donot_use_mm_for_euclid_dist") for each in (start, end)]
    nearest = torch.maximum(*apart).topk(NEAREST, largest=False).indices
    return points[0, nearest].mean(-2)


def value(states: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
    """Return ``-|states - goals|``, ``[...]``, of representations ``[..., d]``."""
    return -torch.sqrt((states - goals).square().sum(-1).clamp_min(LEAST_SQUARE))


def direction(vectors: torch.Tensor) -> torch.Tensor:
    """Scale vectors ``[..., d]`` to length 1."""
    return vectors / vectors.square().sum(-1, keepdim=True).clamp_min(LEAST_SQUARE).sqrt()
