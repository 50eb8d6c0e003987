"""Mirror to Weights & Biases: a project per sweep, a run per run. ``WANDB_MODE=offline`` writes files for later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import wandb

from smore_sweep.results.record import DONE, PARTIAL, Record

if TYPE_CHECKING:
    from smore_sweep.results.tracking import Experiment

TIMEOUT = 30
"""Seconds to wait for the service."""


class WandbMirror:
    """Keeps a run open while it trains. A resumed run has the same id, and goes on where it was."""

    def __init__(self, experiment: Experiment) -> None:
        self._experiment = experiment
        self._open: dict[str, tuple[wandb.Run, set[int]]] = {}

    def publish(self, run_id: str, record: Record, title: str, tags: dict[str, str]) -> None:
        """Show what is new of a run."""
        if run_id not in self._open:
            self._open[run_id] = self._begin(run_id, record, title, tags), set()
        run, logged = self._open[run_id]
        for update in sorted(set(record.metrics) - logged):
            evaluated = record.evaluations[update].summary() if update in record.evaluations else {}
            values = {f"eval/{name}": value for name, value in evaluated.items()}
            values |= {f"train/{name}": value for name, value in record.metrics[update].items()}
            run.log(values, step=update)
            logged.add(update)
        if record.status != PARTIAL:
            run.finish(exit_code=0 if record.status == DONE else 1)
            del self._open[run_id]

    def close(self) -> None:
        """End the runs that have not ended; a later sweep resumes them."""
        for run, _ in self._open.values():
            run.finish(exit_code=1)

    def _begin(self, run_id: str, record: Record, title: str, tags: dict[str, str]) -> wandb.Run:
        content = {name: value for name, value in record.content.items() if name not in ("knobs", "budget")}
        return wandb.init(
            project=self._experiment.sweep,
            id=run_id,
            name=title,
            group=title.split(" · ")[0],
            notes=self._experiment.description,
            config={**content, **record.content["budget"], **record.content["knobs"], **tags},
            dir=str(self._experiment.results),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                save_code=False,
                init_timeout=TIMEOUT,
                x_disable_stats=True,
            ),
        )
