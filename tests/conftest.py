"""Fixtures and settings of all tests."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smore_sweep.storage.paths import StoragePath
from tests.object_store import make_bucket, object_store

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as in training: one single-threaded process per core
os.environ.setdefault("RAY_worker_niceness", "0")  # Ray's 15 would starve a sweep beside the other process of the tests

Array = NDArray[np.float64]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--method", metavar="FILE.py:CLASS", help="test the contract of this method: pytest tests/contract --method ..."
    )


def pytest_configure(config: pytest.Config) -> None:
    if method := config.getoption("--method"):
        os.environ["TESTED_METHOD"] = method  # read while tests are collected, also by xdist's processes


def numeric_gradient(function: Callable[[Array], Any], at: Array, step: float = 1e-5) -> Array:
    """Compute the gradient of a scalar float64 function by central finite differences."""
    gradient = np.empty_like(at)
    for index in np.ndindex(at.shape):
        moved = np.zeros_like(at)
        moved[index] = step
        gradient[index] = (float(function(at + moved)) - float(function(at - moved))) / (2 * step)
    return gradient


@pytest.fixture(scope="session")
def store() -> Iterator[str]:
    """Return the address of an object store."""
    with object_store() as address:
        yield address


@pytest.fixture
def bucket(store: str) -> StoragePath:
    """Return a prefix of an object store for results."""
    return make_bucket(f"tests-{secrets.token_hex(4)}") / "some results"


@pytest.fixture(params=["folder", "bucket"])
def results(request: pytest.FixtureRequest) -> StoragePath:
    """Return a path for results, of each kind."""
    path: StoragePath = request.getfixturevalue("tmp_path" if request.param == "folder" else "bucket")
    return path
