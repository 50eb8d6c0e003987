"""Schedule of disturbances, derived from the seed.

Instants depend on progress, not on seconds, so that a seed means the same on a slow machine: a number of evaluations
after the last disturbance, or the driver's first output.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
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
    "flip": "file with a flipped bit",
    "swap": "two swapped files",
    "empty": "emptied file",
    "second": "second driver",
}
"""Kinds of disturbances, and their names in the report."""

FILES = {
    "partial.npz": "runs/*/partial.npz",
    "done.npz": "runs/*/done.npz",
    "published": "runs/*/published-*",
    "driver.lock": "driver.lock",
    "main_data.hdf5": "smore/*/*/data/main_data.hdf5",
    "metadata.json": "smore/*/*/data/metadata.json",
    "packed.npy": "smore/*/*/packed/*.npy",
    "mlflow.db": "mlflow.db",
    "live.json": "live.json",
    "origin": "origin",
}
"""State files, and their paths."""

DAMAGE = {
    "truncate": (
        "partial.npz", "done.npz", "published", "driver.lock", "main_data.hdf5", "metadata.json", "packed.npy",
        "mlflow.db", "origin",
    ),
    "flip": (
        "partial.npz", "done.npz", "main_data.hdf5", "metadata.json", "packed.npy", "driver.lock", "live.json",
        "origin",
    ),
    "swap": ("done.npz", "partial.npz", "packed.npy"),
    "empty": ("origin", "metadata.json", "live.json", "driver.lock"),
}  # fmt: skip
"""Files that each kind damages in turn. Single bits of MLflow's database prove nothing."""

DAMAGED = {
    "truncate": "{} cut to a random length",
    "flip": "{} with a flipped bit",
    "swap": "{} swapped with another",
    "empty": "{} emptied",
}
"""Names of damaged files in the report."""

OFTEN = ("worker", "driver", "truncate")
"""Kinds that come twice as often as the others."""

LONGEST_GAP = 0.2
"""Largest share of a sweep's evaluations between two disturbances."""

AT_ONCE = 0.15
"""Share of the disturbances that do not wait for an evaluation."""


@dataclass(frozen=True)
class Disturbance:
    """One disturbance.

    Attributes:
        file: File to damage, if any.
        gap: Share of the sweep's evaluations to wait for.
        seed: Seed of all other choices.
    """

    number: int
    kind: str
    file: str
    gap: float
    seed: str

    @property
    def dice(self) -> random.Random:
        """Return a random generator, the same for every call."""
        return random.Random(self.seed)


def schedule(seed: int, count: int, *, disk: bool, only: Sequence[str] = tuple(KINDS)) -> list[Disturbance]:
    """Return ``count`` disturbances from shuffled decks of the kinds ``only``, so that each kind has its share.

    ``disk`` says whether a disk can be filled here.
    """
    dice = random.Random(f"chaos {seed}")
    kinds: list[str] = []
    while len(kinds) < count:
        deck = [kind for kind in (*KINDS, *OFTEN) if kind in only and (disk or kind != "disk")]
        dice.shuffle(deck)
        kinds += deck
    files = {kind: itertools.cycle(names) for kind, names in DAMAGE.items()}
    disturbances = []
    for number, kind in enumerate(kinds[:count], 1):
        own = f"chaos {seed} {number}"
        dice = random.Random(f"{own} gap")
        gap = 0.0 if dice.random() < AT_ONCE else dice.uniform(0, LONGEST_GAP)
        disturbances.append(Disturbance(number, kind, next(files[kind]) if kind in files else "", gap, own))
    return disturbances
