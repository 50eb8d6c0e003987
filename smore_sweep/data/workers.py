"""Worker processes for rollouts, which end with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process

import cloudpickle

from smore_sweep.errors import DatasetError
from smore_sweep.tasks import declare, declared


@contextlib.contextmanager
def worker_processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of ``count`` processes.

    If the block raises (Ctrl-C, for example), jobs that have not begun are dropped. The workers end with this process,
    even if it is killed.
    """
    tasks = cloudpickle.dumps(declared())  # by value where plain pickle fails, as for a function of a notebook
    with ProcessPoolExecutor(count, get_context("spawn"), _begin, (tasks,)) as pool:
        try:
            yield pool
        except BrokenProcessPool:
            raise DatasetError(
                "a process that makes episodes was killed; is it out of memory? What is finished is kept: give the "
                "same command again"
            ) from None
        except BaseException:
            # Waits for running jobs. Without this, the shutdown at the end of the block may undo the cancellation.
            pool.shutdown(cancel_futures=True)
            raise


def _begin(tasks: bytes) -> None:
    """Make the sweep file's tasks known, and end with the parent."""
    _end_with_parent()
    declare(cloudpickle.loads(tasks))


def _end_with_parent() -> None:
    """Ignore Ctrl-C, which the parent handles, and end this worker with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def follow() -> None:
        parent = parent_process()
        assert parent is not None
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
