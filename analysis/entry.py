"""What every script of this folder does first when it is started by its path."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path


def start() -> None:
    """Go on inside the virtual environment, once, if the script was typed outside of it; and end quietly when what
    reads the output (``head``) has had enough."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    root = Path(__file__).resolve().parent.parent
    python = root / ".venv" / "bin" / "python"
    if not importlib.util.find_spec("pandas") and python.exists() and Path(sys.prefix).resolve() != root / ".venv":
        os.execv(python, [str(python), *sys.argv])
