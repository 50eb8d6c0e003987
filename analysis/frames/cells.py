"""Aggregate per-run rows into one cell per (task, expert share, method): mean over seeds, test, published number."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from analysis.frames.metrics import METRICS, Metric
from analysis.paper.published import Printed, beside
from analysis.stats import significance
from smore_sweep.tasks import task as task_row

REFERENCE = "SMORe"
"""The method that is tested against the best other one; see :func:`reference_label`."""

Column = tuple[float | None, str]
"""Expert share and label of a column of the wide table. The share is None if each task has a share of its own."""


@dataclass(frozen=True)
class Cell:
    """One method on one task at one expert share.

    ``mean`` and ``std`` are over the finished seeds that have the metric, NaN without any. ``best`` is the best mean
    or, where a seed diverged, the best mean rank. Both cells of a tested pair have its ``p``, and the better one by
    ranks has the ``star``.
    """

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
    published: Printed | None
    column: Column
    best: bool = False
    p: float = math.nan
    star: str = ""

    @property
    def seeds(self) -> int:
        """Number of finished seeds that have the metric."""
        return len(self.values)

    @property
    def tested(self) -> int:
        """Number of seeds that the test ranks: a diverged one is an outcome (the worst), an unfinished one is none."""
        return self.seeds + self.diverged

    @property
    def gap(self) -> str:
        """Reason for fewer finished than expected seeds, or an empty string."""
        counts = {"diverged": self.diverged, "partial": self.partial, "missing": self.missing}
        counts["recorded before this metric"] = self.expected - self.seeds - sum(counts.values())
        reasons = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
        return f"{self.seeds} of {self.expected} seeds ({reasons})" if reasons else ""

    @property
    def sure(self) -> Printed | None:
        """The published cell, unless it is doubtful."""
        return self.published if self.published and not self.published.doubtful else None

    @property
    def ratio(self) -> float:
        """Our mean over the published one.

        NaN where either is missing or doubtful, or where the published one is within two of its standard deviations of
        zero, as a ratio to a value near zero is meaningless.
        """
        if not self.sure or not self.sure.mean or abs(self.sure.mean) < 2 * self.sure.std:  # False for a std of NaN
            return math.nan
        return self.mean / self.sure.mean


@dataclass(frozen=True)
class _Test:
    """A test of two cells. ``reach`` is the smallest p that their seeds could have given."""

    pair: tuple[Cell, Cell]
    better: Cell
    p: float
    reach: float


def cells(frame: pd.DataFrame, metric: str, *, table: str = "", holm: bool = False) -> list[Cell]:
    """Build the cells of a frame, by task in order of appearance, expert share from high to low, and label.

    Args:
        frame: One row per expected run.
        metric: Name of the outcome.
        table: Number of the paper's table to take published cells from first.
        holm: Correct p and stars for all tests of the frame.

    Raises:
        ValueError: The frame mixes scales, whose numbers do not belong in one table.
    """
    if frame["scale"].nunique() != 1:
        raise ValueError(
            f"a table needs runs of one scale; got: {', '.join(map(str, frame['scale'].unique())) or 'none'}"
        )
    reference = reference_label(frame)
    one_each = frame["expert_share"].nunique() > 1 and frame.groupby("task")["expert_share"].nunique().max() == 1
    # A task with a dataset of its own has no share of experts.
    own_share = one_each or all(task_row(name).dataset for name in frame["task"].unique())
    # Plain dictionaries: pandas is slow at grouping 10,000 runs.
    outcomes: dict[tuple[str, float], dict[str, list[tuple[str, float]]]] = {}
    for task, share, label, *outcome in zip(
        *(frame[name] for name in ("task", "expert_share", "label", "status", metric)), strict=True
    ):
        outcomes.setdefault((task, share), {}).setdefault(label, []).append(tuple(outcome))
    tasks = list(frame["task"].unique())
    groups = [
        [_cell((*key, label), runs, metric, table, own_share) for label, runs in outcomes[key].items()]
        for key in sorted(outcomes, key=lambda key: (tasks.index(key[0]), -key[1]))
    ]
    groups = [_mark_best(group, METRICS[metric]) for group in groups]
    tests = [test for group in groups if (test := _test(group, METRICS[metric], reference))]
    return _mark_tests([cell for group in groups for cell in group], tests, len(comparisons(groups)), holm)


def reference_label(frame: pd.DataFrame) -> str | None:
    """Find the label that is tested: SMORe with its defaults or, if a sweep has one other SMORe only, that one."""
    labels = [str(label) for label in frame.loc[frame["method"] == REFERENCE, "label"].unique()]
    if REFERENCE in labels:
        return REFERENCE
    return labels[0] if len(labels) == 1 else None


def columns(cells: Iterable[Cell]) -> list[Column]:
    """List the columns of the wide table: shares from high to low, and within a share the labels in their order."""
    labels: dict[str, None] = {}
    present = set()
    for cell in cells:
        labels.setdefault(cell.label)
        present.add(cell.column)
    shares = sorted({share for share, _ in present}, key=lambda share: -(share or 0.0))
    return [(share, label) for share in shares for label in labels if (share, label) in present]


def common_tasks(means: Mapping[str, Mapping[Column, float]], over: Iterable[Column]) -> list[str]:
    """List the tasks that have a mean in every column."""
    wanted = list(over)
    return [task for task, row in means.items() if all(math.isfinite(row.get(column, math.nan)) for column in wanted)]


def averages(
    means: Mapping[str, Mapping[Column, float]], tasks: Iterable[str], over: Iterable[Column]
) -> dict[Column, float]:
    """Average each column's means over ``tasks``; NaN without tasks."""
    rows = [means[task] for task in tasks]
    return {column: sum(row[column] for row in rows) / len(rows) if rows else math.nan for column in over}


