"""A short ``make chaos``: one small sweep on two nodes, disturbed four times.

:mod:`tests.e2e.test_kill` tests drivers that are killed, interrupted, or not alone.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos.campaign import run_campaign
from tests.chaos.disk import Disk
from tests.chaos.report import Story
from tests.chaos.schedule import schedule
from tests.e2e.sweeping import RUNS, SWEEP_FILE
from tests.e2e.topology import topology

SEED = 1254
"""A seed whose first disturbances are all of different kinds, and end before the sweep."""


def test_a_sweep_that_is_disturbed_four_times_ends_as_if_nobody_had(
    undisturbed: tuple[Path, str], tmp_path: Path
) -> None:
    story = Story(SWEEP_FILE, RUNS, tmp_path, undisturbed[0])
    todo = schedule(SEED, 4, disk=False)
    assert len({disturbance.kind for disturbance in todo}) == 4
    with topology() as cluster:
        left = run_campaign(story, cluster, Disk(cluster.head / "disk", real=False), todo)
    assert not story.findings, story.findings[0].error
    assert not left
    assert not cluster.processes()
