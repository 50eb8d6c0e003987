"""Processes that make episodes."""

from __future__ import annotations

import os

import pytest

from smore_sweep.data.workers import worker_processes
from smore_sweep.errors import DatasetError


def test_a_killed_process_is_told_in_a_sentence() -> None:
    with pytest.raises(DatasetError, match="a process that makes episodes was killed"), worker_processes(1) as pool:
        pool.submit(os._exit, 9).result()
