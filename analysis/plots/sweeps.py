"""Figures of any sweep: its learning curves, and a metric against each knob that it varies or evaluation goal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import pandas as pd

from analysis.frames.goals import by_goal, goals_of
from analysis.frames.request import ResultsRequest
from analysis.frames.series import series_names, varied_knobs
from analysis.plots import lines
from analysis.plots.registry import Draw, with_evaluations
from smore_sweep.errors import UserError, did_you_mean
from smore_sweep.run_spec import RunSpec
from smore_sweep.spec import Sweep

CURVES, SHARE, GOALS = "curves", "expert_share", "goals"


def axes_of(runs: Sequence[RunSpec]) -> list[str]:
    """List what a figure can be drawn against: knobs and the share of expert data that a sweep varies, and the goals of
    tasks whose goals take turns."""
    shares, goals = {run.expert_share for run in runs}, goals_of(runs)
    varied = varied_knobs(run.named for run in runs)
    return [*varied, *([SHARE] if len(shares) > 1 else []), *([GOALS] if goals else [])]


def check_axis(sweep: Sweep, name: str, valid: Sequence[str]) -> None:
    """Raise :class:`UserError` unless the sweep varies what an axis is to show."""
    if not valid:
        raise UserError(f"sweep {sweep.name} cannot be drawn against {name!r}: it varies no knob and no expert share")
    if name not in valid:
        varies = f"it varies: {', '.join(valid)}{did_you_mean(name, valid)}"
        raise UserError(f"sweep {sweep.name} cannot be drawn against {name!r}; {varies}")


def figure_of(sweep: Sweep, scale: str, axis: str, about: ResultsRequest) -> tuple[Draw, pd.DataFrame]:
    """Prepare a figure of a sweep at a scale: how it is drawn, and its frame.

    Args:
        sweep: The sweep.
        scale: One of its scales.
        axis: :data:`CURVES`, or one of :func:`axes_of`.
        about: Which results to draw.
    """
    runs = about.runs(sweep, scale)
    names = series_names(run.named for run in runs)
    loaded = about.load(sweep, scale)
    frame = loaded.assign(label=loaded["label"].map(names))
    if axis == CURVES:
        from analysis.frames.runs import curves

        return lines.learning_curves, with_evaluations(frame, curves(runs, about.results))
    if axis == GOALS:
        texts = {float(number): name for number, name in goals_of(runs).items()}
        draw = partial(lines.sensitivity, label="evaluation goal, at the last update", by="label", names=texts)
        return draw, by_goal(frame, about.results)
    if axis == SHARE:
        percents = 100 * frame[SHARE]
        draw = partial(lines.sensitivity, label="expert share (%)", by="label", over_shares=True)
        return draw, frame.assign(value=percents.round(6))
    values = {run.run_id: run.method.fields().get(axis) for run in runs}
    positions, named = _positions(values.values())
    series = series_names((run.named for run in runs), without=[axis])
    draw = partial(lines.sensitivity, label=axis.replace("_", " "), by="series", names=named)
    return draw, frame.assign(
        value=[positions.get(values[run_id], float("nan")) for run_id in frame["run_id"]],
        series=loaded["label"].map(series),
    )


def _positions(values: Iterable[object]) -> tuple[dict[object, float], dict[float, str] | None]:
    """Place values on an axis: numbers at themselves, and others in their order, with their names."""
    known = list(dict.fromkeys(value for value in values if value is not None))
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        return {value: float(value) for value in known}, None  # type: ignore[arg-type]
    positions = {value: float(number) for number, value in enumerate(known)}
    return positions, {number: str(value) for value, number in positions.items()}
