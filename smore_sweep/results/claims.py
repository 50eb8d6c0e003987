"""Claims on runs, by which workers without a common driver share a results folder.

``<results>/workers/<worker>.lease``         renewed while the worker lives (:mod:`smore_sweep.storage.lease`)
``<results>/claims/<run id>.<generation>``   created once: whose the run is

A run belongs to the worker of its youngest claim for as long as that worker lives. To take a run over, a worker revokes
the lease of the dead one and creates the next generation of the claim, which the file system lets only one do. So no
claim is ever changed or removed while its run is unfinished, and a late reader of an old claim does no harm.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic

from smore_sweep.results.retries import LOSSES
from smore_sweep.storage import lease, paths

TOGETHER, ALONE = LOSSES, 2 * LOSSES
"""Losses of a worker without progress until a run is tried by itself, and until it is given up."""


@dataclass(frozen=True)
class Claim:
    """A claim on a run.

    Attributes:
        worker: Whose it is.
        submission: The job that the worker belongs to. A failed run is tried again by another submission.
        update: Updates behind the run when it was claimed.
        losses: Consecutive workers, up to this claim, that were lost without progress.
        given_up: The error for which the run was given up, or an empty string.
    """

    worker: str
    submission: str
    update: int
    losses: int = 0
    given_up: str = ""


NOBODY = Claim(worker="nobody", submission="", update=0)
"""Stands for a claim that cannot be read, which counts as that of a worker that has ended in order."""


class Claims:
    """The claims in a results folder, as one worker sees and makes them."""

    def __init__(self, results: Path, worker: str, submission: str) -> None:
        self._results = results
        self._worker = worker
        self._submission = submission
        self._sightings: dict[str, tuple[bytes, float]] = {}
        self._proven: set[str] = set()
        self._youngest: dict[str, tuple[int, Claim]] = {}

    def free(self, unfinished: Mapping[str, int]) -> dict[str, int]:
        """Return the runs that this worker may claim, and the losses of each.

        Args:
            unfinished: Updates behind each unfinished run, by run id.
        """
        self._youngest = self._read(unfinished)
        free = {}
        for run_id, update in unfinished.items():
            _, claim = self._youngest.get(run_id, (0, None))
            if claim is None:
                free[run_id] = 0
            elif claim.submission == self._submission and claim.given_up:
                continue
            elif claim.worker != self._worker and not self._lives(claim.worker):
                losses = self._losses(claim, update)
                if losses < ALONE:
                    free[run_id] = losses
        return free

    def busy(self) -> set[str]:
        """Return the living workers, other than this one, that have claims on the runs of the last :meth:`free`."""
        workers = {claim.worker for _, claim in self._youngest.values() if not claim.given_up}
        return {worker for worker in workers - {self._worker} if self._lives(worker)}

    def unproven(self) -> bool:
        """Return whether a worker with claims has shown no sign of life since this one first saw its lease."""
        return bool(self.busy() - self._proven)

    def take(self, free: Mapping[str, int], run_ids: Iterable[str], update: int) -> list[str]:
        """Claim runs; return those that are this worker's now.

        If another worker is faster with the first one, it is about to claim them all, and none is claimed.
        """
        taken: list[str] = []
        for run_id in run_ids:
            generation, before = self._youngest.get(run_id, (0, None))
            if before is not None and before.worker != self._worker and not self._bury(before.worker):
                continue
            if self._create(run_id, generation + 1, Claim(self._worker, self._submission, update, free[run_id])):
                taken.append(run_id)
            elif not taken:
                break
        return taken

    def give_up(self, failures: Mapping[str, str]) -> None:
        """Mark runs of this worker as failed, with their errors, for all workers of its submission."""
        for run_id, error in failures.items():
            generation, claim = self._youngest[run_id]
            self._create(run_id, generation + 1, Claim(self._worker, self._submission, claim.update, given_up=error))

    def given_up(self, run_ids: Iterable[str]) -> dict[str, str]:
        """Return the errors of those of the runs that this worker's submission has given up, by run id."""
        failures = {}
        for run_id, (_, claim) in self._read(run_ids).items():
            if claim.submission != self._submission:
                continue
            if claim.given_up:
                failures[run_id] = claim.given_up
            elif claim.losses + 1 >= ALONE and not self._lives(claim.worker):
                failures[run_id] = f"its worker was lost {ALONE} times without progress; is it out of memory?"
        return failures

    def clear(self, run_ids: Iterable[str]) -> None:
        """Remove the claims on finished runs, which nobody reads any more."""
        for run_id, generations in self._generations().items():
            if run_id in run_ids:
                for generation in generations:
                    paths.remove(self._claim(run_id, generation))

    def _losses(self, claim: Claim, update: int) -> int:
        """Return the losses of a run whose last worker is gone; one that has ended in order leaves no lease."""
        if claim.submission != self._submission or lease.read(worker_lease(self._results, claim.worker)) is None:
            return 0
        return claim.losses + 1 if claim.update == update else 1

    def _lives(self, worker: str) -> bool:
        """Return whether a worker may still be alive."""
        if worker == self._worker:
            return True
        content = lease.read(worker_lease(self._results, worker))
        if content is None or lease.is_dead(content):
            return False
        seen, since = self._sightings.setdefault(worker, (content, monotonic()))
        if content != seen:
            self._sightings[worker] = content, monotonic()
            self._proven.add(worker)
            return True
        return monotonic() - since < lease.PATIENCE

    def _bury(self, worker: str) -> bool:
        """Revoke the lease that a dead worker left, so that it ends if it wakes up."""
        path = worker_lease(self._results, worker)
        if lease.read(path) is None:
            return True
        paths.remove(worker_heartbeat(self._results, worker))
        return not self._lives(worker) and lease.revoke(path, self._worker)

    def _read(self, run_ids: Iterable[str]) -> dict[str, tuple[int, Claim]]:
        """Return the generation and content of each run's youngest claim."""
        generations = self._generations()
        claims = {}
        for run_id in run_ids:
            if run_id in generations:
                youngest = max(generations[run_id])
                claims[run_id] = youngest, self._parse(run_id, youngest)
        return claims

    def _parse(self, run_id: str, generation: int) -> Claim:
        try:
            return Claim(**json.loads(paths.read(self._claim(run_id, generation))))
        except (FileNotFoundError, ValueError, TypeError):  # removed as finished meanwhile, or damaged
            return NOBODY

    def _generations(self) -> dict[str, list[int]]:
        generations: dict[str, list[int]] = {}
        for name in paths.file_names(self._results / "claims"):
            run_id, _, generation = name.partition(".")
            if not generation.isdecimal():
                continue
            generations.setdefault(run_id, []).append(int(generation))
        return generations

    def _create(self, run_id: str, generation: int, claim: Claim) -> bool:
        created = paths.create_exclusive(self._claim(run_id, generation), json.dumps(asdict(claim)).encode())
        if created:
            self._youngest[run_id] = generation, claim
        return created

    def _claim(self, run_id: str, generation: int) -> Path:
        return self._results / "claims" / f"{run_id}.{generation}"


def worker_lease(results: Path, worker: str) -> Path:
    """Return the file of a worker's lease."""
    return results / "workers" / f"{worker}.lease"


def worker_heartbeat(results: Path, worker: str) -> Path:
    """Return the file in which a worker shows its progress (:mod:`smore_sweep.monitoring.heartbeat`)."""
    return results / "workers" / f"{worker}.json"
