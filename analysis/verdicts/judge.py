"""A claim of the paper as data, and what results say about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.frames.metrics import headline_metric
from analysis.paper.published import NAMES, published
from analysis.stats.contrast import Answer, Contrast, Effect, answer, corrected, effect, reach
from smore_sweep.results.record import DIVERGED, DONE

Outcome = Literal["holds", "does not hold", "undecided"]
Samples = Mapping[str, Mapping[str, Sequence[float]]]
"""Item (a task, or an average) to label to one value a seed."""

AVERAGE = "the average"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """``first`` is ``more`` (or else less) than ``share`` times ``second`` on at least ``needed`` of ``of`` items.

    ``first`` and ``second`` list labels; of several, those two are compared that make the statement hardest: the lowest
    mean of ``first`` with the highest of ``second``, or the other way round for less. No ``second`` means every
    label that is not in ``first``. They are picked after the seeds are seen, which is to the statement's disadvantage:
    a yes is the more certain for it, a no the less. On the tasks of ``except_on`` the paper claims the contrary, about
    the same two. ``criterion`` says all this in words; ``where`` and ``printed`` are where the paper says it and the
    number of the table that prints it (a figure prints none); ``note`` is what a reader should know of the print."""

    id: str
    sentence: str
    criterion: str
    where: str
    printed: str | None
    sweep: str
    tasks: tuple[str, ...]
    shares: tuple[float, ...] = ()
    """The expert shares that it speaks of; none means all that the sweep has."""
    first: tuple[str, ...]
    second: tuple[str, ...] = ()
    more: bool = True
    share: float = 1.0
    needed: int
    of: int
    measure: Callable[[pd.DataFrame], Samples]
    unit: str = "return"
    except_on: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A contrast and what its seeds say. ``p`` is Holm-corrected over the claim's contrasts, ``smallest`` what it could
    have been at least."""

    contrast: Contrast
    effect: Effect
    p: float
    smallest: float
    answer: Answer


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the runs of one scale and source say about a claim.

    ``findings`` are all comparisons that could be made, ``effect`` their average over the items that the paper speaks
    of. ``tasks`` are those of the paper's that are compared, ``waiting`` those with runs that have not ended, ``runs``
    the ids of all runs behind the verdict. ``printed`` is what the paper's own numbers say, by their means alone."""

    claim: Claim
    outcome: Outcome
    findings: tuple[Finding, ...]
    effect: Effect | None
    tasks: tuple[str, ...]
    waiting: tuple[str, ...]
    runs: tuple[str, ...]
    scale: str
    source: str
    printed: bool | None
    printed_against: tuple[str, ...]

    def items(self, answered: Answer) -> list[str]:
        """The paper's items with this answer."""
        return [f.contrast.item for f in self.findings if f.contrast.counts and f.answer == answered]

    @property
    def counting(self) -> list[Finding]:
        """The findings about what the paper speaks of."""
        return [finding for finding in self.findings if finding.contrast.counts]


def judge(claim: Claim, frame: pd.DataFrame) -> Verdict:
    """The verdict of runs of one scale and source: a frame with one row per expected run, as
    :func:`analysis.frames.runs.load` gives it. A diverged run counts as one that earned nothing: return 0."""
    runs = _about(claim, frame.assign(value=_values(frame)))
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
    ended = runs[runs["value"].notna()]
    unfinished = set(runs.loc[runs["value"].isna(), "task"])
    absent = set(claim.tasks) - set(runs["task"])
    compared = {finding.contrast.item for finding in counting}
    if AVERAGE in compared:
        compared = set(runs["task"]) - unfinished
    printed, against = by_print(claim)
    return Verdict(
        claim=claim,
        outcome=_outcome(claim, [finding.answer for finding in counting]),
        findings=findings,
        effect=effect([finding.contrast for finding in counting]) if counting else None,
        tasks=tuple(task for task in claim.tasks if task in compared),
        waiting=tuple(task for task in claim.tasks if task in unfinished | absent),
        runs=tuple(ended["run_id"]),
        scale=str(frame["scale"].iloc[0]),
        source=str(frame["source"].iloc[0]),
        printed=printed,
        printed_against=against,
    )


