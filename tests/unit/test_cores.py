"""Cores of this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from smore_sweep import cores


@pytest.mark.parametrize(
    ("quota", "slurm", "usable"),
    [(None, "", 8), ("max 100000\n", "", 8), ("250000 100000\n", "", 3), ("50000 100000\n", "", 1), (None, "4", 4),
     ("200000 100000\n", "4", 2), ("1600000 100000\n", "many", 8)],
)  # fmt: skip
def test_a_process_uses_what_it_is_granted(
    quota: str | None, slurm: str, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr(cores, "GRANT", tmp_path / "cpu.max")
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", slurm)
    if quota is not None:
        cores.GRANT.write_text(quota)
    assert cores.usable_cores() == usable
