"""Which runs train next: in stacks, after a failure by themselves, and never for ever."""

from __future__ import annotations

from smore_sweep.results.retries import LOSSES, TRIES, RetryPolicy


def test_runs_that_stand_furthest_train_together() -> None:
    attempts = RetryPolicy()
    assert attempts.choose({"a": 100, "b": 0, "c": 100}) == ["a", "c"]
    assert attempts.choose({"b": 0}) == ["b"]
    assert attempts.choose({}) == []


def test_a_stack_that_fails_is_taken_apart_and_each_run_tried_once_more() -> None:
    attempts = RetryPolicy()
    standing = {"a": 100, "b": 0, "c": 100}
    assert not attempts.fail("a")
    assert not attempts.fail("c")
    assert attempts.choose(standing) == ["b"]  # which has not been tried yet
    assert not attempts.fail("b")
    assert attempts.choose(standing) == ["a"]
    assert attempts.fail("a")
    assert attempts.choose(standing) == ["b"]
    del standing["b"]  # it is done
    assert attempts.choose(standing) == ["c"]
    assert attempts.fail("c")
    assert attempts.choose(standing) == []


def test_lost_workers_are_counted_until_something_is_kept() -> None:
    attempts = RetryPolicy()
    for _ in range(10 * LOSSES):
        attempts.start(["a", "b"])
        assert attempts.losses(["a", "b"]) < LOSSES
        attempts.progress(["a", "b"])
    for lost in range(LOSSES):
        assert attempts.losses(["a", "b"]) == lost
        attempts.start(["a", "b"])
    assert attempts.losses(["a"]) == LOSSES


def test_what_kills_its_worker_ends() -> None:
    attempts, starts = RetryPolicy(), 0
    given_up: list[str] = []
    while part := attempts.choose({name: 0 for name in "abc" if name not in given_up}):
        if attempts.losses(part) == LOSSES:
            given_up += [name for name in part if attempts.fail(name)]
        else:
            attempts.start(part)
            starts += 1
    assert given_up == ["a", "b", "c"]
    assert starts == LOSSES + 3 * LOSSES * (TRIES - 1)
