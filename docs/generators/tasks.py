"""One page per task that ships, with its picture, and one of OGBench's."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys
import warnings
from pathlib import Path

from generators.markdown import docstring, table, toctree
from smore_sweep.task import Task
from smore_sweep.tasks import SHIPPED, ogbench

HEADINGS = ("observation", "goal", "action", "steps", "goal reached within", "pools of data")


def pages(pictures: Path) -> dict[str, str]:
    """Return the list of tasks, a page for those that share an environment, and OGBench's page, by file name.

    Args:
        pictures: Folder of the pictures, in which those that are missing are drawn.
    """
    groups: dict[str, list[Task]] = {}
    for row in SHIPPED.values():
        groups.setdefault(row.name.split("-")[0], []).append(row)
    arenas: dict[str, list[Task]] = {}
    seen = [row.name for row in ogbench().values() if row.sizes.image]
    for row in ogbench().values():
        if row.name not in seen:
            arenas.setdefault(row.name.rpartition("-")[0], []).append(row)
    drawn = _draw(pictures, [rows[0].name for rows in (*groups.values(), *arenas.values())])
    listed = [
        "# All tasks",
        f"{len(SHIPPED)} tasks of the paper and of its baselines ship, with the policies that make their data. "
        f"OGBench's {len(ogbench())} datasets are tasks, too: [their list](tasks/ogbench.md).",
        "\n".join(
            [
                "::::{container} tasks",
                *(_card(name, rows[0].name in drawn, rows[0].name) for name, rows in groups.items()),
                "::::",
            ]
        ),
        toctree([*(f"tasks/{name}" for name in groups), "tasks/ogbench"]),
    ]
    made = {"tasks.md": "\n\n".join(listed)}
    made |= {f"tasks/{name}.md": _page(name, rows, rows[0].name in drawn) for name, rows in groups.items()}
    return made | {"tasks/ogbench.md": _ogbench(arenas, drawn, seen)}


def _card(name: str, drawn: bool, picture: str) -> str:
    image = f"[![{name}](pictures/{picture}.png)](tasks/{name}.md)\n" if drawn else ""
    return f":::{{container}} task\n{image}[{name}](tasks/{name}.md)\n:::"


def _page(name: str, rows: list[Task], drawn: bool) -> str:
    spec = rows[0].environment_spec()
    assert spec is not None
    module = importlib.import_module(str(spec.entry_point).partition(":")[0])
    parts = [
        f"# {name}",
        *([f"![{name}](../pictures/{rows[0].name}.png)"] if drawn else []),
        table(["task", *HEADINGS], [[f"`{row.name}`", *_numbers(row)] for row in rows]),
        f'`gymnasium.make("smore_sweep.envs:{rows[0].environment}")` builds the environment.',
        "## Environment",
        docstring(inspect.getdoc(module) or ""),
    ]
    for policy in ("expert", "medium"):
        if source := rows[0].source_of(policy):
            file, _, function = source.partition(":")
            made_by = importlib.import_module(file)
            parts += [f"## The {policy} policy: `{function}`", docstring(inspect.getdoc(made_by) or "")]
            parts += [docstring(inspect.getdoc(getattr(made_by, function)) or "")]
    return "\n\n".join(parts)


def _numbers(row: Task) -> list[str]:
    success = "" if row.success_threshold is None else f"; success within {row.success_threshold:g}"
    reached = f"{row.threshold:g}{success}"
    sizes = row.sizes
    pools = ", ".join(f"`{pool}`" for pool in row.pools)
    return [*map(str, (sizes.observation, sizes.goal, sizes.action, row.horizon)), reached, pools]


def _ogbench(arenas: dict[str, list[Task]], drawn: set[str], seen: list[str]) -> str:
    parts = [
        "# OGBench's tasks",
        "One task per dataset of OGBench. Goals are whole observations; success is the environment's own "
        "test. [OGBench](../../ogbench.md) says how evaluation, data and methods follow the benchmark.",
    ]
    for arena, rows in arenas.items():
        sizes = rows[0].sizes
        parts += [
            f"## {arena}",
            *([f"![{arena}](../pictures/{rows[0].name}.png)"] if rows[0].name in drawn else []),
            f"Observation and goal {sizes.observation}, action {sizes.action}, {rows[0].horizon} steps.",
            table(
                ["task", "steps of an episode of the data", "data"],
                [
                    [
                        f"`{row.name}`",
                        str(row.data_steps or row.horizon),
                        "made here" if row.trajectories else "imported",
                    ]
                    for row in rows
                ],
            ),
        ]
    parts += [
        "## From images",
        "Observations and goals are images of 64 x 64, and the data are imported: "
        + ", ".join(f"`{n}`" for n in seen)
        + ".",
    ]
    return "\n\n".join(parts) + "\n"


def _draw(folder: Path, names: list[str]) -> set[str]:
    """Draw what is missing, in two processes; return the tasks that have a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [name for name in names if not (folder / f"{name}.png").exists()]
    paths = os.pathsep.join(path for path in sys.path if path)
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "ignore"}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "generators.draw", str(folder), *missing[half::2]],
            cwd=folder, env=environment, stdout=subprocess.DEVNULL,
        )
        for half in range(2)
        if missing[half::2]
    ]  # fmt: skip
    for process in processes:
        process.wait()
    drawn = {name for name in names if (folder / f"{name}.png").exists()}
    if drawn != set(names):
        warnings.warn(f"no pictures of {', '.join(sorted(set(names) - drawn))}", stacklevel=2)
    return drawn
