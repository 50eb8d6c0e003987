"""Made-up runs to draw, and readers of the figures of them."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from analysis.plots import style
from smore_sweep.task import METRICS

NUMBERS = itertools.count()
Values = list[float | str]
"""The return of each finished seed, and the status of the others."""


def runs(
    values: Values, label: str = "SMORe", task: str = "FetchReach", share: float = 0.1, **rest: object
) -> pd.DataFrame:
    """Make one row per seed, as :func:`analysis.frames.runs.load` returns them."""
    rows = []
    for seed, value in enumerate(values):
        done = not isinstance(value, str)
        row = {
            "run_id": f"run{next(NUMBERS)}",
            "method": label.split(" ")[0],
            "label": label,
            "task": task,
            "expert_share": share,
            "seed": seed,
            "scale": "laptop",
            "source": "generated",
            "status": "done" if done else value,
            "dataset": "d",
            "git": "abc" if done else "",
            **dict.fromkeys(METRICS, value if done else math.nan),
            "updates": 2_500,
            "batch_size": 256,
            "episodes": 500,
            "final_episodes": 20,
            "unnamed": "hidden=128",
        }
        rows.append(row | rest)
    return pd.DataFrame(rows)


def frame(*parts: pd.DataFrame) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True)


def curve(values: Values, updates: list[int], **of: str) -> pd.DataFrame:
    """Make the evaluations of one run, with its returns at these updates. Without any, its one row has no update."""
    rows = [runs([value], **of).assign(run_id="") for value in values]  # type: ignore[arg-type]
    whole = frame(*rows).assign(run_id=f"run{next(NUMBERS)}")
    whole["update"] = np.array(updates, dtype=float) if updates else math.nan
    return whole


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def drawn_line(panel: Axes, name: str) -> tuple[list[float], list[float]]:
    """Read x and y of the method's own line in a panel, identified by its colour."""
    colour = style.looks([name])[name].colour
    (line,) = [one for one in panel.lines if one.get_color() == colour and one.get_linestyle() != ":"]
    x, y = np.asarray(line.get_data(), dtype=float).tolist()
    return x, y


def published_line(panel: Axes, name: str) -> list[tuple[float, float]]:
    colour = style.looks([name])[name].colour
    lines = [one for one in panel.lines if one.get_color() == colour and one.get_linestyle() == ":"]
    return [(float(x), float(y)) for one in lines for x, y in np.asarray(one.get_xydata())]


def band(panel: Axes, name: str) -> dict[float, tuple[float, float]]:
    """Read the ends of the shaded interval at each x."""
    colour = to_rgb(style.looks([name])[name].colour)
    (area,) = [one for one in panel.collections if tuple(one.get_facecolor()[0][:3]) == colour]  # type: ignore[index]
    at: dict[float, list[float]] = {}
    for x, y in np.asarray(area.get_paths()[0].vertices, dtype=float).tolist():
        at.setdefault(x, []).append(y)
    return {x: (min(ys), max(ys)) for x, ys in at.items()}


def footer(figure: Figure) -> str:
    """Read the small print, without its line breaks."""
    return " ".join(str(figure.get_supxlabel()).split())
