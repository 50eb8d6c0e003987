"""An update of every method can run on a GPU and be captured as a CUDA graph: tried on a pretend GPU."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from smore_sweep.method import Method
from tests.contract.members import METHODS, every_method

PLANTED = {
    "item": "the host reads the device",
    "branch": "the host reads the device",
    "to the host": "a tensor on the CPU",
    "boolean index": "the host reads the device",
    "nonzero": "the host reads the device",
    "constant on the CPU": "a tensor on the CPU",
    "double precision": "float64",
    "number of the step": "two updates differ",
    "growing shape": "two updates differ",
    "step on the CPU": "a tensor on the CPU",
    "learning rate on the CPU": "a tensor on the CPU",
    "offsets on the CPU": "a tensor on the CPU",
}


def found(which: str) -> dict[str, list[str]]:
    """Return the faults by name, from a process of their own."""
    command = [sys.executable, "-m", "tests.contract.pretend_gpu", which]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    faults: dict[str, list[str]] = json.loads(process.stdout)
    return faults


@pytest.fixture(scope="module")
def of_methods() -> dict[str, list[str]]:
    return found("methods")


@pytest.fixture(scope="module")
def of_planted() -> dict[str, list[str]]:
    return found("faults")


@every_method
def test_an_update_stays_on_the_device(method: Method, of_methods: dict[str, list[str]]) -> None:
    """No host read, no tensor on the CPU, no double precision, and each update repeats the one before."""
    assert of_methods[str(METHODS.index(method))] == []
    assert of_methods.get(f"{METHODS.index(method)} online", []) == []
    assert (f"{METHODS.index(method)} online" in of_methods) == method.learns_online


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_found(fault: str, of_planted: dict[str, list[str]]) -> None:
    assert any(PLANTED[fault] in line for line in of_planted[fault]), of_planted[fault]
