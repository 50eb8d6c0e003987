"""Make the code of a user's sweep file known to the workers of Ray."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import cloudpickle

from smore_sweep import user_code
from smore_sweep.errors import ClusterError

LARGEST = 50
"""Most megabytes of code that are sent to a cluster."""
LEFT_OUT = ("__pycache__", ".*", "*.pyc")


def add_to_path() -> None:
    """Let the workers of a local Ray import the modules of the sweep file; they inherit this environment."""
    if folder := user_code.folder():
        entries = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
        os.environ["PYTHONPATH"] = os.pathsep.join(dict.fromkeys([str(folder), *entries]))


def pack(value: Any) -> bytes:
    """Pickle what refers to the code of the sweep file, for :func:`unpack` in a worker."""
    return pickle.dumps((str(user_code.folder() or ""), cloudpickle.dumps(value)))


def unpack(data: bytes) -> Any:
    """Unpickle in a worker, with the folder of the sweep file before all others on the path.

    Ray puts the driver's current folder first, which may hold another version of the same modules.
    """
    folder, value = pickle.loads(data)
    if folder and Path(folder).is_dir() and sys.path[0] != folder:
        sys.path.insert(0, folder)
    return cloudpickle.loads(value)


def stage(target: Path) -> bool:
    """Copy the Python files of the sweep file's folder, and the packages in it, into a folder.

    Returns:
        Whether there is a sweep file.

    Raises:
        ClusterError: If there is too much to send.
    """
    folder = user_code.folder()
    if folder is None:
        return False
    packages = [init.parent for init in folder.glob("*/__init__.py") if init.parent.name not in user_code.OWN]
    files = [*folder.glob("*.py"), *(file for package in packages for file in package.rglob("*"))]
    megabytes = sum(file.stat().st_size for file in files if file.is_file()) / 2**20
    if megabytes > LARGEST:
        raise ClusterError(
            f"{folder} holds {megabytes:.0f} MB of Python files and packages, at most {LARGEST} MB can be sent to a "
            "cluster; put the sweep file into a folder of its own"
        )
    for file in folder.glob("*.py"):
        shutil.copy(file, target)
    for package in packages:
        shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns(*LEFT_OUT))
    return True
