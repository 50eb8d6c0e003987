"""Line figures: a panel per task, a line per method, a mean over seeds with its interval at each point."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from analysis.frames.metrics import METRICS
from analysis.paper.published import beside
from analysis.plots import scales, style
from analysis.plots.notes import INTERVAL, notes
from analysis.plots.points import Line, NothingToDrawError, line
from analysis.stats.bootstrap import Array, mean_interval
from smore_sweep.results.record import DIVERGED
from smore_sweep.run_spec import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_HEIGHT = 1.65
MOST_COLUMNS = 4
CROWD = 8
"""Most lines of a figure with one panel that is a column wide. With more it is as wide as the page."""
PRINTED = ("SMORe", "GoFAR")
"""The methods whose published numbers are drawn: those of Table 2. Seven would be too many lines to tell apart."""
PUBLISHED = "Hollow and dotted: as printed in the SMORe paper, from other data (SMORe and GoFAR only)."
NOISY = "FetchReachNoise"

Panels = Sequence[tuple[str, pd.DataFrame]]


def learning_curves(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """Draw a panel per task and expert share, against the number of updates.

    Args:
        frame: One row per evaluation of each run, and one for each run without any (its ``update`` is NaN).
        metric: Name of the outcome.
        rng: Generator of the bootstrap.
    """
    ours = frame.copy()
    ours.loc[ours["status"] == DIVERGED, metric] = math.nan
    several = int(ours.groupby("task")["expert_share"].nunique().max())
    columns = several if 1 < several <= MOST_COLUMNS else None
    figure, axes = _panels(_by_share(ours), "update", metric, rng, label="updates", columns=columns, points=1)
    for panel in axes:
        panel.xaxis.set_major_formatter(_thousands)
    style.footer(figure, [*notes(frame, metric), INTERVAL, "Evaluations of unfinished seeds count as far as they go."])
    return figure


def noise(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """Draw FetchReach against the noise on its actions: Figure 2 of the paper."""
    ours = frame.assign(noise=[_noise(str(task)) for task in frame["task"]])
    figure, (panel,) = _panels(
        [("FetchReach", ours)], "noise", metric, rng, label="standard deviation of the noise on actions", columns=1
    )
    panel.set_xticks(sorted(set(ours["noise"])))
    style.footer(figure, [*notes(frame, metric), INTERVAL])
    return figure


def coverage(frame: pd.DataFrame, metric: str, rng: np.random.Generator) -> Figure:
    """Draw a panel per task with several expert shares, against the share: Tables 1, 2 and 6 to 8."""
    several = frame.groupby("task")["expert_share"].transform("nunique") > 1
    ours = frame[several].assign(percent=100 * frame["expert_share"])
    panels = [(str(task), own) for task, own in ours.groupby("task", sort=False)]
    figure, axes = _panels(panels, "percent", metric, rng, label="expert share (%)", published="")
    shares = sorted(set(ours["percent"]))
    for panel in axes:
        panel.set_xscale("log")
        panel.set_xticks(shares, [f"{share:g}" for share in shares])
        panel.set_xticks([], minor=True)
    style.footer(figure, [*notes(ours, metric), INTERVAL, PUBLISHED])
    return figure


def sensitivity(
    frame: pd.DataFrame,
    metric: str,
    rng: np.random.Generator,
    *,
    label: str,
    by: str = "method",
    published: str | None = None,
    names: Mapping[float, str] | None = None,
    over_shares: bool = False,
) -> Figure:
    """Draw a panel per task and expert share, against the knob of each run (column ``value``).

    A method without the knob (NaN) is drawn as a horizontal line.

    Args:
        frame: One row per expected run.
        metric: Name of the outcome.
        rng: Generator of the bootstrap.
        label: Label of the axis.
        by: Column with the names of the lines.
        published: Table of the paper to compare with.
        names: Names of the values, if they are no numbers. They stand at equal distances.
        over_shares: Draw all expert shares of a task in one panel: the axis shows them.
    """
    values = sorted(set(frame["value"].dropna()))
    spacing = "even" if names else scales.spacing(values)
    position = {value: float(number) if spacing == "even" else value for number, value in enumerate(values)}
    placed = frame.assign(position=frame["value"].map(position))
    by_task = [(str(task), own) for task, own in placed.groupby("task", sort=False)]
    panels = by_task if over_shares else _by_share(placed)
    figure, axes = _panels(panels, "position", metric, rng, label=label, by=by, published=published)
    texts = {position[value]: names[value] if names else f"{value:g}" for value in values}
    inches = figure.get_figwidth() / _columns_of(axes) - 0.4
    for panel in axes:
        scales.set_ticks(panel, texts, inches, log=spacing == "log", named=names is not None)
    style.footer(figure, [*notes(frame, metric), INTERVAL, *([PUBLISHED] if published else [])])
    return figure


def _panels(
    panels: Panels,
    x: str,
    metric: str,
    rng: np.random.Generator,
    *,
    label: str,
    by: str = "label",
    columns: int | None = None,
    points: int = 2,
    published: str | None = None,
) -> tuple[Figure, list[Axes]]:
    """Draw the panels that have a line with finished runs at ``points`` or more values of ``x``.

    ``published`` is the table of the paper to show beside ours ("": each setting's own).
    """
    full = [
        (title, own) for title, own in panels if own.dropna(subset=[metric]).groupby(by)[x].nunique().max() >= points
    ]
    if not full:
        some = any(own[metric].notna().any() for _, own in panels)
        raise NothingToDrawError(
            f"finished runs at fewer than {points} points of the axis" if some else "no finished run"
        )
    columns = min(columns or _columns(len(full)), len(full))
    rows = math.ceil(len(full) / columns)
    looks = style.looks(name for _, own in full for name in own.dropna(subset=[metric])[by])
    if columns == 1 and len(looks) <= CROWD:
        figure = style.figure(style.ONE_COLUMN, 1.4 * PANEL_HEIGHT)
    else:
        figure = style.figure(style.TWO_COLUMNS, PANEL_HEIGHT * rows * (1 if columns > 1 else 1.6))
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for unused in axes[len(full) :]:
        unused.remove()
    for number, (panel, (title, own)) in enumerate(zip(axes, full, strict=False)):
        for position, (name, runs) in enumerate(own.dropna(subset=[metric]).groupby(by, sort=False)):
            look = looks[str(name)]
            if runs[x].isna().all():
                _level(panel, runs[metric].to_numpy(float), look, rng)
                continue
            _line(panel, line(runs, x, metric, rng), look, position)
            if published is not None and name in PRINTED:
                _published(panel, runs.drop_duplicates(x).sort_values(x), x, metric, published, look)
        panel.set_title(title)
        panel.set_ylim(*scales.limits(float(panel.dataLim.y0), float(panel.dataLim.y1)))
        panel.set_xlabel(label if number >= len(full) - columns else "")
        panel.set_ylabel(textwrap.fill(METRICS[metric].title, 20) if number % columns == 0 else "")
    style.legend(figure, looks)
    return figure, axes[: len(full)]


def _by_share(frame: pd.DataFrame) -> Panels:
    """Split a frame by task and expert share. Titles name the share where a task has several."""
    several = int(frame.groupby("task")["expert_share"].nunique().max()) > 1
    return [
        (f"{task}, {percent(share)}" if several else str(task), own)
        for (task, share), own in frame.groupby(["task", "expert_share"], sort=False)
    ]


def _columns_of(axes: Sequence[Axes]) -> int:
    place = axes[0].get_subplotspec()
    assert place is not None
    return int(place.get_gridspec().ncols)


def _columns(panels: int) -> int:
    """Choose three or four columns, whichever leaves fewer panels empty."""
    return min((3, MOST_COLUMNS), key=lambda columns: -panels % columns)


def _line(panel: Axes, means: Line, look: style.Look, position: int) -> None:
    """Draw line number ``position`` of a panel. Markers of long lines are thinned out, and offset between lines."""
    apart = max(1, len(means.x) // 6) if len(means.x) > 12 else 1
    panel.plot(means.x, means.mean, markevery=(position % apart, apart), **look.line())
    panel.fill_between(means.x, means.low, means.high, color=look.colour, alpha=0.15, linewidth=0)


def _level(panel: Axes, values: Array, look: style.Look, rng: np.random.Generator) -> None:
    mean, low, high = (float(end[0]) for end in mean_interval([values[:, None]], rng=rng))
    panel.axhline(mean, **{**look.line(), "marker": ""})
    if not math.isnan(low):
        panel.axhspan(low, high, color=look.colour, alpha=0.15, linewidth=0)


def _published(panel: Axes, points: pd.DataFrame, x: str, metric: str, table: str, look: style.Look) -> None:
    """Draw the published means beside a line. ``points`` has one row per point."""
    printed = [
        (float(at), cell.mean)
        for at, task, label, share in points[[x, "task", "label", "expert_share"]].itertuples(index=False)
        if (cell := beside(metric, task, label, share, table))
    ]
    hollow = {"linestyle": ":", "linewidth": 0.6, "markerfacecolor": "white", "markersize": 3.5}
    panel.plot([at for at, _ in printed], [mean for _, mean in printed], **{**look.line(), **hollow})


def _thousands(updates: float, _: object = None) -> str:
    """Format ``2.5k`` or ``1M``."""
    return f"{updates / 1e6:g}M" if updates >= 1e6 else f"{updates / 1e3:g}k" if updates >= 1e3 else f"{updates:g}"


def _noise(task: str) -> float:
    return float(task.removeprefix(NOISY)) if task.startswith(NOISY) else 0.0
