"""The command line: ``smore-sweep --help``. Slow libraries are imported when a command needs them."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from smore_sweep.method import SpecError


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command. A user's mistake is one line on standard error and exit code 2."""
    _defer("torch")
    options = _parser().parse_args(argv)
    try:
        code: int = options.command(options)
        return code
    except SpecError as error:
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
        command = commands.add_parser(name, help=help, description=help)
        command.set_defaults(command=globals()[f"_{name}"])
        return command

    for name, help in (
        ("run", "run what a sweep still lacks, on a local Ray or on a cluster"),
        ("plan", "show what is done, partial and missing, and how long the rest takes"),
        ("status", "show how far a sweep, or every sweep, is"),
    ):
        command = add(name, help)
        command.add_argument(
            "sweep",
            nargs="?" if name == "status" else None,
            help="a file of sweeps/, without .py, or a path to a .py file",
        )
        command.add_argument("--scale", help="smoke, laptop or paper (default: the sweep's own)")
        command.add_argument("--seeds", type=int, help="number of seeds (default: the scale's)")
        if name != "status":
            command.add_argument("--tasks", type=_names, help="only these tasks, separated by commas")
        _add_results(command)
        if name == "run":
            command.add_argument("--address", help="a Ray cluster: auto or host:port (default: start a local one)")
            command.add_argument("--gpus-per-stack", type=float, help="default: 1 if the cluster has GPUs, else 0")
    command = add("data", "make episodes of a task, as far as they are missing")
    command.add_argument("task", help="a task of the table, such as FetchReach")
    command.add_argument("--episodes", type=int, default=1000, help="episodes of each pool (default: 1000)")
    command = add("ui", "open the MLflow page of the results folder")
    command.add_argument("--port", type=int, default=5000)
    _add_results(command)
    command = add("bench", "measure training speed and the platform's overhead on this machine")
    command.add_argument("--batch-size", type=int, default=512)
    return parser


def _add_results(command: argparse.ArgumentParser) -> None:
    command.add_argument("--results", type=Path, default=Path("output"), help="results folder (default: output)")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _run(options: argparse.Namespace) -> int:
    from smore_sweep.sweep import run

    return run(
        options.sweep,
        scale=options.scale,
        seeds=options.seeds,
        tasks=options.tasks,
        results=options.results,
        address=options.address,
        gpus_per_stack=options.gpus_per_stack,
    )


def _plan(options: argparse.Namespace) -> int:
    from smore_sweep import view
    from smore_sweep.machine import LARGEST_STACK
    from smore_sweep.plan import describe_stacks, estimate, load_sweep, make_plan
    from smore_sweep.spec import stacks
    from smore_sweep.sweep import missing_episodes

    out = view.console()
    plan = make_plan(
        load_sweep(options.sweep), options.scale, options.results, seeds=options.seeds, tasks=options.tasks
    )
    out.print(view.plan_table(plan))
    cores = os.cpu_count() or 1
    lacking = missing_episodes(plan)
    for (name, policy), count in lacking.items():
        out.print(f"to make: {count:,} {name} episodes of the {policy} policy")
    if plan.pending:
        made = stacks(plan.pending, slots=cores, largest=LARGEST_STACK["cpu"])
        out.print(f"to train: {len(plan.pending)} runs, as {describe_stacks(made)} on {cores} CPU cores")
        out.print(view.estimate_line(estimate(plan, lacking, cores)))
    else:
        out.print("nothing to do: every run is done")
    return 0


def _status(options: argparse.Namespace) -> int:
    from smore_sweep import record, view
    from smore_sweep.plan import load_sweep, make_plan, sweep_names

    out = view.console()
    for name in [options.sweep] if options.sweep else sweep_names():
        sweep = load_sweep(name)
        scales = [sweep.scale(options.scale)] if options.sweep else list(sweep.scales)
        for scale in scales:
            if options.scale not in (None, scale):
                continue
            plan = make_plan(sweep, scale, options.results, seeds=options.seeds)
            if options.sweep:
                out.print(view.plan_table(plan))
            states = (record.DONE, record.PARTIAL, record.MISSING)
            counts = ", ".join(f"{plan.count(state)} {state}" for state in states)
            out.print(f"{name} · {scale}: {counts}")
    return 0


def _data(options: argparse.Namespace) -> int:
    from smore_sweep import data, view
    from smore_sweep.tasks import task

    row = task(options.task)
    if options.episodes < 1:
        raise SpecError(f"episodes = {options.episodes} is not valid; it must be a whole number of at least 1")
    out = view.console()
    for policy in row.pools:
        lacking = options.episodes - data.available(options.task, policy)
        if lacking > 0:
            with view.counting(out, f"making {options.task} {policy} episodes", lacking) as advance:
                data.ensure(options.task, policy, options.episodes, advance)
        out.print(f"{data.dataset_id(options.task, policy)}: {data.available(options.task, policy):,} episodes")
    return 0


def _ui(options: argparse.Namespace) -> int:
    from smore_sweep.tracking import check_uri, default_uri

    uri = default_uri(options.results)
    check_uri(uri)
    if uri.startswith("http"):
        print("the tracking store is a server with a page of its own: open its address in a browser")
        return 0
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri  # not an option: a URI may hold a password
    os.environ |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    print(f"MLflow page of {options.results}: http://127.0.0.1:{options.port}  (Ctrl-C ends it)", flush=True)
    command = ["mlflow", "ui", "--host", "127.0.0.1"]
    command += ["--port", str(options.port), "--workers", "1"]
    return subprocess.run([sys.executable, "-m", *command], check=False).returncode


def _bench(options: argparse.Namespace) -> int:
    from smore_sweep.bench import bench

    return bench(options.batch_size)


class _Deferred(ModuleType):
    """Stands in a module's place until one of its attributes is asked for, then becomes it.

    Sweeps name methods, and methods name torch, but a plan never needs it. (``importlib.util.LazyLoader`` does not
    serve: an import statement looks at the module's spec, which makes it load.)"""

    def __getattr__(self, attribute: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        module = importlib.import_module(self.__name__)
        self.__dict__.update(module.__dict__)
        return getattr(module, attribute)


def _defer(name: str) -> None:
    """Load ``name`` at its first use instead of its first import."""
    if name not in sys.modules:
        sys.modules[name] = _Deferred(name)


if __name__ == "__main__":
    sys.exit(main())
