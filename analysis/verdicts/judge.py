"""Judge a claim of the paper by runs, and by the paper's own printed means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.frames.metrics import headline_metric
from analysis.paper.published import printed_means
from analysis.stats.contrast import Answer, Contrast, Effect, answer, corrected, effect, reach
from analysis.stats.sequential import level, next_look
from analysis.verdicts.claims import AVERAGE, Claim, complete, drops
from smore_sweep.results.record import DIVERGED, DONE

Outcome = Literal["holds", "does not hold", "undecided"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A contrast with its effect and answer.

    ``p`` is Holm-corrected over the claim's contrasts, ``smallest`` is the smallest value that it could have had.
    """

    contrast: Contrast
    effect: Effect
    p: float
    smallest: float
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The outcome of a claim for the runs of one scale and source.

    ``findings`` are all comparisons that could be made, ``effect`` is their average over the items that the paper
    speaks of. ``next_look`` are the tasks on which it is open and the number of seeds to look at next there; None if
    it is decided, or after the last look. ``tasks`` are the paper's tasks that are compared, ``waiting`` those with
    runs that have not ended, ``runs`` the ids of all runs behind the verdict. ``printed`` says whether the paper's own
    means satisfy the claim, ``printed_against`` on which items they do not.
    """

    claim: Claim
    outcome: Outcome
    findings: tuple[Finding, ...]
    effect: Effect | None
    tasks: tuple[str, ...]
    waiting: tuple[str, ...]
    runs: tuple[str, ...]
    scale: str
    source: str
    next_look: tuple[tuple[str, ...], int] | None
    printed: bool | None
    printed_against: tuple[str, ...]

    def items(self, answer: Answer) -> list[str]:
        """The paper's items with this answer."""
        return [finding.contrast.item for finding in self.counting if finding.answer == answer]

    @property
    def counting(self) -> list[Finding]:
        """The findings on items that the paper speaks of."""
        return [finding for finding in self.findings if finding.contrast.counts]


def judge(claim: Claim, frame: pd.DataFrame) -> Verdict:
    """Judge a claim by runs of one scale and source. A diverged run counts as a return of 0.

    Args:
        frame: One row per expected run, as :meth:`~analysis.frames.request.ResultsRequest.load_for_claims` loads it.
    """
    runs = _looked_at(claim, _rows(claim, frame.assign(value=_values(frame))))
    contrasts = _contrasts(claim, runs)
    findings = tuple(
        Finding(contrast=contrast, effect=size, p=p, smallest=smallest, answer=answer(contrast, size, p, smallest))
        for contrast, size, p, smallest in zip(
            contrasts,
            [effect([contrast]) for contrast in contrasts],
            corrected(contrasts) if contrasts else [],
            reach(contrasts) if contrasts else [],
            strict=True,
        )
    )
    counting = [finding for finding in findings if finding.contrast.counts]
    outcome = _outcome(claim, [finding.answer for finding in counting])
    ended = runs[runs["value"].notna()]
    unfinished = set(runs.loc[runs["value"].isna(), "task"])
    left_out = _left_out(claim, runs)
    compared = {finding.contrast.item for finding in counting}
    if AVERAGE in compared:
        compared = set(claim.tasks) - left_out
    printed, against = by_print(claim)
    return Verdict(
        claim=claim,
        outcome=outcome,
        findings=findings,
        effect=effect([finding.contrast for finding in counting]) if counting else None,
        tasks=tuple(task for task in claim.tasks if task in compared),
        waiting=tuple(task for task in claim.tasks if task in unfinished | left_out),
        runs=tuple(ended["run_id"]),
        scale=str(frame["scale"].iloc[0]),
        source=str(frame["source"].iloc[0]),
        next_look=_next_look(runs, findings) if outcome == "undecided" else None,
        printed=printed,
        printed_against=against,
    )


def by_print(claim: Claim) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the paper's printed means satisfy the claim, and the items on which they do not; None for a figure."""
    if claim.printed is None:
        return None, ()
    frame = printed_means(claim.printed).assign(seed=0, seeds=1, first_look=1)
    contrasts = [contrast for contrast in _contrasts(claim, _rows(claim, frame)) if contrast.counts]
    against = tuple(contrast.item for contrast in contrasts if not contrast.true_of_means)
    return len(contrasts) - len(against) >= claim.needed, against


