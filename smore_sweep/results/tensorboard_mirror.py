"""Mirror to TensorBoard: event files in ``<results>/tensorboard/<sweep>/``, one folder per run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboardX import SummaryWriter

from smore_sweep.results.record import PARTIAL, Record

if TYPE_CHECKING:
    from smore_sweep.results.tracking import Experiment


class TensorBoardMirror:
    """Writes a run's whole history when it first sees the run, so resumed runs have no update twice."""

    def __init__(self, experiment: Experiment) -> None:
        self._folder = Path(str(experiment.results)) / "tensorboard" / experiment.sweep
        self._open: dict[str, tuple[SummaryWriter, set[int]]] = {}

    def publish(self, run_id: str, record: Record, title: str, tags: dict[str, str]) -> None:
        """Show what is new of a run."""
        if run_id not in self._open:
            folder = self._folder / f"{title.replace('/', '_')} {run_id[:8]}"
            shutil.rmtree(folder, ignore_errors=True)
            writer = SummaryWriter(str(folder))
            writer.add_text("run", f"```\n{json.dumps({**record.content, **tags}, indent=2)}\n```")
            self._open[run_id] = writer, set()
        writer, logged = self._open[run_id]
        for update in sorted(set(record.metrics) - logged):
            evaluated = record.evaluations[update].summary() if update in record.evaluations else {}
            for group, values in (("eval", evaluated), ("train", record.metrics[update])):
                for name, value in values.items():
                    writer.add_scalar(f"{group}/{name}", value, update)
            logged.add(update)
        writer.flush()
        if record.status != PARTIAL:
            writer.close()
            del self._open[run_id]

    def close(self) -> None:
        """Close the files of runs that have not ended."""
        for writer, _ in self._open.values():
            writer.close()
