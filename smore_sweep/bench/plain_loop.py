"""SMORe in the usual style of released baselines, as the reference of :mod:`smore_sweep.bench.speed`.

It trains one seed with one module and one optimiser per network and a NumPy replay buffer. The objective is the default
one of :mod:`smore_sweep.smore`. Each update takes three steps in the released order (``M``, ``pi``, ``S``), then moves
the targets.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smore_sweep.episodes import Episodes
from smore_sweep.losses import LOG_STD_RANGE
from smore_sweep.smore import SMORe
from smore_sweep.task import Sizes

Arrays = dict[str, NDArray[np.float32]]


def mlp(inputs: int, outputs: int, hidden: int, *, layer_norm: bool = False) -> nn.Sequential:
    """Build a network of two hidden layers with ReLU."""
    layers: list[nn.Module] = []
    for width in (inputs, hidden):
        layers += [nn.Linear(width, hidden), *([nn.LayerNorm(hidden)] if layer_norm else []), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden, outputs))


class Policy(nn.Module):
    """A Gaussian with a tanh mean and a state-independent deviation."""

    def __init__(self, inputs: int, actions: int, hidden: int) -> None:
        super().__init__()
        self.mean = mlp(inputs, actions, hidden)
        self.log_std = nn.Parameter(torch.zeros(actions))

    def forward(self, states: torch.Tensor) -> torch.distributions.Normal:
        return torch.distributions.Normal(torch.tanh(self.mean(states)), self.log_std.clamp(*LOG_STD_RANGE).exp())


class Buffer:
    """Episodes in NumPy, relabelled and normalised when sampled."""

    def __init__(self, episodes: Episodes, threshold: float, seed: int) -> None:
        self._episodes = episodes
        self._random = np.random.default_rng(seed)
        distance = np.linalg.norm(episodes.achieved_goals[:, 1:] - episodes.desired_goals[:, None], axis=-1)
        self._hits = np.argwhere(distance <= threshold)
        self._observations = episodes.observations.mean((0, 1)), np.maximum(episodes.observations.std((0, 1)), 1e-2)
        self._goals = episodes.achieved_goals.mean((0, 1)), np.maximum(episodes.achieved_goals.std((0, 1)), 1e-2)

    def sample(self, batch_size: int, her_ratio: float) -> tuple[Arrays, Arrays]:
        """Sample ``batch_size`` transitions of the relabelled data and as many goal transitions."""
        data, random = self._episodes, self._random
        horizon = data.actions.shape[1]
        episode = random.integers(len(data), size=batch_size)
        time = random.integers(horizon, size=batch_size)
        future = time + 1 + (random.random(batch_size) * (horizon - time)).astype(int)
        hindsight = random.random(batch_size) < her_ratio
        achieved, commanded = data.achieved_goals[episode, future], data.desired_goals[episode]
        rho = self._read(episode, time, np.where(hindsight[:, None], achieved, commanded))

        episode = random.integers(len(data), size=batch_size)
        time = random.integers(horizon, size=batch_size)
        entered = time + (random.random(batch_size) * (horizon - time)).astype(int)
        goals = data.achieved_goals[episode, entered + 1]
        if len(self._hits):
            hit = self._hits[random.integers(len(self._hits), size=batch_size)]
            hindsight = random.random(batch_size) < her_ratio
            episode = np.where(hindsight, episode, hit[:, 0])
            entered = np.where(hindsight, entered, hit[:, 1])
            goals = np.where(hindsight[:, None], goals, data.desired_goals[episode])
        return rho, self._read(episode, entered, goals)

    def _read(self, episode: NDArray[np.int64], time: NDArray[np.int64], goals: NDArray[np.float32]) -> Arrays:
        data = self._episodes
        return {
            "observations": _normalize(data.observations[episode, time], *self._observations),
            "next_observations": _normalize(data.observations[episode, time + 1], *self._observations),
            "goals": _normalize(goals, *self._goals),
            "actions": data.actions[episode, time],
        }


def _normalize(
    values: NDArray[np.float32], mean: NDArray[np.float32], deviation: NDArray[np.float32]
) -> NDArray[np.float32]:
    normalised: NDArray[np.float32] = np.clip((values - mean) / deviation, -5.0, 5.0)
    return normalised


class PlainLoop:
    """One seed of SMORe."""

    def __init__(
        self, method: SMORe, sizes: Sizes, buffer: Buffer, *, batch_size: int, updates: int, device: torch.device
    ) -> None:
        state, hidden = sizes.observation + sizes.goal, method.hidden
        self._method, self._buffer, self._batch_size, self._device = method, buffer, batch_size, device
        self.value = mlp(state, 1, hidden, layer_norm=True).to(device)
        self.policy = Policy(state, sizes.action, hidden).to(device)
        self.scores = [mlp(state + sizes.action, 1, hidden).to(device) for _ in range(2)]
        self.targets = [copy.deepcopy(score) for score in self.scores]
        self._optimizers = {
            net: torch.optim.Adam(net.parameters(), lr=method.learning_rate)
            for net in (self.value, self.policy, *self.scores)
        }
        self._schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self._optimizers[self.policy], updates)

    def update(self) -> dict[str, float]:
        """Take one step of each network on a fresh batch. Returns the losses."""
        rho, q = (
            {name: torch.as_tensor(array, dtype=torch.float32, device=self._device) for name, array in arrays.items()}
            for arrays in self._buffer.sample(self._batch_size, self._method.her_ratio)
        )
        return self.step(rho, q)

    def step(self, rho: Mapping[str, torch.Tensor], q: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Take one step of each network on the given batches. Returns the losses."""
        value = self.value_loss(rho)
        self._descend(value, self.value)
        policy = self.policy_loss(rho)
        self._descend(policy, self.policy)
        self._schedule.step()
        score = self.score_loss(rho, q)
        self._descend(score, *self.scores)
        with torch.no_grad():
            for net, target in zip(self.scores, self.targets, strict=True):
                for parameter, slow in zip(net.parameters(), target.parameters(), strict=True):
                    slow.lerp_(parameter, self._method.target_rate)
        return {"value": value.item(), "policy": policy.item(), "score": score.item()}

    def value_loss(self, rho: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss of Eq. 9: expectile regression of the value."""
        residual = self._advantages(rho)
        weight = torch.where(residual > 0, self._method.expectile, 1.0 - self._method.expectile)
        loss: torch.Tensor = (weight * residual**2).mean()
        return loss

    def policy_loss(self, rho: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss of Eq. 11: weighted regression of the data's actions."""
        with torch.no_grad():
            weights = (self._method.temperature * self._advantages(rho)).clamp(max=math.log(100.0)).exp()
        log_prob = self.policy(_state(rho)).log_prob(rho["actions"]).sum(-1)
        loss: torch.Tensor = -(weights * log_prob).mean()
        return loss

    def score_loss(self, rho: Mapping[str, torch.Tensor], q: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the loss of Eq. 10 with the Pearson chi-square divergence, summed over the two scores."""
        beta, discount = self._method.beta, self._method.discount
        with torch.no_grad():
            next_rho, next_q = (
                discount * self.value(torch.cat([batch["next_observations"], batch["goals"]], -1)) for batch in (rho, q)
            )
        losses: list[torch.Tensor] = []
        for net in self.scores:
            on_rho, on_q = net(_state_action(rho)), net(_state_action(q))
            residual_rho, residual_q = next_rho - on_rho, next_q - on_q
            goal_part = (residual_q + 0.25 * residual_q**2).mean()
            data_part = (0.25 * residual_rho**2).mean()
            losses.append(beta * (1.0 - discount) * on_rho.mean() + beta * goal_part + (1.0 - beta) * data_part)
        return losses[0] + losses[1]

    def _advantages(self, rho: Mapping[str, torch.Tensor]) -> torch.Tensor:
        with torch.no_grad():
            first, second = (target(_state_action(rho)) for target in self.targets)
        advantages: torch.Tensor = (torch.minimum(first, second) - self.value(_state(rho))).squeeze(-1)
        return advantages

    def _descend(self, loss: torch.Tensor, *nets: nn.Module) -> None:
        for net in nets:
            self._optimizers[net].zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for net in nets:
            self._optimizers[net].step()


def _state(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([batch["observations"], batch["goals"]], -1)


def _state_action(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([batch["observations"], batch["goals"], batch["actions"]], -1)
