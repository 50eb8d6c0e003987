"""Paths of results: refusals, atomic writes, and the number of requests to an object store."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from smore_sweep.cli.main import main
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.planning.plan import make_plan
from smore_sweep.results import run_files
from smore_sweep.results.record import Record
from smore_sweep.storage import paths
from smore_sweep.storage.paths import StoragePath, storage_path
from tests.unit.results.test_run_files import outcomes

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("text", ["output", "/mnt/results", "./a b", "~/x", "file:///mnt/results"])
def test_a_path_is_a_path(text: str) -> None:
    assert storage_path(text) == Path(text.removeprefix("file://"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("s4://bucket/x", "results = s4://bucket/x is not valid: 's4' is no kind of store; give a path or s3://bucket"),
        ("s3://", "results = s3:// is not valid; name a bucket: s3://bucket/prefix"),
        ("s3:///x", "results = s3:///x is not valid; name a bucket"),
        ("s3://key:secret@bucket/x", "results = s3://... must not hold credentials"),
        ("gs://bucket/x", "results = gs://bucket/x needs a package that is missing: Please install gcsfs"),
    ],
)
def test_what_is_no_place_is_refused_in_one_sentence(
    text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", "quickstart", "--results", text]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert "secret@" not in error


def test_paths_load_no_client_of_any_store() -> None:
    code = (
        "import sys; from smore_sweep.cli.main import main; main(['plan', 'quickstart', '--results', 'nowhere']);"
        "sys.exit(bool({'fsspec', 'upath', 's3fs', 'aiohttp', 'botocore'} & sys.modules.keys()))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert process.returncode == 0, process.stderr


COMMANDS = (
    ["-m", "smore_sweep", "plan", "quickstart"],
    ["-m", "smore_sweep", "run", "quickstart"],
    ["analysis/tables.py", "--sweep", "quickstart"],
)


@pytest.mark.parametrize("command", COMMANDS, ids=["plan", "run", "tables"])
def test_a_bucket_that_is_not_there_is_one_sentence(command: list[str], store: str, tmp_path: Path) -> None:
    process = subprocess.run(
        [sys.executable, *command, "--results", "s3://no-such-bucket/x"], capture_output=True, text=True, check=False,
        cwd=ROOT, env=os.environ | {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"},
    )  # fmt: skip
    assert process.returncode == 2
    assert process.stderr.strip().removeprefix("smore-sweep: ") == (
        "results in s3://no-such-bucket/x/runs cannot be used: The specified bucket does not exist"
    )


def test_no_store_at_the_address_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a new process, because the client of this one already knows its address."""
    for name, value in (("ENDPOINT_URL", "http://127.0.0.1:9"), ("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "y")):
        monkeypatch.setenv(f"AWS_{name}", value)
    command = [sys.executable, "-m", "smore_sweep", "status", "quickstart", "--results", "s3://bucket/x"]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=dict(os.environ))
    assert process.returncode == 2
    assert "results in s3://bucket/x/runs cannot be used: Could not connect" in process.stderr
    assert "Traceback" not in process.stderr
    assert process.stderr.count("\n") == 1


def test_mlflow_needs_a_place_of_its_own(
    bucket: StoragePath, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["run", "quickstart", "--results", str(bucket)]) == 2
    error = capsys.readouterr().err
    assert f"results in {bucket} leave no place for MLflow's own file; set MLFLOW_TRACKING_URI to" in error
    assert error.count("\n") == 1


def test_a_place_can_be_sent_to_another_process(results: StoragePath) -> None:
    assert pickle.loads(pickle.dumps(results)) == results
    assert paths.absolute(results) == results


def test_a_file_is_created_only_once(bucket: StoragePath) -> None:
    assert not isinstance(bucket, Path)
    assert paths.create_exclusive(bucket / "x", b"one")
    assert not paths.create_exclusive(bucket / "x", b"two")
    assert paths.read(bucket / "x") == b"one"


def test_what_others_wrote_meanwhile_is_seen(bucket: StoragePath) -> None:
    assert not isinstance(bucket, Path)
    assert paths.list_names(bucket) == set()
    bucket.fs.__class__(use_listings_cache=False, skip_instance_cache=True).pipe_file(f"{bucket.path}/a/b", b"x")
    assert paths.list_names(bucket) == {"a/b"}


def test_a_large_object_is_read_by_one_request(bucket: StoragePath, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request returns one version, not halves of two."""
    assert not isinstance(bucket, Path)
    data = bytes(range(256)) * (60 << 12)  # 60 MiB, more than a block of s3fs
    paths.write(bucket / "large", data)
    requests = counted(bucket, monkeypatch)
    assert paths.read(bucket / "large") == data
    assert requests == ["get_object"]


def test_a_plan_costs_one_listing_and_one_read_of_each_record(
    bucket: StoragePath, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = load_sweep("quickstart")
    runs = sweep.expand()
    for run, status in zip(runs[:6], ["done", "partial"] * 3, strict=True):
        last = run.budget.updates
        record = Record(run.content(), status, last, evaluations={last: outcomes(1)})
        run_files.save(bucket, run.run_id, record)
    requests = counted(bucket, monkeypatch)
    plan = make_plan(sweep, None, bucket)
    assert (plan.count("done"), plan.count("partial")) == (3, 3)
    assert sorted(requests) == ["get_object"] * 6 + ["list_objects_v2"]


def counted(bucket: StoragePath, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the requests that the client of an object store makes."""
    assert not isinstance(bucket, Path)
    requests: list[str] = []
    ask = bucket.fs._call_s3

    async def noted(method: str, *args: object, **options: object) -> object:
        requests.append(method)
        return await ask(method, *args, **options)

    monkeypatch.setattr(bucket.fs, "_call_s3", noted)
    return requests


def test_a_listing_of_a_bucket_that_went_away_is_no_empty_one(store: str) -> None:
    gone = storage_path("s3://gone/x")
    assert not isinstance(gone, Path)
    with pytest.raises(UserError, match="results in s3://gone/x cannot be used: The specified bucket does not exist"):
        paths.list_names(gone)
    with pytest.raises(FileNotFoundError):
        paths.read(gone / "x")
