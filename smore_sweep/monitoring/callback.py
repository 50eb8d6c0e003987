"""What is told of stacks while they train, and to whom."""

from __future__ import annotations

from dataclasses import dataclass

from smore_sweep.monitoring.usage import Usage


@dataclass(frozen=True)
class Progress:
    """Sent by a training stack about once a second. ``members`` of its runs train now and have ``update`` updates
    behind them; since they began they were last evaluated after ``evaluated`` updates (0: not yet), with the mean
    return ``latest``. All of the stack's runs together have ``done`` updates, and ``ended`` of them have ended. The
    seconds are those of :class:`smore_sweep.training.loop.Tick`."""

    stack: int
    members: int
    update: int
    done: int
    ended: int
    evaluated: int
    latest: float | None
    training_seconds: float
    evaluation_seconds: float
    usage: Usage


class ProgressCallback:
    """Whoever wants to know what happens. Stacks are named by their place in the list. By itself it does nothing."""

    def on_progress(self, progress: Progress) -> None:
        """A stack trains."""

    def on_failure(self, sentence: str) -> None:
        """Something failed."""

    def on_worker_lost(self, stack: int) -> None:
        """The stack's worker was lost; it will start again."""

    def on_stack_end(self, stack: int) -> None:
        """The stack has no work left, or gave up."""

    def on_step(self) -> None:
        """Called some times a second, whatever happens."""
