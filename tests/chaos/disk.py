"""A small disk that can be filled: a tmpfs in a mount namespace of our own, which goes with the last process in it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SIZE = "700m"
"""A sweep wants 500 MB free before it starts. Nothing is used of it until something is written."""

NAMESPACE = "CHAOS_NAMESPACE"
WAYS = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])


def enter_namespace(module: str, arguments: Sequence[str]) -> bool:
    """Start this program again in a mount namespace of its own. Returns (there) True; or False if the system does not
    allow that."""
    if NAMESPACE in os.environ:
        return True
    for way in WAYS:
        test = [*way, "sh", "-c", 'mount -t tmpfs none "$0"', "/mnt"]
        if subprocess.run(test, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ[NAMESPACE] = "1"
            os.execvp(way[0], [*way, sys.executable, "-m", module, *arguments])
    return False


class Disk:
    """A file system at a folder, if there can be one; an ordinary folder otherwise."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self.folder = folder
        folder.mkdir()
        if real:
            self._mount("-t", "tmpfs", "-o", f"size={SIZE}", "none")

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Not a byte is free any more; in the end, as many as before."""
        while True:
            status = os.statvfs(self.folder)
            used = (status.f_blocks - status.f_bfree) * status.f_frsize
            with contextlib.suppress(subprocess.CalledProcessError):  # a file was written meanwhile
                self._mount("-o", f"remount,size={max(used, status.f_frsize)}")
                break
        try:
            yield
        finally:
            self._mount("-o", f"remount,size={SIZE}")

    def _mount(self, *options: str) -> None:
        subprocess.run(["mount", *options, str(self.folder)], check=True, capture_output=True)
