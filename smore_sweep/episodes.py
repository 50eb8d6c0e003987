"""Whole episodes as plain arrays, the form of datasets on disk and in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Episodes:
    """``N`` whole episodes of ``T`` actions: observations ``[N, T+1, o]``, actions ``[N, T, a]`` in [-1, 1],
    achieved goals ``[N, T+1, g]``, commanded goals ``[N, g]``; float32."""

    observations: NDArray[np.float32]
    actions: NDArray[np.float32]
    achieved_goals: NDArray[np.float32]
    desired_goals: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.actions)

    def first(self, count: int) -> Episodes:
        """Return the first ``count`` episodes, without copying."""
        return Episodes(*(array[:count] for array in vars(self).values()))

    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits of a SHA-256 over every number."""
        digest = hashlib.sha256()
        for name, array in vars(self).items():
            digest.update(f"{name}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array, dtype="<f4").data)
        return digest.hexdigest()[:16]


def concatenate(parts: list[Episodes]) -> Episodes:
    """Concatenate the episodes of the parts. Parts without episodes may have another horizon; a single part with some
    is returned as it is, without copying."""
    parts = [part for part in parts if len(part)] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    return Episodes(*(np.concatenate(arrays) for arrays in zip(*(vars(part).values() for part in parts), strict=True)))
