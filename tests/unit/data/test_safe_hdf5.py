"""Crafted HDF5 files: links, storage elsewhere, other types, and sizes that are only declared."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from smore_sweep.cli.main import main
from smore_sweep.data.refusal import RefusedError
from smore_sweep.data.safe_hdf5 import open_hdf5

NUMBERS = np.arange(6.0).reshape(3, 2)


def read(path: Path, name: str = "group/x") -> Any:
    with open_hdf5(path) as file:
        return file.array(name, 2)


def outside(file: h5py.File) -> None:
    with h5py.File(Path(file.filename).with_name("other.hdf5"), "w") as other:
        other["x"] = NUMBERS


def external_link(file: h5py.File) -> None:
    outside(file)
    file["group/x"] = h5py.ExternalLink("other.hdf5", "x")


def virtual(file: h5py.File) -> None:
    outside(file)
    layout = h5py.VirtualLayout((3, 2), "f8")
    layout[:] = h5py.VirtualSource("other.hdf5", "x", (3, 2))
    file.create_virtual_dataset("group/x", layout)


def external_storage(file: h5py.File) -> None:
    raw = Path(file.filename).with_name("raw")
    raw.write_bytes(NUMBERS.tobytes())
    file.create_dataset("group/x", (3, 2), "f8", external=[(str(raw), 0, 48)])


def linked_group(file: h5py.File) -> None:
    file["elsewhere/x"] = NUMBERS
    file["group"] = h5py.SoftLink("/elsewhere")


def put(value: Any, **options: Any) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        file.create_dataset("group/x", **({"data": value} if value is not None else {}), **options)

    return add


def link(target: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        file["group/x"] = h5py.SoftLink(target)

    return add


@pytest.mark.parametrize(
    ("add", "message"),
    [
        (external_link, "holds group/x as a link; links are not followed"),
        (virtual, "holds group/x outside the file"),
        (external_storage, "holds group/x outside the file"),
        (linked_group, "holds group as a link"),
        (link("/nowhere"), "holds group/x as a link"),
        (link("/group/x"), "holds group/x as a link"),
        (lambda file: file.create_group("group/x"), "holds group/x as a group where a dataset belongs"),
        (lambda file: file.create_dataset("group", data=NUMBERS), "holds group as a dataset where a group belongs"),
        (lambda file: file.create_group("group"), "lacks group/x"),
        (put(1.0), r"holds group/x of shape \(\); it must have 2 dimensions"),
        (put(h5py.Empty("f8")), "holds group/x of shape None"),
        (put(np.arange(3.0)), r"holds group/x of shape \(3,\)"),
        (put(np.zeros((0, 2))), r"shape \(0, 2\), which has no number"),
        (put("text"), "of type 'object'; it must be of real numbers"),
        (put(NUMBERS.astype(complex)), "of type 'complex128'"),
        (put(np.zeros((3, 2), [("a", "f8")])), "it must be of real numbers"),
        (put(np.zeros((3, 2), "f16")), "of type 'float128'"),
        (put(None, shape=(10**5, 10**5), dtype="f8"), "declares 80,000,000,000 bytes of group/x and stores 0"),
        (put(None, shape=(10**5, 10**5), dtype="f8", chunks=(100, 100)), "declares 80,000,000,000 bytes"),
        (put(None, shape=(10**5, 10**5), dtype="f8", chunks=(100, 100), compression="gzip"), "and stores 0"),
        (put(NUMBERS, maxshape=(None, None), chunks=(10**4, 10**4), compression="gzip"), "which are too large"),
        (put(NUMBERS, scaleoffset=2, chunks=(3, 2)), "with HDF5's filter 6; it may have gzip"),
    ],
)
def test_refused(add: Callable[[h5py.File], None], message: str, tmp_path: Path) -> None:
    path = tmp_path / "crafted.hdf5"
    with h5py.File(path, "w") as file:
        add(file)
    with pytest.raises(RefusedError, match=message):
        read(path)


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (2, 2)}, {"compression": "gzip", "fletcher32": True, "shuffle": True}]
)
@pytest.mark.parametrize("kind", ["f2", "<f8", ">f4", "i8", "u1", "?"])
def test_read(options: dict[str, Any], kind: str, tmp_path: Path) -> None:
    path = tmp_path / "sound.hdf5"
    with h5py.File(path, "w") as file:
        put(NUMBERS.astype(kind), **options)(file)
    np.testing.assert_array_equal(read(path), NUMBERS.astype(kind))


def test_constant_data_compress_a_thousandfold(tmp_path: Path) -> None:
    path = tmp_path / "zeros.hdf5"
    with h5py.File(path, "w") as file:
        put(np.zeros((2**20, 4)), compression="gzip", compression_opts=9)(file)
    assert path.stat().st_size < 2**17
    assert not read(path).any()


def test_a_sum_of_links_to_one_array_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smore_sweep.data.safe_hdf5.usable_memory", lambda: 5 * NUMBERS.nbytes)
    with h5py.File(tmp_path / "x.hdf5", "w") as file:
        file["group/x"] = NUMBERS
        for number in range(9):
            file[f"episode_{number}"] = file["group"]
    with (
        open_hdf5(tmp_path / "x.hdf5") as reader,
        pytest.raises(RefusedError, match="more bytes of numbers than the 240 of"),
    ):
        _ = [reader.array(f"episode_{number}/x", 2) for number in range(9)]


@pytest.mark.parametrize("importer", ["d4rl", "minari"])
def test_a_fifo_is_no_dataset(
    importer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    path = tmp_path / {"d4rl": "ant_expert-v2.hdf5", "minari": "mujoco/ant/expert-v0/data/main_data.hdf5"}[importer]
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    assert main(["data", "import", importer, str(tmp_path) if importer == "d4rl" else "mujoco/ant/expert-v0"]) == 2
    error = capsys.readouterr().err
    assert f"{path} is refused: it is not a regular file" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"actions": np.zeros((4, 8))}, "its lengths differ"),
        ({"next_observations": np.zeros((6, 5))}, "its next_observations have another size"),
        ({"actions": np.zeros((6, 8, 1))}, "holds actions of shape (6, 8, 1)"),
        ({"timeouts": h5py.SoftLink("/timeouts")}, "holds timeouts as a link"),
        ({"next_observations": h5py.SoftLink("/nowhere")}, "holds next_observations as a link"),
    ],
)
def test_d4rl(change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = np.zeros(6, bool)
    content = {"observations": np.zeros((6, 27)), "actions": np.zeros((6, 8)), "terminals": flags, "timeouts": flags}
    with h5py.File(tmp_path / "ant_expert-v2.hdf5", "w") as file:
        for name, value in (content | change).items():
            file[name] = value
    assert main(["data", "import", "d4rl", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
