"""Fences: a holder that was paused for too long writes nothing more."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from smore_sweep.errors import LockedError
from smore_sweep.storage import lease
from smore_sweep.storage.fence import OPEN, Fence, since_boot
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import StoragePath

HOLDER = """
import sys
from pathlib import Path
from smore_sweep.errors import UserError
from smore_sweep.execution.session import interruptible
from smore_sweep.results.record import Record
from smore_sweep.results.record_writer import Candidate, RecordingError
from smore_sweep.results.recorder import recording
from smore_sweep.results.tracking import Experiment
from smore_sweep.storage import lease
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import storage_path
from tests.unit.results.test_recorder import RUNS, candidates, trained
lease.BEAT, lease.PATIENCE = 0.2, 3.0
results = storage_path(sys.argv[1])
experiment = Experiment(results, f"sqlite:///{sys.argv[2]}/mlflow.db", "paused", "a test", {"git": "0"})
update = 0
try:
    with hold(results, "the first", print) as fence, interruptible():
        try:
            with recording(experiment, print, fence) as recorder:
                members = dict(recorder.begin(candidates(), "here").members)
                for line in sys.stdin:
                    update += 10
                    recorder.keep([(RUNS[0], trained(members[RUNS[0]], update))])
                    print("written", flush=True)
        except KeyboardInterrupt:
            print("interrupted")
        except RecordingError as error:
            print(f"refused: {error}")
except UserError as error:
    print(error)
"""


def objects(bucket: StoragePath) -> dict[str, tuple[str, str]]:
    """Return tag and time of each object but the lease."""
    assert not isinstance(bucket, Path)
    found = bucket.fs.find(bucket.path, detail=True)
    return {
        name: (entry["ETag"], str(entry["LastModified"]))
        for name, entry in found.items()
        if not name.endswith("/driver.lock")
    }


def test_a_holder_that_was_paused_for_too_long_writes_nothing_and_ends(
    bucket: StoragePath, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "BEAT", 0.2)
    monkeypatch.setattr(lease, "PATIENCE", 3.0)
    command = [sys.executable, "-c", HOLDER, str(bucket), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            for _ in range(2):
                print("write", file=process.stdin, flush=True)
                assert process.stdout.readline() == "written\n"
            time.sleep(1)  # the publisher is done, and nothing is under way
            process.send_signal(signal.SIGSTOP)
            print("write", file=process.stdin, flush=True)  # as soon as it goes on
            with hold(bucket, "the second", print):
                before = objects(bucket)
                process.send_signal(signal.SIGCONT)
                output, _ = process.communicate(timeout=300)
                after = objects(bucket)
            assert "written" not in output
            assert after == before
            last = output.splitlines()[-1]
            assert f"in use by the second (process {os.getpid()} on " in last
            assert "which took it over when nothing had been heard of this one for a while" in last
        finally:
            process.kill()


@pytest.fixture
def fence(tmp_path: Path) -> Fence:
    return Fence(tmp_path / "lease", seconds=0.5)


def test_the_fence_of_a_lock_of_the_system_is_always_open() -> None:
    assert OPEN.is_open()
    OPEN.check()


def test_a_fence_is_open_for_a_while_after_a_renewal_in_every_process(fence: Fence) -> None:
    other = pickle.loads(pickle.dumps(fence))
    fence.renew(since_boot())
    assert other.is_open()
    other.check()
    fence.renew(since_boot() - 0.6)  # a renewal that took long
    assert not other.is_open()
    with pytest.raises(LockedError, match=r"^its lock has not been renewed for 0 s$"):
        other.check()


def test_a_late_renewal_is_waited_for(fence: Fence) -> None:
    fence.renew(since_boot() - 10)
    timer = threading.Timer(0.2, lambda: fence.renew(since_boot()))
    timer.start()
    fence.check()
    assert fence.is_open()
    timer.join()


def test_a_new_holder_is_named_at_once(fence: Fence) -> None:
    fence.renew(since_boot())
    fence.close("another")
    assert not fence.is_open()
    with pytest.raises(LockedError, match="its lock has passed to another"):
        fence.check()


def test_nobody_writes_once_the_holder_has_ended(fence: Fence) -> None:
    assert not fence.is_open()
    with pytest.raises(LockedError):
        fence.check()
