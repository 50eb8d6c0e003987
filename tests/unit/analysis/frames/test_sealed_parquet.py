"""Exported files carry a digest: a changed one is refused in one sentence, an old one without it is read."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.frames import sealed_parquet
from analysis.tables import main
from smore_sweep.errors import StorageError

FRAME = pd.DataFrame(
    {
        "run_id": ["a", "b", "ü"],
        "update": [1, 2, 3],
        "value": [0.1, np.nan, -0.0],
        "raw": [b"\x00\xff" * 50, None, b""],
    }
)
FLIPS = 300


def refusal(path: Path) -> str:
    """Return the sentence that refuses a file, or nothing if it holds the frame."""
    try:
        frame = sealed_parquet.read(path)
    except StorageError as error:
        return str(error)
    pd.testing.assert_frame_equal(frame, FRAME)
    return ""


def test_a_frame_comes_back_and_equal_frames_are_equal_bytes(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(sealed_parquet.encode(FRAME))
    pd.testing.assert_frame_equal(sealed_parquet.read(path), FRAME)
    assert sealed_parquet.encode(sealed_parquet.read(path)) == path.read_bytes()


def test_after_any_flipped_bit_the_frame_is_what_it_was_or_refused(tmp_path: Path) -> None:
    path, generator, refused = tmp_path / "x.parquet", random.Random(0), 0
    whole = sealed_parquet.encode(FRAME)
    for _ in range(FLIPS):
        data = bytearray(whole)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        sentence = refusal(path)
        assert not sentence or sentence.startswith(f"{path} is damaged (")
        assert "\n" not in sentence
        refused += bool(sentence)
    assert refused > FLIPS // 10


@pytest.mark.parametrize("change", ["value", "order", "column"])
def test_values_that_changed_under_their_digest_are_refused(change: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "x.parquet"
    path.write_bytes(sealed_parquet.encode(FRAME))
    table = pq.read_table(path)
    frame = {
        "value": FRAME.assign(value=[0.1, np.nan, 0.0]),
        "order": FRAME.iloc[::-1],
        "column": FRAME.rename(columns={"value": "valve"}),
    }[change]
    frame.to_parquet(path, index=False)
    changed = pq.read_table(path)
    pq.write_table(changed.replace_schema_metadata(changed.schema.metadata | {
        sealed_parquet.DIGEST: table.schema.metadata[sealed_parquet.DIGEST]
    }), path)  # fmt: skip
    with pytest.raises(StorageError, match=r"is damaged \(its values do not have its digest\); export its runs again"):
        sealed_parquet.read(path)


def test_a_file_from_before_the_digests_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    FRAME.to_parquet(path, index=False)
    pd.testing.assert_frame_equal(sealed_parquet.read(path), FRAME)


def test_a_damaged_export_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs.parquet").write_bytes(b"PAR1" + b"\x00" * 40 + b"PAR1")
    assert main(["--results", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert f"{tmp_path / 'runs.parquet'} is damaged (" in error
    assert error.count("\n") == 1
