"""Which disturbances, and when: all of it from the seed.

An instant is a matter of progress, not of seconds, so that a seed means the same on a slow machine: so many evaluations
are kept after the last disturbance, or the sweep has only just said its first word.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass

KINDS = {
    "worker": "kill -9 of a training worker",
    "driver": "kill -9 of the driver",
    "node": "kill of a node",
    "mlflow": "kill of the MLflow server",
    "sigint": "SIGINT",
    "sigterm": "SIGTERM",
    "disk": "full disk",
    "truncate": "truncated file",
    "second": "second driver",
}
"""What is done, and its name in the report."""

FILES = {
    "partial.npz": "runs/*/partial.npz",
    "done.npz": "runs/*/done.npz",
    "published": "runs/*/published-*",
    "driver.lock": "driver.lock",
    "main_data.hdf5": "smore/*/*/data/main_data.hdf5",
    "metadata.json": "smore/*/*/data/metadata.json",
    "packed.npy": "smore/*/*/packed/*.npy",
    "mlflow.db": "mlflow.db",
}
"""State files that are truncated in turn, and where they are in their folder."""

OFTEN = ("worker", "driver", "truncate")
"""Kinds that come twice as often as the others."""

LONGEST_GAP = 0.2
"""Share of a sweep's evaluations that passes at most between two disturbances."""

AT_ONCE = 0.15
"""Share of the disturbances that do not wait for an evaluation."""


@dataclass(frozen=True)
class Disturbance:
    """``file``: what is truncated, if something is; ``gap``: the share of the sweep's evaluations to wait for; and the
    ``seed`` of all else that is chosen."""

    number: int
    kind: str
    file: str
    gap: float
    seed: str

    @property
    def dice(self) -> random.Random:
        """A random generator that is the same for every call."""
        return random.Random(self.seed)


def schedule(seed: int, count: int, *, disk: bool) -> list[Disturbance]:
    """``count`` disturbances, dealt from shuffled decks of all kinds (``disk``: whether a disk can be filled here), so
    that each kind has its share."""
    dice = random.Random(f"chaos {seed}")
    kinds: list[str] = []
    while len(kinds) < count:
        deck = [kind for kind in (*KINDS, *OFTEN) if disk or kind != "disk"]
        dice.shuffle(deck)
        kinds += deck
    files = itertools.cycle(FILES)
    made = []
    for number, kind in enumerate(kinds[:count], 1):
        own = f"chaos {seed} {number}"
        dice = random.Random(f"{own} gap")
        gap = 0.0 if dice.random() < AT_ONCE else dice.uniform(0, LONGEST_GAP)
        made.append(Disturbance(number, kind, next(files) if kind == "truncate" else "", gap, own))
    return made
