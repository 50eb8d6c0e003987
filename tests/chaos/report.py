"""Reports of the harness: a line per disturbance, and a page at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from smore_sweep.run_spec import RunSpec
from tests.chaos.schedule import DAMAGE, DAMAGED, KINDS


@dataclass(frozen=True)
class Finding:
    """A violated expectation. ``disturbance`` is the last one before it."""

    campaign: int
    disturbance: int
    error: str


@dataclass
class Story:
    """History of the harness.

    Attributes:
        sweep: File of the sweep.
        runs: Its planned runs.
        output: Folder of the logs.
        undisturbed: Results of the undisturbed sweep.
    """

    sweep: Path
    runs: Sequence[RunSpec]
    output: Path
    undisturbed: Path
    undisturbed_seconds: float = 0.0
    campaigns: int = 0
    restarts: int = 0
    campaign_seconds: list[float] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """Print a line with the time and the campaign."""
        print(f"[{time.monotonic() - self.started:6.0f} s] campaign {self.campaigns}: {text}", flush=True)


def write(story: Story, command: str) -> Path:
    """Write the page as Markdown, with the command that made it. Returns its path."""
    done = story.kinds.total()
    damaged = {f"{kind} {file}": DAMAGED[kind].format(file) for kind, files in DAMAGE.items() for file in files}
    names = {**KINDS, **damaged}
    rows = [f"| {names[kind]} | {story.kinds[kind]} |" for kind in names if story.kinds[kind]]
    mean = sum(story.campaign_seconds) / len(story.campaign_seconds)
    minutes = (time.monotonic() - story.started) / 60
    lines = [
        f"# {done} disturbances",
        "",
        f"`{command}`",
        "",
        f"{story.campaigns} sweeps of {len(story.runs)} runs, disturbed {done} times; the command was given again "
        f"{story.restarts} times.",
        f"A sweep took {story.undisturbed_seconds:.0f} s undisturbed, and {mean:.0f} s on the average with",
        f"its disturbances and the checks; all of it {minutes:.0f} minutes.",
        "",
        "| disturbance | times |",
        "| --- | --- |",
        *rows,
        "",
        f"Found: {len(story.findings) or 'nothing'}.",
        *(f"\n* campaign {f.campaign}, disturbance {f.disturbance}:\n\n```\n{f.error}\n```" for f in story.findings),
    ]
    path = story.output / "chaos.md"
    path.write_text("\n".join(lines) + "\n")
    return path
