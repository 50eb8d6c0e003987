"""The git revision of the code that runs."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REVISION = "SMORE_SWEEP_REVISION"
"""Environment variable with the git revision, for jobs, whose code comes without its history."""


def git_revision() -> str:
    """Return the commit of the working copy that this package runs from, else :data:`REVISION`, else "unknown"."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get(REVISION, "unknown")
    return described.stdout.strip()
