"""A disk that loses at a power cut what was not synced. Every instant is checked.

Two disks are simulated, because file systems differ in what they keep without being told: one keeps only what was
synced (a folder's sync keeps its names, a rename between folders is kept or lost as a whole), the other keeps all names
in order but no content that was not synced.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHANGES = ("rename", "replace", "unlink", "remove", "mkdir", "rmdir")
Tree = dict[str, "Tree | bytes"]


class Disk:
    """The files below a folder, and what of them a power cut leaves."""

    def __init__(self, root: Path, check: Callable[[Path], None], scratch: Path) -> None:
        self.cuts = 0
        self._root, self._check, self._scratch = root, check, scratch
        self._recording = True
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._moves: list[tuple[int, str, int, str, int]] = []
        self._open: list[int] = []  # so that no inode is used twice
        self._seen: set[str] = set()
        self._fsync = os.fsync
        for path in [root, *root.rglob("*")]:
            descriptor = os.open(path, os.O_RDONLY)
            self._keep(descriptor)
            os.close(descriptor)

    def fsync(self, descriptor: int) -> None:
        """Sync a file or folder."""
        self._fsync(descriptor)
        if self._recording:
            self._keep(descriptor)
            self._cut()

    def change(self, operation: Callable[..., None], *arguments: Any, **options: Any) -> None:
        """Apply an operation on names."""
        move = None
        if self._recording and operation.__name__ in ("rename", "replace"):
            source, target = map(Path, arguments)
            folders = source.parent.stat().st_ino, target.parent.stat().st_ino
            move = (folders[0], source.name, folders[1], target.name, source.stat().st_ino)
        operation(*arguments, **options)
        if move and move[0] != move[2]:
            self._moves.append(move)
        if self._recording:
            self._cut()

    def finished(self) -> None:
        """Note that a write has returned, so that from now on more has to be left."""
        self._seen.clear()
        self._cut()

    def close(self) -> None:
        for descriptor in self._open:
            os.close(descriptor)

    def _keep(self, descriptor: int) -> None:
        """Note the present content of a file or folder as synced."""
        status = os.fstat(descriptor)
        self._open.append(os.dup(descriptor))
        if not stat.S_ISDIR(status.st_mode):
            self._contents[status.st_ino] = Path(f"/proc/self/fd/{descriptor}").read_bytes()
            return
        with os.scandir(descriptor) as entries:
            self._names[status.st_ino] = {entry.name: entry.inode() for entry in entries}
        for source, source_name, target, target_name, inode in self._moves:
            if status.st_ino == target and self._names.get(source, {}).get(source_name) == inode:
                del self._names[source][source_name]
            elif status.st_ino == source and target in self._names:
                self._names[target][target_name] = inode
        self._moves = [move for move in self._moves if status.st_ino not in (move[0], move[2])]

    def _cut(self) -> None:
        """Check what is left if the power is cut now."""
        self._recording = False
        try:
            for tree in (self._synced(self._root.stat().st_ino), self._named(self._root)):
                if repr(tree) in self._seen:
                    continue
                self._seen.add(repr(tree))
                self.cuts += 1
                left = self._scratch / str(self.cuts)
                _write(tree, left)
                self._check(left)
                shutil.rmtree(left)
        finally:
            self._recording = True

    def _synced(self, folder: int) -> Tree:
        folders = self._folders()
        return {
            name: self._synced(inode) if inode in folders else self._contents.get(inode, b"")
            for name, inode in self._names.get(folder, {}).items()
        }

    def _folders(self) -> set[int]:
        return self._names.keys() | {path.stat().st_ino for path in self._root.rglob("*") if path.is_dir()}

    def _named(self, folder: Path) -> Tree:
        return {
            path.name: self._named(path) if path.is_dir() else self._contents.get(path.stat().st_ino, b"")
            for path in folder.iterdir()
        }


@contextmanager
def power_cuts(
    monkeypatch: pytest.MonkeyPatch, root: Path, scratch: Path, check: Callable[[Path], None]
) -> Iterator[Disk]:
    """Cut the power after every sync and change of a name below ``root``, and check a copy of what is left."""
    disk = Disk(root, check, scratch)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", disk.fsync)
        for name in CHANGES:
            operation = getattr(os, name)

            def change(*arguments: Any, operation: Callable[..., None] = operation, **options: Any) -> None:
                disk.change(operation, *arguments, **options)

            patch.setattr(os, name, change)
        yield disk
    disk.close()


def _write(tree: Tree, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, content in tree.items():
        if isinstance(content, bytes):
            (folder / name).write_bytes(content)
        else:
            _write(content, folder / name)
