"""Figures that compare methods over tasks: probability of improvement and performance profiles."""

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
from smore_sweep.results.record import DIVERGED, DONE
from smore_sweep.tasks import task as task_row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LEVELS = np.linspace(0.0, 1.0, 101)
"""The normalised scores at which a profile is drawn."""

RESAMPLES = 1000

Scores = dict[str, list[Array]]
"""Method to the values of its seeds on each common task; larger is better."""


def improvement(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """Draw the probability that a seed of the row's method is ahead of one of the column's, averaged over tasks.

    Ties count half. The interval resamples seeds within each method and task. It is left out where it has no width, as
    when all seeds of one method are ahead, because it is uninformative then.
    """
    scores, over = _scores(frame, metric)
    names = list(scores)
    if len(names) < 2:
        raise NothingToDrawError("fewer than two methods")
    size = 0.62 * len(names) + 1.3
    figure = style.figure(min(style.TWO_COLUMNS, max(style.ONE_COLUMN, size)), 0.42 * len(names) + 0.4)
    panel = figure.subplots()
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
    title = METRICS[metric].title.lower()
    style.footer(
        figure,
        [
            f"Probability that a seed of the row's method is ahead of one of the column's ({title}; ties count half), "
            f"mean {over}, with {100 * LEVEL:g}% percentile bootstrap intervals over seeds.",
            *_diverged(frame),
            *_older(frame, metric),
            *notes(frame, metric),
        ],
    )
    return figure


def profiles(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """Draw performance profiles: the share of runs whose score is above each level, averaged over tasks.

    A score is the metric divided by its ceiling, the return of an episode that is at its goal at every step.
    """
    if not METRICS[metric].averaged:
        raise NothingToDrawError(f"{metric} has no ceiling to normalise by")
    scaled = frame.assign(**{metric: frame[metric] / [ceiling(str(task), metric) for task in frame["task"]]})
    scores, over = _scores(scaled, metric)
    figure = style.figure(style.ONE_COLUMN, 2.4)
    panel = figure.subplots()
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
    style.legend(figure, looks)
    style.footer(
        figure,
        [
            f"Score: {_lower(metric)} over its ceiling on the task's horizon (all steps at the goal). "
            f"Mean {over}, with {100 * LEVEL:g}% pointwise bootstrap intervals over seeds.",
            *_diverged(frame),
            *_older(frame, metric),
            *notes(frame, metric),
        ],
    )
    return figure


def chance_ahead(first: list[Array], second: list[Array], rng: np.random.Generator) -> tuple[float, float, float]:
    """Compute the probability of improvement of ``first`` over ``second``, averaged over tasks, and its interval.

    The ends of the interval are NaN if a task has one seed only.
    """
    groups = [group for pair in zip(first, second, strict=True) for group in pair]
    chance = mean_probability_of_improvement(groups)
    if min(map(len, groups)) < 2:
        return chance, math.nan, math.nan
    low, high = stratified_interval(mean_probability_of_improvement, groups, rng=rng, resamples=RESAMPLES)
    return chance, low, high


def ceiling(task: str, metric: str) -> float:
    """Return the largest value of a metric on a task: ``sum_k discount^k`` over its horizon, or 1 for a rate."""
    discount = METRICS[metric].discount
    return 1.0 if discount is None else (1 - discount ** task_row(task).horizon) / (1 - discount)


def _scores(frame: pd.DataFrame, metric: str) -> tuple[Scores, str]:
    """Collect the scores of the methods with an ended seed, and describe the (task, share) pairs that all of them have.

    As in the tables, a diverged seed is an outcome, worse than any other, and an unfinished one is none, as is one that
    was recorded before the metric.
    """
    old = _is_older(frame, metric)
    ended = frame[frame["status"].isin([DONE, DIVERGED]) & ~old].copy()
    if ended.empty:
        raise NothingToDrawError(f"no finished run with the metric {metric}" if old.any() else "no finished run")
    if not METRICS[metric].higher_is_better:
        ended[metric] = -ended[metric]
    worst = float(ended[metric].min()) if (ended["status"] == DONE).any() else 0.0
    ended.loc[ended["status"] == DIVERGED, metric] = min(worst, 0.0) - 1.0
    values = {
        (str(label), str(task), float(share)): own[metric].to_numpy(float)
        for (label, task, share), own in ended.groupby(["label", "task", "expert_share"], sort=False)
    }
    names = list(dict.fromkeys(map(str, ended["label"])))
    pairs = list(dict.fromkeys((task, share) for _, task, share in values))
    common = [pair for pair in pairs if all((name, *pair) in values for name in names)]
    if not common:
        raise NothingToDrawError("no task on which all methods have a finished run")
    tasks = ", ".join(dict.fromkeys(task for task, _ in common))
    left_out = len(pairs) - len(common)
    over = f"over {tasks}" + (f" ({left_out} more without a seed of every method are left out)" if left_out else "")
    return {name: [values[name, *pair] for pair in common] for name in names}, over


def _lower(metric: str) -> str:
    title = METRICS[metric].title
    return title[0].lower() + title[1:]


def _is_older(frame: pd.DataFrame, metric: str) -> pd.Series:
    """Whether each run is finished and has no value of the metric, which is younger than its record."""
    return (frame["status"] == DONE) & frame[metric].isna()


def _older(frame: pd.DataFrame, metric: str) -> list[str]:
    count = int(_is_older(frame, metric).sum())
    return [f"Left out, as recorded before this metric: {count} finished run{'s' * (count > 1)}."] if count else []


def _diverged(frame: pd.DataFrame) -> list[str]:
    return ["A diverged seed counts as the worst."] if (frame["status"] == DIVERGED).any() else []
