"""A power cut at any instant loses no finished run, no record and no pool."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smore_sweep.data import pools
from smore_sweep.errors import DatasetError
from smore_sweep.results import run_files
from smore_sweep.results.record import DONE
from smore_sweep.storage import atomic
from tests.unit.data.test_pools import made_up
from tests.unit.results.test_run_files import example
from tests.unit.storage.power_cut import power_cuts

RUN = "a" * 16
POOL = ("Reacher", "expert")


def write_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Train a run, with a power cut at every instant. Returns their number."""
    results = tmp_path / "disk"
    results.mkdir()
    promised: str | None = None

    def check(left: Path) -> None:
        state = run_files.state(left, RUN)
        record = run_files.load(left, RUN)
        assert not list(left.rglob("*.broken"))
        assert (record is None) == (state == "missing")
        if promised:
            assert record is not None, "the record is lost"
            assert record.status in (promised, DONE)

    with power_cuts(monkeypatch, results, tmp_path / "cuts", check) as disk:
        for status in ("partial", "partial", DONE):
            run_files.save(results, RUN, example(status))
            promised = status
            disk.finished()
        run_files.note_published(results, RUN, "somewhere")
    return disk.cuts


def write_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> int:
    """Write a pool, then extend it, with a power cut at every instant. Returns their number."""
    root = tmp_path / "disk"
    root.mkdir()
    promised = 0
    fingerprints = {count: made_up(count).fingerprint() for count in (3, 5)}

    def check(left: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setenv("MINARI_DATASETS_PATH", str(left))
            have = pools.available(*POOL)
            assert have >= promised, "the pool is lost"
            if have:
                assert pools.load(*POOL, have).fingerprint() == fingerprints[have]
            with pools.writing(*POOL, print):  # which removes what is unfinished
                assert pools.available(*POOL) == have

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(root))
    with power_cuts(monkeypatch, root, tmp_path / "cuts", check) as disk:
        for count in (3, 5):
            with pools.writing(*POOL, print):
                pools.save(*POOL, made_up(count), {})
            promised = count
            disk.finished()
    return disk.cuts


def test_no_record_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert write_run(monkeypatch, tmp_path) >= 15


def test_no_pool_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert write_pool(monkeypatch, tmp_path) >= 50


@pytest.mark.parametrize("folders", [True, False], ids=["no folder", "no file"])
@pytest.mark.parametrize("write", [write_run, write_pool], ids=["run", "pool"])
def test_without_syncs_something_is_lost(
    write: Callable[[pytest.MonkeyPatch, Path], int], folders: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def some(path: Path, sync: Callable[[Path], None] = atomic.sync) -> None:
        if path.is_dir() != folders:
            sync(path)

    monkeypatch.setattr(atomic, "sync", some)
    monkeypatch.setattr(pools, "sync", some)
    with pytest.raises((AssertionError, DatasetError)):
        write(monkeypatch, tmp_path)
