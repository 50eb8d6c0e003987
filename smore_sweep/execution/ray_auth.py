"""Access to Ray by token."""

from __future__ import annotations

import os
import secrets
import sys

TOKEN_HINT = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH to the file with the cluster's token"


def require_private_token() -> None:
    """Make the local Ray of this process answer its own processes only.

    Ray listens on all addresses of a machine, and anyone who reaches it may run code. It reads these variables when
    imported, so this does nothing afterwards.
    """
    if "ray" not in sys.modules:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
