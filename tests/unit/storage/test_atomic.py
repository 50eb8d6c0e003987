"""Files that are replaced at once."""

from __future__ import annotations

from pathlib import Path

from smore_sweep.storage.atomic import atomic_write


def test_writers_of_one_file_do_not_meet(tmp_path: Path) -> None:
    """Processes of two machines, or containers, may have the same number, as these two writers have."""
    path = tmp_path / "file.json"
    with atomic_write(path) as first:
        first.write_text("first")
        with atomic_write(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert list(tmp_path.iterdir()) == [path]
