"""All that members learn from online: their datasets and the episodes that they collect, under one goal's reward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.episodes import Episodes
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.tables import on_device, take

PREFIX = "online/"
"""Of the names of arrays of collected episodes in a member's state."""


class Experience:
    """One buffer a member, of transitions that are all alike: its dataset, and behind it its own collected episodes.

    The datasets are shared and stay as they are. There is room for all collected episodes from the start, so tensors
    keep their place and shape, as a captured update needs it.

    Args:
        replay: the members' datasets.
        room: the most episodes that a member collects, each as long as one of the data.
        goal: the task's one goal ``[g]``, in its own units.
    """

    def __init__(self, replay: Replay, room: int, goal: NDArray[np.float32]) -> None:
        self._replay = replay
        self.steps = replay.horizon
        """Actions of an episode."""
        device, steps = replay.goals.table.device, self.steps
        self._goal = on_device(goal, device)
        self._count = torch.zeros((), dtype=torch.int64, device=device)
        sizes = {"observations": (steps + 1, replay.observation_size), "actions": (steps, replay.action_size)}
        sizes["achieved_goals"] = (steps + 1, len(goal))
        self._collected = {
            name: torch.zeros(replay.members, room, *size, device=device) for name, size in sizes.items()
        }
        self._first = room * torch.arange(replay.members, device=device)[:, None]
        """Number of each member's first episode in the flat tables."""

    def add(self, episodes: Sequence[Episodes]) -> None:
        """Add an episode of each member."""
        for name, table in self._collected.items():
            table[:, int(self._count)] = torch.from_numpy(np.concatenate([getattr(each, name) for each in episodes]))
        self._count += 1

    def batch(self, uniform: torch.Tensor) -> Batch:
        """Read transitions that are uniform over the datasets and the collected episodes. Takes ``[3, M, B]``.

        Goals are the task's. Rewards are those of the next achieved goal, ``-1[|ag' - g| > threshold]``.
        """
        replay, steps = self._replay, self.steps
        stored = replay.goals.own_goals(uniform[1:])
        episode = self._first + (uniform[1] * self._count).long()
        row = episode * (steps + 1) + stored.time
        own = uniform[0] * (replay.episodes + self._count) >= replay.episodes
        offline = replay.batch(stored)

        def read(name: str, rows: torch.Tensor) -> torch.Tensor:
            return take(self._collected[name].flatten(0, 2), rows)

        def either(collected: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
            return torch.where(own[..., None], collected, other)

        before, after = (replay.normalize_observations(read("observations", row + late)) for late in (0, 1))
        reached = either(read("achieved_goals", row + 1), replay.achieved_after(stored))
        away = torch.linalg.vector_norm(reached - self._goal, dim=-1) > replay.threshold
        return replace(
            offline,
            observations=either(before, offline.observations),
            actions=either(read("actions", episode * steps + stored.time), offline.actions),
            next_observations=either(after, offline.next_observations),
            achieved_goals=either(replay.normalize_goals(read("achieved_goals", row)), offline.achieved_goals),
            goals=replay.normalize_goals(self._goal.expand_as(offline.goals)),
            rewards=-away.to(torch.float32),
        )

    def state(self) -> list[dict[str, NDArray[np.float32]]]:
        """Return each member's collected episodes by name; nothing before the first."""
        count = int(self._count)
        tables = {PREFIX + name: table[:, :count].cpu().numpy() for name, table in self._collected.items() if count}
        return [{name: table[m].copy() for name, table in tables.items()} for m in range(self._replay.members)]

    def load(self, members: Sequence[Mapping[str, NDArray[np.float32]]]) -> bool:
        """Restore the collected episodes of :meth:`state` in place; return whether there are any."""
        self._count.zero_()
        for name, table in self._collected.items():
            if PREFIX + name in members[0]:
                saved = torch.from_numpy(np.stack([member[PREFIX + name] for member in members]))
                table[:, : saved.shape[1]] = saved
                self._count.fill_(saved.shape[1])
        return bool(self._count)
