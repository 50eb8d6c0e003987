"""An object store for the tests: moto's S3 server in its own process, on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from smore_sweep.storage.paths import StoragePath, storage_path
from tests.servers import answers, free_ports

PATIENCE = 600.0


@contextmanager
def object_store() -> Iterator[str]:
    """Run an object store and yield its address. The usual variables give this process and its children access."""
    (port,) = free_ports(1)
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    known = {
        "ENDPOINT_URL": address,
        "ACCESS_KEY_ID": "tests",
        "SECRET_ACCESS_KEY": "tests",
        "DEFAULT_REGION": "us-east-1",
    }
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    try:
        deadline = time.monotonic() + PATIENCE
        while not answers(address):
            assert process.poll() is None, "the object store ended"
            assert time.monotonic() < deadline, "the object store does not answer"
            time.sleep(0.1)
        for name in before:
            del os.environ[name]
        os.environ.update({f"AWS_{name}": value for name, value in known.items()})
        yield address
    finally:
        for name in known:
            os.environ.pop(f"AWS_{name}", None)
        os.environ.update(before)
        process.kill()
        process.wait()


def make_bucket(name: str) -> StoragePath:
    """Create an empty bucket for results."""
    path = storage_path(f"s3://{name}")
    path.fs.mkdir(name)  # type: ignore[union-attr]
    return path
