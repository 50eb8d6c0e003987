"""Servers that tests start on loopback."""

from __future__ import annotations

import socket
import urllib.request
from contextlib import ExitStack


def free_ports(count: int) -> list[int]:
    """Return distinct free ports of loopback."""
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def answers(address: str) -> bool:
    """Return whether a server answers a request with success."""
    try:
        urllib.request.urlopen(address, timeout=5).close()
    except OSError:
        return False
    return True
