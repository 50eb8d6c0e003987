"""MLflow: each run as one flat MLflow run, for people to browse. The only file that imports mlflow.

MLflow shows the results; it does not decide what is done (the results folder does). So publishing is idempotent: a run
is found by its ``run_id`` tag, only metrics that it lacks are logged, and an interrupted run is reopened and finished.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from smore_sweep.errors import TrackingError, first_line
from smore_sweep.results.record import DIVERGED, DONE, Record
from smore_sweep.storage.paths import StoragePath, local_copy, write

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

SHOWN = ("method", "task", "expert_share", "seed", "scale", "source")
"""What of a run's content people look for: shown both as tags and as parameters."""
VIEW, VIEW_PARAMS = "results", ("task", "method", "expert_share", "seed")
VIEW_METRICS = ("return99", "success", "final_distance")
ERROR, LOG = "error", "log.txt"
"""The tag with a failed run's error, and the artifact with a run's log."""
PAGE = 50_000
BATCH, OTHERS = 1000, 100
"""Most metrics, parameters and tags together that MLflow takes in one call, and how many of these may be other than
metrics."""
REACH_SECONDS = 5
SERVERS = {"http": 80, "https": 443}
"""And their ports."""
DATABASES = ("postgresql", "mysql")


def default_uri(results: StoragePath) -> str:
    """``MLFLOW_TRACKING_URI``, or a sqlite file in the results folder. Raises :class:`TrackingError` if the results are
    in an object store, where no such file can be."""
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        if not isinstance(results, Path):
            raise TrackingError(
                f"results in {results} leave no place for MLflow's own file; set MLFLOW_TRACKING_URI to "
                "sqlite:////FILE, postgresql://..., mysql://... or http(s)://..."
            )
        uri = f"sqlite:///{(results / 'mlflow.db').resolve()}"
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).resolve()}"  # workers have other working directories
    return uri


def check_uri(uri: str) -> None:
    """Raise :class:`TrackingError` for a store that is not supported, or a server or folder that cannot be reached."""
    scheme = uri.partition(":")[0].split("+")[0] if "://" in uri else ""
    if scheme not in (*SERVERS, *DATABASES, "sqlite"):
        raise TrackingError(  # only the scheme is named: a URI may hold a password
            f"tracking URI of kind {scheme or 'path'!r} is not supported; "
            "use sqlite:///FILE, postgresql://..., mysql://... or http(s)://..."
        )
    try:
        parts = urlsplit(uri)
        place = (parts.hostname or "", parts.port or SERVERS.get(scheme, 0))
        if "@" in f"{parts.path}{parts.query}{parts.fragment}":
            raise ValueError("a place behind the place")
    except ValueError:  # what is then taken for the place may be a part of the password
        raise TrackingError(
            f"tracking URI {scheme}://... is not valid; does its password have a /, # or @ that is not percent-encoded?"
        ) from None
    try:
        if scheme in SERVERS:
            socket.create_connection(place, timeout=REACH_SECONDS).close()
        elif scheme in DATABASES:
            _connect(uri)
        elif not os.access(folder := Path(parts.path[1:]).parent, os.W_OK):
            raise OSError(f"{folder} is not a folder that can be written")
    except (OSError, TrackingError) as error:
        raise TrackingError(f"tracking store {parts.hostname or scheme} cannot be reached: {error}") from None


def _connect(uri: str) -> None:
    """Connect to a database once. MLflow itself would try for most of an hour, whatever the reason."""
    from sqlalchemy import create_engine, exc

    try:
        create_engine(uri, connect_args={"connect_timeout": REACH_SECONDS}).connect().close()
    except ImportError as error:
        raise TrackingError(
            f"its driver is missing ({error}); for PostgreSQL: pip install 'smore_sweep[postgresql]'"
        ) from None
    except exc.DBAPIError as error:  # of the driver, which names user and place, not the password
        raise TrackingError(first_line(error.orig or error)) from None
    except exc.SQLAlchemyError:
        raise TrackingError("the URI is not one of a database") from None


