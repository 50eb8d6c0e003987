"""Import a Minari dataset of a goal environment as a pool of a task.

Its observations are dictionaries of ``observation``, ``achieved_goal`` and ``desired_goal``, as those of
gymnasium-robotics and of ``minari.DataCollector`` are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from smore_sweep.data.importers.episodes_of_goals import Piece, assemble
from smore_sweep.data.importers.ingest import ingest
from smore_sweep.data.importers.minari_hub import local_file
from smore_sweep.data.refusal import RefusedError
from smore_sweep.data.safe_hdf5 import open_hdf5
from smore_sweep.errors import DatasetError


def import_dataset(
    dataset: str,
    name: str,
    policy: str,
    source: str,
    say: Callable[[str], None],
    *,
    cut: int | None = None,
    allow_large: bool = False,
) -> None:
    """Import a dataset by its Minari id; see :func:`smore_sweep.data.importers.npz.import_dataset`.

    Raises:
        DatasetError: It cannot be downloaded or used.
    """
    episodes = assemble(read(local_file(dataset)), dataset, cut)
    ingest(name, policy, episodes, source, f"Minari {dataset}", say, allow_large=allow_large)


def read(path: Path) -> Iterator[Piece]:
    """Yield the episodes of a file. A commanded goal that changes within an episode is refused."""
    try:
        with open_hdf5(path) as file:
            for i in range(sum(name.startswith("episode_") for name in file.names())):
                observations, achieved, desired = (
                    file.array(f"episode_{i}/observations/{part}", 2)
                    for part in ("observation", "achieved_goal", "desired_goal")
                )
                actions = file.array(f"episode_{i}/actions", 2)
                if not len(actions) + 1 == len(observations) == len(achieved) == len(desired):
                    raise RefusedError(
                        f"holds {len(observations)} observations of {len(actions)} actions (episode {i})"
                    )
                if (desired != desired[:1]).any():
                    raise RefusedError(f"holds a desired goal that changes within an episode (episode {i})")
                yield Piece(observations, actions, achieved, desired[0])
    except RefusedError as error:
        raise DatasetError(f"{path} is refused: it {error}") from None
