"""How numbers and captions read: plain text, before any markup."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping

import pandas as pd

from analysis import stats
from analysis.cells import METRICS, REFERENCE, Cell
from smore_sweep.tasks import task as task_row

AVERAGE = "Average Performance"
MISSING = "--"


def number(mean: float, std: float, digits: int) -> str:
    """``21.30 ± 0.40``, without what is not there."""
    if math.isnan(mean):
        return MISSING
    return f"{mean:.{digits}f}" + ("" if math.isnan(std) else f" ± {std:.{digits}f}")


def percent(share: float) -> str:
    """``2.5%``"""
    return f"{100 * share:g}%"


def probability(p: float) -> str:
    """``0.0079``, or nothing for a test that was not made."""
    return "" if math.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def caption(frame: pd.DataFrame, metric: str, made: list[Cell], averaged: list[str]) -> list[str]:
    """What a reader needs to judge the numbers, in sentences."""
    chosen = METRICS[metric]
    sources = ", ".join(dict.fromkeys(map(str, frame["source"])))
    horizon = _per_task({name: task_row(name).horizon for name in dict.fromkeys(map(str, frame["task"]))})
    discount = f", discount {chosen.discount:g}" if chosen.discount else ""
    sentences = [
        f"{chosen.title}, {'higher' if chosen.higher_is_better else 'lower'} is better: mean ± sample standard "
        "deviation over finished seeds, best mean in bold.",
        f"Scale {frame['scale'].iloc[0]}: {_per_task(_seeds(made))} seeds, {_budget(frame, 'updates')} updates, "
        f"batch {_budget(frame, 'batch_size')}, {_budget(frame, 'episodes')} training episodes ({sources} data).",
        f"Evaluation: sparse reward, {horizon} steps, last checkpoint, {_budget(frame, 'final_episodes')} "
        f"episodes a seed{discount}.",
        *_test(made),
    ]
    if averaged:
        sentences.append(f"{AVERAGE}: over the tasks finished in every column ({', '.join(averaged)}).")
    elif chosen.averaged:
        sentences.append("No average: no task is finished in every column.")
    if any(cell.published for cell in made):
        mixed = ", whose returns appear to mix discounts (0.99 for SMORe and IQL, 0.98 for GoFAR and others)"
        same = "; its averages are over the same tasks" if averaged else ""
        sentences.append(f"Published: as printed in the SMORe paper{mixed if chosen.discount else ''}{same}.")
    return sentences


def _test(made: list[Cell]) -> list[str]:
    tested: dict[tuple[str, float], list[int]] = defaultdict(list)
    for cell in made:
        if not math.isnan(cell.p):
            tested[cell.task, cell.expert_share].append(cell.tested)
    if not tested:
        return []
    sizes = sorted({(min(pair), max(pair)) for pair in tested.values()})
    reach = ", ".join(f"{probability(stats.smallest_p(n, m))} with {n} against {m} seeds" for n, m in sizes)
    diverged = " A diverged seed ranks last." if any(cell.diverged for cell in made) else ""
    return [
        f"* p < 0.05, {stats.UNREACHABLE} 0.05 is out of the seeds' reach: exact two-sided Mann-Whitney U test over "
        f"seeds of {REFERENCE} against the best other method, set on the better of the two, not corrected for the "
        f"number of tests; smallest p possible: {reach}.{diverged}"
    ]


def _seeds(made: Iterable[Cell]) -> dict[str, int]:
    seeds: dict[str, int] = {}
    for cell in made:
        seeds[cell.task] = max(cell.expected, seeds.get(cell.task, 0))
    return seeds


def _budget(frame: pd.DataFrame, column: str) -> str:
    firsts = frame.drop_duplicates("task")
    return _per_task(dict(zip(map(str, firsts["task"]), map(int, firsts[column]), strict=True)))


def _per_task(values: Mapping[str, int]) -> str:
    """``20,000``, or ``20,000 (Reacher, FetchReach) or 40,000 (FetchPush)``."""
    tasks: dict[int, list[str]] = {}
    for task, value in values.items():
        tasks.setdefault(value, []).append(task)
    if len(tasks) == 1:
        return f"{next(iter(tasks)):,}"
    return " or ".join(f"{value:,} ({', '.join(names)})" for value, names in tasks.items())
