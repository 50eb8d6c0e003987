"""Train the policies of the locomotion tasks: ``python -m smore_sweep.experts.recipes.train_locomotion BODY FOLDER``.

Soft actor-critic (Haarnoja et al. 2018, with a learned temperature) on Gymnasium's ``HalfCheetah-v5`` and ``Ant-v5``,
arranged for one slow core. Differences from the usual settings: several environments feed one learner, which makes
fewer updates than there are steps; the critics' hidden layers are normalised (LayerNorm without gains), which permits
the higher learning rate; batch and networks are smaller, most of all the actor, which is shipped; actor and temperature
are updated with every second update of the critics; the learning rate falls linearly to zero over the last third of the
steps, which makes the gait even (the cheetah's shipped policies come from a constant one).

The reward is for speed up to the task's target: ``min(v, target) - CONTROL_COST |a|^2`` and, for the
ant, ``HEALTHY`` for each step on its feet. ``v`` is the mean forward speed over the step (m/s).

Every evaluation writes the deterministic policy to ``FOLDER/policy-STEPS.npz``, in the format that
:mod:`smore_sweep.experts.locomotion` reads, adds a row to ``FOLDER/curve.csv``, and saves the learner's state in
``FOLDER/checkpoint.pt``, from which the same command resumes (with new episodes and fresh random numbers).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from smore_sweep.storage.atomic import atomic_write

HIDDEN_ACTOR, HIDDEN_CRITIC = 128, 192
BATCH, CAPACITY = 128, 1_000_000
DISCOUNT, TARGET_RATE, LEARNING_RATE = 0.98, 0.01, 1e-3
DECAY = 1 / 3  # of the steps, the last ones: the learning rate falls to zero
TEMPERATURE = 0.1  # at the start
ENVIRONMENTS = 8
WARM_UP = 10_000  # uniformly random steps before the first update
EVALUATE, EPISODES = 24_000, 3  # steps between evaluations, episodes per evaluation
CONTROL_COST, HEALTHY = 0.05, 0.2
REWARD_SCALE = 0.1  # normalised layers with small output weights learn small values sooner


@dataclass(frozen=True)
class Body:
    """A body to train: its environment of Gymnasium, and facts about it."""

    env_id: str
    velocity: int
    """Index of the forward velocity in the observation."""
    target: float
    """m/s"""
    updates: int
    """Updates per step of all environments; fewer for a cheaper simulator."""

    def make(self) -> gymnasium.Env[Any, Any]:
        """Create the environment, the ant's without contact forces: an observation of 27."""
        options = {"include_cfrc_ext_in_observation": False} if self.env_id.startswith("Ant") else {}
        return gymnasium.make(self.env_id, **options)

    def reward(self, info: dict[str, float], action: NDArray[np.float32]) -> float:
        """Return the shaped and scaled reward of a step, from Gymnasium's ``info``."""
        healthy = HEALTHY if info.get("reward_survive", 0.0) > 0.0 else 0.0
        reward = min(info["x_velocity"], self.target) + healthy - CONTROL_COST * float(action @ action)
        return REWARD_SCALE * reward


BODIES = {"cheetah": Body("HalfCheetah-v5", 8, 11.0, 2), "ant": Body("Ant-v5", 13, 5.0, 4)}


def learning_rate(progress: float) -> float:
    """Return the rate at a share of all steps: constant, then falling to zero over the last ``DECAY`` of them."""
    return LEARNING_RATE * min(1.0, (1.0 - progress) / DECAY)


def layers(sizes: Sequence[int], copies: int = 1) -> list[Tensor]:
    """Create weights ``[copies, in, out]`` and biases ``[copies, 1, out]`` by turns, uniform in ``+-1/sqrt(in)``."""
    return [
        (torch.rand(copies, rows, fan_out) * 2.0 - 1.0).div(fan_in**0.5).requires_grad_()
        for fan_in, fan_out in itertools.pairwise(sizes)
        for rows in (fan_in, 1)
    ]


def network(parameters: list[Tensor], x: Tensor, *, normalize: bool) -> Tensor:
    """Map inputs ``[copies, B, in]`` to ``[copies, B, out]`` by ReLU layers, in the critics with normalisation."""
    for weight, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        x = torch.baddbmm(bias, x, weight)
        x = functional.layer_norm(x, x.shape[-1:]).relu() if normalize else x.relu()
    return torch.baddbmm(parameters[-1], x, parameters[-2])


