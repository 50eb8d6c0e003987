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
    retries.fail(["a"])
    assert retries.choose(standing) == ["b"]
    retries.fail(["b"])
    assert retries.choose(standing) == ["a"]
    assert retries.until(standing, ["a"]) is None


def test_a_stack_that_fails_is_taken_apart_and_each_run_tried_once_more() -> None:
    retries = RetryPolicy()
    standing = {"a": 100, "b": 0, "c": 100}
    assert not retries.fail(["a", "c"])
    assert retries.choose(standing) == ["b"]  # which has not been tried yet
    assert not retries.fail(["b"])
    assert retries.choose(standing) == ["a"]
    assert retries.fail(["a"]) == {"a"}
    assert retries.choose(standing) == ["b"]
    del standing["b"]  # it is done
    assert retries.choose(standing) == ["c"]
    assert retries.fail(["c"]) == {"c"}
    assert retries.choose(standing) == []


def test_of_many_runs_the_one_that_raises_is_found_by_halving() -> None:
    retries, left, tried = RetryPolicy(), dict.fromkeys("abcdefgh", 0), []
    while run_ids := retries.choose(left):
        tried.append("".join(run_ids))
        if "f" in run_ids:
            given_up = retries.fail(run_ids)
        else:
            for run_id in run_ids:
                del left[run_id]
    assert tried == ["abcdefgh", "abcd", "efgh", "ef", "gh", "e", "f"]
    assert given_up == {"f"}


def test_a_stack_that_does_not_fit_is_halved_and_nothing_has_failed() -> None:
    retries, left, tried = RetryPolicy(), dict.fromkeys("abcde", 0), []
    while run_ids := retries.choose(left):
        members = min(8, retries.room(run_ids) or 8)
        tried.append(("".join(run_ids), members))
        retries.start(run_ids)
        if members > 2:
            retries.crowd(run_ids, members // 2)
        else:
            assert not retries.losses("x")
            retries.progress(run_ids)
            left = {run_id: update for run_id, update in left.items() if run_id not in run_ids}
    assert tried == [("abcde", 8), ("abcd", 4), ("e", 4), ("ab", 2), ("cd", 2), ("e", 2)]
    assert retries.losses("abcde") == 0


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
            given_up += retries.fail(run_ids)
        else:
            retries.start(run_ids)
            starts += 1
    assert given_up == ["a", "b", "c"]
    assert starts == LOSSES + 3 * LOSSES * (TRIES - 1)
