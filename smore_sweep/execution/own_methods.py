"""Check the methods that a user brings before a sweep starts."""

from __future__ import annotations

from collections.abc import Iterable

from smore_sweep.run_spec import RunSpec
from smore_sweep.tasks import task
from smore_sweep.user_code import OWN


def check_own_methods(runs: Iterable[RunSpec]) -> None:
    """Try each configuration of a method that does not ship on a small batch.

    Raises:
        DeclarationError: If one fails.
    """
    own = {run.stack_key: run for run in runs if type(run.method).__module__.partition(".")[0] not in OWN}
    if own:
        from smore_sweep.training.check import check_method

        for run in own.values():
            check_method(run.method, task(run.task).sizes)
