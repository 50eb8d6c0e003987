"""A campaign: one sweep, disturbed by the schedule until all its runs are done."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

from tests.chaos.disk import Disk
from tests.chaos.disturb import disturb
from tests.chaos.disturbed import DisturbedSweep
from tests.chaos.report import Finding, Story
from tests.chaos.schedule import Disturbance
from tests.e2e.topology import Cluster


def run_undisturbed(story: Story, cluster: Cluster) -> None:
    """Run the undisturbed sweep."""
    started = time.monotonic()
    sweep = DisturbedSweep(cluster, story.sweep, story.runs, story.undisturbed, story.output / "logs-undisturbed")
    try:
        sweep.expect(0)
        story.undisturbed_seconds = time.monotonic() - started
        sweep.check(story.undisturbed)
    finally:
        sweep.stop()
    story.say(f"{len(story.runs)} runs undisturbed in {story.undisturbed_seconds:.0f} s")


def run_campaign(story: Story, cluster: Cluster, disk: Disk, todo: Sequence[Disturbance]) -> list[Disturbance]:
    """Disturb one sweep until it is done, and add violations to the story's findings.

    Returns the remaining disturbances.
    """
    started, left = time.monotonic(), list(todo)
    story.campaigns += 1
    results = disk.folder / f"results-{story.campaigns}"
    sweep = DisturbedSweep(cluster, story.sweep, story.runs, results, story.output / f"logs-{story.campaigns}")
    try:
        while left and sweep.instant(left[0].gap):
            disturbance = left.pop(0)
            before = sweep.kept()
            what = disturb(sweep, disk, disturbance)
            sweep.disturbed()
            story.kinds[f"{disturbance.kind} {disturbance.file}".strip()] += 1
            story.say(f"{disturbance.number:3} after {before} of {sweep.evaluations} evaluations: {what}")
        sweep.expect(0, says=f"All {len(story.runs)} runs are done")
        sweep.finish()
        sweep.check(story.undisturbed)
        story.say(f"all runs are done, after {sweep.restarts} further commands")
    except AssertionError as error:
        number = left[0].number - 1 if left else todo[-1].number
        story.findings.append(Finding(story.campaigns, number, str(error)))
        story.say(f"FOUND after disturbance {number}: {error}")
        shutil.copytree(results, story.output / results.name)
    finally:
        sweep.stop()
    story.restarts += sweep.restarts
    story.campaign_seconds.append(time.monotonic() - started)
    return left
