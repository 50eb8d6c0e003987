"""The owner of the results' entries in MLflow."""

from __future__ import annotations

import hashlib
import re
import socket
from pathlib import Path

from smore_sweep.errors import StorageError
from smore_sweep.storage.paths import StoragePath, write

OWNER = re.compile(r"[^\s:/]*:[^\x00-\x1f\x7f]+")
"""Host and folder."""
SEALED = re.compile(rf"sha256 ([0-9a-f]{{64}})\n({OWNER.pattern})")
"""The digest comes first, so that no beginning of the file passes for an old file, which has only the owner."""


def origin(results: StoragePath) -> str:
    """Return where the results were first written, which identifies them in MLflow.

    A folder stores this in a file, because a shared folder may have another host name and another path in each
    container that uses it.

    Raises:
        StorageError: The file is damaged. Another origin would show every run twice in MLflow.
    """
    if not isinstance(results, Path):
        return str(results)
    path = results / "origin"
    if not path.exists():
        owner = f"{socket.gethostname()}:{results}"
        write(path, f"sha256 {_digest(owner)}\n{owner}".encode())
    owner = _owner(path.read_bytes())
    if not owner:
        raise StorageError(
            f"{path} is damaged: it must hold the host and folder where these results were first written; "
            "copy that into it from the tag results of any of their runs in MLflow, or remove it if MLflow shows none"
        )
    return owner


def _owner(content: bytes) -> str:
    """Return the owner that a file names, or nothing if it is damaged."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return ""
    if OWNER.fullmatch(text):  # written before the digests, or copied from MLflow by hand
        return text
    sealed = SEALED.fullmatch(text)
    return sealed[2] if sealed and _digest(sealed[2]) == sealed[1] else ""


def _digest(owner: str) -> str:
    return hashlib.sha256(owner.encode()).hexdigest()
