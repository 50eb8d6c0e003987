"""Worker processes for roll-outs, which are never left to work for nobody."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context, parent_process


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """That many processes. If the block ends by an exception, Ctrl-C for one, what they have not begun is dropped; they
    end with this process, also if it is killed."""
    with ProcessPoolExecutor(count, get_context("spawn"), _end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            # Waits for what is being done. Without, the shutdown at the end of this block may undo the dropping.
            pool.shutdown(cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """In a worker. Ctrl-C is the driver's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
