"""Set up a sweep or a single run: the results folder, signals, and the MLflow experiment."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from smore_sweep.errors import StorageError
from smore_sweep.execution.revision import git_revision
from smore_sweep.method import knobs
from smore_sweep.results.mirrors import check_mirrors
from smore_sweep.results.tracking import Experiment
from smore_sweep.results.tracking_uri import check_uri, default_uri
from smore_sweep.spec import Sweep, varied
from smore_sweep.storage.atomic import make_folder
from smore_sweep.storage.paths import StoragePath, absolute

MEGABYTES_FREE = 500


def check_folder(results: StoragePath) -> None:
    """Check that the results folder can be written. (An object store is checked when its lock is taken.)

    Raises:
        StorageError: If the folder cannot be written, or its disk is full.
    """
    if not isinstance(results, Path):
        return
    try:
        make_folder(results)
        free = shutil.disk_usage(results).free // 2**20
        if free < MEGABYTES_FREE:
            raise StorageError(f"results folder {results} has {free} MB free, at least {MEGABYTES_FREE} MB are needed")
        probe = results / f".probe.{secrets.token_hex(8)}"
        probe.write_bytes(b"x")
        probe.unlink()
    except OSError as error:
        raise StorageError(f"results folder {results} cannot be written: {error.strerror}") from None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end a sweep as cleanly as Ctrl-C, and disable Ray's handler that swallows Ctrl-C."""
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def sweep_experiment(sweep: Sweep, results: StoragePath, mirrors: Sequence[str] = ()) -> Experiment:
    """Return the MLflow experiment of a sweep, with the tags that its runs share.

    Raises:
        UserError: If there is no such mirror, or it cannot be used here.
        TrackingError: If the tracking store cannot be reached.
    """
    check_mirrors(mirrors, results)
    uri = default_uri(results)
    check_uri(uri)
    tags = {"git": git_revision(), "smore_sweep": version("smore_sweep"), "mujoco": version("mujoco")}
    by_kind = varied(method for grid in sweep.grids for method in grid.methods)
    names = dict.fromkeys(name for kind, own in by_kind.items() for name in knobs(kind) if name in own)
    return Experiment(absolute(results), uri, sweep.name, sweep.description, tags, tuple(names), tuple(mirrors))
