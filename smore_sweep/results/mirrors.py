"""Mirrors: other places that show the runs of a sweep, beside MLflow. A failing mirror never harms a run."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from smore_sweep.errors import StorageError, UserError, first_line, unknown
from smore_sweep.results.record import PARTIAL, Record
from smore_sweep.storage.paths import StoragePath

if TYPE_CHECKING:
    from smore_sweep.results.tracking import Experiment

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb"}
"""The package that each mirror needs. Mirrors have the names of the extras that install it."""
PATIENCE = 60.0
"""Seconds that the end of a sweep waits for a mirror."""


class Mirror(Protocol):
    """A place that shows runs. Its methods may raise anything, and may block."""

    def publish(self, run_id: str, record: Record, title: str, tags: dict[str, str]) -> None:
        """Show what is new of a run, and end its entry if the run has ended. Called in the order of its updates."""

    def close(self) -> None:
        """End the entries that are still open."""


def check_mirrors(names: Sequence[str], results: StoragePath) -> None:
    """Raise :class:`UserError` unless these mirrors exist and can be used here."""
    for name in names:
        if name not in PACKAGES:
            raise UserError(unknown("mirror", name, PACKAGES))
        if importlib.util.find_spec(PACKAGES[name]) is None:
            raise UserError(f"mirror {name!r} needs {PACKAGES[name]}; install it: pip install 'smore_sweep[{name}]'")
        if not isinstance(results, Path):
            raise StorageError(f"mirror {name!r} writes files beside the results, so {results} must be a local folder")


def open_mirror(name: str, experiment: Experiment) -> Mirror:
    """Open a mirror of an experiment. This may raise anything, as its methods."""
    if name == "wandb":
        from smore_sweep.results.wandb_mirror import WandbMirror

        return WandbMirror(experiment)
    from smore_sweep.results.tensorboard_mirror import TensorBoardMirror

    return TensorBoardMirror(experiment)


class MirrorFeed:
    """Feeds a mirror from a thread of its own, which gives up at the first error.

    Args:
        name: The mirror.
        experiment: What it mirrors.
        shown: Called with the id of each ended run that the mirror has shown.
    """

    def __init__(self, name: str, experiment: Experiment, shown: Callable[[str], None]) -> None:
        self.name = name
        self._experiment = experiment
        self._shown = shown
        self._latest: dict[str, tuple[Record, str, dict[str, str]]] = {}
        self._queue: SimpleQueue[str | None] = SimpleQueue()
        self._trouble = ""
        self._thread = threading.Thread(target=self._serve, name=f"mirror {name}", daemon=True)
        self._thread.start()

    def put(self, run_id: str, record: Record, title: str, tags: dict[str, str]) -> None:
        """Show a record soon; of each run only the latest."""
        self._latest[run_id] = record, title, tags
        self._queue.put(run_id)

    def close(self) -> str:
        """Wait for the mirror, and return a sentence about its trouble, or an empty string."""
        self._queue.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            self._trouble = f"it did not answer for {PATIENCE:g} s"
        return f"mirror {self.name} failed ({self._trouble}); the results are safe" if self._trouble else ""

    def _serve(self) -> None:
        try:
            mirror = open_mirror(self.name, self._experiment)
            while (run_id := self._queue.get()) is not None:
                if run_id not in self._latest:  # shown already, with an earlier call
                    continue
                record, title, tags = self._latest.pop(run_id)
                mirror.publish(run_id, record, title, tags)
                if record.status != PARTIAL:
                    self._shown(run_id)
            mirror.close()
        except (Exception, SystemExit) as error:  # whatever it is, it must not reach the sweep
            self._trouble = first_line(error)
