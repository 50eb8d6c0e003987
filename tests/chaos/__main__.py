"""``make chaos``: disturb sweeps in campaigns until a number of disturbances is reached; then report.

A campaign disturbs one sweep until all its runs are done, and compares it with an undisturbed one. All campaigns use
one small cluster (:mod:`tests.e2e.topology`: an MLflow server, a Ray head, two workers), restarted after a finding.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from smore_sweep.discovery import load_sweep
from tests.chaos.campaign import run_campaign, run_undisturbed
from tests.chaos.disk import Disk, enter_namespace
from tests.chaos.report import Finding, Story, write
from tests.chaos.schedule import KINDS, schedule
from tests.e2e.topology import Cluster, topology

SWEEP = Path(__file__).with_name("sweep.py")


def main(arguments: Sequence[str]) -> int:
    """Run the harness. Returns 0 without findings, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--disturbances", type=int, default=100)
    parser.add_argument("--kinds", type=_kinds, default=list(KINDS), help=f"some of {' '.join(KINDS)}")
    parser.add_argument(
        "--output", type=Path, default=Path("output/chaos"), help="folder of the report and of the logs"
    )
    options = parser.parse_args(arguments)
    can_fill = enter_namespace("tests.chaos", arguments)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # background processes and their children ignore it by default

    command = _command(options)
    output: Path = options.output.resolve()
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    story = Story(SWEEP, load_sweep(str(SWEEP)).expand(), output, output / "undisturbed")
    todo = schedule(options.seed, options.disturbances, disk=can_fill, only=options.kinds)
    while todo:
        with topology() as cluster:
            disk = Disk(cluster.head / "disk", real=can_fill)
            if not story.undisturbed.exists():
                run_undisturbed(story, cluster)
            found = len(story.findings)
            while todo and len(story.findings) == found:
                todo = run_campaign(story, cluster, disk, todo)
                write(story, command)
        _nothing_left(cluster, story)
    print(f"report: {write(story, command)}")
    return 1 if story.findings else 0


def _kinds(text: str) -> list[str]:
    kinds = text.split()
    if not kinds or set(kinds) - KINDS.keys():
        raise argparse.ArgumentTypeError(f"{text!r} are not all kinds of disturbances; choose from {' '.join(KINDS)}")
    return kinds


def _command(options: argparse.Namespace) -> str:
    kinds = "" if options.kinds == list(KINDS) else f' KINDS="{" ".join(options.kinds)}"'
    return f"make chaos SEED={options.seed} DISTURBANCES={options.disturbances}{kinds}"


def _nothing_left(cluster: Cluster, story: Story) -> None:
    """Check that no process outlives its cluster."""
    if processes := cluster.processes():
        story.findings.append(Finding(story.campaigns, 0, f"processes outlive their cluster: {processes}"))
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
