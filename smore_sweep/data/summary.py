"""Summarise a task's pools: a table of statistics, and a picture of the goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.markup import escape
from rich.table import Table

from smore_sweep.data import pools
from smore_sweep.episodes import Episodes
from smore_sweep.errors import printable
from smore_sweep.images import as_numbers
from smore_sweep.results.outcomes import Outcomes
from smore_sweep.run_spec import GENERATED
from smore_sweep.tasks import task

POINTS = 2000
"""Most goals of each kind in the picture."""
SHEET_ROWS, SHEET_COLUMNS = 8, 8
"""Episodes and images of each in the picture of data that are images."""


def episodes_by_policy(name: str, source: str = GENERATED) -> dict[str, Episodes]:
    """Load a task's existing pools, by policy. Raises :class:`DatasetError` if there is none."""
    counts = {policy: pools.available(name, policy, source) for policy in task(name).pools}
    if not any(counts.values()):
        raise pools.too_few(name, task(name).pools[0], 0, 1, source)
    return {policy: pools.load(name, policy, count, source) for policy, count in counts.items() if count}


def table(name: str, source: str = GENERATED) -> Table:
    """Return the table of a task's pools, one column per pool."""
    statistics = Table(title=f"{name}, {source} data", title_justify="left")
    loaded = episodes_by_policy(name, source)
    columns = {policy: _numbers(name, policy, episodes, source) for policy, episodes in loaded.items()}
    total = sum(map(len, loaded.values()))
    statistics.add_column("pool")
    for policy in loaded:
        statistics.add_column(policy, justify="right", overflow="fold")
        columns[policy]["share of the episodes"] = f"{len(loaded[policy]) / total:.1%}"
    for row in next(iter(columns.values())):
        statistics.add_row(row, *(column.get(row, "") for column in columns.values()))
    return statistics


def _numbers(name: str, policy: str, episodes: Episodes, source: str) -> dict[str, str]:
    facts = pools.metadata(name, policy, source)
    outcomes = outcomes_of(name, episodes)
    summary = outcomes.summary()
    distance = _distances(episodes.achieved_goals[:, :-1], episodes.desired_goals)
    folder = pools.folder(name, policy, source)
    versions = {key.removesuffix("_version"): facts[key] for key in facts if key.endswith("_version")}
    return {
        "episodes": f"{len(episodes):,}",
        "transitions": f"{episodes.actions.shape[0] * episodes.actions.shape[1]:,}",
        "share of the episodes": "",
        "return at 0.99": f"{summary['return99']:.2f}",
        "success at the last step": f"{summary['success']:.1%}",
        "transitions that start at the goal": f"{(distance <= task(name).threshold).mean():.1%}",
        "bytes on disk": f"{sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()):,}",
        "fingerprint": _text(facts["fingerprint"]),
        "from": _text(facts.get("origin", f"{policy} policy, noise {facts.get('noise', 0)}")),
    } | {_text(package.replace("_", "-")): _text(number) for package, number in sorted(versions.items())}


def _text(fact: object) -> str:
    """Return metadata as plain text, without Rich's markup and a terminal's control characters."""
    return escape(printable(str(fact)))


def outcomes_of(name: str, episodes: Episodes) -> Outcomes:
    """Return the outcomes of a pool's episodes against their own commanded goals."""
    row = task(name)
    achieved, desired = episodes.achieved_goals[:, 1:], episodes.desired_goals
    distances = _distances(achieved, desired)
    return Outcomes(distances <= row.threshold, row.succeeded(achieved, desired[:, None], distances), distances)


def _distances(achieved: NDArray[Any], desired: NDArray[Any]) -> NDArray[np.float32]:
    """Return the distances ``[N, T]`` of goals ``[N, T, g]`` and ``[N, g]``, an episode at a time: images grow fourfold
    as numbers."""
    return np.array(
        [
            np.linalg.norm(as_numbers(goals) - as_numbers(goal), axis=-1)
            for goals, goal in zip(achieved, desired, strict=True)
        ]
    )


def draw(name: str, source: str, path: Path) -> None:
    """Write a PNG of the first two numbers of achieved goals (evenly over all steps) and commanded goals.

    It has one panel per pool. A goal of one number is drawn over time; goals that are images are shown.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    loaded = episodes_by_policy(name, source)
    figure, panels = pyplot.subplots(
        1, len(loaded), figsize=(5 * len(loaded), 4.5), squeeze=False, sharex=True, sharey=True
    )
    for panel, (policy, episodes) in zip(panels[0], loaded.items(), strict=True):
        panel.set_title(f"{name} {policy}: {len(episodes):,} episodes ({source})", fontsize=10)
        if episodes.images:
            panel.imshow(_contact_sheet(episodes, task(name).sizes.image))
            panel.set_axis_off()
            continue
        steps = episodes.achieved_goals.shape[1]
        count = min(POINTS, len(episodes) * steps)
        indices = np.linspace(0, len(episodes) * steps - 1, count).astype(int)
        achieved = episodes.achieved_goals.reshape(-1, episodes.achieved_goals.shape[-1])[indices]
        commanded = episodes.desired_goals[:POINTS]
        panel.plot(*_plane(achieved, indices % steps), ".", markersize=2, alpha=0.5, label="achieved")
        panel.plot(*_plane(commanded, np.full(len(commanded), steps)), "x", markersize=3, alpha=0.5, label="commanded")
        panel.set_xlabel("step" if commanded.shape[1] == 1 else "goal[0]")
        panel.set_ylabel("goal[0]" if commanded.shape[1] == 1 else "goal[1]")
    if panels[0][0].get_legend_handles_labels()[0]:
        panels[0][0].legend(loc="best", markerscale=2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _contact_sheet(episodes: Episodes, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return images of the first episodes, one a row, evenly over their steps: ``[height, width, channels]``."""
    times = np.linspace(0, episodes.observations.shape[1] - 1, SHEET_COLUMNS).astype(int)
    images = episodes.observations[:SHEET_ROWS, times]
    height, width, channels = shape
    rows = images.reshape(len(images), SHEET_COLUMNS, height, width, channels).swapaxes(1, 2)
    return rows.reshape(len(images) * height, SHEET_COLUMNS * width, channels)


def _plane(goals: NDArray[np.float32], steps: NDArray[np.int_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return (steps.astype(np.float32), goals[:, 0]) if goals.shape[1] == 1 else (goals[:, 0], goals[:, 1])
