"""Progress events of training stacks, and the callback interface that receives them."""

from __future__ import annotations

from dataclasses import dataclass

from smore_sweep.monitoring.usage import Usage


@dataclass(frozen=True)
class Progress:
    """State of a training stack, sent about once per second.

    Attributes:
        stack: The stack's index in the list.
        members: Number of its runs that train now.
        update: Number of updates of each of these members so far.
        done: Total number of updates of all the stack's runs.
        ended: Number of the stack's runs that have ended.
        evaluated: Update of the members' last evaluation since they began (0: none yet).
        latest: Mean return of that evaluation.
        training_seconds: As in :class:`smore_sweep.training.loop.TrainingProgress`.
        evaluation_seconds: As in :class:`smore_sweep.training.loop.TrainingProgress`.
        usage: Use of the machine by the training process.
    """

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
    """Receives the events of training; the base class ignores them. Stacks are named by their index in the list."""

    def on_progress(self, progress: Progress) -> None:
        """Handle the progress of a stack."""

    def on_failure(self, sentence: str) -> None:
        """Handle a failure, described by a sentence."""

    def on_worker_lost(self, stack: int) -> None:
        """Handle the loss of a stack's worker. The stack will start again."""

    def on_stack_end(self, stack: int) -> None:
        """Handle the end of a stack, which has no work left or has given up."""

    def on_step(self) -> None:
        """Run periodic work; called several times per second."""
