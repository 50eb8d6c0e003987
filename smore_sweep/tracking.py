"""MLflow: each run as one flat MLflow run, for people to browse. The only file that imports mlflow.

MLflow shows the results; it does not decide what is done (the results folder does). So publishing is idempotent: a run
is found by its ``run_id`` tag, only metrics that it lacks are logged, and an interrupted run is reopened and finished.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smore_sweep.method import SpecError
from smore_sweep.record import DIVERGED, DONE, Record

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

PAGE = 50_000
BATCH = 1000
"""Most metrics that MLflow takes in one call."""
REACH_SECONDS = 5
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}


def default_uri(results: Path) -> str:
    """``MLFLOW_TRACKING_URI``, or a sqlite file in the results folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(results / 'mlflow.db').resolve()}"


def check_uri(uri: str) -> None:
    """Raise :class:`SpecError` for a store that is not supported, or a server or folder that cannot be reached."""
    parts = urlsplit(uri)
    scheme = parts.scheme.split("+")[0]
    if scheme not in PORTS and scheme != "sqlite":
        raise SpecError(
            f"tracking URI {uri!r} is not supported; use sqlite:///FILE, postgresql://..., mysql://... or http(s)://..."
        )
    try:
        if scheme == "sqlite":
            folder = Path(parts.path[1:]).parent
            if not os.access(folder, os.W_OK):
                raise OSError(f"{folder} is not a folder that can be written")
        else:
            place = (parts.hostname or "", parts.port or PORTS[scheme])
            socket.create_connection(place, timeout=REACH_SECONDS).close()
    except (OSError, ValueError) as error:
        # A URI may hold a password: name the place, not the URI.
        raise SpecError(f"tracking store {parts.hostname or uri} cannot be reached: {error}") from None


@dataclass(frozen=True)
class Job:
    """All that is needed to keep records, besides the records: where, and what is the same for all runs of a sweep."""

    results: Path
    tracking_uri: str
    sweep: str
    description: str
    tags: dict[str, str]


class Tracker:
    """A client of one MLflow experiment (one per sweep). Creating it creates the store and the experiment."""

    def __init__(self, job: Job) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REACH_SECONDS))
        from mlflow import MlflowClient
        from mlflow.exceptions import MlflowException

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)

        try:
            self._client: MlflowClient = MlflowClient(job.tracking_uri)
            found = self._client.get_experiment_by_name(job.sweep)
            if found is None:
                place = None if job.tracking_uri.startswith("http") else (job.results / "artifacts").as_uri()
                self._experiment = self._client.create_experiment(
                    job.sweep, artifact_location=place, tags={"mlflow.note.content": job.description}
                )
            elif found.lifecycle_stage != "active":
                raise SpecError(f"MLflow experiment {job.sweep!r} was deleted; restore it in the MLflow page")
            else:
                self._experiment = found.experiment_id
        except SpecError:
            raise
        except Exception as error:
            if isinstance(error, MlflowException) or type(error).__module__.startswith(("sqlalchemy", "requests")):
                first_line = str(error).splitlines()[0]
                raise SpecError(f"the tracking store cannot be used: {first_line}") from None
            raise
        self._known: dict[str, Run] = {}

    def publish(self, run_id: str, record: Record, tags: dict[str, str], outcomes: Path | None) -> None:
        """Bring a run's MLflow entry up to its record. ``outcomes`` is an ended run's file of raw outcomes: it is
        attached and the entry is closed, as FINISHED or, for a diverged run, FAILED."""
        from mlflow.entities import Metric, Param, RunTag

        run = self._known.get(run_id) or self._find(run_id)
        if run is None:
            content = record.content
            names = ("method", "task", "expert_share", "seed", "scale", "source")
            params = {**content["knobs"], **content["budget"], **{name: content[name] for name in names}}
            run = self._client.create_run(self._experiment, tags={**tags, "run_id": run_id}, run_name=tags["title"])
            self._client.log_batch(run.info.run_id, params=[Param(name, str(value)) for name, value in params.items()])
        elif run.data.tags.get("state") in (DONE, DIVERGED) and run.info.status in ("FINISHED", "FAILED"):
            return
        elif run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, status="RUNNING")
        self._known[run_id] = run

        entry = run.info.run_id
        logged = {metric.step for metric in self._client.get_metric_history(entry, "train/seconds")}
        now = int(time.time() * 1000)
        metrics = []
        for update in sorted(set(record.metrics) - logged):
            evaluated = record.evaluations[update].summary() if update in record.evaluations else {}
            metrics += [Metric(f"eval/{name}", value, now, update) for name, value in evaluated.items()]
            metrics += [Metric(f"train/{name}", value, now, update) for name, value in record.metrics[update].items()]
        for start in range(0, len(metrics), BATCH):
            self._client.log_batch(entry, metrics=metrics[start : start + BATCH])
        self._client.log_batch(entry, tags=[RunTag("state", record.status)])
        if outcomes is not None:
            self._client.log_artifact(entry, str(outcomes))
            self._client.set_terminated(entry, "FINISHED" if record.status == DONE else "FAILED")
            del self._known[run_id]

    def interrupt(self) -> None:
        """Mark every entry of the experiment that still says RUNNING as KILLED: nothing trains any more. A later sweep
        reopens it."""
        for run in self._client.search_runs([self._experiment], "attributes.status = 'RUNNING'", max_results=PAGE):
            self._client.set_terminated(run.info.run_id, "KILLED")

    def _find(self, run_id: str) -> Run | None:
        """The run's entry, in whichever experiment it was first trained."""
        everywhere = [experiment.experiment_id for experiment in self._client.search_experiments()]
        found = self._client.search_runs(everywhere, f"tags.run_id = '{run_id}'", max_results=1)
        return found[0] if found else None
