"""Check all records of a results folder, and compare a run with the same run trained again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from smore_sweep.results import run_files
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.results.record import PARTIAL
from smore_sweep.storage.paths import StoragePath

AT_ONCE = 64
"""Records in memory at a time."""
BITWISE, CLOSE, DIFFERENT = "bitwise equal", "within tolerance", "different"
TOLERANCE = 0.05
"""Largest difference of the last evaluation, as a share of the largest possible return99, and of a success of 1."""


@dataclass(frozen=True)
class Verification:
    """What a check of all runs found: the ended ones, the number of partial ones, a sentence per broken file."""

    ended: list[str]
    partial: int
    broken: list[str]


def verify_records(results: StoragePath, advance: Callable[[int], None]) -> Verification:
    """Read every record of a results folder and check all of it. Broken files are put aside.

    Raises:
        StorageError: If the folder cannot be read.
    """
    run_ids = run_files.run_ids(results)
    ended, partial = [], 0
    broken: list[str] = []
    for run_id in run_files.with_learner(results):
        run_files.load_learner(results, run_id, broken.append)
    for start in range(0, len(run_ids), AT_ONCE):
        chunk = run_ids[start : start + AT_ONCE]
        for run_id, record in run_files.load_each(results, chunk, broken.append).items():
            if record.status == PARTIAL:
                partial += 1
            else:
                ended.append(run_id)
        advance(len(chunk))
    return Verification(ended, partial, broken)


def compare(first: Mapping[int, Outcomes], second: Mapping[int, Outcomes]) -> str:
    """Compare the evaluations of a run with those of the run trained again, which may have more.

    Returns:
        :data:`BITWISE` if all raw outcomes of ``first`` are in ``second``; else :data:`CLOSE` if return99 and success
        of the last evaluation differ by :data:`TOLERANCE` at most; else :data:`DIFFERENT`.
    """
    if not first.keys() <= second.keys():
        return DIFFERENT
    pairs = [(first[update], second[update]) for update in sorted(first)]
    if all(_same(*pair) for pair in pairs):
        return BITWISE
    one, other = (outcomes.summary() for outcomes in pairs[-1])
    steps = pairs[-1][0].reached.shape[1]
    largest = {"return99": (1 - 0.99**steps) / (1 - 0.99), "success": 1.0}
    close = all(abs(one[name] - other[name]) <= TOLERANCE * most for name, most in largest.items())
    return CLOSE if close else DIFFERENT


def _same(first: Outcomes, second: Outcomes) -> bool:
    pairs = zip(vars(first).values(), vars(second).values(), strict=True)
    return all(np.array_equal(one, other) for one, other in pairs)
