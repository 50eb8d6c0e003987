"""Crafted pickles: nesting, sharing, sizes, keys and instructions beyond those of a dictionary of arrays."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smore_sweep.cli.main import main
from smore_sweep.data.importers.safe_pickle import arrays
from smore_sweep.data.refusal import RefusedError

START, END = b"\x80\x04}", b"K\x01s."
"""A dictionary on the stack; 1 as the value of the key on the stack, and the end."""

ARRAY = np.arange(6.0).reshape(1, 2, 3)


def crafted(shape: bytes, data: bytes = b"C\x08" + bytes(8)) -> bytes:
    """Return a pickle of ``{"o": array}`` by protocol 5's function, with the pickled shape."""
    kind = b"cnumpy\ndtype\n\x8c\x02f8\x85R"
    return START + b"\x8c\x01o" + b"cnumpy._core.numeric\n_frombuffer\n(" + data + kind + shape + b"\x8c\x01CtRs."


def test_the_crafted_form_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(crafted(b"K\x01K\x01\x86"))
    assert arrays(tmp_path / "x")["o"].tolist() == [[0.0]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (START + b")" + b"\x85" * 100_000 + END, "nested or long tuples"),
        (START + b")" + b"q\x00h\x00\x86" * 60 + END, "nested or long tuples"),
        (START + b"(" + b"K\x01" * 17 + b"t" + END, "nested or long tuples"),
        (START + b"K\x01" + END, "a value of type 'int' as a key"),
        (START + b"C\x01o" + END, "a value of type 'bytes' as a key"),
        (START + b"\x8c\x41" + b"k" * 65 + END, "a key of 65 characters"),
        (START + b"\x8c\x05\x1b[31m}s.", r"a value of type 'dict' under the key '\\x1b\[31m'"),
        (START + b"\x8c\x01o]s.", "a list; only arrays"),
        (START + b"\x8c\x01ocnumpy\nndarray\ns.", "the name 'numpy.ndarray' under the key 'o'"),
        (START + b"\x8c\x01o\x8b" + (9).to_bytes(4, "little") + b"\xff" * 8 + b"\x7fs.", "an integer of 71 bits"),
        (START + b"\x8c\x01oI" + b"9" * 5000 + b"\ns.", "not a readable pickle"),
        (START + b"N0" * 10 + b".", "the instruction POP"),
        (START + b"\x94" * 10_001 + b".", "more than 10,000 instructions"),
        (b"\x80\x04\x8e" + b"\xff" * 7 + b"\x0f.", "shorter than it says"),
        (b"\x80\x04\x95" + b"\xff" * 7 + b"\x0f}.", "shorter than it says"),
        (b"\x80\x15}.", "of protocol 21"),
        (b"\x80\x04.", "its stack is empty"),
        (b"\x80\x04K\x01.", "a value of type 'int' instead of a dictionary"),
        (b"", "shorter than it says"),
        (crafted(b"K\x00K\x03\x86"), r"an array of shape \(0, 3\); every length"),
        (crafted(b"J\xff\xff\xff\xffK\x03\x86"), r"an array of shape \(-1, 3\); every length"),
        (crafted(b"\x88K\x01\x86"), r"an array of shape \(a value of type 'bool', 1\)"),
        (crafted(b"J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x86"), "an array of shape .* and type f8 in 8 bytes"),
        (crafted(b"K\x01K\x01\x86", b"K\x05"), "an array whose numbers are a value of type 'int'"),
    ],
)
def test_refused(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "crafted.pkl"
    path.write_bytes(content)
    with pytest.raises(RefusedError, match=message) as refusal:
        arrays(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("array", [ARRAY, np.asfortranarray(ARRAY), ARRAY.astype(">f4"), ARRAY > 2, ARRAY.astype("i2")])
def test_arrays_of_every_protocol(protocol: int, array: np.ndarray[Any, np.dtype[Any]], tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(pickle.dumps({"o": array, "again": array, "note": "x", "scale": 0.5}, protocol))
    loaded = arrays(tmp_path / "x")
    assert list(loaded) == ["o", "again", "note", "scale"]
    assert loaded["o"].dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(loaded["again"], array)


def test_no_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, message in (("fifo", "is not a regular file"), (".", "is not a regular"), ("none", "cannot be read")):
        with pytest.raises(RefusedError, match=message):
            arrays(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message", "flag_helps"),
    [
        ({"u": np.full((2, 49, 4), np.inf)}, "it holds inf among its actions (episode 0, step 0); every number", False),
        ({"o": np.full((2, 50, 10), 1e300)}, "it holds inf among its observations (episode 0, step 0); every", False),
        ({"g": np.full((2, 49, 3), -2e30)}, "-2e+30 among its commanded goals (episode 0); numbers beyond 1e+30", True),
    ],
)
def test_numbers_that_are_hardly_data(
    change: dict[str, Any],
    message: str,
    flag_helps: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    path = tmp_path / "expert/FetchReach/buffer.pkl"
    path.parent.mkdir(parents=True)
    content = {
        "o": np.zeros((2, 50, 10)),
        "u": np.zeros((2, 49, 4)),
        "g": np.zeros((2, 49, 3)),
        "ag": np.zeros((2, 50, 3)),
    }
    path.write_bytes(pickle.dumps(content | change))
    assert main(["data", "import", "wgcsl", str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert main(["data", "import", "wgcsl", str(path), "--allow-large"]) == (0 if flag_helps else 2)
