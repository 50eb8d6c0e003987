"""Scratch folders: private, removed at the end, and removed by the next process after a kill."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from smore_sweep.errors import StorageError
from smore_sweep.storage import scratch
from smore_sweep.storage.scratch import remove_dead, scratch_folder

HOLDER = """
import sys, time
from pathlib import Path
from smore_sweep.storage.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1])) as folder:
    (folder / "content").write_text("x")
    print(folder.name, flush=True)
    time.sleep(1000)
"""


def test_a_folder_is_private_and_removed_at_the_end(tmp_path: Path) -> None:
    with scratch_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(f"smore_sweep-{os.geteuid()}-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "below").mkdir()
        (folder / "below" / "file").write_text("x")
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as living,
    ):
        try:
            assert killed.stdout is not None
            assert living.stdout is not None
            dead, alive = killed.stdout.readline().strip(), living.stdout.readline().strip()
            killed.kill()
            killed.wait()
            assert (tmp_path / dead / "content").exists()
            with scratch_folder(tmp_path) as folder:
                assert {path.name for path in tmp_path.iterdir()} == {alive, folder.name}
            assert (tmp_path / alive / "content").exists()
        finally:
            killed.kill()
            living.kill()


def test_only_scratch_folders_of_this_user_and_machine_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = scratch._prefix()
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "content").write_text("x")
    (tmp_path / f"{name}link").symlink_to(target)
    (tmp_path / f"{name}dead").mkdir()  # killed before it was locked
    trap = tmp_path / f"{name}trap"
    trap.mkdir()
    (trap / "lock").symlink_to(target / "created")
    with monkeypatch.context() as there:
        there.setattr(socket, "gethostname", lambda: "another")
        made, held = scratch._create(tmp_path)
    os.close(held)  # its lock does not hold here
    others = [made, tmp_path / "smore_sweep-abcdefgh", tmp_path / f"smore_sweep-{os.geteuid()}1-abcdefgh"]
    for folder in others[1:]:
        folder.mkdir()
    remove_dead(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "elsewhere", f"{name}link", f"{name}trap", *(folder.name for folder in others)
    }  # fmt: skip
    assert [path.name for path in target.iterdir()] == ["content"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_folder_of_another_user_stays(tmp_path: Path) -> None:
    foreign = tmp_path / f"{scratch._prefix()}abcdefgh"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    remove_dead(tmp_path)
    assert foreign.exists()


def test_no_temporary_folder_is_one_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match=r"^temporary folder .*nowhere cannot be written: No such file or directory$"),
        scratch_folder(tmp_path / "nowhere"),
    ):
        pytest.fail("there is no such folder")
