"""Modules that light commands load. (`make lint` checks the layers of imports.)"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "call",
    [
        "from smore_sweep.cli.main import main; main(['plan', 'all', '--scale', 'smoke', '--results', {folder!r}])",
        "from smore_sweep.cli.main import main; main(['methods'])",
        "from analysis.tables import main; main(['--results', {folder!r}])",
        "from analysis.selection import main; main(['--results', {folder!r}])",
    ],
)
def test_looking_needs_no_torch(call: str, tmp_path: Path) -> None:
    """It takes seconds to load; sweeps and methods name it, and get it when they train."""
    code = f"import sys; {call.format(folder=str(tmp_path))}; sys.exit('torch' in sys.modules)"
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert made.returncode == 0, made.stderr
