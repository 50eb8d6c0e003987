"""Publish each run as one flat MLflow run, for people to browse. The only module that imports mlflow.

MLflow shows the results; the results folder decides what is done. Publishing is therefore idempotent: it finds a run by
its ``run_id`` tag, logs only the metrics that the entry lacks, and reopens and finishes an interrupted run.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from smore_sweep.errors import TrackingError, first_line
from smore_sweep.results.origin import origin
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.results.tracking_uri import REACH_SECONDS, own_uri
from smore_sweep.storage.paths import StoragePath, local_copy

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment as MlflowExperiment
    from mlflow.entities import Run

SHOWN = ("method", "task", "expert_share", "seed", "scale", "source")
"""Fields of a run's content that people search for, logged both as tags and as parameters."""
VIEW, VIEW_PARAMS = "results", ("task", "method", "expert_share", "seed")
"""The view of an experiment's page, and its columns beside the label and the knobs that the sweep varies."""
VIEW_METRICS = ("return99", "success", "final_distance")
ERROR, LOG = "error", "log.txt"
"""The tag with a failed run's error, and the artifact with a run's log."""
ACTIVE = "active"
"""The stage of an experiment that is not in MLflow's trash."""
PAGE = 50_000
BATCH, OTHERS = 1000, 100
"""Most metrics, parameters and tags that MLflow takes in one call, and the part reserved for parameters and tags."""


@dataclass(frozen=True)
class Experiment:
    """Where the runs of a sweep are stored and published, and what all of them share.

    ``varied`` names the knobs in which the sweep's methods differ, and ``mirrors`` the places that show the runs, too.
    """

    results: StoragePath
    tracking_uri: str
    sweep: str
    description: str
    tags: dict[str, str]
    varied: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()


@dataclass
class _Entry:
    """A run's entry in MLflow. ``logged``: updates whose metrics it has; ``described``: whether it has parameters."""

    name: str
    logged: set[int] = field(default_factory=set)
    described: bool = False


