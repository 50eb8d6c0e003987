"""Minari's HDF5 layout: one group per episode, with observations, actions, rewards and ends.

Minari's own writer stores every array in resizable chunks, which takes four times as long and two and a half times the
space. Minari reads both. Images are compressed, and the achieved goals are a second name of the observations.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from h5py import h5a, h5d, h5g, h5p, h5s, h5t
from numpy.typing import NDArray

from smore_sweep.data.refusal import RefusedError
from smore_sweep.data.safe_hdf5 import Hdf5Reader, open_hdf5
from smore_sweep.episodes import Episodes

GZIP_LEVEL = 1
"""Of images: ten times smaller, at the speed of a disk."""


def write(path: Path, episodes: Episodes, rewards: NDArray[np.float32], seeds: Sequence[int] | None) -> None:
    """Write a new file.

    Low-level calls of HDF5, because an episode has eight small arrays and each high-level call costs 0.2 ms more.

    Args:
        path: The file.
        episodes: ``N`` episodes of ``T`` steps.
        rewards: ``[N, T]``.
        seeds: One per episode, if they were generated from seeds.
    """
    steps = episodes.actions.shape[1]
    number, scalar = h5t.py_create(np.dtype(np.int64)), h5s.create(h5s.SCALAR)

    def add(group: h5g.GroupID, name: bytes, array: NDArray[np.generic]) -> None:
        array = np.ascontiguousarray(array)
        kind = h5t.py_create(array.dtype, logical=True)
        settings = None
        if array.dtype == np.uint8:
            settings = h5p.create(h5p.DATASET_CREATE)
            settings.set_chunk(array.shape)
            settings.set_deflate(GZIP_LEVEL)
        h5d.create(group, name, kind, h5s.create_simple(array.shape), settings).write(h5s.ALL, h5s.ALL, array)

    never, at_the_end = np.zeros(steps, bool), np.arange(steps) == steps - 1
    with h5py.File(path, "w") as file:
        for i in range(len(episodes)):
            group = h5g.create(file.id, b"episode_%d" % i)
            facts = {b"id": i, b"total_steps": steps} | ({b"seed": seeds[i]} if seeds else {})
            for name, value in facts.items():
                h5a.create(group, name, number, scalar).write(np.asarray(value, np.int64))
            observations = h5g.create(group, b"observations")
            add(observations, b"observation", episodes.observations[i])
            if episodes.images:
                observations.links.create_hard(b"achieved_goal", observations, b"observation")
            else:
                add(observations, b"achieved_goal", episodes.achieved_goals[i])
            add(observations, b"desired_goal", np.tile(episodes.desired_goals[i], (steps + 1, 1)))
            add(group, b"actions", episodes.actions[i])
            add(group, b"rewards", rewards[i])
            add(group, b"terminations", never)
            add(group, b"truncations", at_the_end)


def read(path: Path, count: int, dtype: str) -> Episodes:
    """Read the first ``count`` episodes of a file, whose observations are read as ``dtype``.

    Raises:
        RefusedError: It is damaged, or holds something else.
        ValueError: Its episodes differ in shape.
    """
    with open_hdf5(path) as file:
        rows = [_episode(file, f"episode_{i}", dtype) for i in range(min(count, len(file.names()) + 1))]
    types = {"observations": dtype}
    return Episodes.of(
        {name: np.stack([row[name] for row in rows]).astype(types.get(name, "float32"), copy=False) for name in rows[0]}
    )


def _episode(file: Hdf5Reader, group: str, dtype: str) -> dict[str, NDArray[np.generic]]:
    own = {
        "observations": file.array(f"{group}/observations/observation", 2),
        "actions": file.array(f"{group}/actions", 2),
    }
    if dtype == "uint8":
        if own["observations"].dtype != np.uint8:
            raise RefusedError(f"holds {group}/observations/observation of type {own['observations'].dtype}, not uint8")
        return own
    return own | {
        "achieved_goals": file.array(f"{group}/observations/achieved_goal", 2),
        "desired_goals": file.array(f"{group}/observations/desired_goal", 2, rows=1)[0],
    }
