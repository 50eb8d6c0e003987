"""Locks and leases: one writer at a time, refusals and takeovers."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from smore_sweep.errors import UserError
from smore_sweep.execution.session import interruptible
from smore_sweep.storage import lease, lock, paths
from smore_sweep.storage.lock import hold, queue, share
from smore_sweep.storage.paths import StoragePath

HOLDER = """
import sys, time
from smore_sweep.storage import lease
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import storage_path
lease.BEAT, lease.PATIENCE = 0.2, 3.0
with hold(storage_path(sys.argv[1]), "the first", print):
    print("holds", flush=True)
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.2)
    monkeypatch.setattr(lease, "PATIENCE", 3.0)


def other_machine(text: bytes) -> bytes:
    """Hold the same lease in another process."""
    return json.dumps({**json.loads(text), "machine": "elsewhere"}).encode()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def test_who_holds_it_is_named_and_it_is_given_back(results: StoragePath) -> None:
    with hold(results, "the first", print):
        with (
            pytest.raises(UserError, match=rf"in use by the first \(process {os.getpid()} on "),
            hold(results, "x", print),
        ):
            pytest.fail("two hold it")
        # The refused one has not taken it away.
        with pytest.raises(UserError, match="in use by the first"), hold(results, "x", print):
            pytest.fail("two hold it")
    with hold(results, "the second", print):
        pass


def test_a_folder_is_held_alone_or_shared(tmp_path: Path) -> None:
    with (
        share(tmp_path, "the first", print),
        share(tmp_path, "the second", print),
        pytest.raises(UserError, match=r"in use by the second \(process"),
        hold(tmp_path, "x", print),
    ):
        pytest.fail("it is held alone and shared")
    with (
        hold(tmp_path, "alone", print),
        pytest.raises(UserError, match=r"in use by alone \(process"),
        share(tmp_path, "x", print),
    ):
        pytest.fail("it is held alone and shared")


@pytest.fixture
def _no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    # This module's alone: a temporary folder has locks.
    monkeypatch.setattr(lock, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": refuse}))


@pytest.mark.usefixtures("_no_locks")
def test_without_locks_a_lease_stands_for_them(tmp_path: Path) -> None:
    messages: list[str] = []
    with hold(tmp_path, "alone", print) as fence:
        fence.check()
        for other in (hold, share):
            with pytest.raises(UserError, match=r"in use by alone \(process"), other(tmp_path, "x", print):
                pytest.fail("it is held alone and shared")
    with share(tmp_path, "the first", print), share(tmp_path, "the second", print):
        pass
    with queue(tmp_path / "lock", "making it", print):
        entered = threading.Event()

        def wait() -> None:
            with queue(tmp_path / "lock", "waiting", messages.append):
                entered.set()

        waiter = threading.Thread(target=wait)
        waiter.start()
        wait_until(lambda: bool(messages))
        assert messages[0].startswith("waiting for making it (process")
        assert not entered.is_set()
    waiter.join()
    assert entered.is_set()
    assert len(messages) == 1


def test_a_lock_that_cannot_be_had_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "driver.lock").mkdir()
    with pytest.raises(UserError, match=r"driver\.lock cannot be locked: Is a directory"), hold(tmp_path, "me", print):
        pass


