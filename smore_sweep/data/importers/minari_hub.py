"""Import running data of the Minari Hub: ``mujoco/halfcheetah/medium-v0``, ``mujoco/ant/expert-v0``, ...

Minari downloads datasets that are not local yet. The hub has no random runners, so these data are for the ``-m-e``
tasks. The policies are not D4RL's. Terminated episodes stay in their terminal state for the rest; other episodes
shorter than the time limit are left out.
"""

from __future__ import annotations

import re
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from smore_sweep.data import pools
from smore_sweep.data.importers.ingest import ingest
from smore_sweep.data.importers.locomotion import BODIES, STEPS, assemble, pools_of
from smore_sweep.data.refusal import RefusedError
from smore_sweep.data.safe_hdf5 import open_hdf5
from smore_sweep.errors import DatasetError, first_line

DEFAULT = [f"mujoco/{body}/{quality}-v0" for body in BODIES for quality in ("medium", "expert")]
HUB = "https://huggingface.co"
PATIENCE = 5.0
"""Seconds for the hub to answer. Minari alone tries for 24 and ends in a page of traceback."""


def import_dataset(ids: Sequence[str], source: str, say: Callable[[str], None], *, allow_large: bool = False) -> None:
    """Import datasets of the hub. Raises :class:`DatasetError` if one cannot be downloaded or used."""
    matches = [(name, re.fullmatch(rf"mujoco/({'|'.join(BODIES)})/(medium|expert)-v\d+", name)) for name in ids]
    for name, match in matches:
        if not match:
            raise DatasetError(f"{name} is not used by any task; those that are: {', '.join(DEFAULT)}")
    for name, match in matches:
        assert match is not None
        body, quality = match[1], match[2]
        path = local_file(name)
        pieces = [
            (observations, actions)
            for observations, actions, terminated in read(path)
            if len(actions) == STEPS or (terminated and len(actions) < STEPS)
        ]
        if not pieces:
            raise DatasetError(f"{name} holds no whole episode")
        episodes = assemble(pieces, body, STEPS, BODIES[body].target)
        for pool in pools_of(body, quality):
            if pool[0].endswith("-m-e"):
                ingest(*pool, episodes, source, f"Minari Hub {name}", say, allow_large=allow_large)


def read(path: Path) -> Iterator[tuple[NDArray[Any], NDArray[Any], bool]]:
    """Yield ``(observations [L + 1, o], actions [L, a], whether it terminated)`` of each episode of a file."""
    try:
        with open_hdf5(path) as file:
            for i in range(sum(name.startswith("episode_") for name in file.names())):
                observations, actions = (file.array(f"episode_{i}/{part}", 2) for part in ("observations", "actions"))
                if len(observations) != len(actions) + 1:
                    raise RefusedError(
                        f"holds {len(observations)} observations of {len(actions)} actions (episode {i})"
                    )
                yield observations, actions, bool(file.array(f"episode_{i}/terminations", 1)[-1])
    except RefusedError as error:
        raise DatasetError(f"{path} is refused: it {error}") from None


def local_file(name: str) -> Path:
    """Return the file of a dataset, downloaded if it is not local."""
    folder = pools.root() / name / "data"
    if not folder.exists():
        import minari

        _reach(name)
        try:
            minari.download_dataset(name)
        except Exception as error:  # whichever client Minari uses
            raise DatasetError(f"{name} cannot be downloaded: {first_line(error)}") from None
    return folder / "main_data.hdf5"


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
