"""CFGRL: classifier-free guidance as policy improvement (Frans et al. 2025), with goals.

A flow (:mod:`smore_sweep.stacked.flow`) clones the actions of hindsight goals: ``v(s, g, x, tau)`` is trained on states
and goals that are reached later in the episode, where ``null_share`` of the samples have no goal: ``v(s, -, x, tau)``
clones the behaviour. There is no value. The method acts by following

    v(s, -, x, tau) + w (v(s, g, x, tau) - v(s, -, x, tau))

for 16 steps from noise. With ``w`` = ``guidance`` the actions have, as far as the flow's model holds, the density

    pi(a|s) p(g|s, a)^w

up to a factor: the behaviour at ``w`` = 0, the goal-conditioned clone ("flow GCBC") at 1, and above 1 a policy that is
better at reaching ``g``. ``guidance`` concerns acting alone: all its values are evaluated after one training.

Source: the paper, and its authors' code (cfgrl_submit, ``flowgcbc.py``) at commit 545677e. Deviations:

* Without a goal the inputs are a goal of zeros and a flag. In the code a trained vector stands for the goal.
* Goals are a later state, uniformly, on all datasets, as in the code; see :mod:`baselines._ogbench` for the mixture.
* On tasks that are not OGBench's, inputs are normalised (``by_task``). The code takes them as they are, on mazes, whose
  coordinates reach 20 and more, as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from baselines import _ogbench
from smore_sweep import Method, NetworkSpec, knob, method
from smore_sweep.method import POLICY
from smore_sweep.stacked.flow import flow_matching_loss, flow_noise, transport, velocity_network

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Draws, Streams
    from smore_sweep.task import Sizes

STEPS = 16
"""Steps from noise to an action."""


@method
class CFGRL(Method):
    """CFGRL's configuration; the module's docstring gives the equations."""

    name: ClassVar[str] = "CFGRL"
    paper: ClassVar[str] = "Frans et al., Diffusion Guidance Is a Controllable Policy Improvement Operator, 2025"

    guidance: float = knob("w: weight of the goal when acting", default=1.5, low=0.0, test_time=True)
    null_share: float = knob("share of samples without a goal", default=0.1, above=0.0, high=0.9, stackable=True)
    learning_rate: float = knob("Adam", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer", default=512, low=1)
    hidden_layers: int = knob("hidden layers", default=4, low=1)
    normalize_inputs: bool = knob("normalise by dataset statistics", default=False)

    def by_task(self, task: str) -> Mapping[str, Any]:
        return {} if _ogbench.family(task) else {"normalize_inputs": True}

    def networks(self, sizes: Sizes) -> dict[str, NetworkSpec]:
        hidden = (self.hidden,) * self.hidden_layers
        return {POLICY: guided_network(sizes.observation, sizes.goal, sizes.action, hidden, self.learning_rate)}

    def rows(self, batch_size: int) -> dict[str, int]:
        return {POLICY: 3 * batch_size}

    def sample(self, replay: Replay, streams: Streams, knobs: Mapping[str, torch.Tensor], batch_size: int) -> Batch:
        """Sample transitions with later states as goals. The noise ``[M, B, a + 2]`` is the flow's, then the flag."""
        goals = _ogbench.policy_goals(random=0.0)
        batch = replay.batch(replay.goals.mixed_goals(streams.uniform("rho", 6, batch_size), goals))
        flags = null_flags(streams, "null", batch_size, knobs["null_share"])
        return batch.with_noise(
            torch.cat([flow_noise(streams, "flow", batch_size, batch.actions.shape[-1]), flags], -1)
        )

    def losses(
        self, nets: Networks, batch: Batch, knobs: Mapping[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        assert batch.noise is not None
        noise, flags = batch.noise[..., :-1], batch.noise[..., -1:]
        inputs = (batch.observations, (1.0 - flags) * batch.goals, flags)
        loss = flow_matching_loss(lambda place, time: nets[POLICY](*inputs, place, time), batch.actions, noise)
        return {"policy": loss}, {}

    def sample_actions(
        self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor, draws: Draws
    ) -> torch.Tensor:
        start = draws.normal("action", nets[POLICY].spec.outputs)
        return guided(nets, POLICY, observations, goals, start, self.guidance).clamp(-1.0, 1.0)


def guided_network(
    observation: int, goal: int, size: int, hidden: tuple[int, ...], learning_rate: float
) -> NetworkSpec:
    """Return a velocity network given an observation, a goal and the flag for no goal."""
    return velocity_network(observation + goal + 1, size, hidden, learning_rate)


def null_flags(streams: Streams, purpose: str, batch_size: int, share: torch.Tensor) -> torch.Tensor:
    """Draw which samples have no goal, 1 with probability ``share`` ``[M, 1]``, else 0: ``[M, B, 1]``."""
    return (streams.uniform(purpose, 1, batch_size)[0] < share).to(torch.float32)[..., None]


def guided(
    nets: Networks,
    name: str,
    observations: torch.Tensor,
    goals: torch.Tensor,
    start: torch.Tensor,
    guidance: float,
) -> torch.Tensor:
    """Follow the guided velocity of a network from noise ``start`` ``[1, B, d]``."""
    rows = observations.shape[1]
    states = observations.repeat(1, 2, 1)
    wanted = torch.cat([torch.zeros_like(goals), goals], 1)
    flags = torch.zeros_like(wanted[..., :1])
    flags[:, :rows] = 1.0

    def velocity(place: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        both = nets[name].frozen(states, wanted, flags, place.repeat(1, 2, 1), time.repeat(1, 2, 1))
        free, towards = both[:, :rows], both[:, rows:]
        return free + guidance * (towards - free)

    return transport(velocity, start, STEPS)