def by_print(claim: Claim) -> tuple[bool | None, tuple[str, ...]]:
    """Whether the paper's printed means satisfy the claim, and the items on which they do not; None for a figure."""
    if claim.printed is None:
        return None, ()
    labels = {name: label for label, names in NAMES.items() for name in names}
    cells = published(claim.printed).query("metric == 'discounted_return'").dropna(subset="mean")
    frame = cells.assign(label=cells["method"].map(lambda name: labels.get(name, name)), value=cells["mean"], seed=0)
    contrasts = [contrast for contrast in _contrasts(claim, _about(claim, frame)) if contrast.counts]
    against = tuple(contrast.item for contrast in contrasts if not contrast.true_of_means)
    return len(contrasts) - len(against) >= claim.needed, against


def returns(frame: pd.DataFrame) -> Samples:
    """The return of each seed, by task."""
    ended = frame.dropna(subset="value").sort_values("seed")
    return {
        str(task): {str(label): list(map(float, runs["value"])) for label, runs in of_task.groupby("label", sort=False)}
        for task, of_task in ended.groupby("task", sort=False)
    }


def drops(frame: pd.DataFrame) -> Samples:
    """The fall of each seed's average return from 5% to 1% expert data, in percent of that at 5%: over the tasks on
    which every seed ended at both shares, as a seed's fall needs all of its runs."""
    table = frame.pivot(index="task", columns=["label", "expert_share", "seed"], values="value").dropna()
    if table.empty:
        return {}
    average = table.mean().unstack("expert_share")  # rows: (label, seed)
    fallen = 100.0 * (1.0 - average[0.01] / average[0.05]).replace([np.inf, -np.inf], np.nan)
    samples = {str(label): [float(value) for value in seeds] for label, seeds in fallen.groupby("label", sort=False)}
    return {AVERAGE: samples} if fallen.notna().all() else {}


def _values(frame: pd.DataFrame) -> pd.Series:
    """The headline return of each run, NaN unless it has ended."""
    metrics = frame["task"].map(headline_metric)
    earned = frame["return99"].where(metrics == "return99", frame["return999"])
    return earned.where(frame["status"] == DONE).mask(frame["status"] == DIVERGED, 0.0)


def _about(claim: Claim, frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that the claim speaks of, its tasks first."""
    labels = set(claim.first) | (set(claim.second) or set(frame["label"]))
    order = {task: number for number, task in enumerate(claim.tasks)}
    chosen = frame[frame["label"].isin(labels) & (frame["expert_share"].isin(claim.shares) | (not claim.shares))]
    return chosen.sort_values("task", key=lambda tasks: tasks.map(order).fillna(len(order)), kind="stable")


def _contrasts(claim: Claim, runs: pd.DataFrame) -> list[Contrast]:
    made = []
    unfinished = runs.loc[runs["value"].isna(), "task"]
    absent = set(claim.tasks) - set(runs["task"])
    for item, samples in claim.measure(runs).items():
        over_tasks = item == AVERAGE
        first, second = _hardest(claim, {label: float(np.mean(values)) for label, values in samples.items()})
        if first is None or second is None:
            continue
        made.append(
            Contrast(
                item=item,
                first=first,
                second=second,
                first_values=tuple(samples[first]),
                second_values=tuple(samples[second]),
                share=claim.share,
                more=claim.more != (item in claim.except_on),
                waiting=len(unfinished) + len(absent) if over_tasks else int((unfinished == item).sum()),
                counts=over_tasks or item in claim.tasks,
            )
        )
    return made


def _hardest(claim: Claim, means: Mapping[str, float]) -> tuple[str | None, str | None]:
    """The two labels that make the statement hardest; None where there is no such label."""
    stated = {label: mean if claim.more else -mean for label, mean in means.items()}
    first = min((label for label in stated if label in claim.first), key=stated.__getitem__, default=None)
    others = claim.second or set(stated) - set(claim.first)
    # Of equals another one than the first: a label is not compared with itself.
    second = max(
        (label for label in stated if label in others and label != first), key=stated.__getitem__, default=None
    )
    return first, second


def _outcome(claim: Claim, answers: Sequence[Answer]) -> Outcome:
    if answers.count("yes") >= claim.needed:
        return "holds"
    return "does not hold" if claim.of - answers.count("no") < claim.needed else "undecided"
