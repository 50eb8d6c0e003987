"""The sweeps that were run in a results folder, as they were asked for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smore_sweep.errors import StorageError
from smore_sweep.planning.choices import AS_DECLARED, parse_choices
from smore_sweep.planning.history import remember, remembered
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath


def test_own_files_and_choices_are_remembered_once(results: StoragePath) -> None:
    chosen = parse_choices(
        tasks="Reacher,FetchReach", methods="smore", seeds="0,3-5", settings=["smore.beta=0.5,0.7", "hidden=8"],
        updates=50, source="mine",
    )  # fmt: skip
    for _ in range(2):
        remember(results, "mine.py", "laptop", chosen)
        remember(results, "mine.py", "smoke", AS_DECLARED)
        remember(results, "quickstart", "smoke", chosen)
        remember(results, "quickstart", "smoke", AS_DECLARED)  # a plain status shows it
    found = remembered(results)
    here = str(Path("mine.py").resolve())
    assert [(request.sweep, request.scale) for request in found] == [
        (here, "laptop"),
        (here, "smoke"),
        ("quickstart", "smoke"),
    ]
    assert found[0].choices == found[2].choices == chosen
    assert found[1].choices == AS_DECLARED
    assert found[1].title == ""
    assert "--set smore.beta=0.5,0.7 hidden=8" in found[0].title


def test_tasks_of_a_job_that_note_the_same_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(remember, tmp_path, "mine.py", "smoke", AS_DECLARED) for _ in range(400)]:
            done.result()
    assert [request.sweep for request in remembered(tmp_path)] == [str(Path("mine.py").resolve())]


def test_a_damaged_note_is_left_out(tmp_path: Path) -> None:
    remember(tmp_path, "mine.py", "smoke", AS_DECLARED)
    (tmp_path / "sweeps" / "broken.json").write_bytes(b'{"sweep": "x"')
    (tmp_path / "sweeps" / "other.json").write_bytes(b'{"sweep": "x", "scale": "y", "choices": {"seeds": "many"}}')
    assert len(remembered(tmp_path)) == 1


def test_a_note_that_cannot_be_written_or_read_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sweeps").touch()
    remember(tmp_path, "mine.py", "smoke", AS_DECLARED)
    assert remembered(tmp_path) == []
    (tmp_path / "sweeps").unlink()
    remember(tmp_path, "mine.py", "smoke", AS_DECLARED)

    def away(*_: object) -> bytes:
        raise StorageError("the store is away")

    monkeypatch.setattr(paths, "read", away)
    monkeypatch.setattr(paths, "write", away)
    remember(tmp_path, "mine.py", "smoke", AS_DECLARED)
    assert remembered(tmp_path) == []
