"""Shared parts of the importers of running data: the pools of a file, and whole episodes from ragged ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smore_sweep.data.refusal import to_float32
from smore_sweep.episodes import Episodes
from smore_sweep.errors import DatasetError
from smore_sweep.tasks import task

Array = NDArray[np.float32]

STEPS = 1000
"""The time limit of the bodies' environments, in D4RL and in Gymnasium."""


@dataclass(frozen=True)
class Body:
    """A running body.

    Attributes:
        tasks: Prefix of its tasks' names.
        velocity: Index of the forward velocity in the observation.
        target: Target velocity (m/s).
        kept: Length of the part of an observation that means the same in every source. The rest (the ant's contact
            forces: zeros in D4RL's v2 data and in our environment) is set to zero.
    """

    tasks: str
    velocity: int
    target: float
    kept: int


BODIES = {"halfcheetah": Body("CheetahTgtVel", 8, 11.0, 17), "ant": Body("AntTgtVel", 13, 5.0, 27)}


def pools_of(body: str, quality: str) -> list[tuple[str, str]]:
    """Return (task, policy) of the pools that use data of a quality.

    The paper mixes 30 episodes of the ``expert`` with ``medium`` or ``random`` runners, in tasks ``-m-e`` and ``-r-e``.
    """
    letters = {"medium": "m", "random": "r", "expert": "mr"}[quality]
    return [(f"{BODIES[body].tasks}-{letter}-e", quality) for letter in letters]


def assemble(pieces: Iterable[tuple[Array, Array]], body: str, steps: int, target: float) -> Episodes:
    """Assemble episodes of ``steps`` actions from pieces ``(observations [L + 1, o], actions [L, a])``.

    A shorter piece must have ended in a terminal state. It stays there, with its last action, for the rest.
    """
    row = BODIES[body]
    size = task(pools_of(body, "medium")[0][0]).sizes.observation
    episodes: list[tuple[Array, Array]] = []
    for observations, actions in pieces:
        if observations.shape[1] < row.kept:
            raise DatasetError(
                f"a {body} has {row.kept} numbers in its observation at least, not {observations.shape[1]}"
            )
        full = np.zeros((steps + 1, size), np.float32)
        full[: len(observations), : row.kept] = to_float32(observations[:, : row.kept])
        full[len(observations) :] = full[len(observations) - 1]
        rest = np.repeat(actions[-1:], steps - len(actions), 0)
        episodes.append((full, to_float32(np.concatenate([actions, rest]))))
    everything = np.stack([observations for observations, _ in episodes])
    return Episodes(
        everything,
        np.stack([actions for _, actions in episodes]),
        everything[:, :, row.velocity : row.velocity + 1].copy(),
        np.full((len(episodes), 1), target, np.float32),
    )
