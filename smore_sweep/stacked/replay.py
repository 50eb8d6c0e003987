"""Batches of every member's dataset: the rows of sampled transitions, as normalised network inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.goals import GoalSampler, Transitions
from smore_sweep.stacked.images import scaled
from smore_sweep.stacked.tables import on_device, take

CLIP = 5.0
"""Normalised inputs are clipped to +-5, as in the HER and GoFAR code."""


@dataclass(frozen=True)
class Batch:
    """Network inputs, ``[M, B, .]``; observations and goals are normalised if the method says so.

    ``rewards`` ``[M, B]`` are -1, or 0 at the goal. The optional fields are there if the method's ``sample`` put them:

    Attributes:
        initial_observations: the first observation of each episode.
        bootstrap_goals: goals at which the next state is judged, where they are not ``goals``.
        policy_observations: observations of the policy, where they are not ``observations``: cropped images.
        policy_goals: goals of the policy, where they are not those of the value, which are ``goals``.
        subgoals: goals of a low-level policy, a few steps on.
        waypoints: goals of a few steps on towards ``policy_goals``, which a high-level policy learns to set.
        waypoint_observations: the observations there.
        offsets: steps from the next state to the one whose achieved goal is the goal, 0 for a commanded goal that is no
            state of the data ``[M, B]``.
        last: whether the transition ends its episode, ``[M, B]``.
        noise: the random numbers that the losses use, of the method's own shape.
        step: the number of this update, 0-d.
        others: further inputs of the method's own, by name.
    """

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    goals: torch.Tensor
    achieved_goals: torch.Tensor
    rewards: torch.Tensor
    initial_observations: torch.Tensor | None = None
    bootstrap_goals: torch.Tensor | None = None
    policy_observations: torch.Tensor | None = None
    policy_goals: torch.Tensor | None = None
    subgoals: torch.Tensor | None = None
    waypoints: torch.Tensor | None = None
    waypoint_observations: torch.Tensor | None = None
    offsets: torch.Tensor | None = None
    last: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    step: torch.Tensor | None = None
    others: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def with_noise(self, noise: torch.Tensor) -> Batch:
        """The same batch, with random numbers for the losses."""
        return replace(self, noise=noise)


class Replay:
    """Every member's dataset on the device.

    A method samples transitions from :attr:`goals` and reads them: ``replay.batch(replay.goals.own_goals(uniform))``.

    Args:
        store: the episodes of the task.
        expert_episodes: each member's number of expert episodes.
        episodes: size of every member's dataset.
        threshold: the task's reward threshold, in the goal's units.
        normalize: whether observations and goals are normalised by the statistics of the member's dataset.
        whole_goals: whether goals are normalised as the observations are, which they are to the networks.
        device: where the batches are made.

    Raises:
        ValueError: the store has fewer episodes than a member needs.
    """

    def __init__(
        self,
        store: EpisodeStore,
        *,
        expert_episodes: Sequence[int],
        episodes: int,
        threshold: float,
        normalize: bool,
        whole_goals: bool = False,
        device: torch.device,
    ) -> None:
        self.goals = GoalSampler(
            store, expert_episodes=expert_episodes, episodes=episodes, threshold=threshold, device=device
        )
        """The sampler of the members' transitions and goals."""
        self.horizon = store.horizon
        """Actions per episode."""
        self.image = store.image
        """Height, width and channels of images, whose pixels become numbers from 0 to 1; else nothing."""
        normalize = normalize and not self.image
        self.statistics = _statistics(store, expert_episodes, episodes, device) if normalize else []
        """Those of :meth:`EpisodeStore.statistics` by member, ``[M, 1, .]``; none if inputs stay as they are."""
        if whole_goals:
            self.statistics[2:] = self.statistics[:2]
        self.threshold = threshold
        """Distance up to which a goal counts as reached."""
        self.members, self.episodes = len(expert_episodes), episodes
        self.observation_size, self.action_size = store.observation_size, store.actions.shape[-1]
        table = self.goals.table
        # Where goals are whole observations, a GPU holds them once, too.
        separate = store.separate_states
        self._states = table[: self.goals.first_commanded] if separate is None else on_device(separate, device)
        self._goal_size = table.shape[-1]
        self._actions = on_device(store.actions, device)

    def batch(self, transitions: Transitions, *, initial: bool = False, offsets: bool = False) -> Batch:
        """Read the network inputs of the transitions.

        Rewards are those of the next achieved goal and the relabelled goal, both raw: ``-1[|ag' - g| > threshold]``. An
        image is at its goal if it is the goal: if both are one row of the data.
        ``initial`` and ``offsets`` ask for the batch's fields of these names.
        """
        row = transitions.episode * (self.horizon + 1) + transitions.time
        observations, achieved = self._state(row)
        next_observations, next_achieved = self._state(row + 1)
        goals = scaled(take(self.goals.table, transitions.goal))
        if self.image:
            away = transitions.goal != row + 1
        else:
            away = torch.linalg.vector_norm(next_achieved - goals, dim=-1) > self.threshold
        initial_observations = None
        if initial:
            initial_observations = self.normalize_observations(self._state(row - transitions.time)[0])
        steps = None
        if offsets:  # the goal table begins with one row per state, so rows of one episode lie as far apart as in time
            hindsight = transitions.goal < self.goals.first_commanded
            steps = torch.where(hindsight, transitions.goal - row - 1, 0)
        return Batch(
            observations=self.normalize_observations(observations),
            actions=take(self._actions, transitions.episode * self.horizon + transitions.time),
            next_observations=self.normalize_observations(next_observations),
            goals=self.normalize_goals(goals),
            achieved_goals=self.normalize_goals(achieved),
            rewards=-away.to(torch.float32),
            initial_observations=initial_observations,
            offsets=steps,
        )

    def achieved_after(self, transitions: Transitions) -> torch.Tensor:
        """Read the next achieved goals ``[M, B, g]`` of the transitions, in the goal's own units."""
        row = transitions.episode * (self.horizon + 1) + transitions.time
        return scaled(take(self.goals.table, row + 1))

    def goals_of(self, transitions: Transitions) -> torch.Tensor:
        """Read the goals ``[M, B, g]`` of the transitions, as the networks see them."""
        return self.normalize_goals(scaled(take(self.goals.table, transitions.goal)))

    def observations_of(self, transitions: Transitions) -> torch.Tensor:
        """Read the observations ``[M, B, o]`` at the states whose achieved goals are the transitions' goals."""
        return self.normalize_observations(self._state(transitions.goal)[0])

    def normalize_observations(self, observations: torch.Tensor) -> torch.Tensor:
        """Normalise ``[M, B, o]`` by each member's dataset statistics; unchanged if normalisation is off."""
        return normalize(observations, *self.statistics[:2]) if self.statistics else observations

    def normalize_goals(self, goals: torch.Tensor) -> torch.Tensor:
        """Normalise ``[M, B, g]`` by each member's statistics of commanded and achieved goals."""
        return normalize(goals, *self.statistics[2:]) if self.statistics else goals

    def _state(self, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Observation and achieved goal of the state rows ``[M, B]``."""
        state = scaled(take(self._states, row))
        return state[..., : self.observation_size], state[..., -self._goal_size :]


def normalize(values: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Subtract the mean from ``[M, B, .]`` and multiply by ``scale``, the inverse standard deviation (both
    ``[M, 1, .]``); the result is clipped to +-5."""
    return ((values - mean) * scale).clamp(-CLIP, CLIP)


def _statistics(
    store: EpisodeStore, expert_episodes: Sequence[int], episodes: int, device: torch.device
) -> list[torch.Tensor]:
    by_count = {count: store.statistics(count, episodes) for count in set(expert_episodes)}
    members = [by_count[count] for count in expert_episodes]
    return [
        on_device(np.stack(statistic).astype(np.float32)[:, None], device) for statistic in zip(*members, strict=True)
    ]
