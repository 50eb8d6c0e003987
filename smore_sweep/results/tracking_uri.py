"""The URI of MLflow's tracking store: its default, and whether it can be used."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

from smore_sweep.errors import TrackingError, first_line
from smore_sweep.storage.paths import StoragePath

REACH_SECONDS = 5
"""Seconds for a store to answer."""
SERVERS = {"http": 80, "https": 443}
"""Schemes of MLflow servers, and their ports."""
DATABASES = ("postgresql", "mysql")


def default_uri(results: StoragePath) -> str:
    """Return ``MLFLOW_TRACKING_URI`` or, by default, the URI of a sqlite file in the results folder.

    Raises:
        TrackingError: The variable is not set, and the results are in an object store, which cannot hold such a file.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if not uri:
        if not isinstance(results, Path):
            raise TrackingError(
                f"results in {results} leave no place for MLflow's own file; set MLFLOW_TRACKING_URI to "
                "sqlite:////FILE, postgresql://..., mysql://... or http(s)://..."
            )
        uri = own_uri(results)
    if uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        return f"sqlite:///{Path(uri.removeprefix('sqlite:///')).resolve()}"  # workers have other working directories
    return uri


def own_uri(results: StoragePath) -> str:
    """Return the URI of a results folder's own tracking store; empty for results in an object store, which has none."""
    return f"sqlite:///{(results / 'mlflow.db').resolve()}" if isinstance(results, Path) else ""


def check_uri(uri: str) -> None:
    """Raise :class:`TrackingError` if a tracking store is not supported or cannot be reached."""
    scheme = uri.partition(":")[0].split("+")[0] if "://" in uri else ""
    if scheme not in (*SERVERS, *DATABASES, "sqlite"):
        raise TrackingError(  # only the scheme is named: a URI may hold a password
            f"tracking URI of kind {scheme or 'path'!r} is not supported; "
            "use sqlite:///FILE, postgresql://..., mysql://... or http(s)://..."
        )
    try:
        parts = urlsplit(uri)
        address = (parts.hostname or "", parts.port or SERVERS.get(scheme, 0))
        if scheme != "sqlite" and "@" in f"{parts.path}{parts.query}{parts.fragment}":
            raise ValueError("a host after the path")
    except ValueError:  # the parsed host may be a part of the password, so it is not repeated
        raise TrackingError(
            f"tracking URI {scheme}://... is not valid; does its password have a /, # or @ that is not percent-encoded?"
        ) from None
    try:
        if scheme in SERVERS:
            socket.create_connection(address, timeout=REACH_SECONDS).close()
        elif scheme in DATABASES:
            _connect(uri)
        elif not os.access(folder := Path(parts.path[1:]).parent, os.W_OK):
            raise OSError(f"{folder} is not a folder that can be written")
    except (OSError, TrackingError) as error:
        raise TrackingError(f"tracking store {parts.hostname or scheme} cannot be reached: {error}") from None


def _connect(uri: str) -> None:
    """Connect to a database once. MLflow itself retries for most of an hour, whatever the reason."""
    from sqlalchemy import create_engine, exc

    try:
        create_engine(uri, connect_args={"connect_timeout": REACH_SECONDS}).connect().close()
    except ImportError as error:
        raise TrackingError(
            f"its driver is missing ({error}); for PostgreSQL: pip install 'smore_sweep[postgresql]'"
        ) from None
    except exc.DBAPIError as error:  # its message names user and host, not the password
        raise TrackingError(first_line(error.orig or error)) from None
    except exc.SQLAlchemyError:
        raise TrackingError("the URI is not one of a database") from None
