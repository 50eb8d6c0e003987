"""A small disk that can be filled: a tmpfs in a private mount namespace, which ends with its last process."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

SIZE = "700m"
"""Size of the disk: a sweep needs 500 MB free before it starts. An empty tmpfs uses no memory."""

NAMESPACE = "CHAOS_NAMESPACE"
WAYS = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])


def enter_namespace(module: str, arguments: Sequence[str]) -> bool:
    """Restart this program in a private mount namespace.

    Returns True there, or False if the system does not allow it.
    """
    if NAMESPACE in os.environ:
        return True
    for way in WAYS:
        test = [*way, "sh", "-c", 'mount -t tmpfs none "$0"', "/mnt"]
        if subprocess.run(test, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ[NAMESPACE] = "1"
            os.execvp(way[0], [*way, sys.executable, "-m", module, *arguments])
    return False


class Disk:
    """A file system mounted at a folder if possible, else an ordinary folder."""

    def __init__(self, folder: Path, *, real: bool) -> None:
        self.folder = folder
        folder.mkdir()
        if real:
            self._mount("-t", "tmpfs", "-o", f"size={SIZE}", "none")

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Fill the disk for the block."""
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
