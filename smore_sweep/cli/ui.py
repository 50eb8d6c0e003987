"""``smore-sweep ui``."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from smore_sweep.cli.options import DEFAULT_RESULTS, Results


def ui(
    port: Annotated[int, typer.Option(metavar="PORT", help="port of the page")] = 5000,
    results: Results = DEFAULT_RESULTS,
) -> int:
    """Open the MLflow page of the results folder."""
    from smore_sweep.results.tracking_uri import check_uri, default_uri
    from smore_sweep.storage.paths import storage_path

    uri = default_uri(storage_path(results))
    check_uri(uri)
    if uri.startswith("http"):
        print("the tracking store is a server with a page of its own: open its address in a browser")
    else:
        os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an option: a URI may hold a password
        os.environ |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        print(f"MLflow page of {results}: http://127.0.0.1:{port}  (Ctrl-C ends it)", flush=True)
        command = ["mlflow", "ui", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
        # In this process's place, so that whatever ends this ends the server.
        os.execv(sys.executable, [sys.executable, "-m", *command])
    return 0