def sample(actor: list[Tensor], observations: Tensor) -> tuple[Tensor, Tensor]:
    """Sample actions ``[B, a]`` of the stochastic policy. Returns them and their log densities ``[B]``."""
    mean, log_std = network(actor, observations[None], normalize=False)[0].chunk(2, -1)
    log_std = 3.5 * torch.tanh(log_std) - 1.5  # in [-5, 2]
    noise = torch.randn_like(mean)
    raw = mean + log_std.exp() * noise
    gaussian = -0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)
    squash = 2.0 * (math.log(2.0) - raw - functional.softplus(-2.0 * raw))  # the logarithm of tanh's derivative
    return torch.tanh(raw), (gaussian - squash).sum(-1)


def values(critics: list[Tensor], observations: Tensor, actions: Tensor) -> Tensor:
    """Return the two critics' values ``[2, B]``."""
    inputs = torch.cat([observations, actions], -1)
    return network(critics, inputs.expand(2, -1, -1), normalize=True)[..., 0]


class Learner:
    """Actor, twin critics, temperature, their optimisers, the replay buffer and the learning curve."""

    def __init__(self, observation: int, action: int) -> None:
        """Create a learner for these sizes of observations and actions."""
        self.sizes = [observation, action, 1, 1, observation]  # of a transition's fields: s, a, r, ended, s'
        self.actor = layers([observation, HIDDEN_ACTOR, HIDDEN_ACTOR, 2 * action])
        self.critics = layers([observation + action, HIDDEN_CRITIC, HIDDEN_CRITIC, 1], copies=2)
        self.targets = [parameter.detach().clone() for parameter in self.critics]
        self.log_temperature = torch.tensor(math.log(TEMPERATURE), requires_grad=True)
        self.optimizers = [
            torch.optim.Adam(self.critics, LEARNING_RATE, fused=True),
            torch.optim.Adam(self.actor, LEARNING_RATE, fused=True),
            torch.optim.Adam([self.log_temperature], LEARNING_RATE, betas=(0.5, 0.999), fused=True),
        ]
        self.buffer = torch.zeros(CAPACITY, sum(self.sizes))
        self.curve: list[dict[str, float]] = []
        self.steps = 0  # of the environments; all went through the buffer
        self.updates = 0

    def store(self, transitions: NDArray[np.float32]) -> None:
        """Replace the oldest transitions by new ones ``[n, s + a + 1 + 1 + s]``."""
        rows = (self.steps + torch.arange(len(transitions))) % CAPACITY
        self.buffer[rows] = torch.from_numpy(transitions)
        self.steps += len(transitions)

    def update(self) -> None:
        """Update the critics and their targets, and every second time actor and temperature."""
        rows = torch.randint(min(self.steps, CAPACITY), (BATCH,))
        observations, actions, rewards, ended, following = torch.split(self.buffer[rows], self.sizes, -1)
        temperature = self.log_temperature.detach().exp()
        with torch.no_grad():
            next_actions, density = sample(self.actor, following)
            value = values(self.targets, following, next_actions).amin(0) - temperature * density
            target = rewards[:, 0] + DISCOUNT * (1.0 - ended[:, 0]) * value
        self._descend(0, (values(self.critics, observations, actions) - target).square().mean(1).sum())
        torch._foreach_lerp_(self.targets, self.critics, TARGET_RATE)
        if self.updates % 2 == 0:
            frozen = [parameter.detach() for parameter in self.critics]
            new_actions, density = sample(self.actor, observations)
            value = values(frozen, observations, new_actions).amin(0)
            self._descend(1, (temperature * density - value).mean())
            surplus = (density.detach() - self.sizes[1]).mean()  # the target entropy is minus the actions' size
            self._descend(2, -self.log_temperature.exp() * surplus)
        self.updates += 1

    def act(self, observation: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return the deterministic policy's action."""
        with torch.no_grad():
            outputs = network(self.actor, torch.from_numpy(observation).float()[None, None], normalize=False)
            action: NDArray[np.float32] = torch.tanh(outputs[0, 0, : self.sizes[1]]).numpy()
        return action

    def save(self, path: Path) -> None:
        """Save the learner's state atomically."""
        state = {
            "parameters": [parameter.detach() for parameter in self._parameters()],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "buffer": self.buffer[: self.steps].clone(),
            "curve": self.curve,
            "counts": [self.steps, self.updates],
        }
        with atomic_write(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        """Restore the state that :meth:`save` wrote."""
        state = torch.load(path, weights_only=True)
        with torch.no_grad():
            for parameter, saved in zip(self._parameters(), state["parameters"], strict=True):
                parameter.copy_(saved)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.buffer[: len(state["buffer"])] = state["buffer"]
        self.curve = state["curve"]
        self.steps, self.updates = state["counts"]

    def _descend(self, which: int, loss: Tensor) -> None:
        self.optimizers[which].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizers[which].step()

    def _parameters(self) -> list[Tensor]:
        return [*self.actor, *self.critics, *self.targets, self.log_temperature]


def evaluate(body: Body, learner: Learner) -> dict[str, float]:
    """Evaluate the deterministic policy.

    Returns:
        Mean speed (m/s), share of steps within 0.5 m/s of the target, and mean length and return (Gymnasium's reward,
        undiscounted) of the episodes.
    """
    env = body.make()
    speeds: list[float] = []
    total = 0.0
    for episode in range(EPISODES):
        observation, _ = env.reset(seed=1_000_000 + episode)
        done = False
        while not done:
            observation, reward, terminated, truncated, _ = env.step(learner.act(observation))
            speeds.append(float(observation[body.velocity]))
            total += float(reward)
            done = terminated or truncated
    env.close()
    return {
        "speed": float(np.mean(speeds)),
        "in_band": float(np.mean(np.abs(np.array(speeds) - body.target) < 0.5)),
        "length": len(speeds) / EPISODES,
        "return": total / EPISODES,
    }


def export(learner: Learner, recipe: dict[str, Any], path: Path) -> None:
    """Write the deterministic policy: ``weight0, bias0, ...`` in float32, and ``recipe`` as JSON text.

    The last layer has only the means.
    """
    parameters = [parameter.detach()[0].numpy() for parameter in learner.actor]
    parameters[-2:] = [parameter[:, : learner.sizes[1]] for parameter in parameters[-2:]]
    arrays: dict[str, Any] = {f"weight{i}": weight for i, weight in enumerate(parameters[::2])}
    arrays |= {f"bias{i}": bias[0] for i, bias in enumerate(parameters[1::2])}
    np.savez_compressed(path, recipe=np.array(json.dumps(recipe)), **arrays)


def train(name: str, folder: Path, steps: int, seed: int) -> None:
    """Train until ``steps`` environment steps are done, from the checkpoint in ``folder`` if there is one."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    body = BODIES[name]
    envs = [body.make() for _ in range(ENVIRONMENTS)]
    observations = np.stack([env.observation_space.sample() for env in envs])
    actions = np.stack([env.action_space.sample() for env in envs])
    torch.manual_seed(seed)
    learner = Learner(observations.shape[1], actions.shape[1])
    checkpoint = folder / "checkpoint.pt"
    if checkpoint.exists():
        learner.load(checkpoint)
        torch.manual_seed(seed + learner.steps)
    earlier = learner.curve[-1]["cpu_seconds"] if learner.curve else 0.0
    for i, env in enumerate(envs):
        observations[i], _ = env.reset(seed=1_000_003 * seed + learner.steps + i)
    while learner.steps < steps:
        if learner.steps < WARM_UP:
            actions = torch.rand(actions.shape).mul(2.0).sub(1.0).numpy()
        else:
            with torch.no_grad():
                actions = sample(learner.actor, torch.from_numpy(observations).float())[0].numpy()
        rows = []
        for i, env in enumerate(envs):
            following, _, terminated, truncated, info = env.step(actions[i])
            reward = body.reward(info, actions[i])
            rows.append([*observations[i], *actions[i], reward, float(terminated), *following])
            observations[i] = env.reset()[0] if terminated or truncated else following
        learner.store(np.array(rows, np.float32))
        if learner.steps >= WARM_UP:
            for optimizer in learner.optimizers:
                optimizer.param_groups[0]["lr"] = learning_rate(learner.steps / steps)
            for _ in range(body.updates):
                learner.update()
        if learner.steps % EVALUATE == 0:
            row = {"steps": learner.steps, "updates": learner.updates, "cpu_seconds": earlier + time.process_time()}
            row |= evaluate(body, learner)
            learner.curve.append(row)
            versions = {package: version(package) for package in ("gymnasium", "mujoco", "numpy", "torch")}
            run = {"environment": body.env_id, "seed": seed, "of_steps": steps}
            recipe = {"script": "train_locomotion.py", **run, **row, **versions}
            export(learner, recipe, folder / f"policy-{learner.steps}.npz")
            with atomic_write(folder / "curve.csv") as unfinished:
                pd.DataFrame(learner.curve).to_csv(unfinished, index=False, float_format="%.6g")
            learner.save(checkpoint)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Train a policy of the locomotion tasks; run again to resume.")
    parser.add_argument("body", choices=BODIES)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--steps",
        type=int,
        default=3_000_000,
        help="environment steps; keep the number when resuming, for the learning rate (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    train(options.body, options.folder, options.steps, options.seed)


if __name__ == "__main__":
    main()
