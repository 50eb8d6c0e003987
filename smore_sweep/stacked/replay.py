"""Episodes on the device, and the samplers that relabel their goals.

One :class:`EpisodeStore` holds the expert episodes first and the random ones after them; member ``j`` of a stack sees
the first ``e_j`` expert episodes and the first ``N - e_j`` random ones (the released rule: whole episodes, nested
subsets), so members with different expert shares read the same memory.

Index arithmetic, with ``T`` actions and ``T + 1`` states an episode: transition ``(n, t)`` is state row
``n (T + 1) + t``, next-state row one further, and action row ``n T + t``. Goals live in a table of all achieved goals
(one a state row) followed by the commanded goals (one an episode).
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes, concatenate
from smore_sweep.stacked.goals import NontrivialGoals

STD_FLOOR = 1e-2
"""Smallest standard deviation that inputs are divided by: blocked joints would be noise blown up otherwise."""
CLIP = 5.0
"""Normalised inputs are clipped to +-5, as in the HER and GoFAR code."""
PIECE = 10_000
"""Rows whose statistics are computed at a time."""


@dataclass(frozen=True)
class Transitions:
    """Which transitions were drawn, for which goal; all ``[M, B]`` int64. ``goal`` indexes the goal table."""

    episode: torch.Tensor
    time: torch.Tensor
    goal: torch.Tensor

    def joined(self, other: Transitions) -> Transitions:
        """These transitions followed by the other ones, along the batch axis."""
        return Transitions(
            torch.cat([self.episode, other.episode], -1),
            torch.cat([self.time, other.time], -1),
            torch.cat([self.goal, other.goal], -1),
        )

    def replaced(self, where: torch.Tensor, other: Transitions) -> Transitions:
        """These transitions, but the other ones ``where`` ``[M, B]`` is true."""
        return Transitions(
            torch.where(where, other.episode, self.episode),
            torch.where(where, other.time, self.time),
            torch.where(where, other.goal, self.goal),
        )


@dataclass(frozen=True)
class Batch:
    """Network inputs, ``[M, B, .]``; observations and goals are normalised if the method says so. ``rewards`` ``[M,
    B]`` are -1, or 0 at the goal. ``initial_observations`` (the first one of each episode), ``offsets`` (steps from the
    next state to the one whose achieved goal is the goal, 0 for a commanded one), ``last`` (whether the transition ends
    its episode), ``noise`` (whatever random numbers the losses use) and ``step`` (the number of this update, 0-d) are
    there if the method's ``sample`` put them."""

    observations: torch.Tensor
    actions: torch.Tensor
    next_observations: torch.Tensor
    goals: torch.Tensor
    achieved_goals: torch.Tensor
    rewards: torch.Tensor
    initial_observations: torch.Tensor | None = None
    offsets: torch.Tensor | None = None
    last: torch.Tensor | None = None
    noise: torch.Tensor | None = None
    step: torch.Tensor | None = None

    def with_noise(self, noise: torch.Tensor) -> Batch:
        """The same batch, with random numbers for the losses."""
        return replace(self, noise=noise)