def drops(average: Mapping[Column, float], highest: float) -> dict[Column, float]:
    """Compute each average's change, in percent of the same method's average at the table's highest share, as in the
    paper.

    NaN where that is missing or zero.
    """
    return {
        (share, label): 100.0 * (value / base - 1.0) if (base := average.get((highest, label), math.nan)) else math.nan
        for (share, label), value in average.items()
    }


def _cell(key: tuple[str, float, str], runs: list[tuple[str, float]], metric: str, table: str, own_share: bool) -> Cell:
    """Build a cell from the status and value of each of its runs."""
    task, share, label = key
    counts = Counter(status for status, _ in runs)
    # A done run has no value of a metric that is younger than its record.
    values = tuple(value for status, value in runs if status == "done" and not math.isnan(value))
    mean, std, _ = significance.summary(values) if values else (math.nan, math.nan, 0)
    return Cell(
        task=task,
        expert_share=share,
        label=label,
        mean=mean,
        std=std,
        values=values,
        expected=len(runs),
        diverged=counts["diverged"],
        partial=counts["partial"],
        missing=counts["missing"],
        published=beside(metric, task, label, share, table),
        column=(None if own_share else share, label),
    )


def comparisons(groups: Iterable[Sequence[Cell]]) -> list[Sequence[Cell]]:
    """Select the groups (the cells of one task and share) that have something to test once all runs are done."""
    return [group for group in groups if len(group) > 1]


def _mark_best(group: list[Cell], metric: Metric) -> list[Cell]:
    """Mark the best cell. Means that print alike are marked alike, unless more seeds diverged; a single one is not
    marked.
    """
    finished = [cell for cell in group if cell.seeds]
    if len(finished) < 2:
        return group
    best = _best(finished, metric)
    top = round(best.mean, metric.digits)  # a cell without a seed has a mean of NaN
    return [
        replace(cell, best=round(cell.mean, metric.digits) == top and cell.diverged <= best.diverged) for cell in group
    ]


def _test(group: list[Cell], metric: Metric, reference: str | None) -> _Test | None:
    """Test the reference against the best other method or, without a reference, the best against the second best."""
    finished = [cell for cell in group if cell.seeds]
    if reference is None:
        ours = _best(finished, metric) if finished else None
    else:
        ours = next((cell for cell in group if cell.label == reference and cell.tested), None)
    others = [cell for cell in finished if cell is not ours]
    if ours is None or not others:
        return None
    rival = _best(others, metric)
    ranked = _ranked(ours, metric), _ranked(rival, metric)
    # Better by ranks, as means leave out diverged seeds.
    rival_wins = metric.better(0.5, significance.probability_of_improvement(*ranked))
    reach = significance.smallest_p(ours.tested, rival.tested)
    return _Test((ours, rival), rival if rival_wins else ours, significance.mann_whitney(*ranked), reach)


def _mark_tests(all_cells: list[Cell], tests: Sequence[_Test], declared: int, holm: bool) -> list[Cell]:
    ps, reach = [test.p for test in tests], [test.reach for test in tests]
    if holm and tests:
        # Count the tests still to come as well, or stars would vanish as a table fills. Lower ps never raise a
        # corrected one, so the corrected smallest ps of all tests bound the p that each can reach.
        to_come = declared - len(tests)
        ps = significance.holm([*ps, *[1.0] * to_come])[: len(tests)]
        reach = significance.holm([*reach, *[min(reach)] * to_come])[: len(tests)]
    marks = {
        id(cell): replace(cell, p=p, star=significance.mark(p, smallest) if cell is test.better else "")
        for test, p, smallest in zip(tests, ps, reach, strict=True)
        for cell in test.pair
    }
    return [marks.get(id(cell), cell) for cell in all_cells]


def _best(finished: list[Cell], metric: Metric) -> Cell:
    """Find the best mean or, where a seed diverged, the best mean rank: the mean of the others may be luck."""
    scores = [cell.mean for cell in finished]
    if any(cell.diverged for cell in finished):
        ranked = [_ranked(cell, metric) for cell in finished]
        together = [value for values in ranked for value in values]
        scores = [significance.probability_of_improvement(values, together) for values in ranked]
    best = (max if metric.higher_is_better else min)(scores)
    return finished[scores.index(best)]


def _ranked(cell: Cell, metric: Metric) -> tuple[float, ...]:
    return cell.values + (metric.worst,) * cell.diverged
