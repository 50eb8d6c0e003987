"""One undisturbed sweep as the reference for the disturbed ones."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.sweeping import run

# A shell that starts these tests in the background has Ctrl-C ignored, and every process below would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set Minari's folder and a clean environment for all processes of these tests."""
    before = {name: os.environ.pop(name, None) for name in ("MINARI_DATASETS_PATH", "MLFLOW_TRACKING_URI")}
    os.environ["MINARI_DATASETS_PATH"] = str(tmp_path_factory.mktemp("datasets"))
    yield
    del os.environ["MINARI_DATASETS_PATH"]
    os.environ.update({name: value for name, value in before.items() if value is not None})


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return results folder and output of an undisturbed sweep, which also generates the data."""
    results = tmp_path_factory.mktemp("undisturbed")
    code, output = run(results)
    assert code == 0, output
    return results, output
