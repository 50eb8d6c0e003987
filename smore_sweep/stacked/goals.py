"""Sampling of transitions and of the goals they are relabelled with.

Member ``j`` of a stack sees the first ``e_j`` expert episodes of the store and the first ``N - e_j`` random ones, so
members with different expert shares read the same memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from smore_sweep.stacked.episode_store import EpisodeStore
from smore_sweep.stacked.goal_mixture import GoalMixture
from smore_sweep.stacked.nontrivial_goals import NontrivialGoals
from smore_sweep.stacked.tables import on_device


@dataclass(frozen=True)
class Transitions:
    """Sampled transitions and their goals, ``[M, B]`` int64 each; ``goal`` is a row of the goal table."""

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


class GoalSampler:
    """Maps uniform numbers to transitions and goals of every member's dataset.

    The numbers are in [0, 1), of shape ``[k, M, B]``; each method says how large ``k`` is. A ``her_ratio`` ``[M, 1]``
    is the probability of a hindsight goal.

    Args:
        store: the episodes of the task.
        expert_episodes: each member's number of expert episodes, ``e_j``.
        episodes: size ``N`` of every member's dataset.
        threshold: the task's reward threshold, in the goal's units.
        device: where the indices are computed.

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
        device: torch.device,
    ) -> None:
        _require_episodes(store, expert_episodes, episodes)
        self.table = on_device(store.goals, device)
        """The goal table ``[rows, g]``: all achieved goals, one per state row, then one commanded goal per episode."""
        self.first_commanded = len(store.states)
        """The row of the goal table at which the commanded goals begin; its end where they are states of the data."""
        self._images = bool(store.image)
        self._horizon = store.horizon
        self._threshold = threshold
        self._random_start = store.expert_episodes
        self._spans = [store.spans(count, episodes) for count in expert_episodes]

        def column(values: Sequence[int]) -> torch.Tensor:
            return torch.tensor(values, device=device)[:, None]

        self._expert = column(expert_episodes)
        self._episodes = column([episodes] * len(expert_episodes))

        def hits_before(episode: int) -> int:
            return int(np.searchsorted(store.hits[:, 0], episode))

        expert_hits = [hits_before(end) for (_, end), _ in self._spans]
        self._hits = on_device(store.hits if len(store.hits) else np.ones((1, 2), np.int64), device)
        self._random_hits_start = hits_before(self._random_start)
        random_hits = [hits_before(end) - self._random_hits_start for _, (_, end) in self._spans]
        self._expert_hits = column(expert_hits)
        self._hit_count = column([a + b for a, b in zip(expert_hits, random_hits, strict=True)])

    def own_goals(self, uniform: torch.Tensor) -> Transitions:
        """Sample ``(n, t)`` uniformly, with the commanded goal of the episode. Takes ``k = 2``."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        return Transitions(episode, time, self._commanded(episode))

    def future_goals(
        self, uniform: torch.Tensor, her_ratio: torch.Tensor, *, log_discount: torch.Tensor | None = None
    ) -> Transitions:
        """Sample ``(n, t)`` uniformly; the hindsight goal is achieved later in the same episode.

        Its time is uniform over ``t+1 .. T`` inclusive or, with a ``log_discount`` ``[M, 1]``, geometric:
        ``P(t + k) ~ discount^k``, cut off at ``T``. Without hindsight the goal is the commanded one. Takes ``k = 4``.
        """
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        if log_discount is None:
            future = self._future_time(uniform[2], time)
        else:
            future = time + self._geometric_offset(uniform[2], self._horizon - time, log_discount)
        return self._relabelled(uniform[3], her_ratio, episode, time, self._row(episode, future))

    def next_goals(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """As :meth:`future_goals`, but the hindsight goal is the next achieved one, ``t+1``."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        return self._relabelled(uniform[3], her_ratio, episode, time, self._row(episode, time + 1))

    def random_goals(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """As :meth:`future_goals`, but the hindsight goal is that of a state (``t >= 1``) of any of the member's
        episodes, uniformly. Takes ``k = 5``."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        other, when = self._uniform_transition(uniform[2], uniform[4])
        return self._relabelled(uniform[3], her_ratio, episode, time, self._row(other, when + 1))

    def mixed_goals(self, uniform: torch.Tensor, mixture: GoalMixture) -> Transitions:
        """Sample ``(n, t)`` uniformly, with a goal of a mixture. Takes ``k = 6``; see :meth:`relabelled`."""
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        return self.relabelled(Transitions(episode, time, episode), uniform[2:], mixture)

    def relabelled(self, transitions: Transitions, uniform: torch.Tensor, mixture: GoalMixture) -> Transitions:
        """Give transitions other goals, of a mixture (OGBench's ``GCDataset``). Takes ``k = 4``.

        Goals are states ``s_0 .. s_{T-1}``. With a discount a future goal is ``s_min(t + k, T - 1)``, ``k`` geometric:
        ``P(k) = (1 - discount) discount^(k-1)``, and all that lies beyond the end falls on it. Else its time is
        ``round(d min(t + 1, T - 1) + (1 - d) (T - 1))`` with ``d`` uniform. A random goal may be of the same episode.
        """
        episode, time, end = transitions.episode, transitions.time, self._horizon - 1
        if mixture.discount is None:
            first = (time + 1).clamp(max=end)
            future = torch.round(end + uniform[0] * (first - end)).long()
        else:
            steps = 1 + torch.floor(torch.log1p(-uniform[0]) / math.log(mixture.discount)).long()
            future = (time + steps).clamp(max=end)
        other, when = self._uniform_transition(uniform[1], uniform[0])
        goal = torch.where(self._chosen(uniform[2], mixture), self._row(episode, future), self._row(other, when))
        goal = torch.where(uniform[3] < mixture.current, self._row(episode, time), goal)
        return Transitions(episode, time, goal)

    def at_goal(self, transitions: Transitions) -> torch.Tensor:
        """Return whether the goal is the transition's own state, by index and not by distance, ``[M, B]``."""
        return transitions.goal == self._row(transitions.episode, transitions.time)

    def ahead(self, transitions: Transitions, steps: int) -> Transitions:
        """Give transitions the state ``steps`` on as their goal: ``s_min(t + steps, T - 1)``."""
        later = (transitions.time + steps).clamp(max=self._horizon - 1)
        return Transitions(transitions.episode, transitions.time, self._row(transitions.episode, later))

    def on_the_way(
        self, transitions: Transitions, uniform: torch.Tensor, mixture: GoalMixture, steps: int
    ) -> Transitions:
        """Give transitions that :meth:`relabelled` gave goals, from the same ``uniform`` and ``mixture``, the state
        ``steps`` on as their goal, but none beyond a goal of their own episode's future; of a random goal's place
        nothing is known."""
        ahead = self.ahead(transitions, steps)
        known = self._chosen(uniform[2], mixture) | (uniform[3] < mixture.current)
        goal = torch.where(known, torch.minimum(ahead.goal, transitions.goal), ahead.goal)
        return Transitions(transitions.episode, transitions.time, goal)

    def steps_to_goal(self, transitions: Transitions) -> torch.Tensor:
        """Return the steps from the transition's own state to its goal, ``[M, B]``; one more than an episode has if the
        goal is no later state of the same episode."""
        ahead = transitions.goal - self._row(transitions.episode, transitions.time)
        same = transitions.goal <= self._row(transitions.episode, torch.full_like(ahead, self._horizon))
        return torch.where(same & (ahead >= 0), ahead, self._horizon + 1)

    def later(self, transitions: Transitions, steps: torch.Tensor) -> Transitions:
        """Give transitions the state ``steps`` ``[M, B]`` on as their goal, no more than their episode still has."""
        return Transitions(
            transitions.episode, transitions.time, self._row(transitions.episode, transitions.time + steps)
        )

    @staticmethod
    def _chosen(uniform: torch.Tensor, mixture: GoalMixture) -> torch.Tensor:
        """Return where a goal that is not the current state is a future one."""
        rest = 1.0 - mixture.current
        return uniform < (mixture.future / rest if rest > 0 else 0.0)

    def goal_transitions(self, uniform: torch.Tensor, her_ratio: torch.Tensor) -> Transitions:
        """Sample SMORe's goal-transition distribution q(s, a, g) (Sec. 3.2): the *next* achieved goal is g.

        With probability ``her_ratio`` g is drawn as in :meth:`future_goals` and the transition is the one that enters
        it, ``(n, f - 1)``. Otherwise the transition is uniform over those that end within the threshold of their
        episode's commanded goal, and g is that commanded goal (the released code's rule). If a member's data have no
        such transition, the first branch is always taken. Takes ``k = 4``.
        """
        episode, time = self._uniform_transition(uniform[0], uniform[1])
        future = self._future_time(uniform[2], time)
        index = (uniform[0] * self._hit_count).long()
        random_index = index - self._expert_hits + self._random_hits_start
        hit = self._hits[torch.where(index < self._expert_hits, index, random_index).clamp(max=len(self._hits) - 1)]
        relabel = (uniform[3] < her_ratio) | (self._hit_count == 0)
        episode = torch.where(relabel, episode, hit[..., 0])
        future = torch.where(relabel, future, hit[..., 1])
        goal = torch.where(relabel, self._row(episode, future), self._commanded(episode))
        return Transitions(episode, future - 1, goal)

    def nontrivial_goals(
        self, transitions: Transitions, uniform: torch.Tensor, share: float, *, entering: bool
    ) -> Transitions:
        """Replace a share of the transitions by ones whose hindsight goals lie away from where they start
        (:mod:`smore_sweep.stacked.nontrivial_goals`) or, if ``entering``, by the transitions that enter such goals.

        The transitions of a member whose episodes have no such goals stay as they are. Takes ``k = 4``.
        """
        episode, time, future = self._nontrivial.draw(uniform[:3])
        away = Transitions(episode, future - 1 if entering else time, self._row(episode, future))
        return transitions.replaced((uniform[3] < share) & self._nontrivial.possible, away)

    @cached_property
    def _nontrivial(self) -> NontrivialGoals:
        achieved = self.table[: self.first_commanded].view(-1, self._horizon + 1, self.table.shape[-1])
        return NontrivialGoals(achieved, self._spans, threshold=self._threshold, device=self.table.device)

    def _row(self, episode: torch.Tensor, time: torch.Tensor | int) -> torch.Tensor:
        """State row, which is also the goal table's row of the achieved goal."""
        return episode * (self._horizon + 1) + time

    def _commanded(self, episode: torch.Tensor) -> torch.Tensor:
        """The goal table's row of the commanded goal."""
        return self._row(episode, self._horizon) if self._images else self.first_commanded + episode

    def _uniform_transition(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        index = (first * self._episodes).long()
        episode = torch.where(index < self._expert, index, index - self._expert + self._random_start)
        return episode, (second * self._horizon).long()

    def _future_time(self, uniform: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return time + 1 + (uniform * (self._horizon - time)).long()

    def _relabelled(
        self,
        uniform: torch.Tensor,
        her_ratio: torch.Tensor,
        episode: torch.Tensor,
        time: torch.Tensor,
        achieved: torch.Tensor,
    ) -> Transitions:
        """With probability ``her_ratio`` the goal of row ``achieved``, otherwise the episode's commanded one."""
        return Transitions(episode, time, torch.where(uniform < her_ratio, achieved, self._commanded(episode)))

    @staticmethod
    def _geometric_offset(uniform: torch.Tensor, largest: torch.Tensor, log_discount: torch.Tensor) -> torch.Tensor:
        """``k`` in ``1 .. largest`` with ``P(k) ~ discount^k``, by inversion."""
        tail = 1.0 - torch.exp(log_discount * largest)  # a power would round differently at the end of a row
        offset = 1 + torch.floor(torch.log1p(-uniform * tail) / log_discount).long()
        return torch.minimum(offset, largest)


def _require_episodes(store: EpisodeStore, expert_episodes: Sequence[int], episodes: int) -> None:
    for have, need, pool in (
        (store.expert_episodes, max(expert_episodes), "expert"),
        (store.episodes - store.expert_episodes, episodes - min(expert_episodes), "random"),
    ):
        if have < need:
            raise ValueError(f"{need} {pool} episodes are needed, the store has {have}")
