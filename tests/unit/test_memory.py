"""Memory of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep import memory


@pytest.mark.parametrize(
    ("granted", "usable"),
    [(None, memory.total_memory()), ("max\n", memory.total_memory()), (f"{2**62}\n", memory.total_memory()),
     ("1048576\n", 1_048_576)],
)  # fmt: skip
def test_a_container_may_use_what_it_is_granted(
    granted: str | None, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "GRANT", tmp_path / "memory.max")
    if granted is not None:
        memory.GRANT.write_text(granted)
    assert memory.usable_memory() == usable
