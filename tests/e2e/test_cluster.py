"""A sweep on an existing cluster of two simulated nodes, with a driver on a node that does not train."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.sweeping import PATIENCE, assert_same_outcomes, command

# A separate process, because Ray's test cluster leaves threads and warnings behind.
CLUSTER = """
import subprocess, sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
cluster.add_node(num_cpus=1)
cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
codes = [subprocess.run([*line.split("\\t"), "--address", cluster.address]).returncode for line in sys.argv[1:]]
cluster.shutdown()
sys.exit(codes.index(0) if codes == [2, 0] else 99)
"""


def test_a_cluster_of_two_nodes_gives_the_same_results(undisturbed: tuple[Path, str], tmp_path: Path) -> None:
    too_much = command(tmp_path / "refused", "--gpus-per-stack", "1")
    commands = ["\t".join(line) for line in (too_much, command(tmp_path / "results", "--stack-size", "1"))]
    process = subprocess.run(
        [sys.executable, "-c", CLUSTER, *commands], capture_output=True, text=True, timeout=2 * PATIENCE, check=False
    )
    assert process.returncode == 1, process.stdout + process.stderr
    assert "gpus per stack = 1 is more than the cluster has (0); give 0 to use CPUs" in process.stderr
    assert "training 8 runs as 8 stacks of 1 on 2 CPU cores" in process.stdout
    assert_same_outcomes(undisturbed[0], tmp_path / "results")
