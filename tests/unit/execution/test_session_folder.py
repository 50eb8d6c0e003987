"""The private folder of a local Ray: where it lies, and paths that are too long for sockets."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from smore_sweep.errors import ClusterError
from smore_sweep.execution import cluster


@pytest.fixture(autouse=True)
def _no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)


def test_it_lies_in_a_private_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as base:
        monkeypatch.setattr(tempfile, "tempdir", base)
        with cluster._session_folder() as folder:
            assert folder.name == "ray"
            assert folder.parent.parent == Path(base)
            assert folder.parent.stat().st_mode & 0o777 == 0o700
            assert len(os.fsencode(folder.parent / cluster.LONGEST_SOCKET)) <= cluster.SOCKET_BYTES
        assert not list(Path(base).iterdir())


def test_a_path_that_is_too_long_gives_way_to_tmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 60)
    long.mkdir()
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with cluster._session_folder() as folder:
        assert folder.parent.parent == Path("/tmp")
    assert not folder.parent.exists()
    assert not list(long.iterdir())


def test_no_path_that_is_short_enough_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(cluster, "SOCKET_BYTES", 10)
    with (
        pytest.raises(ClusterError, match=r"TMPDIR = .* is too long for its sockets; give a shorter path$"),
        cluster._session_folder(),
    ):
        pytest.fail("no socket fits")
