"""Numbers and captions as plain text, before any markup."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

import pandas as pd

from analysis.frames.benchmarks import BENCHMARKS, benchmark
from analysis.frames.cells import REFERENCE, Cell, comparisons, reference_label
from analysis.frames.metrics import METRICS, Metric, is_long
from analysis.frames.runs import changes, mixed_data
from analysis.stats import significance
from smore_sweep.run_spec import percent
from smore_sweep.tasks import task as task_row

AVERAGE = "Average Performance"
MISSING = "--"
DOUBT = "?"

T = TypeVar("T", bound=Hashable)


def number(mean: float, std: float, digits: int) -> str:
    """Format ``21.30 ± 0.40``, or ``21.30`` without a std, or a mark for a missing mean."""
    if math.isnan(mean):
        return MISSING
    return f"{mean:.{digits}f}" + ("" if math.isnan(std) else f" ± {std:.{digits}f}")


def tau(value: float) -> str:
    """Format ``0.67``, or a mark for a missing value."""
    return MISSING if math.isnan(value) else f"{value:.2f}"


def probability(p: float) -> str:
    """Format ``0.0079``, or an empty string without a test."""
    return "" if math.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def caption(
    frame: pd.DataFrame, metric: str, cells: list[Cell], averaged: list[str], *, holm: bool, compare: bool
) -> list[str]:
    """Write the caption of a table: everything that a reader needs to judge the numbers, in sentences.

    Args:
        frame: One row per expected run.
        metric: Name of the outcome.
        cells: The cells of the frame.
        averaged: The tasks that the averages are over.
        holm: Whether the tests are corrected for their number.
        compare: Whether the table compares with the published means.
    """
    shown = METRICS[metric]
    sources = ", ".join(dict.fromkeys(map(str, frame["source"])))
    horizons = _horizons(frame)
    discount = f", discount {shown.discount:g}" if shown.discount else ""
    bold = "best mean in bold" + (" (where a seed diverged, best mean rank)" if any(c.diverged for c in cells) else "")
    return [
        f"{shown.title}, {'higher' if shown.higher_is_better else 'lower'} is better: mean ± sample standard "
        f"deviation over finished seeds, {bold}.",
        *_shares(cells),
        f"Scale {frame['scale'].iloc[0]}{_common_knobs(frame)}: {_per_task(_seeds(cells), str)} seeds, "
        f"{_budget(frame, 'updates')} updates, batch {_budget(frame, 'batch_size')}, {_budget(frame, 'episodes')} "
        f"training episodes ({sources} data){_revisions(frame)}.",
        *_uneven_seeds(cells),
        *changes(frame),
        *mixed_data(frame),
        f"Evaluation: sparse reward, {_per_task(horizons)} steps, {_checkpoints(frame)}, "
        f"{_budget(frame, 'final_episodes')} episodes a seed{_last(frame)}{discount}.",
        *_test(cells, holm, against=reference_label(frame) is not None),
        *_average(shown, averaged, comparable(frame, shown)),
        *_published(cells, shown, averaged, compare, long=any(map(is_long, horizons))),
    ]


def _last(frame: pd.DataFrame) -> str:
    """Return whose episodes those are, where a result has several evaluations: earlier ones may have fewer."""
    return " in the last" if any(task_row(str(name)).last_evaluations > 1 for name in frame["task"].unique()) else ""


def _checkpoints(frame: pd.DataFrame) -> str:
    """Return which evaluations a result is the mean of."""
    counts = {task_row(name).last_evaluations for name in map(str, frame["task"])}
    if counts == {1}:
        return "last checkpoint"
    return f"mean of the last {' or '.join(map(str, sorted(counts)))} evaluations"


def comparable(frame: pd.DataFrame, metric: Metric) -> bool:
    """Whether an average over tasks is meaningful: discounted returns of longer episodes are larger."""
    return metric.averaged and (metric.discount is None or len(set(_horizons(frame).values())) == 1)


def _average(metric: Metric, averaged: list[str], sensible: bool) -> list[str]:
    if averaged:
        return [f"{AVERAGE}: over the tasks finished in every column ({', '.join(averaged)})."]
    if not sensible:
        return ["No average: the tasks' episodes differ in length."] if metric.averaged else []
    return ["No average: no task is finished in every column."]


def _published(cells: list[Cell], metric: Metric, averaged: list[str], compare: bool, long: bool) -> list[str]:
    if not any(cell.published for cell in cells):
        return []
    locomotion = ", 0.999 for locomotion" if long else ""
    mixed = f", whose returns appear to mix discounts (0.99 for SMORe and IQL, 0.98 for GoFAR and others{locomotion})"
    columns = {cell.column for cell in cells}
    complete = [all(c.sure for c in cells if c.column == column and c.task in averaged) for column in columns]
    same = "; its averages are over the same tasks" if averaged and any(complete) else ""
    papers = dict.fromkeys(BENCHMARKS[benchmark([cell.task])] for cell in cells if cell.published)
    sentences = [f"Published: as printed in the {' and the '.join(papers)}{mixed if metric.discount else ''}{same}."]
    if any(cell.published and cell.published.doubtful for cell in cells):
        sentences.append(
            f"{DOUBT} marks a published cell that appears to be another expert share's: neither averaged nor compared."
        )
    if compare:
        sentences.append(
            "Ours / published: ratio of the means. Kendall's tau: of the methods' means, ours against the published; "
            "the order agrees where no two methods stand the other way round."
        )
    return sentences


def _test(cells: list[Cell], holm: bool, against: bool) -> list[str]:
    pairs: dict[tuple[str, float], list[int]] = {}
    for cell in cells:
        if not math.isnan(cell.p):
            pairs.setdefault((cell.task, cell.expert_share), []).append(cell.tested)
    if not pairs:
        return []
    sizes = [(min(pair), max(pair)) for pair in pairs.values()]
    groups: dict[tuple[str, float], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.task, cell.expert_share), []).append(cell)
    to_come = len(comparisons(groups.values())) - len(pairs)
    smallest = [significance.smallest_p(*pair) for pair in sizes]
    possible = significance.holm([*smallest, *[min(smallest)] * to_come])[: len(pairs)] if holm else smallest
    reach = dict(zip(sizes, possible, strict=True))
    within = ", ".join(f"{probability(reach[n, m])} with {n} against {m} seeds" for n, m in sorted(reach))
    who = f"{REFERENCE} against the best other method" if against else "the best method against the second best"
    tests = "test" if len(pairs) == 1 else "tests"
    correction = (
        f"corrected for the table's {len(pairs)} {tests}{f' and {to_come} to come' if to_come else ''} by Holm's method"
        if holm
        else f"not corrected for the number of tests ({len(pairs)})"
    )
    diverged = " A diverged seed ranks last." if any(cell.diverged for cell in cells) else ""
    return [
        f"* p < 0.05, {significance.UNREACHABLE} 0.05 is out of the seeds' reach: exact two-sided Mann-Whitney U test "
        f"over seeds of {who}, set on the better of the two, {correction}; smallest p possible"
        f"{' after it' if holm else ''}: {within}.{diverged}"
    ]


def _shares(cells: Iterable[Cell]) -> list[str]:
    """The expert share of each task, where the columns do not show it."""
    shares = {
        cell.task: cell.expert_share for cell in cells if cell.column[0] is None and not task_row(cell.task).dataset
    }
    return [f"Expert share: {_per_task(shares, percent)}."] if shares else []


def _common_knobs(frame: pd.DataFrame) -> str:
    """The knobs that task, scale and model selection set alike in all runs, and whether they set others."""
    knobs = [str(unnamed).split() for unnamed in frame["unnamed"].fillna("").unique()]
    common = [knob for knob in knobs[0] if all(knob in others for others in knobs)]
    parts = [", ".join(common)] if common else []
    if any(len(others) > len(common) for others in knobs):
        parts.append("other knobs by task and method")
    return f" ({'; '.join(parts)})" if parts else ""


def _revisions(frame: pd.DataFrame) -> str:
    """The revisions of the code that made the finished runs."""
    revisions = [str(revision) for revision in frame.loc[frame["status"] == "done", "git"].unique() if revision]
    listed = ", ".join(revisions[:3]) + (f" and {len(revisions) - 3} others" if len(revisions) > 3 else "")
    return f", code at revision{'s' if len(revisions) > 1 else ''} {listed}" if revisions else ""


def _horizons(frame: pd.DataFrame) -> dict[str, int]:
    return {name: task_row(name).horizon for name in dict.fromkeys(map(str, frame["task"]))}


def _seeds(cells: Iterable[Cell]) -> dict[str, str]:
    """The seeds of each task: ``5``, or ``5 to 10`` where methods differ."""
    seeds: dict[str, set[int]] = {}
    for cell in cells:
        seeds.setdefault(cell.task, set()).add(cell.expected)
    return {task: " to ".join(f"{end:,}" for end in sorted({min(own), max(own)})) for task, own in seeds.items()}


def _uneven_seeds(cells: Iterable[Cell]) -> list[str]:
    """The seeds of each method on the tasks where they differ, of a method's share where its shares do."""
    seeds: dict[str, dict[str, dict[float, int]]] = {}
    for cell in cells:
        seeds.setdefault(cell.task, {}).setdefault(cell.label, {})[cell.expert_share] = cell.expected
    parts = []
    for task, by_label in seeds.items():
        counts = {
            label if len({*own.values()}) == 1 else f"{label} at {percent(share)}": count
            for label, own in by_label.items()
            for share, count in own.items()
        }
        if len({*counts.values()}) > 1:
            parts.append(f"{task} {_per_task(counts)}")
    return [f"Seeds by method: {'; '.join(parts)}."] if parts else []


def _budget(frame: pd.DataFrame, column: str) -> str:
    firsts = frame.drop_duplicates("task")
    return _per_task(dict(zip(map(str, firsts["task"]), map(int, firsts[column]), strict=True)))


def _per_task(values: Mapping[str, T], form: Callable[[T], str] = "{:,}".format) -> str:
    """Format ``20,000``, or ``20,000 (40,000 for FetchPush)`` where most tasks have the first value."""
    tasks: dict[T, list[str]] = {}
    for task, value in values.items():
        tasks.setdefault(value, []).append(task)
    usual, *others = sorted(tasks, key=lambda value: -len(tasks[value]))
    exceptions = "; ".join(f"{form(value)} for {', '.join(tasks[value])}" for value in others)
    return f"{form(usual)} ({exceptions})" if exceptions else form(usual)