def test_a_killed_holder_of_this_machine_is_replaced_at_once(results: StoragePath) -> None:
    command = [sys.executable, "-c", HOLDER, str(results)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, contextlib.ExitStack() as last:
        last.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "holds\n"
        with (
            pytest.raises(UserError, match=f"in use by the first .process {process.pid} on "),
            hold(results, "x", print),
        ):
            pytest.fail("two hold it")
    messages: list[str] = []
    with hold(results, "the second", messages.append):
        assert not messages


def test_a_holder_elsewhere_that_lives_is_refused_and_a_silent_one_replaced(bucket: StoragePath) -> None:
    path = bucket / "driver.lock"
    messages: list[str] = []
    with hold(bucket, "the first", print):
        silent = other_machine(path.read_bytes())
    path.write_bytes(silent)  # its holder is gone, and nobody can look for it
    started = time.monotonic()
    with hold(bucket, "the second", messages.append):
        assert time.monotonic() - started >= lease.PATIENCE
        assert json.loads(path.read_bytes())["who"].startswith("the second")
        (line,) = messages
        assert line.startswith(f"no sign of life of the first (process {os.getpid()} on ")
    assert not path.exists()


def test_who_was_silent_for_too_long_ends_and_leaves_the_lock_to_its_new_holder(bucket: StoragePath) -> None:
    path = bucket / "driver.lock"
    interrupted = False

    def lose_it() -> None:
        nonlocal interrupted
        with hold(bucket, "the first", print), interruptible():
            held = json.loads(path.read_bytes())
            other = json.dumps({**held, "who": "another", "token": "another's"}).encode()
            try:
                for _ in range(300):  # again and again: the test's server compares and writes in two steps
                    path.write_bytes(other)
                    time.sleep(1)
            except KeyboardInterrupt:
                interrupted = True

    with pytest.raises(UserError, match="in use by another, which took it over"):
        lose_it()
    assert interrupted
    assert json.loads(path.read_bytes())["who"] == "another"


def test_who_has_lost_the_lock_on_the_way_out_says_so_and_is_not_killed(
    bucket: StoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM has its handler no more when a driver leaves the block: it would end without a word."""
    path, handler = bucket / "driver.lock", signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sent: list[object] = []
    monkeypatch.setattr(os, "kill", lambda *what: sent.append(what))

    def lose_it() -> None:
        with hold(bucket, "the first", print):
            other = json.dumps({**json.loads(path.read_bytes()), "who": "another", "token": "another's"}).encode()
            for _ in range(8):  # the test's server compares and writes in two steps
                path.write_bytes(other)
                time.sleep(0.3)

    try:
        with pytest.raises(UserError, match="in use by another, which took it over"):
            lose_it()
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert sent == []


@pytest.mark.parametrize("error", [RuntimeError("a client's mistake"), MemoryError(), KeyError("etag")], ids=repr)
def test_the_lease_is_renewed_again_after_any_error(
    error: Exception, bucket: StoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bucket / "driver.lock"
    errors = [error] * 3

    def failing(path: paths.StoragePath, data: bytes, write: Callable[..., None] = paths.write) -> None:
        if errors:
            raise errors.pop()
        write(path, data)

    with hold(bucket, "the first", print) as fence:
        monkeypatch.setattr(paths, "write", failing)
        wait_until(lambda: not errors)
        before = json.loads(paths.read(path))["beat"]
        wait_until(lambda: json.loads(paths.read(path))["beat"] > before)
        assert fence.is_open()


def test_of_many_that_come_at_once_one_gets_it(bucket: StoragePath) -> None:
    command = [sys.executable, "-c", HOLDER, str(bucket)]
    comers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        for _ in range(3)
    ]
    try:
        deadline = time.monotonic() + 300
        while sum(comer.poll() is None for comer in comers) > 1:
            assert time.monotonic() < deadline, "several hold it"
            time.sleep(0.1)
        (holder,) = [comer for comer in comers if comer.poll() is None]
        assert holder.stdout is not None
        assert holder.stdout.readline() == "holds\n"
        for comer in comers:
            if comer is not holder:
                output, error = comer.communicate()
                assert not output
                assert f"in use by the first (process {holder.pid} on" in error
    finally:
        for comer in comers:
            comer.kill()
            comer.communicate()


def test_a_lock_that_is_removed_by_hand_comes_back(bucket: StoragePath) -> None:
    path = bucket / "driver.lock"
    with hold(bucket, "the first", print):
        path.unlink()
        wait_until(path.exists)
        with pytest.raises(UserError, match="in use by the first"), hold(bucket, "x", print):
            pytest.fail("two hold it")
    assert not path.exists()


def test_a_lock_that_is_no_lease_is_taken_over_after_a_while(bucket: StoragePath) -> None:
    (bucket / "driver.lock").write_bytes(b"\xffscribble")
    messages: list[str] = []
    with hold(bucket, "the first", messages.append):
        assert messages[0].startswith("no sign of life of another process;")
