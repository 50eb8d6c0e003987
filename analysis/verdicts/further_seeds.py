"""The runs that a claim needs next, by the rule of :mod:`analysis.stats.sequential`."""

from __future__ import annotations

from analysis.frames.request import ResultsRequest
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import judge
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError, did_you_mean
from smore_sweep.planning.choices import Choices
from smore_sweep.storage.paths import StoragePath


def further_seeds(claim: str, sweep: str, scale: str | None, results: StoragePath, source: str) -> Choices | None:
    """Return the choices of the runs to make for a claim's next look; None if it is decided, or after the last look.

    Args:
        claim: The id of a claim.
        sweep: Name of the sweep that is to run.
        scale: Its scale; None for its own.
        results: Results folder.
        source: Source of the episodes.

    Raises:
        UserError: There is no such claim, or another sweep judges it.
    """
    by_id = {known.id: known for known in CLAIMS}
    if claim not in by_id:
        raise UserError(f"there is no claim {claim!r}; the claims are: {', '.join(by_id)}{did_you_mean(claim, by_id)}")
    wanted = by_id[claim]
    if wanted.sweep != sweep:
        raise UserError(f"claim {claim} is judged by sweep {wanted.sweep}, not {sweep}; run that")
    declared = load_sweep(sweep)
    about = ResultsRequest(results, Choices(source=source))
    verdict = judge(wanted, about.load_for_claims(declared, declared.scale(scale)))
    if verdict.next_look is None:
        return None
    tasks, seeds = verdict.next_look
    methods = (*wanted.first, *wanted.second) if wanted.second else ()
    return Choices(tasks=tasks, methods=tuple(dict.fromkeys(methods)), seeds=seeds, source=source)
