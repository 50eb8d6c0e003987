"""Retries: runs train in stacks, after a failure by themselves, and never for ever."""

from __future__ import annotations

from smore_sweep.results.retries import LOSSES, TRIES, RetryPolicy


def test_runs_that_are_behind_catch_up_with_the_others() -> None:
    retries, standing = RetryPolicy(), {"a": 100, "b": 0, "c": 100, "d": 200}
    assert retries.choose(standing) == ["b"]
    assert retries.until(standing, ["b"]) == 100
    standing["b"] = 100
    assert retries.choose(standing) == ["a", "b", "c"]
    assert retries.until(standing, ["a", "b", "c"]) == 200
    assert retries.until({"d": 200}, ["d"]) is None
    assert retries.choose({}) == []


def test_nobody_waits_for_a_run_that_has_failed() -> None:
    retries, standing = RetryPolicy(), {"a": 0, "b": 100}
    retries.fail("a")
    assert retries.choose(standing) == ["b"]
    retries.fail("b")
    assert retries.choose(standing) == ["a"]
    assert retries.until(standing, ["a"]) is None


def test_a_stack_that_fails_is_taken_apart_and_each_run_tried_once_more() -> None:
    retries = RetryPolicy()
    standing = {"a": 100, "b": 0, "c": 100}
    assert not retries.fail("a")
    assert not retries.fail("c")
    assert retries.choose(standing) == ["b"]  # which has not been tried yet
    assert not retries.fail("b")
    assert retries.choose(standing) == ["a"]
    assert retries.fail("a")
    assert retries.choose(standing) == ["b"]
    del standing["b"]  # it is done
    assert retries.choose(standing) == ["c"]
    assert retries.fail("c")
    assert retries.choose(standing) == []


def test_lost_workers_are_counted_until_something_is_kept() -> None:
    retries = RetryPolicy()
    for _ in range(10 * LOSSES):
        retries.start(["a", "b"])
        assert retries.losses(["a", "b"]) < LOSSES
        retries.progress(["a", "b"])
    for lost in range(LOSSES):
        assert retries.losses(["a", "b"]) == lost
        retries.start(["a", "b"])
    assert retries.losses(["a"]) == LOSSES


def test_what_kills_its_worker_ends() -> None:
    retries, starts = RetryPolicy(), 0
    given_up: list[str] = []
    while run_ids := retries.choose({name: 0 for name in "abc" if name not in given_up}):
        if retries.losses(run_ids) == LOSSES:
            given_up += [name for name in run_ids if retries.fail(name)]
        else:
            retries.start(run_ids)
            starts += 1
    assert given_up == ["a", "b", "c"]
    assert starts == LOSSES + 3 * LOSSES * (TRIES - 1)