def _next_look(runs: pd.DataFrame, findings: Sequence[Finding]) -> tuple[tuple[str, ...], int] | None:
    """Find the open tasks whose next look takes the fewest seeds, and these. A look that has begun is ended first."""
    looks: dict[int, list[str]] = {}
    for finding in findings:
        contrast = finding.contrast
        if not contrast.counts or finding.answer != "open":
            continue
        for task in dict.fromkeys(runs["task"]) if contrast.item == AVERAGE else (contrast.item,):
            cells = runs[runs["task"] == task]
            seeds, first = map(int, cells[["seeds", "first_look"]].iloc[0])
            look = seeds if cells["value"].isna().any() else next_look(seeds, first)
            if look is not None:
                looks.setdefault(look, []).append(task)
    return (tuple(looks[fewest]), fewest) if looks and (fewest := min(looks)) else None


def _values(frame: pd.DataFrame) -> pd.Series:
    """The headline outcome of each run, NaN unless it has ended."""
    earned = pd.Series([row[headline_metric(row["task"])] for _, row in frame.iterrows()], frame.index, dtype=float)
    return earned.where(frame["status"] == DONE).mask(frame["status"] == DIVERGED, 0.0)


def _rows(claim: Claim, frame: pd.DataFrame) -> pd.DataFrame:
    """Select the rows that the claim is about, its tasks first."""
    labels = set(claim.first) | (set(claim.second) or set(frame["label"]))
    order = {task: number for number, task in enumerate(claim.tasks)}
    rows = frame[frame["label"].isin(labels) & (frame["expert_share"].isin(claim.shares) | (not claim.shares))]
    return rows.sort_values("task", key=lambda tasks: tasks.map(order).fillna(len(order)), kind="stable")


def _looked_at(claim: Claim, runs: pd.DataFrame) -> pd.DataFrame:
    """Select the seeds up to the furthest look that every cell of a task has; for an average, every cell of all tasks.

    The column ``seeds`` is their number in a cell.
    """
    of_cell = runs.groupby(["task", "label", "expert_share"])["seed"]
    looks = of_cell.transform("size") / runs["first_look"]
    least = looks.min() if claim.measure is drops else looks.groupby(runs["task"]).transform("min")
    seeds = (least * runs["first_look"]).round().astype(int)
    return runs.assign(seeds=seeds)[of_cell.rank() <= seeds]


def _left_out(claim: Claim, runs: pd.DataFrame) -> set[str]:
    """The claim's tasks that have no runs or, for an average, that it cannot be over."""
    return set(claim.tasks) - set(complete(runs).index if claim.measure is drops else runs["task"])


def _contrasts(claim: Claim, runs: pd.DataFrame) -> list[Contrast]:
    contrasts = []
    looks = dict(zip(runs["task"], zip(runs["seeds"], runs["first_look"], strict=True), strict=True))
    unfinished = runs.loc[runs["value"].isna(), "task"]
    without = _left_out(claim, runs) - set(unfinished)
    for item, samples in claim.measure(runs).items():
        over_tasks = item == AVERAGE
        first, second = _hardest(claim, {label: float(np.mean(values)) for label, values in samples.items()})
        if first is None or second is None:
            continue
        contrasts.append(
            Contrast(
                item=item,
                first=first,
                second=second,
                first_values=tuple(samples[first]),
                second_values=tuple(samples[second]),
                share=claim.share,
                more=claim.more != (item in claim.except_on),
                waiting=len(unfinished) + len(without) if over_tasks else int((unfinished == item).sum()),
                counts=over_tasks or item in claim.tasks,
                level=max(level(*look) for task, look in looks.items() if over_tasks or task == item),
            )
        )
    return contrasts


def _hardest(claim: Claim, means: Mapping[str, float]) -> tuple[str | None, str | None]:
    """Find the two labels that make the statement hardest; None where there is no such label."""
    stated = {label: mean if claim.more else -mean for label, mean in means.items()}
    first = min((label for label in stated if label in claim.first), key=stated.__getitem__, default=None)
    others = claim.second or set(stated) - set(claim.first)
    # Among ties, any label but the first: no label is compared with itself.
    second = max(
        (label for label in stated if label in others and label != first), key=stated.__getitem__, default=None
    )
    return first, second


def _outcome(claim: Claim, answers: Sequence[Answer]) -> Outcome:
    if answers.count("yes") >= claim.needed:
        return "holds"
    return "does not hold" if claim.of - answers.count("no") < claim.needed else "undecided"
