"""The command line: ``smore-sweep --help``. Slow libraries are imported when a command needs them."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from smore_sweep.cli.data import add_data
from smore_sweep.cli.options import add_command, add_results, add_source
from smore_sweep.errors import UserError
from smore_sweep.spec import DEFAULT_SCALE
from smore_sweep.storage.paths import storage_path


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. A user's mistake is one line on standard error and exit code 2."""
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
        return code
    except UserError as error:
        print(f"smore-sweep: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("smore-sweep: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smore-sweep", description="Sweeps of offline goal-conditioned RL experiments: plan, run, browse."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return add_command(commands, name, help, globals()[f"_{name}"])

    for name, help in (
        ("run", "run what a sweep still lacks, on a local Ray or on a cluster"),
        ("submit", "run a sweep as a job of a Ray cluster, and follow it to its end"),
        ("plan", "show what is done, partial and missing, and how long the rest takes"),
        ("status", "show how far a sweep, or every sweep, is"),
    ):
        command = add(name, help)
        command.add_argument(
            "sweep",
            nargs="?" if name in ("status", "submit") else None,
            help="a file of sweeps/, without .py, or a path to a .py file" + ("; all of them: all" * (name == "plan")),
        )
        command.add_argument("--scale", help="smoke, laptop or paper (default: the sweep's own)")
        command.add_argument("--seeds", type=int, help="number of seeds (default: the scale's)")
        if name != "status":
            command.add_argument("--tasks", type=_names, help="only these tasks, separated by commas")
        add_source(command)
        if name == "submit":
            command.add_argument("--results", help="results folder: a full path on the cluster, or s3://bucket/prefix")
            command.add_argument("--jobs-address", help="the cluster's job server (default: one on this machine)")
            instead = command.add_mutually_exclusive_group()
            instead.add_argument("--detach", action="store_true", help="print the job's id and return")
            instead.add_argument("--follow", metavar="JOB", help="no new job: follow this one to its end")
            instead.add_argument("--cancel", metavar="JOB", help="no new job: cancel this one")
        else:
            add_results(command)
        if name == "run":
            command.add_argument("--address", help="a Ray cluster: auto or host:port (default: start a local one)")
        if name in ("run", "submit"):
            command.add_argument("--gpus-per-stack", type=float, help="default: 1 if the cluster has GPUs, else 0")
            command.add_argument("--stack-size", type=_size, help="runs of a stack at most (default: by the device)")
            command.add_argument("--notify", metavar="COMMAND", help="a shell command to run when the sweep has ended")
    help = "make, import and look at episodes"
    add_data(commands.add_parser("data", help=help, description=help).add_subparsers(required=True, metavar="COMMAND"))
    command = add("train", "train one run in this process, without Ray")
    command.add_argument("--method", required=True, help="a method, such as smore or gc_iql")
    command.add_argument("--task", required=True, help="a task of the table, such as FetchReach")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--expert-share", type=float, default=0.1, help="share of expert episodes (default: 0.1)")
    command.add_argument(
        "--set", action="append", default=[], metavar="KNOB=VALUE", dest="settings", help="may be given several times"
    )
    command.add_argument("--scale", default=DEFAULT_SCALE, help=f"of the budget (default: {DEFAULT_SCALE})")
    for field in ("updates", "episodes", "batch-size"):
        command.add_argument(f"--{field}", type=int, help="default: the scale's")
    add_source(command)
    add_results(command)
    command = add("experts", "measure the policies that the data are made of, on fresh episodes")
    command.add_argument("tasks", nargs="*", help="tasks of the table (default: all)")
    command.add_argument("--episodes", type=int, default=200, help="of each policy (default: 200)")
    command = add("methods", "list the methods, or the knobs of one")
    command.add_argument("method", nargs="?", help="a method, such as smore or gc_iql")
    command = add("play", "roll out a policy and draw it: an animation, and stills of it")
    command.add_argument("task", nargs="?", help="a task of the table, such as FetchPush")
    command.add_argument(
        "--policy", default="expert", help="expert, medium, random, or a done run's id (how it begins)"
    )
    command.add_argument("--episodes", type=int, default=1, help="evaluation episodes to show (default: 1)")
    command.add_argument("--seed", type=int, default=0, help="number of the first evaluation episode (default: 0)")
    command.add_argument("--output", type=Path, help="a .gif file; the stills lie beside it (default: in RESULTS/play)")
    command.add_argument("--sheet", type=Path, help="instead: a .png file with stills of every task's expert")
    add_results(command)
    command = add("videos", "attach an animation to one run of each cell of a sweep, in MLflow")
    command.add_argument("sweep", help="a file of sweeps/, without .py, or a path to a .py file")
    command.add_argument("--scale", help="smoke, laptop or paper (default: the sweep's own)")
    add_source(command)
    add_results(command)
    command = add("ui", "open the MLflow page of the results folder")
    command.add_argument("--port", type=int, default=5000)
    add_results(command)
    command = add("bench", "measure training speed and the platform's overhead on this machine")
    command.add_argument("--batch-size", type=int, default=512)
    command.add_argument("--method", help="only the training step of this method, or of all")
    command.add_argument("--only", metavar="PART", help="speed, overhead, memory or packing (default: all)")
    return parser


def _size(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not valid; it must be a whole number of at least 1")
    return int(text)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _run(options: argparse.Namespace) -> int:
    from smore_sweep.execution.runner import run

    return run(
        options.sweep,
        scale=options.scale,
        seeds=options.seeds,
        tasks=options.tasks,
        source=options.source,
        results=storage_path(options.results),
        address=options.address,
        gpus_per_stack=options.gpus_per_stack,
        stack_size=options.stack_size,
        notification=options.notify,
    )


def _submit(options: argparse.Namespace) -> int:
    from smore_sweep.execution.jobs import JOBS_ADDRESS, cancel, follow, submit

    address = options.jobs_address or JOBS_ADDRESS
    if options.follow:
        return follow(options.follow, address)
    if options.cancel:
        return cancel(options.cancel, address)
    if not options.sweep or not options.results:
        raise UserError(
            "name a sweep and a results folder on the cluster: smore-sweep submit quickstart --results /..."
        )
    given = {
        "--scale": options.scale,
        "--seeds": options.seeds,
        "--tasks": ",".join(options.tasks or ()),
        "--source": options.source,
        "--gpus-per-stack": options.gpus_per_stack,
        "--stack-size": options.stack_size,
        "--notify": options.notify,
    }
    passed = [word for name, value in given.items() if value not in (None, "") for word in (name, str(value))]
    return submit(options.sweep, passed, results=options.results, address=address, detach=options.detach)


def _plan(options: argparse.Namespace) -> int:
    from smore_sweep import console
    from smore_sweep.execution.runner import missing_episodes
    from smore_sweep.planning import campaign
    from smore_sweep.planning.plan import describe_stacks, estimate, load_sweep, make_plan
    from smore_sweep.planning.stacks import LARGEST_STACK, stacks

    out = console.console()
    if options.sweep == campaign.ALL:
        scale = options.scale or DEFAULT_SCALE
        parts = campaign.campaign(
            scale, storage_path(options.results), options.source, seeds=options.seeds, tasks=options.tasks
        )
        out.print(console.campaign_table(list(parts), scale))
        return 0
    plan = make_plan(
        load_sweep(options.sweep),
        options.scale,
        storage_path(options.results),
        seeds=options.seeds,
        tasks=options.tasks,
        source=options.source,
    )
    out.print(console.plan_table(plan))
    cores = os.cpu_count() or 1
    lacking = missing_episodes(plan)
    for (name, policy), count in lacking.items():
        out.print(f"to make: {count:,} {name} episodes of the {policy} policy")
    if plan.pending:
        made = stacks(plan.pending, slots=cores, largest=LARGEST_STACK["cpu"])
        out.print(f"to train: {len(plan.pending)} runs, as {describe_stacks(made)} on {cores} CPU cores")
        out.print(console.estimate_line(estimate(plan, lacking, cores)))
    else:
        out.print("nothing to do: every run is done")
    return 0


def _status(options: argparse.Namespace) -> int:
    from smore_sweep import console
    from smore_sweep.monitoring import heartbeat, progress_reporter
    from smore_sweep.planning.plan import all_sweeps, load_sweep, make_plan
    from smore_sweep.results import record

    out, results = console.console(), storage_path(options.results)
    sweeps = [load_sweep(options.sweep)] if options.sweep else all_sweeps(options.scale)
    for sweep in sweeps:
        for scale in [sweep.scale(options.scale)] if options.sweep or options.scale else sweep.scales:
            plan = make_plan(sweep, scale, results, seeds=options.seeds, source=options.source)
            if options.sweep:
                out.print(console.plan_table(plan))
            states = (record.DONE, record.PARTIAL, record.MISSING)
            counts = ", ".join(f"{plan.count(state)} {state}" for state in states)
            out.print(f"{sweep.name} · {scale}: {counts}")
    if found := heartbeat.load(results):
        out.print()
        for line in progress_reporter.describe(found, time.time()):
            out.print(line, markup=False, soft_wrap=True)
    return 0


def _train(options: argparse.Namespace) -> int:
    from dataclasses import replace

    from smore_sweep.discovery import configure, find_method
    from smore_sweep.execution.local import train_one
    from smore_sweep.planning.plan import scale_of
    from smore_sweep.spec import RunSpec

    settings = dict(_setting(text) for text in options.settings)
    changes = {name: getattr(options, name) for name in ("updates", "episodes", "batch_size")}
    scale, declared = scale_of(options.task, options.scale), configure(find_method(options.method), settings)
    run = RunSpec(
        method=scale.configure(declared, options.task, varied=settings),
        declared=declared,
        task=options.task,
        expert_share=options.expert_share,
        seed=options.seed,
        scale=options.scale,
        budget=replace(scale.budget_of(options.task), **{k: v for k, v in changes.items() if v is not None}),
        source=options.source,
    )
    return train_one(run, storage_path(options.results))


def _setting(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise UserError(f"--set {text} is not valid; give KNOB=VALUE, such as expectile=0.9")
    return name.strip(), value.strip()


def _experts(options: argparse.Namespace) -> int:
    from smore_sweep.data.policy_scores import measure

    return measure(options.tasks, options.episodes)


def _methods(options: argparse.Namespace) -> int:
    from smore_sweep import console
    from smore_sweep.discovery import find_method, methods

    table = console.knobs_table(find_method(options.method)) if options.method else console.methods_table(methods())
    console.console().print(table)
    return 0


def _play(options: argparse.Namespace) -> int:
    from smore_sweep.rendering.animation import play, sheet

    if options.sheet:
        return sheet(options.sheet, options.seed)
    if not options.task:
        raise UserError("name a task to play, such as FetchPush, or give --sheet FILE.png for all of them")
    return play(
        options.task,
        options.policy,
        results=storage_path(options.results),
        episodes=options.episodes,
        first=options.seed,
        output=options.output,
    )


def _videos(options: argparse.Namespace) -> int:
    from smore_sweep.rendering.videos import videos

    return videos(options.sweep, options.scale, source=options.source, results=storage_path(options.results))


def _ui(options: argparse.Namespace) -> int:
    from smore_sweep.results.tracking import check_uri, default_uri

    uri = default_uri(storage_path(options.results))
    check_uri(uri)
    if uri.startswith("http"):
        print("the tracking store is a server with a page of its own: open its address in a browser")
    else:
        os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an option: a URI may hold a password
        os.environ |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        print(f"MLflow page of {options.results}: http://127.0.0.1:{options.port}  (Ctrl-C ends it)", flush=True)
        command = ["mlflow", "ui", "--host", "127.0.0.1", "--port", str(options.port), "--workers", "1"]
        # In this process's place, so that whatever ends this ends the server.
        os.execv(sys.executable, [sys.executable, "-m", *command])
    return 0


def _bench(options: argparse.Namespace) -> int:
    from smore_sweep.bench import bench

    return bench(options.batch_size, options.method, options.only)


if __name__ == "__main__":
    sys.exit(main())
