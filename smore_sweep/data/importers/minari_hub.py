"""Import running data of the Minari Hub: ``mujoco/halfcheetah/medium-v0``, ``mujoco/ant/expert-v0``, ...

Minari downloads datasets that are not local yet. The hub has no random runners, so these data are for the ``-m-e``
tasks. The policies are not D4RL's. Terminated episodes stay in their terminal state for the rest; other episodes
shorter than the time limit are left out.
"""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from smore_sweep.data import pools
from smore_sweep.data.importers.ingest import ingest
from smore_sweep.data.importers.locomotion import BODIES, STEPS, assemble, pools_of
from smore_sweep.errors import DatasetError, first_line

DEFAULT = [f"mujoco/{body}/{quality}-v0" for body in BODIES for quality in ("medium", "expert")]
HUB = "https://huggingface.co"
PATIENCE = 5.0
"""Seconds for the hub to answer. Minari alone tries for 24 and ends in a page of traceback."""


def import_dataset(ids: Sequence[str], source: str, say: Callable[[str], None]) -> None:
    """Import datasets of the hub. Raises :class:`DatasetError` if one cannot be downloaded or used."""
    matches = [(name, re.fullmatch(rf"mujoco/({'|'.join(BODIES)})/(medium|expert)-v\d+", name)) for name in ids]
    for name, match in matches:
        if not match:
            raise DatasetError(f"{name} is not used by any task; those that are: {', '.join(DEFAULT)}")
    for name, match in matches:
        assert match is not None
        body, quality = match[1], match[2]
        pieces = [
            (np.asarray(episode.observations), np.asarray(episode.actions))
            for episode in _dataset(name).iterate_episodes()
            if len(episode.actions) == STEPS or episode.terminations[-1]
        ]
        if not pieces:
            raise DatasetError(f"{name} holds no whole episode")
        episodes = assemble(pieces, body, STEPS, BODIES[body].target)
        for pool in pools_of(body, quality):
            if pool[0].endswith("-m-e"):
                ingest(*pool, episodes, source, f"Minari Hub {name}", say)


def _dataset(name: str) -> Any:
    import minari

    if not (pools.root() / name / "data").exists():
        _reach(name)
        try:
            minari.download_dataset(name)
        except Exception as error:  # whichever client Minari uses
            raise DatasetError(f"{name} cannot be downloaded: {first_line(error)}") from None
    return minari.load_dataset(name)


def _reach(name: str) -> None:
    """Raise :class:`DatasetError` unless the hub answers soon.

    It asks in a thread, because no timeout applies to a name server that does not answer.
    """
    trouble = ["no answer"]

    def ask() -> None:
        try:
            urllib.request.urlopen(urllib.request.Request(HUB, method="HEAD"), timeout=PATIENCE).close()
            trouble.clear()
        except OSError as error:
            trouble[0] = str(getattr(error, "reason", error))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(PATIENCE)
    if trouble:
        raise DatasetError(
            f"{name} is not among the local datasets, and {HUB} cannot be reached ({trouble[0]}); "
            f"on a machine that can, give `minari download {name}`, then copy it into {pools.root()}"
        )
