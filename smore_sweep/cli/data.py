"""``smore-sweep data``: make, import and show episodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from smore_sweep.cli import complete
from smore_sweep.cli.options import File, Source, TaskName, check_at_least_one, check_exclusive
from smore_sweep.errors import UserError, printable, unknown
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS

OfTask = Annotated[
    str, typer.Option("--task", metavar="TASK", help="the task of the episodes", autocompletion=complete.tasks)
]
OfPolicy = Annotated[
    str, typer.Option("--policy", metavar="POOL", help="expert, or the task's other pool, such as random")
]
Cut = Annotated[
    int | None, typer.Option("--cut", metavar="N", help="cut episodes of unequal length into ones of N steps")
]
AllowLarge = Annotated[
    bool, typer.Option("--allow-large", help="take numbers beyond 1e30 too, as long as they are finite in float32")
]

app = typer.Typer(help="Make, import and look at episodes.")
formats = typer.Typer(help="Import episodes, in place of those of the same source.")
app.add_typer(formats, name="import")


@app.command()
def make(
    task: TaskName,
    scale: Annotated[
        str | None,
        typer.Option(metavar="SCALE", help="as many as the sweeps need at it  [default: each sweep's own scale]"),
    ] = None,
    episodes: Annotated[int | None, typer.Option(metavar="N", help="this many in each pool")] = None,
    file: File = None,
) -> int:
    """Roll out a task's episodes, as far as they are missing."""
    from smore_sweep.console import make_console
    from smore_sweep.data import generate, pools
    from smore_sweep.planning.plan import task_pools
    from smore_sweep.tasks import pools_of
    from smore_sweep.tasks import task as task_row

    check_exclusive(scale=scale, episodes=episodes)
    check_at_least_one("episodes", episodes)
    out = make_console()
    for owner, policy in pools_of(task):
        if not pools.available(owner, policy):
            task_row(owner).check_maker(policy)
    counts = task_pools(task, scale) if episodes is None else dict.fromkeys(pools_of(task), episodes)
    for pool, count in counts.items():
        generate.ensure(out, *pool, count)
        out.print(f"{pools.dataset_id(*pool)}: {pools.available(*pool):,} episodes")
    return 0


@app.command()
def show(
    task: TaskName,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="a PNG file  [default: output/goals-TASK-SOURCE.png]")
    ] = None,
    source: Source = GENERATED,
    file: File = None,
) -> int:
    """Show a task's pools, in numbers and a picture of the goals."""
    from smore_sweep.console import make_console
    from smore_sweep.data import summary
    from smore_sweep.tasks import pools_of

    out = make_console()
    owner, _ = pools_of(task)[0]
    file = picture or Path(DEFAULT_RESULTS) / f"goals-{owner}-{source}.png"
    out.print(summary.table(owner, source))
    summary.draw(owner, source, file)
    out.print(f"where the goals lie: {file}")
    return 0


def _say(message: str) -> None:
    print(printable(message))


@formats.command("wgcsl")
def import_wgcsl(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="a {random,expert}/<Task>/buffer.pkl, or a folder that holds such"),
    ],
    source: Source = "wgcsl",
    allow_large: AllowLarge = False,
) -> int:
    """Import the pickles of WGCSL and GoFAR."""
    from smore_sweep.data.importers import wgcsl

    wgcsl.import_dataset(path, source, _say, allow_large=allow_large)
    return 0


@formats.command("d4rl")
def import_d4rl(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="a {halfcheetah,ant}_{random,medium,expert}-v2.hdf5, or a folder"),
    ],
    released: Annotated[
        bool, typer.Option("--released", help="as SMORe's released code reads them; a source apart")
    ] = False,
    source: Source = "d4rl",
    allow_large: AllowLarge = False,
) -> int:
    """Import D4RL's HDF5 files of halfcheetah and ant."""
    from smore_sweep.data.importers import d4rl

    d4rl.import_dataset(path, source, _say, released=released, allow_large=allow_large)
    return 0


@formats.command("minari")
def import_minari(
    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ID",
            help="with --task any goal environment's dataset, else mujoco/{halfcheetah,ant}/{medium,expert}-v0  "
            "[default: these four]",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="TASK",
            help="the task of the episodes, for any goal environment",
            autocompletion=complete.tasks,
        ),
    ] = None,
    policy: OfPolicy = "expert",
    cut: Cut = None,
    source: Source = "minari",
    allow_large: AllowLarge = False,
    file: File = None,
) -> int:
    """Import datasets of the Minari Hub, or local ones."""
    from smore_sweep.data.importers import minari_goals, minari_hub

    if task is None:
        minari_hub.import_dataset(ids or minari_hub.DEFAULT, source, _say, allow_large=allow_large)
        return 0
    check_at_least_one("cut", cut)
    if ids is None or len(ids) != 1:
        raise UserError(f"--task {task} needs the id of one dataset, such as D4RL/pointmaze/umaze-v2")
    pool = check_pool(task, policy)
    minari_goals.import_dataset(ids[0], *pool, source, _say, cut=cut, allow_large=allow_large)
    return 0


@formats.command("ogbench")
def import_ogbench(
    path: Annotated[
        Path,
        typer.Argument(metavar="PATH", help="a file such as cube-single-play-v0.npz, or a folder that holds such"),
    ],
    source: Source = "ogbench",
    allow_large: AllowLarge = False,
) -> int:
    """Import OGBench's files; a validation set beside one is a source of its own, SOURCE-val."""
    from smore_sweep.data.importers import ogbench

    ogbench.import_dataset(path, source, _say, allow_large=allow_large)
    return 0


@formats.command("npz")
def import_npz(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="a .npz file; docs/guide/importing.md: what it holds")],
    task: OfTask,
    policy: OfPolicy = "expert",
    goal: Annotated[
        str | None,
        typer.Option("--goal", metavar="FIRST:END", help="columns of the observations that are the achieved goals"),
    ] = None,
    cut: Cut = None,
    source: Source = "npz",
    allow_large: AllowLarge = False,
    file: File = None,
) -> int:
    """Import a task's episodes from a NumPy file."""
    from smore_sweep.data.importers import npz
    from smore_sweep.data.importers.episodes_of_goals import goal_columns

    check_at_least_one("cut", cut)
    columns = None if goal is None else goal_columns(goal)
    pool = check_pool(task, policy)
    npz.import_dataset(path, *pool, source, _say, goal=columns, cut=cut, allow_large=allow_large)
    return 0


def check_pool(task: str, policy: str) -> tuple[str, str]:
    """Return a task's pool. Raises :class:`UserError` if there is none of this name."""
    from smore_sweep.tasks import pools_of

    pools = {pool: (owner, pool) for owner, pool in pools_of(task)}
    if policy not in pools:
        raise UserError(unknown("pool", policy, pools, f" (of {task})"))
    return pools[policy]
