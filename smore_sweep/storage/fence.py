"""A fence that stops writers whose lease may have passed to another process.

The holder of a lease notes each confirmed renewal in a local file, which its processes check before they write. After a
pause (a stopped process, a suspended machine) they wait for the next renewal, and fail if another process has taken the
lease over meanwhile.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smore_sweep.errors import LockedError


@dataclass(frozen=True)
class Fence:
    """Whether this process may write.

    Attributes:
        path: File with the time of the last renewal; None for a lock that cannot be lost.
        seconds: Time after a renewal for which writing is safe.
    """

    path: Path | None = None
    seconds: float = 0.0

    def is_open(self) -> bool:
        """Return whether writing is safe now."""
        if self.path is None:
            return True
        renewed = self._state().get("renewed")
        return renewed is not None and since_boot() - renewed < self.seconds

    def check(self) -> None:
        """Return once writing is safe. Waits for a late renewal.

        Raises:
            LockedError: Another process holds the lease, or the lease has not been renewed for too long.
        """
        deadline = since_boot() + self.seconds
        while not self.is_open():
            if holder := self._state().get("holder"):
                raise LockedError(f"its lock has passed to {holder}")
            if since_boot() > deadline:
                raise LockedError(f"its lock has not been renewed for {self.seconds:.0f} s")
            time.sleep(self.seconds / 100)

    def renew(self, started: float) -> None:
        """Note a confirmed renewal that started at a time of :func:`since_boot`."""
        self._note({"renewed": started})

    def close(self, holder: str) -> None:
        """Note that another process holds the lease."""
        self._note({"holder": holder})

    def _note(self, state: dict[str, Any]) -> None:
        assert self.path is not None
        unfinished = self.path.with_suffix(".new")
        unfinished.write_text(json.dumps(state))
        unfinished.replace(self.path)

    def _state(self) -> dict[str, Any]:
        """Return the noted state, which is empty if the holder has ended."""
        try:
            return dict(json.loads(self.path.read_text())) if self.path else {}
        except FileNotFoundError:
            return {}


OPEN = Fence()
"""The fence of a lock that cannot be lost."""


def since_boot() -> float:
    """Return the seconds since this machine has booted, suspended ones included. All its processes agree on them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
