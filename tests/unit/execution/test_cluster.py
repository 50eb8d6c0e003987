"""What a sweep counts on."""

import pytest

from smore_sweep.execution.cluster import SMALL_STACK, Cluster


@pytest.mark.parametrize(
    ("cluster", "members", "stacks", "hint"),
    [
        (Cluster(16, 1, 1), 3, 23, True),
        (Cluster(16, 1, 1), SMALL_STACK, 23, False),
        (Cluster(16, 1, 1), 3, 1, False),
        (Cluster(16, 1, 0.125), 3, 23, False),
        (Cluster(2, 0, 0), 3, 23, False),
    ],
)
def test_small_stacks_alone_on_a_gpu_are_hinted_at(cluster: Cluster, members: int, stacks: int, hint: bool) -> None:
    assert (cluster.idle(members, stacks) is not None) == hint


def test_cores_beside_a_gpu_evaluate_where_there_are_two_for_each_stack() -> None:
    assert [Cluster(16, 1, share).evaluators for share in (1, 0.25, 0.125, 0.1)] == [8, 3, 1, 0]
    assert [Cluster(cpus, 4, 1).evaluators for cpus in (16, 4, 2)] == [3, 0, 0]
    assert Cluster(16, 0, 0).evaluators == 0


def test_a_share_of_a_gpu_lies_on_one() -> None:
    assert [Cluster(64, 4, share).slots for share in (1, 0.5, 0.4, 0.1)] == [4, 8, 8, 40]
    assert Cluster(64, 0, 0).slots == 64


def test_it_is_named() -> None:
    assert [str(Cluster(16, gpus, share)) for gpus, share in ((1, 1), (4, 1), (0, 0))] == [
        "1 GPU",
        "4 GPUs",
        "16 CPU cores",
    ]
