"""Records prove themselves: whatever is done to a file, it loads as it was or counts as missing, said in one line."""

from __future__ import annotations

import io
import json
import math
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from smore_sweep.discovery import load_sweep
from smore_sweep.hashing import array_digest, digest, seal
from smore_sweep.planning.plan import make_plan
from smore_sweep.results import run_files
from smore_sweep.results.npz import pack
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL, Record
from tests.unit.results.test_run_files import CONTENT, RUN, assert_same, example, outcomes

FLIPS = 600
Arrays = dict[str, NDArray[Any]]


def arrays_of(data: bytes) -> tuple[dict[str, Any], Arrays]:
    """Return the header and the arrays of a record's file."""
    with np.load(io.BytesIO(data)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    return json.loads(str(arrays.pop("header"))), arrays


def packed(header: dict[str, Any], arrays: Arrays) -> bytes:
    return pack({"header": np.array(json.dumps(header)), **arrays})


def resealed(header: dict[str, Any], arrays: Arrays) -> bytes:
    """Return a file with digests that fit, as a forger would make it."""
    header = {name: value for name, value in header.items() if name != "digest"}
    return packed(seal(header | {"arrays": {name: array_digest(a) for name, a in arrays.items()}}), arrays)


def unsealed(header: dict[str, Any], arrays: Arrays) -> bytes:
    """Return a file as it was before records had digests."""
    return packed({name: value for name, value in header.items() if name not in ("arrays", "digest")}, arrays)


def write(results: Path, data: bytes, name: str = "done.npz") -> Path:
    path = results / "runs" / RUN / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def refused(results: Path, data: bytes, name: str = "done.npz") -> str:
    """Assert that a file counts as missing and is put aside, and return the sentence about it."""
    said: list[str] = []
    path = write(results, data, name)
    assert run_files.load(results, RUN, said.append) is None
    assert not path.exists()
    assert path.with_name(f"{name}.broken").read_bytes() == data
    assert run_files.load(results, RUN, said.append) is None
    (sentence,) = said
    assert "\n" not in sentence
    assert sentence.startswith(f"{path} is broken (")
    assert sentence.endswith(f") and put aside as {name}.broken; it counts as missing")
    return sentence


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a done run."""
    return Path(str(run_files.save(tmp_path_factory.mktemp("done"), RUN, example(DONE)))).read_bytes()


def test_after_any_flipped_bit_a_record_is_what_it_was_or_missing(tmp_path: Path, done: bytes) -> None:
    """Half of the flips are in the last quarter, where the directory of the archive is."""
    generator, missing = random.Random(0), 0
    whole = example(DONE)
    for flip in range(FLIPS):
        at = generator.randrange(len(done) * 3 // 4 * (flip % 2), len(done))
        data = bytearray(done)
        data[at] ^= 1 << generator.randrange(8)
        path = write(tmp_path, bytes(data))
        state = run_files.state(tmp_path, RUN)
        found = run_files.load(tmp_path, RUN, lambda _: None)
        if found is None:
            missing += 1
            assert not path.exists()
        else:
            assert state == DONE
            assert_same(whole, found)
    assert missing > FLIPS // 2


def test_arrays_that_change_places_are_refused(tmp_path: Path, done: bytes) -> None:
    """The checksums of the archive hold for each array; only the digests tell."""
    header, arrays = arrays_of(done)
    first, last = "evaluation/250/reached", "evaluation/250/succeeded"
    arrays[first], arrays[last] = arrays[last], arrays[first]
    assert f"'{first}' does not have its digest" in refused(tmp_path, packed(header, arrays))


@pytest.mark.parametrize("name", ["policy/w0", "evaluation/250/reached", "learner/M/b0"])
def test_a_missing_array_is_refused(name: str, tmp_path: Path, done: bytes) -> None:
    header, arrays = arrays_of(done)
    del arrays[name]
    assert run_files.state(tmp_path, RUN) == MISSING
    assert "its arrays are not those of its header" in refused(tmp_path, packed(header, arrays))


def test_the_record_of_another_run_is_refused(tmp_path: Path) -> None:
    other = CONTENT | {"seed": 4}
    path = run_files.save(tmp_path, digest(other), example(DONE, other))
    write(tmp_path, path.read_bytes())
    assert run_files.states(tmp_path, [RUN, digest(other)]) == {RUN: MISSING, digest(other): DONE}
    assert "it is the record of another run" in refused(tmp_path, path.read_bytes())


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("status", "foo", "its status is 'foo'"),
        ("status", PARTIAL, "its status is 'partial'"),
        ("status", None, "its status is None"),
        ("update", -1, "its update is -1"),
        ("update", True, "its update is True"),
        ("update", 500.0, "its update is 500.0"),
        ("update", 501, "it lacks the final evaluation"),
        ("seconds", math.nan, "its seconds are nan"),
        ("seconds", "1", "its seconds are '1'"),
        ("facts", [], "its facts or its log have another type"),
        ("log", [1], "its facts or its log have another type"),
        ("metrics", {"250": {"score": "much"}}, "its metrics at update 250 are not all numbers"),
        ("metrics", {"x": {}}, "its metrics have an entry 'x'"),
        ("summaries", {"500": {"return99": math.nan}}, "its summaries at update 500 are not all finite numbers"),
        ("summaries", {"9999": {}}, "its summaries have an entry '9999'"),
        ("more", 1, "its header has other fields"),
    ],
)  # fmt: skip
def test_a_header_must_make_sense(field: str, value: object, message: str, tmp_path: Path, done: bytes) -> None:
    header, arrays = arrays_of(done)
    for forged in (resealed(header | {field: value}, arrays), unsealed(header | {field: value}, arrays)):
        assert message in refused(tmp_path, forged)


def test_an_unsealed_change_of_the_header_is_seen(tmp_path: Path, done: bytes) -> None:
    header, arrays = arrays_of(done)
    assert "its header does not have its digest" in refused(tmp_path, packed(header | {"seconds": 1.0}, arrays))
    header.pop("digest")  # which does not make it an old record
    assert "its header has other fields" in refused(tmp_path, packed(header, arrays))


@pytest.mark.parametrize("seal", [resealed, unsealed])
@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("evaluation/500/distances", np.full((7, 6), np.nan, np.float32), "a distance of the outcomes is not finite"),
        ("evaluation/500/distances", np.zeros((7, 5), np.float32), "'distances' are float32 of shape (7, 5)"),
        ("evaluation/500/reached", np.zeros((7, 6), np.float32), "'reached' are float32 of shape (7, 6)"),
        ("evaluation/500/reached", np.zeros(42, bool), "'reached' are bool of shape (42,)"),
        ("policy/w0", np.zeros((1, 5, 3), bool), "'policy/w0' is not of single precision"),
        ("policy/w0", np.zeros((1, 5, 3)), "'policy/w0' has the dtype '<f8'"),
        ("policy/w0", np.array("text"), "'policy/w0' is not of single precision"),
        ("extra", np.zeros(3, np.float32), "its arrays are not those of its evaluations"),
    ],
)
def test_arrays_must_make_sense(
    seal: Callable[[dict[str, Any], Arrays], bytes],
    name: str,
    array: NDArray[Any],
    message: str,
    tmp_path: Path,
    done: bytes,
) -> None:
    header, arrays = arrays_of(done)
    assert message in refused(tmp_path, seal(header, arrays | {name: array}))


def test_an_old_record_loads_and_is_checked_as_far_as_it_goes(tmp_path: Path, done: bytes) -> None:
    header, arrays = arrays_of(done)
    write(tmp_path, unsealed(header, arrays))
    found = run_files.load(tmp_path, RUN)
    assert found is not None
    assert_same(example(DONE), found)
    write(tmp_path, unsealed({name: value for name, value in header.items() if name != "log"}, arrays))
    assert run_files.state(tmp_path, RUN) == DONE
    arrays["evaluation/250/distances"] = arrays["evaluation/250/distances"] + np.float32(1)
    assert "its numbers at update 250 are not those of its outcomes" in refused(tmp_path, unsealed(header, arrays))


def encrypted(data: bytes) -> bytes:
    at = data.index(b"PK\x01\x02") + 8
    return data[:at] + bytes([data[at] | 1]) + data[at + 1 :]


def nested(data: bytes) -> bytes:
    _, arrays = arrays_of(data)
    return pack({"header": np.array("[" * 100_000), **arrays})


def declaring(preamble: bytes) -> Callable[[bytes], bytes]:
    """Return a forger that gives one array another preamble, with a checksum that fits."""

    def forge(data: bytes) -> bytes:
        header, arrays = arrays_of(data)
        del arrays["policy/w0"]
        archive = io.BytesIO(packed(header, arrays))
        with zipfile.ZipFile(archive, "a") as file:
            text = preamble + b"\n"
            file.writestr("policy/w0.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        return archive.getvalue()

    return forge


def compressed(data: bytes) -> bytes:
    """Return the same arrays compressed, as a bomb would be."""
    archive = io.BytesIO()
    with np.load(io.BytesIO(data)) as members:
        np.savez_compressed(archive, **{name: members[name] for name in members.files})
    return archive.getvalue()


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (encrypted, "'header' is compressed or encrypted"),
        (compressed, "'header' is compressed or encrypted"),
        (nested, "its reader raised RecursionError"),
        (
            declaring(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"),  # 4 TB
            "'policy/w0' does not have the declared shape",
        ),
        (
            declaring(b"{'descr': '<U99999999', 'fortran_order': False, 'shape': (), }"),  # 400 MB
            "'policy/w0' does not have the declared shape",
        ),
        (declaring(b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"), "'policy/w0' has the dtype '|O'"),
        (declaring(b"-" * 9000 + b"1"), "'policy/w0' is not a plain array"),  # ends Python's own parser
    ],
)
def test_crafted_files_are_refused(forge: Callable[[bytes], bytes], message: str, tmp_path: Path, done: bytes) -> None:
    assert message in refused(tmp_path, forge(done))


@pytest.mark.parametrize("error", [RuntimeError("encrypted"), AttributeError("x"), RecursionError(), StopIteration()])
def test_whatever_a_reader_raises_the_file_is_broken(
    error: Exception, tmp_path: Path, done: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(zipfile, "ZipFile", fail)
    assert f"its reader raised {type(error).__name__}" in refused(tmp_path, done)


def test_a_broken_file_that_cannot_be_moved_is_said_too(
    tmp_path: Path, done: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    said: list[str] = []
    path = write(tmp_path, done[:100])
    monkeypatch.setattr(Path, "replace", refuse)
    assert run_files.load(tmp_path, RUN, said.append) is None
    assert said[0].endswith("and left in its place: Permission denied; it counts as missing")
    assert path.exists()


def test_a_plan_sees_what_a_run_will_see(tmp_path: Path) -> None:
    """A done record in the wrong place, a broken one and one cut short are missing in the plan too."""
    sweep = load_sweep("quickstart")
    runs = sweep.expand()
    for run in runs[:5]:
        last = run.budget.updates
        run_files.save(tmp_path, run.run_id, Record(run.content(), DONE, last, evaluations={last: outcomes(1)}))
    files = [run_files.run_folder(tmp_path, run.run_id) / "done.npz" for run in runs[:5]]
    data = [file.read_bytes() for file in files]
    files[1].write_bytes(data[0])
    files[2].write_bytes(data[2][:200] + bytes([data[2][200] ^ 8]) + data[2][201:])
    files[3].write_bytes(data[3][:-30])
    plan = make_plan(sweep, None, tmp_path)
    assert [plan.states[run.run_id] for run in runs[:5]] == [DONE, MISSING, MISSING, MISSING, DONE]
    assert all(file.exists() for file in files)
    assert len(run_files.peek_each(tmp_path, [run.run_id for run in runs], lambda _: None)) == 2


def test_metrics_of_a_diverged_run_may_be_anything(tmp_path: Path) -> None:
    before = example(DIVERGED)
    before.metrics[500] |= {"score": math.nan, "value": -math.inf}
    run_files.save(tmp_path, RUN, before)
    assert run_files.state(tmp_path, RUN) == DONE