class Tracker:
    """Client of one MLflow experiment (one per sweep). The constructor creates the store and the experiment."""

    def __init__(self, experiment: Experiment) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REACH_SECONDS))
        from mlflow import MlflowClient
        from mlflow.entities import ViewType

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)  # each error is reported once, by this class
        self._experiment = experiment
        self._owner = origin(experiment.results).replace("'", "%27")  # MLflow's searches know no escape
        self._known: dict[str, _Entry] = {}
        try:
            with _reporting():
                self._client: MlflowClient = MlflowClient(experiment.tracking_uri)
                self._artifacts = (experiment.results / "artifacts").as_uri()
                self._experiment_id = self._find_experiment()
                everything = _all_experiments(self._client, ViewType.ALL)
                self._everywhere = [entry.experiment_id for entry in everything if entry.lifecycle_stage == ACTIVE]
                if experiment.tracking_uri == own_uri(experiment.results):
                    _move_artifacts(
                        experiment.tracking_uri, {str(entry.artifact_location) for entry in everything}, self._artifacts
                    )
        except TrackingError as error:
            raise TrackingError(
                f"the tracking store cannot be used: {error}{_remedy(experiment.tracking_uri)}"
            ) from None
        self.store = f"{experiment.tracking_uri} {min(entry.creation_time or 0 for entry in everything)}"
        """Name of the store, unique among the stores that were ever created at its address."""

    def publish(
        self, run_id: str, record: Record, tags: dict[str, str], outcomes: StoragePath | None, error: str = ""
    ) -> None:
        """Bring a run's MLflow entry up to date with its record.

        Args:
            run_id: The run.
            record: Its record.
            tags: Tags of a new entry, ``title`` among them.
            outcomes: An ended run's file of raw outcomes. It is attached, and the entry ends as FINISHED or, for a
                diverged run, as FAILED.
            error: Why the run was given up. It becomes a tag, and the entry ends as FAILED.

        The log is attached to an entry that ends.

        Raises:
            TrackingError: MLflow is away.
        """
        with _reporting():
            if run_id not in self._known:
                run = self._find(run_id)
                if run is None:
                    self._known[run_id] = self._create(run_id, record, tags)
                elif run.data.tags.get("state") in (DONE, DIVERGED) and run.info.status in ("FINISHED", "FAILED"):
                    return
                else:
                    self._known[run_id] = self._reopen(run)
            entry = self._known.pop(run_id)  # after a call that fails, the entry has to be looked up again
            self._log(entry, record)
            if outcomes is None and not error:
                self._known[run_id] = entry
                return
            if error:
                self._client.set_tag(entry.name, ERROR, error)
            if outcomes is not None:
                with local_copy(outcomes) as file:
                    self._client.log_artifact(entry.name, str(file))
            self._client.log_text(entry.name, "\n".join(record.log) + "\n", LOG)
            self._client.set_terminated(entry.name, "FINISHED" if record.status == DONE else "FAILED")

    def tags(self, run_id: str) -> dict[str, str] | None:
        """Return the tags of a run's entry, if it has one. Raises :class:`TrackingError` if MLflow is away."""
        with _reporting():
            run = self._find(run_id)
            return dict(run.data.tags) if run else None

    def attach(self, run_id: str, path: Path, tag: str) -> None:
        """Attach a file to a run's existing entry, and add its name as a tag, so that people find it.

        Raises:
            TrackingError: MLflow is away.
        """
        with _reporting():
            run = self._find(run_id)
            assert run is not None
            self._client.log_artifact(run.info.run_id, str(path))
            self._client.set_tag(run.info.run_id, tag, path.name)

    def discard(self, run_id: str) -> None:
        """Delete a run's entry, which MLflow keeps in its trash. Raises :class:`TrackingError` if MLflow is away."""
        with _reporting():
            if (run := self._find(run_id)) is not None:
                self._client.delete_run(run.info.run_id)

    def interrupt(self) -> None:
        """Mark all entries of this results folder that still say RUNNING as KILLED. A later sweep reopens them.

        Raises:
            TrackingError: MLflow is away.
        """
        mine = f"attributes.status = 'RUNNING' and tags.results = '{self._owner}'"
        with _reporting():
            for run in self._client.search_runs(self._everywhere, mine, max_results=PAGE):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _create(self, run_id: str, record: Record, tags: dict[str, str]) -> _Entry:
        named = {name: str(record.content[name]) for name in SHOWN}
        own = {"run_id": run_id, "sweep": self._experiment.sweep, "results": self._owner}
        own["label"] = tags["title"].split(" · ")[0]
        run = self._client.create_run(self._experiment_id, tags={**named, **tags, **own}, run_name=tags["title"])
        return _Entry(run.info.run_id)

    def _reopen(self, run: Run) -> _Entry:
        if run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, status="RUNNING")
            if ERROR in run.data.tags:
                self._client.delete_tag(run.info.run_id, ERROR)
        history = self._client.get_metric_history(run.info.run_id, "train/seconds")
        return _Entry(run.info.run_id, logged={metric.step for metric in history})

    def _log(self, entry: _Entry, record: Record) -> None:
        """Log the parameters, once, and the metrics that the entry lacks.

        It makes as few calls as possible, because each is a transaction or a request. Logging twice is harmless.
        """
        from mlflow.entities import Metric, Param, RunTag

        content = record.content
        params = {**content["knobs"], **content["budget"], **{name: content[name] for name in SHOWN}}
        new_params = [] if entry.described else [Param(name, str(value)) for name, value in params.items()]
        now = int(time.time() * 1000)
        metrics = []
        lacking = set(record.metrics) - entry.logged
        for update in sorted(lacking):
            evaluated = record.evaluations[update].summary() if update in record.evaluations else {}
            metrics += [Metric(f"eval/{name}", value, now, update) for name, value in evaluated.items()]
            metrics += [Metric(f"train/{name}", value, now, update) for name, value in record.metrics[update].items()]
        first, rest = metrics[: BATCH - OTHERS], metrics[BATCH - OTHERS :]
        self._client.log_batch(entry.name, metrics=first, params=new_params, tags=[RunTag("state", record.status)])
        for start in range(0, len(rest), BATCH):
            self._client.log_batch(entry.name, metrics=rest[start : start + BATCH])
        entry.described = True
        entry.logged |= lacking

    def _find(self, run_id: str) -> Run | None:
        """Find the run's entry from this results folder, in whichever experiment it was first trained."""
        mine = f"tags.run_id = '{run_id}' and tags.results = '{self._owner}'"
        runs = self._client.search_runs(self._everywhere, mine, max_results=1)
        return runs[0] if runs else None

    def _find_experiment(self) -> str:
        existing = self._client.get_experiment_by_name(self._experiment.sweep)
        if existing is None:
            local = not self._experiment.tracking_uri.startswith("http")
            return self._client.create_experiment(
                self._experiment.sweep,
                artifact_location=self._artifacts if local else None,
                tags={"mlflow.note.content": self._experiment.description, **_view(self._experiment.varied)},
            )
        if existing.lifecycle_stage != ACTIVE:
            raise TrackingError(
                f"MLflow experiment {self._experiment.sweep!r} was deleted; restore it in the MLflow page"
            )
        for name, value in _view(self._experiment.varied).items():
            if _state(existing.tags.get(name, "{}")) != _state(value):
                self._client.set_experiment_tag(existing.experiment_id, name, value)
        return str(existing.experiment_id)


