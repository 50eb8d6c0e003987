"""The commands below ``smore-sweep data``: make, import and look at episodes."""

from __future__ import annotations

import argparse
from pathlib import Path

from smore_sweep.cli.options import Commands, add_command, add_source
from smore_sweep.errors import UserError


def add_data(commands: Commands[argparse.ArgumentParser]) -> None:
    command = add_command(commands, "make", "roll out a task's episodes, as far as they are missing", _make)
    command.add_argument("task", help="a task of the table, such as FetchReach")
    size = command.add_mutually_exclusive_group()
    size.add_argument("--scale", help="as many as the sweeps need at this scale (default: each sweep's own scale)")
    size.add_argument("--episodes", type=int, help="this many in each pool")

    help = "bring in episodes from elsewhere, in place of those of the same source"
    formats = commands.add_parser("import", help=help, description=help).add_subparsers(required=True, metavar="FORMAT")
    command = add_command(formats, "wgcsl", "the pickles of WGCSL and GoFAR", _import_wgcsl)
    command.add_argument("place", type=Path, help="a {random,expert}/<Task>/buffer.pkl, or a folder that holds such")
    add_source(command, "wgcsl")
    command = add_command(formats, "d4rl", "D4RL's HDF5 files of halfcheetah and ant", _import_d4rl)
    command.add_argument("place", type=Path, help="a {halfcheetah,ant}_{random,medium,expert}-v2.hdf5, or a folder")
    command.add_argument("--released", action="store_true", help="as SMORe's released code reads them; a source apart")
    add_source(command, "d4rl")
    command = add_command(formats, "minari", "the Minari Hub's data of halfcheetah and ant", _import_minari)
    command.add_argument("ids", nargs="*", help="mujoco/{halfcheetah,ant}/{medium,expert}-v0 (default: all four)")
    add_source(command, "minari")

    command = add_command(commands, "show", "what a task's pools hold, in numbers and a picture of the goals", _show)
    command.add_argument("task", help="a task of the table, such as FetchReach")
    command.add_argument("--picture", type=Path, help="a PNG file (default: output/goals-TASK-SOURCE.png)")
    add_source(command)


def _make(options: argparse.Namespace) -> int:
    from smore_sweep import console
    from smore_sweep.data import generate, pools
    from smore_sweep.planning.plan import task_pools
    from smore_sweep.tasks import task

    out = console.console()
    if options.episodes is None:
        wanted = task_pools(options.task, options.scale)
    elif options.episodes < 1:
        raise UserError(f"episodes = {options.episodes} is not valid; it must be a whole number of at least 1")
    else:
        wanted = {(options.task, policy): options.episodes for policy in task(options.task).pools}
    for pool, count in wanted.items():
        generate.ensure(out, *pool, count)
        out.print(f"{pools.dataset_id(*pool)}: {pools.available(*pool):,} episodes")
    return 0


def _import_wgcsl(options: argparse.Namespace) -> int:
    from smore_sweep.data.importers import wgcsl

    wgcsl.import_dataset(options.place, options.source, print)
    return 0


def _import_d4rl(options: argparse.Namespace) -> int:
    from smore_sweep.data.importers import d4rl

    d4rl.import_dataset(options.place, options.source, print, released=options.released)
    return 0


def _import_minari(options: argparse.Namespace) -> int:
    from smore_sweep.data.importers import minari_hub

    minari_hub.import_dataset(options.ids or minari_hub.DEFAULT, options.source, print)
    return 0


def _show(options: argparse.Namespace) -> int:
    from smore_sweep import console
    from smore_sweep.data import summary

    out = console.console()
    picture = options.picture or Path("output") / f"goals-{options.task}-{options.source}.png"
    out.print(summary.table(options.task, options.source))
    summary.draw(options.task, options.source, picture)
    out.print(f"where the goals lie: {picture}")
    return 0
