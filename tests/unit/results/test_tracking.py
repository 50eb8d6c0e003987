"""The origin that tells MLflow's entries apart."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from smore_sweep.results.tracking import origin
from smore_sweep.storage.paths import StoragePath


def test_results_keep_their_entries_wherever_they_are_gone_on_with(
    results: StoragePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "first")
    before = origin(results)
    monkeypatch.setattr(socket, "gethostname", lambda: "second")
    assert origin(results) == before
    assert origin(results / "others") != before
    if isinstance(results, Path):
        moved = results.rename(tmp_path.with_name(f"{tmp_path.name}-moved"))
        assert origin(moved) == before == f"first:{results}"
