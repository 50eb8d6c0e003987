"""The MLflow page: it answers who has its key, and nobody else."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from smore_sweep.bench.processes import below
from tests.servers import answers, free_ports

EXPERIMENTS = "2.0/mlflow/experiments"
PATIENCE = 600.0


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str, int]]:
    """Return the server's address, the path of its page and its process."""
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("page")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("a sweep", artifact_location=(folder / "artifacts").as_uri())
    client.log_text(client.create_run(experiment).info.run_id, "a line", "log.txt")
    command = [sys.executable, "-m", "smore_sweep", "ui", "--port", str(port), "--results", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, start_new_session=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        shown = re.fullmatch(
            rf"MLflow page of .*: http://127\.0\.0\.1:{port}(/\S{{20,}}/)(#\S+)  \(Ctrl-C ends it\)\n", line
        )
        assert shown is not None, line
        assert shown[2] == f"#/experiments/{experiment}/runs?viewStateShareKey=results"
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not answers(f"{address}{shown[1]}health"):
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address, shown[1], process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def call(address: str, content: object = None, **headers: str) -> tuple[int, str]:
    """Send a request, as JSON if it has content. Returns the answer's status and the content."""
    data = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_the_page_works_with_its_key(page: tuple[str, str, int]) -> None:
    address, path, _ = page
    status, content = call(address + path)
    assert status == 200
    script = re.search(r'src="(static-files/[^"]*\.js)"', content)
    assert script is not None
    assert call(f"{address}{path}{script[1]}")[0] == 200
    assert call(f"{address}{path}ajax-api/{EXPERIMENTS}/search", {"max_results": 1})[0] == 200
    query = {"query": 'mutation {testMutation(inputString: "x") {output}}'}
    assert call(f"{address}{path}graphql", query) == (200, '{"data":{"testMutation":null},"errors":null}\n')
    status, content = call(f"{address}{path}ajax-api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]})
    (run,) = json.loads(content)["runs"]
    assert call(f"{address}{path}get-artifact?path=log.txt&run_id={run['info']['run_id']}") == (200, "a line")


@pytest.mark.parametrize("origin", ["http://foreign.example", "http://localhost:9999", "http://127.0.0.1:9999", ""])
def test_nobody_without_the_key_is_answered(page: tuple[str, str, int], origin: str) -> None:
    address, _, _ = page
    headers = {"Origin": origin} if origin else {}
    for path in ("", "graphql", f"api/{EXPERIMENTS}/search", "version", "get-artifact", "static-files/favicon.ico"):
        assert call(f"{address}/{path}", **headers)[0] == 404, path
    for path in ("graphql", f"api/{EXPERIMENTS}/create", f"ajax-api/{EXPERIMENTS}/create"):
        assert call(f"{address}/{path}", {"name": "x", "query": "{test}"}, **headers)[0] == 404, path
    assert call(f"{address}/api/2.0/mlflow-artifacts/artifacts/x", **headers)[0] == 503  # no artifacts are served


def test_a_foreign_page_is_refused_even_with_the_key(page: tuple[str, str, int]) -> None:
    address, path, _ = page
    create = f"{address}{path}api/{EXPERIMENTS}/create"
    assert call(create, {"name": "x"}, Origin="http://foreign.example") == (403, "Cross-origin request blocked")
    assert call(address + path, Host="foreign.example")[0] == 403
    assert call(address + path, Host="192.168.0.1:5000")[0] == 403


def test_no_command_line_shows_the_key(page: tuple[str, str, int]) -> None:
    _, path, process = page
    pids = below(process)
    assert len(pids) > 1
    for pid in pids:
        assert path.strip("/").encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