@dataclass(frozen=True)
class Experiment:
    """All that is needed to keep records, besides the records: where, and what is the same for all runs of a sweep."""

    results: StoragePath
    tracking_uri: str
    sweep: str
    description: str
    tags: dict[str, str]


@dataclass
class _Entry:
    """A run's entry in MLflow, and what is known to be there: the updates whose metrics are ``logged``, and whether the
    parameters are."""

    name: str
    logged: set[int] = field(default_factory=set)
    described: bool = False


class Tracker:
    """A client of one MLflow experiment (one per sweep). Creating it creates the store and the experiment."""

    def __init__(self, job: Experiment) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(REACH_SECONDS))
        from mlflow import MlflowClient
        from mlflow.entities import ViewType

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.CRITICAL)  # the errors are told once, by us
        self._job = job
        self._owner = origin(job.results).replace("'", "%27")  # it is put into MLflow's searches, which know no escape
        self._known: dict[str, _Entry] = {}
        try:
            with _reporting():
                self._client: MlflowClient = MlflowClient(job.tracking_uri)
                self._experiment = self._find_experiment()
                self._everywhere = [found.experiment_id for found in self._client.search_experiments()]
                everything = self._client.search_experiments(ViewType.ALL)
        except TrackingError as error:
            raise TrackingError(f"the tracking store cannot be used: {error}{_remedy(job.tracking_uri)}") from None
        self.store = f"{job.tracking_uri} {min(found.creation_time or 0 for found in everything)}"
        """The store, as a name that another one at the same address does not have, such as one begun anew."""

    def publish(
        self, run_id: str, record: Record, tags: dict[str, str], outcomes: StoragePath | None, error: str = ""
    ) -> None:
        """Bring a run's MLflow entry up to its record. ``outcomes`` is an ended run's file of raw outcomes: it is
        attached and the entry is closed, as FINISHED or, for a diverged run, FAILED. So is, with the tag ``error``, the
        entry of a run that failed and was given up. The log is attached to a closed entry.

        Raises :class:`TrackingError` if MLflow is away."""
        with _reporting():
            if run_id not in self._known:
                run = self._find(run_id)
                if run is None:
                    self._known[run_id] = self._create(run_id, record, tags)
                elif run.data.tags.get("state") in (DONE, DIVERGED) and run.info.status in ("FINISHED", "FAILED"):
                    return
                else:
                    self._known[run_id] = self._reopen(run)
            entry = self._known.pop(run_id)  # what is there after a call that failed has to be looked up again
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
        """The tags of a run's entry, or None if it has no entry. Raises :class:`TrackingError` if MLflow is away."""
        with _reporting():
            run = self._find(run_id)
            return dict(run.data.tags) if run else None

    def attach(self, run_id: str, path: Path, tag: str) -> None:
        """Add a file to a run's entry, which there is, and its name as a tag, so that people find it. Raises
        :class:`TrackingError` if MLflow is away."""
        with _reporting():
            run = self._find(run_id)
            assert run is not None
            self._client.log_artifact(run.info.run_id, str(path))
            self._client.set_tag(run.info.run_id, tag, path.name)

    def interrupt(self) -> None:
        """Mark every entry of this results folder that still says RUNNING as KILLED: nothing trains any more. A later
        sweep reopens it. Raises :class:`TrackingError` if MLflow is away."""
        mine = f"attributes.status = 'RUNNING' and tags.results = '{self._owner}'"
        with _reporting():
            for run in self._client.search_runs(self._everywhere, mine, max_results=PAGE):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _create(self, run_id: str, record: Record, tags: dict[str, str]) -> _Entry:
        named = {name: str(record.content[name]) for name in SHOWN}
        own = {"run_id": run_id, "sweep": self._job.sweep, "results": self._owner}
        run = self._client.create_run(self._experiment, tags={**named, **tags, **own}, run_name=tags["title"])
        return _Entry(run.info.run_id)

    def _reopen(self, run: Run) -> _Entry:
        if run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, status="RUNNING")
            if ERROR in run.data.tags:
                self._client.delete_tag(run.info.run_id, ERROR)
        history = self._client.get_metric_history(run.info.run_id, "train/seconds")
        return _Entry(run.info.run_id, logged={metric.step for metric in history})

    def _log(self, entry: _Entry, record: Record) -> None:
        """Parameters, once, and the metrics of the evaluations that the entry lacks: in as few calls as possible, for
        each is a transaction or a request. Saying something twice is harmless."""
        from mlflow.entities import Metric, Param, RunTag

        content = record.content
        params = {**content["knobs"], **content["budget"], **{name: content[name] for name in SHOWN}}
        said = [] if entry.described else [Param(name, str(value)) for name, value in params.items()]
        now = int(time.time() * 1000)
        metrics = []
        lacking = set(record.metrics) - entry.logged
        for update in sorted(lacking):
            evaluated = record.evaluations[update].summary() if update in record.evaluations else {}
            metrics += [Metric(f"eval/{name}", value, now, update) for name, value in evaluated.items()]
            metrics += [Metric(f"train/{name}", value, now, update) for name, value in record.metrics[update].items()]
        first, rest = metrics[: BATCH - OTHERS], metrics[BATCH - OTHERS :]
        self._client.log_batch(entry.name, metrics=first, params=said, tags=[RunTag("state", record.status)])
        for start in range(0, len(rest), BATCH):
            self._client.log_batch(entry.name, metrics=rest[start : start + BATCH])
        entry.described = True
        entry.logged |= lacking

    def _find(self, run_id: str) -> Run | None:
        """The run's entry from this results folder, in whichever experiment it was first trained."""
        mine = f"tags.run_id = '{run_id}' and tags.results = '{self._owner}'"
        found = self._client.search_runs(self._everywhere, mine, max_results=1)
        return found[0] if found else None

    def _find_experiment(self) -> str:
        found = self._client.get_experiment_by_name(self._job.sweep)
        if found is None:
            local = not self._job.tracking_uri.startswith("http")
            return self._client.create_experiment(
                self._job.sweep,
                artifact_location=(self._job.results / "artifacts").as_uri() if local else None,
                tags={"mlflow.note.content": self._job.description, **_view()},
            )
        if found.lifecycle_stage != "active":
            raise TrackingError(f"MLflow experiment {self._job.sweep!r} was deleted; restore it in the MLflow page")
        return str(found.experiment_id)