def page(tracking_uri: str, sweep: str | None) -> str:
    """Return the part of a page's address that opens the runs of a sweep, or else of the sweep that trained last.

    Empty if there is no such run.

    Raises:
        TrackingError: The tracking store cannot be read.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    with _reporting():
        client = MlflowClient(tracking_uri)
        if sweep is None:
            everywhere = [entry.experiment_id for entry in _all_experiments(client, ViewType.ACTIVE_ONLY)]
            runs = client.search_runs(everywhere, order_by=["attributes.start_time DESC"], max_results=1)
            experiment = runs[0].info.experiment_id if runs else None
        else:
            entry = client.get_experiment_by_name(sweep)
            experiment = entry.experiment_id if entry else None
    return f"#/experiments/{experiment}/runs?viewStateShareKey={VIEW}" if experiment else ""


def _all_experiments(client: MlflowClient, kind: int) -> list[MlflowExperiment]:
    """Return the experiments of a kind of view. The store answers with a thousand at a time."""
    found: list[MlflowExperiment] = []
    token: str | None = ""
    while token is not None:
        batch = client.search_experiments(kind, page_token=token or None)
        found += batch
        token = batch.token or None
    return found


def _move_artifacts(uri: str, locations: Iterable[str], place: str) -> None:
    """Point the experiments and runs of the results folder's own tracking store to its artifacts.

    MLflow keeps the full path at which an experiment was created, and makes that folder again when the results folder
    has been moved.
    """
    moved = [old for old in locations if old.startswith("file:") and old.endswith("/artifacts") and old != place]
    if not moved:
        return
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"), timeout=REACH_SECONDS)) as store, store:
        for old in moved:
            store.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (place, old))
            store.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) WHERE substr(artifact_uri, 1, ?) = ?",
                (place, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def _remedy(uri: str) -> str:
    """Suggest how to repair a tracking store, if that can be known."""
    file = uri.removeprefix("sqlite:///")
    return "" if file == uri else f"; if it is damaged, remove {file}: all runs are shown again in a new one"


def _view(varied: Sequence[str]) -> dict[str, str]:
    """Return the experiment's tag that adds a view to the menu *Views* of its page, with the highest return on top.

    By default the page shows no parameter and no metric.
    """
    columns = [
        "tags.`label`",
        *(f"params.`{name}`" for name in (*varied, *VIEW_PARAMS)),
        *(f"metrics.`eval/{name}`" for name in VIEW_METRICS),
    ]
    state = {"selectedColumns": columns, "orderByKey": f"metrics.`eval/{VIEW_METRICS[0]}`", "orderByAsc": False}
    now = int(time.time() * 1000)
    saved = {"name": VIEW, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    return {f"mlflow.sharedViewState.{VIEW}": json.dumps(saved)}


def _state(view: str) -> object:
    """The part of a view's tag that does not change with the time."""
    return json.loads(view).get("state")


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn exceptions of MLflow and of the libraries below it into a :class:`TrackingError` of one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except Exception as error:
        known = isinstance(error, (MlflowException, OSError)) or type(error).__module__.startswith(
            ("sqlalchemy", "sqlite3", "requests", "boto")
        )
        if not known:
            raise
        raise TrackingError(first_line(error)) from None
