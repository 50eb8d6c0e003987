"""``smore-sweep ui``."""

from __future__ import annotations

import os
import secrets
import sys
from typing import Annotated

import typer

from smore_sweep.cli.options import AnySweepName, Results
from smore_sweep.errors import UserError
from smore_sweep.storage.paths import DEFAULT_RESULTS

HOSTS = "127.0.0.1:*,localhost:*"
"""Names by which a browser may reach the page. Others may be a foreign page's, pointed at this machine."""


def ui(
    sweep: AnySweepName = None,
    port: Annotated[int, typer.Option(metavar="PORT", help="port of the page")] = 5000,
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Open the MLflow page of a sweep, or of the latest run's."""
    from smore_sweep.discovery import load_sweep
    from smore_sweep.results import tracking
    from smore_sweep.results.tracking_uri import check_uri, default_uri
    from smore_sweep.storage.paths import storage_path

    name = load_sweep(sweep).name if sweep else None
    uri = default_uri(storage_path(results))
    check_uri(uri)
    page = tracking.page(uri, name)
    if sweep and not page:
        raise UserError(f"no run of {sweep} has been shown in MLflow yet; run: smore-sweep run {sweep}")
    if uri.startswith("http"):
        where = f", followed by /{page}" if page else ""
        print(f"the tracking store is a server with a page of its own: open its address in a browser{where}")
    else:
        # MLflow obeys every user and every page of this machine, so all its paths begin with a key that only the
        # terminal shows. No options: other users see those, and a URI may hold a password.
        key = secrets.token_urlsafe(16)
        os.environ |= {"MLFLOW_BACKEND_STORE_URI": uri, "MLFLOW_STATIC_PREFIX": f"/{key}"}
        os.environ |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        os.environ |= {"MLFLOW_REGISTRY_STORE_URI": uri, "PYTHONWARNINGS": "ignore"}  # it would log about both
        os.environ.setdefault("MLFLOW_SERVER_ALLOWED_HOSTS", HOSTS)
        print(f"MLflow page of {results}: http://127.0.0.1:{port}/{key}/{page}  (Ctrl-C ends it)", flush=True)
        command = ["mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-serve-artifacts"]
        command += ["--uvicorn-opts", "--log-level warning"]
        # In this process's place, so that whatever ends this ends the server.
        os.execv(sys.executable, [sys.executable, "-m", *command])
    return 0
