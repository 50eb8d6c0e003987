"""InFOM: intention-conditioned flow occupancy models (Zheng et al. 2025), asked for goals.

A flow (:mod:`smore_sweep.stacked.flow`) makes states that follow ``(s, a)``, each as often as the data's policy visits
it, discounted: the occupancy ``p(x|s, a) = (1 - discount) 1[x = s] + discount E[ p(x|s', a') ]``. An intention ``z``
tells apart the policies that the data may be of. An encoder reads it off the next step, ``z ~ N(m, sigma)(s', a')``.
With ``x_0 ~ N(0, I)``, ``tau`` uniform on [0, 1), and ``f`` the end of 10 Euler steps from ``x_0`` along the slow copy
``v'(s', a', z, .)``,

    here        = |v(s, a, z, (1 - tau) x_0 + tau s, tau) - (s - x_0)|^2
    later       = |v(s, a, z, x_tau, tau) - v'(s', a', z, x_tau, tau)|^2,   x_tau = (1 - tau) x_0 + tau f
    L(v, m, sigma)  = E[ ((1 - discount) here + discount later) / d ]
                      + kl_weight E[ (sigma^2 + m^2 - 1) / 2 - log sigma ]       (z as a constant in later)

Rewards are asked of the states that the flow makes. Here the reward is that of a goal, ``hit`` where the goal is the
transition's own state, by index. With ``x_j`` the flow's ends for ``futures`` draws of ``x_0`` and of ``z ~ N(0, I)``,

    L(r)  = E[ (r(s, g) - hit)^2 ]
    L(Q)  = E[ mean_k |expectile - 1(u_k < 0)| u_k^2 ],   u_k = mean_j r(x_j, g) / (1 - discount) - Q_k(s, a, g)

where ``r`` and the flow are constants in L(Q). The policy minimises DDPG+BC's loss
(:func:`baselines._ogbench.climbing_loss`) at its own goals with ``q = min_k Q_k(s, clip(mu, -1, 1), g)``.

What it costs: ``10 futures + 17`` passes of the flow in an update, 177 at the defaults; a critic has 5. What it cannot
see: a goal that the data's policies seldom come to within about ``1 / (1 - discount)`` steps is among none of the 16
states, so ``Q`` is flat there. InFOM is for rewards that are wider than a goal's. And with a small ``kl_weight`` the
intentions that ``Q`` asks for, of N(0, I), may not be those that the flow has learnt from.

Source: the paper, and the code (chongyi-zheng/infom, ``agents/infom.py``) at commit 04712b0. Deviations:

* The paper has no goals; its rewards come labelled, with data of their own. Here one set of data serves both, the
  reward has the goal as an input, and all networks are trained from the start: nothing is bootstrapped on ``Q``.
* The flow makes achieved goals; on tasks whose goals are whole observations these are all of a state.
* DDPG+BC divides by ``E|q|``, and the policy learns in every update; in the code it does not, and in every fourth.
* Samples are not cut to the range of the data.
* An episode's last transition, which no action follows, counts as the one before it.
* Flow and Q have LayerNorm, as in the code at that commit; later (f0356dd) they have none.
* On tasks that are not OGBench's, whose episodes here have 50 steps, the discount is 0.98 and inputs are normalised
  (``by_task``).
* Targets follow each update; the code's lag behind it by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import NetworkSpec, knob, method
from smore_sweep.losses import expectile_loss
from smore_sweep.method import POLICY
from smore_sweep.stacked.flow import flow_noise, transport, velocity_network
from smore_sweep.stacked.goal_mixture import GoalMixture
from smore_sweep.stacked.goals import Transitions
from smore_sweep.stacked.replay import Batch

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

STEPS = 10
"""Steps of the flow from noise to a state."""


@dataclass(frozen=True)
class TwoStepBatch(Batch):
    """A batch with the action after next, and the noise of the flow's samples.

    Attributes:
        next_actions: ``[M, B, a]``.
        sample_noise: ``x_0`` and ``z`` of the samples of each transition, ``[M, B futures, g + latent]``.
    """

    next_actions: torch.Tensor | None = None
    sample_noise: torch.Tensor | None = None


@method
class InFOM(_ogbench.OGBenchMethod):
    """InFOM's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "InFOM"
    paper: ClassVar[str] = "Zheng et al., Intention-Conditioned Flow Occupancy Models, 2025, with goals"

    alpha: float = knob("weight of cloning", default=0.3, low=0.0, stackable=True)
    expectile: float = knob("expectile of Q over intentions", default=0.9, above=0.0, high=0.999, stackable=True)
    futures: int = knob("states that the flow makes for a value", default=16, low=1)
    latent: int = knob("size of an intention", default=512, low=1)
    kl_weight: float = knob("weight of the intentions' divergence from N(0, I)", default=0.01, low=0.0)
    discount: float = knob("discount of the occupancy, and of the goals", default=0.99, above=0.0, high=0.9999)
    target_rate: float = knob("step of the slow flow, each update", default=0.005, above=0.0, high=1.0)
    hidden_layers: int = knob("hidden layers", default=4, low=1)

    def by_task(self, task: str) -> Mapping[str, Any]:
        own = {} if _ogbench.family(task) else {"discount": 0.98, "normalize_inputs": True}
        return {**super().by_task(task), **own}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden, rate, step = (self.hidden,) * self.hidden_layers, self.learning_rate, sizes.observation + sizes.action
        flow = velocity_network(step + self.latent, sizes.goal, hidden, rate, layer_norm=True)
        return {
            "flow": replace(flow, target_rate=self.target_rate),
            "intention": _ogbench.value_network(step, hidden, rate, outputs=2 * self.latent),
            "reward": _ogbench.value_network(2 * sizes.goal, hidden, rate),
            "Q": _ogbench.value_network(step + sizes.goal, hidden, rate, copies=2),
            POLICY: _ogbench.policy_network(sizes, hidden, rate),
        }

    def rows(self, batch_size: int) -> dict[str, int]:
        # All train, the flow at two places. Its slow copy makes f and has a velocity there; it makes the samples, which
        # the reward judges. The policy climbs Q: forwards, and back to the action.
        return {
            "flow": (3 * 2 + STEPS + 1 + STEPS * self.futures) * batch_size,
            "reward": (3 + self.futures) * batch_size,
            "Q": (3 + 2) * batch_size,
        }

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions that are not their episode's last, with goals of value and policy; rewards are ``hit``.
        The noise ``[M, B, g + 1 + latent]`` is the flow's, then the intention's."""
        goals = replay.goals
        drawn = goals.mixed_goals(streams.uniform("rho", 6, batch_size), GoalMixture(1.0, 0.0, 0.0))
        drawn = replace(drawn, time=drawn.time.clamp(max=replay.horizon - 2))
        mixture = _ogbench.value_goals(self.discount)
        drawn = goals.relabelled(drawn, streams.uniform("goals", 4, batch_size), mixture)
        wanted = _ogbench.policy_goals(self.random_policy_goals)
        own = goals.relabelled(drawn, streams.uniform("policy goals", 4, batch_size), wanted)
        batch = replay.batch(drawn)
        after = replay.batch(Transitions(drawn.episode, drawn.time + 1, drawn.goal))
        size = batch.achieved_goals.shape[-1]
        noise = [flow_noise(streams, "flow", batch_size, size), streams.normal("intention", batch_size, self.latent)]
        fields = vars(batch) | {
            "rewards": goals.at_goal(drawn).to(torch.float32),
            "policy_goals": replay.goals_of(own),
            "noise": torch.cat(noise, -1),
        }
        samples = streams.normal("samples", batch_size * self.futures, size + self.latent)
        return TwoStepBatch(**fields, next_actions=after.actions, sample_noise=samples)

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert isinstance(batch, TwoStepBatch)
        assert batch.sample_noise is not None
        assert batch.policy_goals is not None
        states, places, goals = batch.observations, batch.achieved_goals, batch.goals
        occupancy, flow_info = self._occupancy_loss(nets, batch)

        hits = nets["reward"](places, goals)[..., 0]
        repeated = [each.repeat_interleave(self.futures, 1) for each in (states, batch.actions, goals)]
        start, intentions = torch.split(batch.sample_noise, [places.shape[-1], self.latent], -1)
        made = follow(nets, repeated[0], repeated[1], intentions, start)
        rewards = nets["reward"].frozen(made, repeated[2])[..., 0].view(*hits.shape, -1).mean(-1)
        scores = nets["Q"](states, batch.actions, goals)[..., 0]
        residuals = rewards / (1.0 - self.discount) - scores

        means = nets[POLICY](states, batch.policy_goals)
        climbed = nets["Q"].through(states, means.clamp(-1.0, 1.0), batch.policy_goals)[..., 0].amin(0)
        policy, cloning = _ogbench.climbing_loss(climbed, means, batch.actions, knobs["alpha"])
        losses = {
            "flow": occupancy,
            "reward": (hits - batch.rewards).square().mean(-1),
            "critic": expectile_loss(residuals, knobs["expectile"]).mean(-1).mean(0),
            "policy": policy,
        }
        info = {"reward_mean": rewards.mean(-1), "q_mean": scores.detach().mean(-1).mean(0), "cloning": cloning}
        return losses, {**flow_info, **info}

    def _occupancy_loss(self, nets: Networks, batch: TwoStepBatch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Return the flow's and the intention's loss, ``[M]``, and its parts."""
        assert batch.next_actions is not None
        assert batch.noise is not None
        places = batch.achieved_goals
        size = places.shape[-1]
        start, time, noise = torch.split(batch.noise, [size, 1, self.latent], -1)
        now, after = (batch.observations, batch.actions), (batch.next_observations, batch.next_actions)
        means, log_stds = nets["intention"](*after).chunk(2, -1)
        intentions = means + torch.exp(log_stds) * noise
        fixed = intentions.detach()

        moving = nets["flow"](*now, intentions, (1.0 - time) * start + time * places, time)
        here = (moving - (places - start)).square().mean(-1)
        end = follow(nets, *after, fixed, start, slow=True)
        there = (1.0 - time) * start + time * end
        slow = nets["flow"].target(*after, fixed, there, time)
        later = (nets["flow"](*now, fixed, there, time) - slow).square().mean(-1)
        flow = ((1.0 - self.discount) * here + self.discount * later).mean(-1)
        divergence = (0.5 * (torch.exp(2.0 * log_stds) + means.square() - 1.0) - log_stds).mean(-1).mean(-1)
        info = {"here": here.mean(-1), "later": later.mean(-1), "divergence": divergence}
        return flow + self.kl_weight * divergence, {name: values.detach() for name, values in info.items()}


def follow(
    nets: Networks,
    states: torch.Tensor,
    actions: torch.Tensor,
    intentions: torch.Tensor,
    start: torch.Tensor,
    *,
    slow: bool = False,
) -> torch.Tensor:
    """Return where the flow, or its slow copy, carries noise ``start`` ``[M, B, g]``, without gradient."""
    velocity = nets["flow"].target if slow else nets["flow"].frozen
    return transport(lambda place, time: velocity(states, actions, intentions, place, time), start, STEPS)