@dataclass(frozen=True)
class EpisodeStore:
    """All episodes of a task as flat tables, made once and shared by every stack (zero-copy on a CPU node).

    ``states`` ``[rows, o + g]``: observation and achieved goal; ``actions`` ``[N T, a]``; ``goals``: see the module;
    ``hits`` ``[k, 2]``: (episode, time of the achieved goal, >= 1) within the threshold of the commanded goal, sorted.
    """

    states: NDArray[np.float32]
    actions: NDArray[np.float32]
    goals: NDArray[np.float32]
    hits: NDArray[np.int64]
    expert_episodes: int
    episodes: int
    horizon: int
    observation_size: int

    @classmethod
    def build(cls, expert: Episodes, random: Episodes, threshold: float) -> EpisodeStore:
        """The store of two pools; ``threshold`` is the task's reward threshold."""
        both = concatenate([expert, random])
        distance = np.linalg.norm(both.achieved_goals[:, 1:] - both.desired_goals[:, None], axis=-1)
        hits = np.argwhere(distance <= threshold)
        hits[:, 1] += 1
        states = np.concatenate([both.observations, both.achieved_goals], -1)
        achieved = both.achieved_goals.reshape(-1, both.achieved_goals.shape[-1])
        return cls(
            states.reshape(-1, states.shape[-1]),
            both.actions.reshape(-1, both.actions.shape[-1]),
            np.concatenate([achieved, both.desired_goals]),
            hits,
            len(expert),
            len(both),
            both.actions.shape[1],
            both.observations.shape[-1],
        )

    def statistics(self, expert_episodes: int, episodes: int) -> list[NDArray[np.float64]]:
        """Of the dataset with that many expert episodes: observation mean and inverse deviation ``[o]``, then the same
        of the goals ``[g]``, commanded and achieved."""
        length = self.horizon + 1
        spans = [
            (0, expert_episodes),
            (self.expert_episodes, self.expert_episodes + episodes - expert_episodes),
        ]
        states = [self.states[a * length : b * length] for a, b in spans]
        commanded = [self.goals[len(self.states) :][a:b] for a, b in spans]
        observations = [part[:, : self.observation_size] for part in states]
        goals = [*(part[:, self.observation_size :] for part in states), *commanded]
        return [
            statistic
            for mean, deviation in map(_mean_and_deviation, (observations, goals))
            for statistic in (mean, 1 / np.maximum(deviation, STD_FLOOR))
        ]


