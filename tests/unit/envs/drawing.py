"""The condition of tests that draw."""

from __future__ import annotations

import pytest

from smore_sweep.envs import offscreen
from smore_sweep.errors import UserError


def _problem() -> str:
    try:
        offscreen.open_context(8, 8)
    except UserError as error:
        return str(error)
    return ""


_PROBLEM = _problem()
needs_pictures = pytest.mark.skipif(bool(_PROBLEM), reason=_PROBLEM or "draws")
"""Skips a test, with the reason, where this machine cannot draw."""
