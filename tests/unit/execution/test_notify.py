"""The command that runs when a sweep ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep.cli.main import main
from smore_sweep.execution import notify
from smore_sweep.execution.notify import notifying

TELL = 'echo "$SMORE_SWEEP_SWEEP $SMORE_SWEEP_STATUS $SMORE_SWEEP_MESSAGE" > '


def test_the_command_learns_how_the_sweep_ended(tmp_path: Path) -> None:
    warnings: list[str] = []
    with notifying(f"{TELL} {tmp_path}/a", "main", warnings.append) as ending:
        ending.status, ending.message = "done", 'main: all 3 runs are done; "quoted" $HOME'
    assert (tmp_path / "a").read_text() == 'main done main: all 3 runs are done; "quoted" $HOME\n'
    with pytest.raises(KeyboardInterrupt), notifying(f"{TELL} {tmp_path}/b", "main", warnings.append):
        raise KeyboardInterrupt
    assert (tmp_path / "b").read_text() == "main interrupted main: interrupted\n"
    assert warnings == []


def test_a_command_that_fails_or_hangs_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "TIMEOUT_SECONDS", 0.2)
    warnings: list[str] = []
    for command in ("exit 3", "sleep 60 & wait"):
        with notifying(command, "main", warnings.append):
            pass
    assert warnings == [
        "the notification command ended with exit code 3",
        "the notification command did not end within 0.2 s and was stopped",
    ]


def test_a_refused_sweep_notifies_too(tmp_path: Path) -> None:
    command = ["run", "nope", "--results", str(tmp_path), "--notify", f"{TELL} {tmp_path}/note"]
    assert main(command) == 2
    assert (tmp_path / "note").read_text().startswith("nope failed nope: unknown sweep 'nope'; the sweeps are: ")
