"""Figures that compare methods over tasks: how often one is ahead of another, and how often each reaches a level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.frames.metrics import METRICS
from analysis.plots import style
from analysis.plots.notes import notes
from analysis.plots.points import NothingToDrawError
from analysis.stats.bootstrap import LEVEL, Array, mean_interval, stratified_interval
from analysis.stats.significance import mean_probability_of_improvement
from smore_sweep.tasks import task as task_row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = np.linspace(0.0, 1.0, 101)
"""The normalised scores at which a profile is drawn."""

RESAMPLES = 1000

Scores = dict[str, list[Array]]
"""For each method the values of its seeds on each common task, larger is better."""


def improvement(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """The probability that a seed of the row's method is ahead of one of the column's (a tie counts half), averaged
    over tasks, with its interval: seeds are resampled within each method and task. Where each resample says the same,
    as when all seeds of one are ahead, the interval is left out: it tells nothing then."""
    scores, where = _scores(frame, metric)
    names = list(scores)
    if len(names) < 2:
        raise NothingToDrawError("fewer than two methods")
    size = 0.62 * len(names) + 1.3
    drawn = style.figure(min(style.TWO_COLUMNS, max(style.ONE_COLUMN, size)), 0.42 * len(names) + 0.4)
    panel = drawn.subplots()
    chances = np.full((len(names), len(names)), math.nan)
    for i, row in enumerate(names):
        for j, column in enumerate(names[:i]):
            chance, low, high = chance_ahead(scores[row], scores[column], rng)
            chances[i, j], chances[j, i] = chance, 1 - chance
            for x, y, ends in ((j, i, (low, high)), (i, j, (1 - high, 1 - low))):
                dark = chances[y, x] > 0.6
                text = f"{chances[y, x]:.2f}" + (f"\n{ends[0]:.2f}–{ends[1]:.2f}" if low < high else "")
                panel.text(x, y, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
    panel.imshow(chances, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    panel.set_xticks(range(len(names)), names)
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(length=0)
    panel.grid(False)
    panel.spines[:].set_visible(False)
    panel.xaxis.tick_top()
    said = (
        f"Probability that a seed of the row's method is ahead of one of the column's ({METRICS[metric].title.lower()}"
    )
    style.footer(
        drawn,
        [
            f"{said}; ties count half), mean {where}, with {100 * LEVEL:g}% percentile bootstrap intervals over seeds.",
            *_diverged(frame),
            *notes(frame, metric),
        ],
    )
    return drawn


def profiles(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """The share of runs whose score is above each level, averaged over tasks: a performance profile. Scores are the
    metric divided by its ceiling, the return of an episode that is at its goal from the first step to the last."""
    if not METRICS[metric].averaged:
        raise NothingToDrawError(f"{metric} has no ceiling to normalise by")
    scaled = frame.assign(**{metric: frame[metric] / [ceiling(str(task), metric) for task in frame["task"]]})
    scores, where = _scores(scaled, metric)
    drawn = style.figure(style.ONE_COLUMN, 2.4)
    panel = drawn.subplots()
    looks = style.looks(scores)
    for name, groups in scores.items():
        above = [(group[:, None] > LEVELS).astype(float) for group in groups]
        mean, low, high = mean_interval(above, rng=rng)
        panel.plot(LEVELS, mean, drawstyle="steps-post", markevery=20, **looks[name].line())
        panel.fill_between(LEVELS, low, high, step="post", color=looks[name].colour, alpha=0.12, linewidth=0)
    panel.set_xlim(0, 1)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("normalised score τ")
    panel.set_ylabel("share of runs with score > τ")
    style.legend(drawn, looks)
    style.footer(
        drawn,
        [
            f"Score: {_lower(metric)} over its ceiling on the task's horizon (all steps at the goal). "
            f"Mean {where}, with {100 * LEVEL:g}% pointwise bootstrap intervals over seeds.",
            *_diverged(frame),
            *notes(frame, metric),
        ],
    )
    return drawn


def chance_ahead(first: list[Array], second: list[Array], rng: np.random.Generator) -> tuple[float, float, float]:
    """The probability of improvement of ``first`` over ``second``, averaged over their tasks, and the ends of its
    interval: NaN where a task has one seed only."""
    groups = [group for pair in zip(first, second, strict=True) for group in pair]
    chance = mean_probability_of_improvement(groups)
    if min(map(len, groups)) < 2:
        return chance, math.nan, math.nan
    low, high = stratified_interval(mean_probability_of_improvement, groups, rng=rng, resamples=RESAMPLES)
    return chance, low, high


def ceiling(task: str, metric: str) -> float:
    """The largest value that a metric can have on a task: ``sum_k discount^k`` over its horizon, or 1 for a rate."""
    discount = METRICS[metric].discount
    return 1.0 if discount is None else (1 - discount ** task_row(task).horizon) / (1 - discount)


def _scores(frame: pd.DataFrame, metric: str) -> tuple[Scores, str]:
    """The methods with any ended seed, and what the mean over tasks is over: the (task, share) that they all have.

    A diverged seed is an outcome, worse than any other; an unfinished one is none. As in the tables."""
    ended = frame[frame["status"].isin(["done", "diverged"])].copy()
    if ended.empty:
        raise NothingToDrawError("no finished run")
    if not METRICS[metric].higher_is_better:
        ended[metric] = -ended[metric]
    worst = float(ended[metric].min()) if ended[metric].notna().any() else 0.0
    ended.loc[ended["status"] == "diverged", metric] = min(worst, 0.0) - 1.0
    found = {
        (str(label), str(task), float(share)): own[metric].to_numpy(float)
        for (label, task, share), own in ended.groupby(["label", "task", "expert_share"], sort=False)
    }
    names = list(dict.fromkeys(map(str, ended["label"])))
    places = list(dict.fromkeys((task, share) for _, task, share in found))
    common = [place for place in places if all((name, *place) in found for name in names)]
    if not common:
        raise NothingToDrawError("no task on which all methods have a finished run")
    tasks = ", ".join(dict.fromkeys(task for task, _ in common))
    left_out = len(places) - len(common)
    where = f"over {tasks}" + (f" ({left_out} more without a seed of every method are left out)" if left_out else "")
    return {name: [found[name, *place] for place in common] for name in names}, where


def _lower(metric: str) -> str:
    title = METRICS[metric].title
    return title[0].lower() + title[1:]


def _diverged(frame: pd.DataFrame) -> list[str]:
    return ["A diverged seed counts as the worst."] if (frame["status"] == "diverged").any() else []