class Replay:
    """Every member's view of the store.

    ``expert_episodes`` gives each member's number of expert episodes ``e_j``, ``episodes`` the size ``N`` of every
    member's dataset, ``threshold`` the task's reward threshold.
    """

    def __init__(
        self,
        store: EpisodeStore,
        *,
        expert_episodes: Sequence[int],
        episodes: int,
        threshold: float,
        normalize: bool,
        device: torch.device,
    ) -> None:
        for have, need, pool in (
            (store.expert_episodes, max(expert_episodes), "expert"),
            (store.episodes - store.expert_episodes, episodes - min(expert_episodes), "random"),
        ):
            if have < need:
                raise ValueError(f"{need} {pool} episodes are needed, the store has {have}")
        self.horizon = store.horizon
        self.threshold = threshold
        self._random_start = store.expert_episodes
        self._observation_size = store.observation_size
        self._commanded = len(store.states)
        self._states = _tensor(store.states, device)
        self._actions = _tensor(store.actions, device)
        self._goals = _tensor(store.goals, device)

        def column(values: Sequence[int]) -> torch.Tensor:
            return torch.tensor(values, device=device)[:, None]

        self._expert = column(expert_episodes)
        self._episodes = column([episodes] * len(expert_episodes))

        episode_of_hit = store.hits[:, 0]
        expert_hits = [int(np.searchsorted(episode_of_hit, e)) for e in expert_episodes]
        random_start = int(np.searchsorted(episode_of_hit, self._random_start))
        random_end = [int(np.searchsorted(episode_of_hit, self._random_start + episodes - e)) for e in expert_episodes]
        self._hits = _tensor(store.hits if len(store.hits) else np.ones((1, 2), np.int64), device)
        self._expert_hits = column(expert_hits)
        self._random_hits_start = random_start
        self._hit_count = column([a + b - random_start for a, b in zip(expert_hits, random_end, strict=True)])

        self.statistics: list[torch.Tensor] = []
        """``[M, 1, .]``: those of :meth:`EpisodeStore.statistics`, by member; none if the inputs are left as they
        are."""
        if normalize:
            by_count = {count: store.statistics(count, episodes) for count in set(expert_episodes)}
            members = [by_count[count] for count in expert_episodes]
            self.statistics = [
                _tensor(np.stack(statistic).astype(np.float32)[:, None], device)
                for statistic in zip(*members, strict=True)
            ]

    # Drawing transitions. Each function takes uniform numbers in [0, 1) of shape [k, M, B].

    def own_goals(self, uniform: torch.Tensor) -> Transitions:
        """``(n, t)`` uniform, with the commanded goal of the episode. Takes ``k = 2`` uniforms."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        return Transitions(episode, time, self._commanded + episode)

    def future_goals(
        self, uniform: torch.Tensor, her_ratio: torch.Tensor, *, discount: float | None = None
    ) -> Transitions:
        """``(n, t)`` uniform; with probability ``her_ratio`` the goal is an achieved goal of the same episode,
        otherwise the commanded one. The achieved goal's index is uniform over ``t+1 .. T`` inclusive or, with a
        ``discount``, geometric: ``P(t + k) ~ discount^k``, cut off at T. Takes ``k = 4`` uniforms."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        if discount is None:
            future = self._future_index(uniform[2], time)
        else:
            future = time + self._geometric_offset(uniform[2], self.horizon - time, discount)
        return self._relabelled(uniform[3], her_ratio, episode, time, episode * (self.horizon + 1) + future)

    def next_goals(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """As :meth:`future_goals`, but the achieved goal is always the next one, ``t+1``."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        return self._relabelled(uniform[3], her_ratio, episode, time, episode * (self.horizon + 1) + time + 1)

    def random_goals(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """As :meth:`future_goals`, but the achieved goal is that of a state (``t >= 1``) of any of the member's
        episodes, uniformly. Takes ``k = 5`` uniforms."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        other, when = self._uniform_transition(uniform[2], uniform[4])
        return self._relabelled(uniform[3], her_ratio, episode, time, other * (self.horizon + 1) + when + 1)

    def goal_transitions(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """The goal-transition distribution q(s, a, g) of SMORe (Sec. 3.2): transitions whose *next* achieved goal is g.

        With probability ``her_ratio`` g is drawn as in :meth:`future_goals` and the transition is the one that enters
        it, ``(n, f - 1)``. Otherwise it is uniform over the transitions that end within the threshold of their
        episode's commanded goal, and g is that commanded goal (the released code's rule). If a member's data have no
        such transition, the first branch is always taken. Takes ``k = 4`` uniforms."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        entered = self._future_index(uniform[2], time)
        place = (uniform[0] * self._hit_count).long()
        shifted = place - self._expert_hits + self._random_hits_start
        hit = self._hits[torch.where(place < self._expert_hits, place, shifted).clamp(max=len(self._hits) - 1)]
        relabel = (uniform[3] < her_ratio) | (self._hit_count == 0)
        episode = torch.where(relabel, episode, hit[..., 0])
        entered = torch.where(relabel, entered, hit[..., 1])
        goal = torch.where(relabel, episode * (self.horizon + 1) + entered, self._commanded + episode)
        return Transitions(episode, entered - 1, goal)

    def moved(self, drawn: Transitions, uniform: torch.Tensor, share: float, *, entering: bool) -> Transitions:
        """Of what was ``drawn``, replace a share by hindsight goals that lie away from where the transition starts
        (:mod:`smore_sweep.stacked.goals`) or, if ``entering``, by the transitions that enter such goals. A member whose
        episodes have none keeps what was drawn. Takes ``k = 4`` uniforms."""
        episode, time, future = self._moved_goals.draw(uniform[:3])
        goal = episode * (self.horizon + 1) + future
        away = Transitions(episode, future - 1 if entering else time, goal)
        return drawn.replaced((uniform[3] < share) & self._moved_goals.possible, away)

    @cached_property
    def _moved_goals(self) -> NontrivialGoals:
        achieved = self._goals[: self._commanded].view(-1, self.horizon + 1, self._goals.shape[-1])
        expert, episodes = self._expert[:, 0].tolist(), self._episodes[:, 0].tolist()
        start = self._random_start
        spans = [[(0, e), (start, start + n - e)] for e, n in zip(expert, episodes, strict=True)]
        return NontrivialGoals(achieved, spans, threshold=self.threshold)

    # Reading what was drawn.

    def batch(self, drawn: Transitions, *, initial: bool = False, offsets: bool = False) -> Batch:
        """Network inputs of the drawn transitions. Rewards are those of the next achieved goal and the relabelled goal,
        both raw: ``-1[|ag' - g| > threshold]``."""
        row = drawn.episode * (self.horizon + 1) + drawn.time
        observations, achieved = self._state(row)
        next_observations, next_achieved = self._state(row + 1)
        goals = _take(self._goals, drawn.goal)
        distance = torch.linalg.vector_norm(next_achieved - goals, dim=-1)
        initial_observations = self._state(row - drawn.time)[0] if initial else None
        # The goal table starts with one row a state, so a goal of the same episode lies as far off as in time.
        distance_in_time = torch.where(drawn.goal < self._commanded, drawn.goal - row - 1, 0) if offsets else None
        return Batch(
            observations=self.normalize_observations(observations),
            actions=_take(self._actions, drawn.episode * self.horizon + drawn.time),
            next_observations=self.normalize_observations(next_observations),
            goals=self.normalize_goals(goals),
            achieved_goals=self.normalize_goals(achieved),
            rewards=-(distance > self.threshold).to(torch.float32),
            initial_observations=None
            if initial_observations is None
            else self.normalize_observations(initial_observations),
            offsets=distance_in_time,
        )

    def normalize_observations(self, observations: torch.Tensor) -> torch.Tensor:
        """``[M, B, o]``, by each member's dataset statistics; unchanged if normalisation is off."""
        return normalize(observations, *self.statistics[:2]) if self.statistics else observations

    def normalize_goals(self, goals: torch.Tensor) -> torch.Tensor:
        """``[M, B, g]``, by each member's statistics of commanded and achieved goals."""
        return normalize(goals, *self.statistics[2:]) if self.statistics else goals

    def _uniform_transition(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        place = (first * self._episodes).long()
        episode = torch.where(place < self._expert, place, place - self._expert + self._random_start)
        return episode, (second * self.horizon).long()

    def _relabelled(
        self,
        uniform: torch.Tensor,
        her_ratio: torch.Tensor,
        episode: torch.Tensor,
        time: torch.Tensor,
        achieved: torch.Tensor,
    ) -> Transitions:
        """With probability ``her_ratio`` the goal of row ``achieved``, otherwise the episode's commanded one."""
        return Transitions(episode, time, torch.where(uniform < her_ratio, achieved, self._commanded + episode))

    @staticmethod
    def _geometric_offset(uniform: torch.Tensor, largest: torch.Tensor, discount: float) -> torch.Tensor:
        """``k`` in ``1 .. largest`` with ``P(k) ~ discount^k``, by inversion."""
        tail = 1.0 - discount**largest
        offset = 1 + torch.floor(torch.log1p(-uniform * tail) / math.log(discount)).long()
        return torch.minimum(offset, largest)

    def _future_index(self, uniform: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return time + 1 + (uniform * (self.horizon - time)).long()

    def _state(self, row: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        state = _take(self._states, row)
        return state[..., : self._observation_size], state[..., self._observation_size :]


def normalize(values: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """``[M, B, .]`` less the mean, in units of the deviation, whose inverse is ``scale`` (both ``[M, 1, .]``)."""
    return ((values - mean) * scale).clamp(-CLIP, CLIP)


def _mean_and_deviation(parts: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of all rows of the parts, added up row by row in double precision, a piece at a time: the rows may be gigabytes,
    which each worker would otherwise copy."""
    count = sum(len(part) for part in parts)

    def added(values: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        total = np.zeros(parts[0].shape[1])
        for part in parts:
            for start in range(0, len(part), PIECE):
                piece = values(part[start : start + PIECE].astype(np.float64))
                total = np.concatenate([total[None], piece]).sum(0)
        return total

    mean = added(lambda rows: rows) / count
    return mean, np.sqrt(added(lambda rows: (rows - mean) ** 2) / count)


def _take(table: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    return table.index_select(0, rows.reshape(-1)).view(*rows.shape, -1)


def _tensor(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    """The array on the device; on a CPU the very same memory, which nobody writes to (Ray's arrays are read-only)."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)
