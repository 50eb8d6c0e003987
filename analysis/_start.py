"""Start-up of this folder's scripts: each of them runs this file first when it is started as a command.

It makes the packages of the repository importable and, outside of the virtual environment, starts the command again
inside of it.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"

sys.path[0] = str(ROOT)  # in place of the script's own folder
signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # end quietly when the reader of the output (head) has had enough
if not importlib.util.find_spec("pandas") and (VENV / "bin" / "python").exists() and Path(sys.prefix).resolve() != VENV:
    os.execv(VENV / "bin" / "python", [str(VENV / "bin" / "python"), *sys.orig_argv[1:]])