def origin(results: StoragePath) -> str:
    """Which results an entry is of: where they were first written. A folder keeps that in a file, for a shared one has
    another host name, and perhaps another path, in each container that goes on with it."""
    if not isinstance(results, Path):
        return str(results)
    path = results / "origin"
    if not path.exists():
        write(path, f"{socket.gethostname()}:{results}".encode())
    return path.read_text()


def _remedy(uri: str) -> str:
    """What to do about a store that cannot be used, if that can be known."""
    file = uri.removeprefix("sqlite:///")
    return "" if file == uri else f"; if it is damaged, remove {file}: all runs are shown again in a new one"


def _view() -> dict[str, str]:
    """The experiment's tag that puts a view into the menu *Views* of its page: what people look for as columns, the
    highest return on top. (By itself the page shows no parameter and no metric.)"""
    columns = [*(f"params.`{name}`" for name in VIEW_PARAMS), *(f"metrics.`eval/{name}`" for name in VIEW_METRICS)]
    state = {"selectedColumns": columns, "orderByKey": f"metrics.`eval/{VIEW_METRICS[0]}`", "orderByAsc": False}
    now = int(time.time() * 1000)
    saved = {"name": VIEW, "createdAt": now, "updatedAt": now, "state": json.dumps(state)}
    return {f"mlflow.sharedViewState.{VIEW}": json.dumps(saved)}


@contextmanager
def _reporting() -> Iterator[None]:
    """Turn whatever MLflow and the libraries below it raise into a :class:`TrackingError` of one line."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except Exception as error:
        known = isinstance(error, (MlflowException, OSError)) or type(error).__module__.startswith(
            ("sqlalchemy", "requests", "boto")
        )
        if not known:
            raise
        raise TrackingError(first_line(error)) from None
