"""All episodes of a task as flat NumPy tables, which every stack reads.

The expert's episodes come first, the random ones after them. With ``T`` actions and ``T + 1`` states per episode,
transition ``(n, t)`` starts at state row ``n (T + 1) + t``, ends at the next one, and takes action row ``n T + t``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes, concatenate

STD_FLOOR = 1e-2
"""Smallest standard deviation that inputs are divided by: a blocked joint would otherwise be noise blown up."""
PIECE = 10_000
"""Rows whose statistics are computed at a time."""


@dataclass(frozen=True)
class EpisodeStore:
    """Tables of all episodes of a task, built once and shared by every stack (zero-copy on a CPU node).

    Attributes:
        separate_states: observation and achieved goal of every state, ``[N (T + 1), o + g]``; None where goals are
            whole observations, which the goal table has already.
        actions: ``[N T, a]``.
        goals: the goal table ``[N (T + 1) + N, g]``: the achieved goal of every state row, followed by the commanded
            goal of every episode. Of images it is ``[N (T + 1), o]``, of uint8 and a view of the episodes: there an
            episode's last row is its commanded goal.
        hits: (episode, time of the achieved goal, at least 1) wherever that goal lies within the threshold of the
            episode's commanded one, ``[k, 2]``, sorted.
        expert_episodes: number of episodes of the expert.
        episodes: number of all episodes, ``N``.
        horizon: actions per episode, ``T``.
        observation_size: ``o``.
        image: height, width and channels of images.
    """

    separate_states: NDArray[np.float32] | None
    actions: NDArray[np.float32]
    goals: NDArray[Any]
    hits: NDArray[np.int64]
    expert_episodes: int
    episodes: int
    horizon: int
    observation_size: int
    image: tuple[int, ...] = ()

    @classmethod
    def build(cls, expert: Episodes, random: Episodes, threshold: float, image: tuple[int, ...] = ()) -> EpisodeStore:
        """Build the store of two pools. ``threshold`` is the task's reward threshold, in the goal's units."""
        both = concatenate([expert, random])
        if image:
            return cls._of_images(both, len(expert), image)
        distance = np.linalg.norm(both.achieved_goals[:, 1:] - both.desired_goals[:, None], axis=-1)
        hits = np.argwhere(distance <= threshold)
        hits[:, 1] += 1
        observations, achieved = (
            array.reshape(-1, array.shape[-1]) for array in (both.observations, both.achieved_goals)
        )
        whole = np.array_equal(observations, achieved)
        return cls(
            separate_states=None if whole else np.concatenate([observations, achieved], -1),
            actions=both.actions.reshape(-1, both.actions.shape[-1]),
            goals=np.concatenate([achieved, both.desired_goals]),
            hits=hits,
            expert_episodes=len(expert),
            episodes=len(both),
            horizon=both.actions.shape[1],
            observation_size=both.observations.shape[-1],
        )

    @classmethod
    def _of_images(cls, episodes: Episodes, expert_episodes: int, image: tuple[int, ...]) -> EpisodeStore:
        """Build a store that copies no image. The only hit of an episode is its last state, which is its goal."""
        steps = episodes.actions.shape[1]
        images = episodes.observations.reshape(-1, episodes.observations.shape[-1])
        return cls(
            separate_states=None,
            actions=episodes.actions.reshape(-1, episodes.actions.shape[-1]),
            goals=images,
            hits=np.stack([np.arange(len(episodes)), np.full(len(episodes), steps)], -1),
            expert_episodes=expert_episodes,
            episodes=len(episodes),
            horizon=steps,
            observation_size=images.shape[-1],
            image=image,
        )

    @property
    def states(self) -> NDArray[Any]:
        """The row of every state, ``[N (T + 1), .]``. Its first ``o`` numbers are the observation, its last ``g`` the
        achieved goal; these are the same numbers where goals are whole observations."""
        if self.separate_states is None:
            return self.goals[: self.episodes * (self.horizon + 1)]
        return self.separate_states

    def spans(self, expert_episodes: int, episodes: int) -> tuple[tuple[int, int], tuple[int, int]]:
        """Ranges ``(begin, end)`` of episodes that make up a dataset of ``episodes``, ``expert_episodes`` of them the
        expert's: the first ones of each pool, so datasets of different shares are nested (the released rule)."""
        return (0, expert_episodes), (self.expert_episodes, self.expert_episodes + episodes - expert_episodes)

    def statistics(self, expert_episodes: int, episodes: int) -> list[NDArray[np.float64]]:
        """Compute the statistics that normalise the inputs of a dataset (see :meth:`spans`).

        Returns:
            Mean and inverse standard deviation of the observations, ``[o]`` each, then those of the goals, achieved and
            commanded, ``[g]`` each.
        """
        length = self.horizon + 1
        spans = self.spans(expert_episodes, episodes)
        states = [self.states[begin * length : end * length] for begin, end in spans]
        commanded = [self.goals[len(self.states) :][begin:end] for begin, end in spans]
        observations = [part[:, : self.observation_size] for part in states]
        goals = [*(part[:, -self.goals.shape[1] :] for part in states), *commanded]
        return [
            statistic
            for mean, deviation in map(_mean_and_deviation, (observations, goals))
            for statistic in (mean, 1 / np.maximum(deviation, STD_FLOOR))
        ]


def _mean_and_deviation(parts: Sequence[NDArray[np.float32]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of all rows of the parts, summed row by row in double precision. A piece is converted
    at a time: the rows may be gigabytes, which each worker would otherwise copy."""
    count = sum(len(part) for part in parts)

    def total(values: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        result = np.zeros(parts[0].shape[1])
        for part in parts:
            for start in range(0, len(part), PIECE):
                piece = values(part[start : start + PIECE].astype(np.float64))
                result = np.concatenate([result[None], piece]).sum(0)
        return result

    mean = total(lambda rows: rows) / count
    return mean, np.sqrt(total(lambda rows: (rows - mean) ** 2) / count)
