"""From one row a run to one cell a (task, expert share, method): means over seeds, the test, the paper's number."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from analysis import stats
from analysis.published import beside

REFERENCE = "SMORe"
"""The method that is tested against the best other one."""

Column = tuple[float, str]
"""Expert share and label: what a column of the wide table stands for."""


@dataclass(frozen=True)
class Metric:
    """How an outcome is named, ordered and printed. ``averaged``: whether its mean over tasks means anything."""

    title: str
    higher_is_better: bool
    digits: int
    averaged: bool
    discount: float | None = None

    def better(self, first: float, second: float) -> bool:
        """Whether the first value is strictly better."""
        return first > second if self.higher_is_better else first < second

    @property
    def worst(self) -> float:
        """What a diverged seed counts as in a test of ranks."""
        return -math.inf if self.higher_is_better else math.inf


METRICS = {
    "return99": Metric("Discounted return (0.99)", True, 2, True, 0.99),
    "return98": Metric("Discounted return (0.98)", True, 2, True, 0.98),
    "return999": Metric("Discounted return (0.999)", True, 2, True, 0.999),
    "success": Metric("Success rate after the last step", True, 2, True),
    "final_distance": Metric("Final distance to the goal", False, 3, False),  # each task has units of its own
}


@dataclass(frozen=True)
class Cell:
    """One method on one task at one expert share. ``mean`` and ``std`` are over the finished seeds, NaN without any.

    ``p`` stands with both of the pair that is tested, ``star`` only with the better of them by ranks."""

    task: str
    expert_share: float
    label: str
    mean: float
    std: float
    values: tuple[float, ...]
    expected: int
    diverged: int
    partial: int
    missing: int
    published: tuple[float, float] | None
    best: bool = False
    p: float = math.nan
    star: str = ""

    @property
    def seeds(self) -> int:
        """Number of finished seeds."""
        return len(self.values)

    @property
    def tested(self) -> int:
        """Number of seeds that the test ranks: a diverged one is an outcome (the worst), an unfinished one is not."""
        return self.seeds + self.diverged

    @property
    def gap(self) -> str:
        """Why there are fewer finished than expected seeds, or nothing."""
        counts = {"diverged": self.diverged, "partial": self.partial, "missing": self.missing}
        reasons = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"{self.seeds} of {self.expected} seeds ({reasons})" if reasons else ""


def cells(frame: pd.DataFrame, metric: str) -> list[Cell]:
    """All cells, by task as they come, expert share from high to low, and label as they come.

    Raises :class:`ValueError` if the frame mixes scales: their numbers do not belong in one table."""
    if frame["scale"].nunique() != 1:
        raise ValueError(
            f"a table needs runs of one scale; got: {', '.join(map(str, frame['scale'].unique())) or 'none'}"
        )
    reference = reference_label(frame)
    made: list[Cell] = []
    for _, of_task in frame.groupby("task", sort=False):
        for share in sorted(of_task["expert_share"].unique(), reverse=True):
            group = of_task[of_task["expert_share"] == share].groupby("label", sort=False)
            made += _compare([_cell(runs, metric) for _, runs in group], METRICS[metric], reference)
    return made


def reference_label(frame: pd.DataFrame) -> str | None:
    """The label that is tested: SMORe with its defaults or, where a sweep has one other SMORe only, that one."""
    labels = [str(label) for label in frame.loc[frame["method"] == REFERENCE, "label"].unique()]
    if REFERENCE in labels:
        return REFERENCE
    return labels[0] if len(labels) == 1 else None


def columns(made: Iterable[Cell]) -> list[Column]:
    """The columns of the wide table: shares from high to low, and within a share the labels as they come."""
    labels: dict[str, None] = {}
    present = set()
    for cell in made:
        labels.setdefault(cell.label)
        present.add((cell.expert_share, cell.label))
    shares = sorted({share for share, _ in present}, reverse=True)
    return [(share, label) for share in shares for label in labels if (share, label) in present]


def common_tasks(means: Mapping[str, Mapping[Column, float]], over: Iterable[Column]) -> list[str]:
    """The tasks that have a mean in every column."""
    wanted = list(over)
    return [task for task, row in means.items() if all(math.isfinite(row.get(column, math.nan)) for column in wanted)]


def averages(
    means: Mapping[str, Mapping[Column, float]], tasks: Iterable[str], over: Iterable[Column]
) -> dict[Column, float]:
    """Mean over ``tasks`` of each column's means; NaN without tasks."""
    chosen = list(tasks)
    return {c: sum(means[task][c] for task in chosen) / len(chosen) if chosen else math.nan for c in over}


def drops(average: Mapping[Column, float]) -> dict[Column, float]:
    """Change of each average, in percent of the same method's average at the highest share (as the paper computes it);
    NaN where there is none or it is zero."""
    highest = max(share for share, _ in average)
    return {
        (share, label): 100.0 * (value / base - 1.0) if (base := average.get((highest, label), math.nan)) else math.nan
        for (share, label), value in average.items()
    }


def _cell(runs: pd.DataFrame, metric: str) -> Cell:
    first = runs.iloc[0]
    task, share, label = str(first["task"]), float(first["expert_share"]), str(first["label"])
    counts = runs["status"].value_counts()
    values = tuple(float(value) for value in runs.loc[runs["status"] == "done", metric])
    mean, std, _ = stats.summary(values) if values else (math.nan, math.nan, 0)
    return Cell(
        task=task,
        expert_share=share,
        label=label,
        mean=mean,
        std=std,
        values=values,
        expected=len(runs),
        diverged=int(counts.get("diverged", 0)),
        partial=int(counts.get("partial", 0)),
        missing=int(counts.get("missing", 0)),
        published=beside(metric, task, label, share),  # a label that names knobs finds no cell there
    )


def _compare(group: list[Cell], metric: Metric, reference: str | None) -> list[Cell]:
    """Mark the best mean, and test the reference against the best other method."""
    finished = [cell for cell in group if cell.seeds]
    if not finished:
        return group
    # Means that print alike are shown alike, and nothing is best of one.
    top = round(_best(finished, metric).mean, metric.digits)
    marked = {
        c.label: replace(c, best=len(finished) > 1 and c.seeds > 0 and round(c.mean, metric.digits) == top)
        for c in group
    }
    ours = next((cell for cell in marked.values() if cell.label == reference and cell.tested), None)
    others = [cell for cell in marked.values() if cell.label != reference and cell.seeds]
    if ours and others:
        rival = _best(others, metric)
        pair = _ranked(ours, metric), _ranked(rival, metric)
        p = stats.mann_whitney(*pair)
        star = stats.star(p, ours.tested, rival.tested)
        # By ranks and not by means, which know nothing of diverged seeds.
        rival_wins = metric.better(0.5, stats.probability_of_improvement(*pair))
        marked[ours.label] = replace(ours, p=p, star="" if rival_wins else star)
        marked[rival.label] = replace(rival, p=p, star=star if rival_wins else "")
    return list(marked.values())


def _best(finished: list[Cell], metric: Metric) -> Cell:
    return (max if metric.higher_is_better else min)(finished, key=lambda cell: cell.mean)


def _ranked(cell: Cell, metric: Metric) -> tuple[float, ...]:
    return cell.values + (metric.worst,) * cell.diverged
