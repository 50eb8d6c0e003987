"""Whole episodes as plain arrays, the form of datasets on disk and in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episodes:
    """``N`` whole episodes of ``T`` actions: observations ``[N, T+1, o]``, actions ``[N, T, a]`` in [-1, 1],
    achieved goals ``[N, T+1, g]``, commanded goals ``[N, g]``; float32.

    Images are observations of uint8. Then achieved goals are the observations, the commanded goal is an episode's last
    one, and the three are views of the same memory: build such episodes by :meth:`of`.
    """

    observations: NDArray[Any]
    actions: NDArray[np.float32]
    achieved_goals: NDArray[Any]
    desired_goals: NDArray[Any]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Episodes:
        """Build episodes of their own arrays by name, see :meth:`own_arrays`."""
        observations, actions = arrays["observations"], arrays["actions"]
        if observations.dtype == np.uint8:
            return cls(observations, actions, observations, observations[:, -1])
        return cls(observations, actions, arrays["achieved_goals"], arrays["desired_goals"])

    @property
    def images(self) -> bool:
        """Whether the observations are images."""
        return self.observations.dtype == np.uint8

    def own_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays that are not views of others, by name: all four, or observations and actions of images."""
        names = ("observations", "actions") if self.images else tuple(vars(self))
        return {name: getattr(self, name) for name in names}

    def __len__(self) -> int:
        return len(self.actions)

    def first(self, count: int) -> Episodes:
        """Return the first ``count`` episodes, without copying."""
        return Episodes.of({name: array[:count] for name, array in self.own_arrays().items()})

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits of a SHA-256 over every number."""
        digest = hashlib.sha256()
        for name, array in self.own_arrays().items():
            digest.update(f"{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, dtype="u1" if array.dtype == np.uint8 else "<f4").data)
        return digest.hexdigest()[:16]


def concatenate(parts: list[Episodes]) -> Episodes:
    """Concatenate the episodes of the parts. Parts without episodes may have another horizon; a single part with some
    is returned as it is, without copying."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    arrays = [part.own_arrays() for part in parts]
    return Episodes.of({name: np.concatenate([each[name] for each in arrays]) for name in arrays[0]})
