"""Bad input is refused before anything starts: exit code 2, one line that names the value and the valid ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.episodes import Episodes
from smore_sweep.errors import UserError
from smore_sweep.execution import session

SWEEP = """
from baselines.gofar import GoFAR
from smore_sweep.smore import SMORe
from smore_sweep import Budget, Grid, Scale, Sweep
budget = Budget(
    episodes=40, updates=10, batch_size=8, evaluate_every=5, evaluation_episodes=1, final_episodes=1
)
SWEEP = Sweep(
    name="mine",
    description="",
    grids=[Grid(methods=[{method}], tasks=[{task}], expert_share=[{share}])],
    scales={{"laptop": Scale(tasks=[{task}], seeds=2, budget=budget)}},
)
"""


def written(folder: Path, method: str = "SMORe()", task: str = "'Reacher'", share: str = "0.1") -> str:
    path = folder / "mine.py"
    path.write_text(SWEEP.format(method=method, task=task, share=share))
    return str(path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"task": "'FetchPull'"}, "unknown task 'FetchPull'; the tasks are: Reacher, FetchReach, FetchPush"),
        ({"method": "GoFAR(her_ratio=0.5)"}, "GoFAR has no field 'her_ratio'; it has: discount, discriminator_learn"),
        ({"method": "SMORe(beta=0.0)"}, "SMORe: beta = 0.0 is not valid; it must be in (0, 1]"),
        ({"method": "SMORe(her_ratio=1.5)"}, "SMORe: her_ratio = 1.5 is not valid; it must be in [0, 1]"),
        ({"method": "SMORe(variant='new')"}, "variant = 'new' is not valid; it must be one of paper, printed, release"),
        ({"share": "1.2"}, "Reacher: expert_share = 1.2 is not valid; it must be in [0, 1]"),
        ({"share": "0.01"}, "Reacher: 0.01 of 40 episodes is less than one expert episode"),
        ({"share": ""}, "sweep mine has a grid without any expert_share"),
        ({"method": "GoFAR(reward='binary', gradient_penalty=1.0)"}, "reward = 'binary' has no gradient_penalty"),
        ({"method": "Nothing()"}, "mine.py cannot be read: NameError: name 'Nothing' is not defined (line 11)"),
        ({"method": "GoFAR.typo"}, "cannot be read: AttributeError: type object 'GoFAR' has no attribute 'typo' (line"),
        ({"share": "0.1, 0.1"}, "sweep mine declares the run 'SMORe · Reacher · 10% · s0' twice"),
    ],
)
def test_a_wrong_declaration(
    wrong: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    assert main(["run", written(tmp_path, **wrong), "--results", str(results)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not results.exists()


def test_a_method_with_the_name_of_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(written(tmp_path, method="Mine()"))
    declared = "from smore_sweep.method import method\n\n@method\nclass Mine(SMORe):\n    name = 'SMORe'\n"
    path.write_text(path.read_text().replace("budget =", declared + "\nbudget ="))
    assert main(["plan", str(path), "--results", str(tmp_path / "results")]) == 2
    said = "smore-sweep: method Mine has the name 'SMORe' of another method; give it its own\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nothing"], "unknown sweep 'nothing'; the sweeps are: comparison, components, coverage_ablation, "),
        (["nowhere.py"], "there is no sweep file nowhere.py"),
        (["quickstart", "--scale", "huge"], "sweep quickstart has no scale 'huge'; its scales are: smoke, laptop"),
        (["quickstart", "--seeds", "0"], "seeds = 0 is not valid"),
        (["quickstart", "--tasks", "FetchPull"], "unknown task 'FetchPull'; the tasks are: "),
    ],
)
def test_a_wrong_command(options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *options, "--results", str(tmp_path / "results")]) == 2
    assert said in capsys.readouterr().err


def test_an_export_is_no_results_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "runs.parquet").touch()
    for command in ("plan", "run", "status"):
        assert main([command, "quickstart", "--scale", "smoke", "--results", str(tmp_path)]) == 2
        assert "is an export, for tables, figures and reports; plan, run and status need" in capsys.readouterr().err


def test_a_results_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert main(["run", written(tmp_path), "--results", str(tmp_path / "file" / "results")]) == 2
    assert "cannot be written: Not a directory" in capsys.readouterr().err


def test_a_datasets_folder_that_cannot_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "file"))
    assert main(["data", "make", "PointReach", "--episodes", "1"]) == 2
    assert f"datasets folder {tmp_path / 'file'} cannot be written: Not a directory" in capsys.readouterr().err


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "MEGABYTES_FREE", 10**12)
    with pytest.raises(UserError, match=r"has \d+ MB free, at least 1000000000000 MB are needed"):
        session.check_folder(tmp_path)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("file:///tmp/mlruns", "tracking URI of kind 'file' is not supported; use sqlite:///FILE"),
        ("./mlruns", "tracking URI of kind 'path' is not supported; use sqlite:///FILE"),
        ("http://127.0.0.1:9", "tracking store 127.0.0.1 cannot be reached: "),
        ("postgresql://me:secret@127.0.0.1:9/runs", "tracking store 127.0.0.1 cannot be reached: "),
        ("postgresql://me:pass/secret@127.0.0.1:9/runs", "tracking URI postgresql://... is not valid"),
        ("postgresql://me:pass@secret/more@127.0.0.1:9/runs", "tracking URI postgresql://... is not valid"),
        ("postgresql+nothing://me:secret@127.0.0.1:9/runs", "tracking store 127.0.0.1 cannot be reached: "),
        (
            "sqlite:////no/such/folder/mlflow.db",
            "cannot be reached: /no/such/folder is not a folder that can be written",
        ),
    ],
)
def test_a_tracking_store_out_of_reach(
    uri: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert main(["run", written(tmp_path), "--results", str(tmp_path / "results")]) == 2
    printed = capsys.readouterr().err
    assert said in printed
    assert "secret" not in printed


def test_a_damaged_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import h5py

    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    generator = np.random.default_rng(0)

    def arrays(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return generator.normal(size=shape).astype(np.float32)

    pool = Episodes(arrays(40, 51, 11), np.tanh(arrays(40, 50, 2)), arrays(40, 51, 2), arrays(40, 2))
    for policy in ("expert", "random"):
        pools.save("Reacher", policy, pool, {})
        kept = pools.load("Reacher", policy, 30)
        np.testing.assert_array_equal(kept.actions, pool.actions[:30])
        np.testing.assert_array_equal(kept.desired_goals, pool.desired_goals[:30])
    path = pools.root() / pools.dataset_id("Reacher", "random") / "data" / "main_data.hdf5"
    with h5py.File(path, "a") as file:
        file["episode_7/actions"][3, 1] += 0.001
    assert main(["run", written(tmp_path), "--results", str(tmp_path / "results")]) == 2
    error = capsys.readouterr().err
    assert "dataset smore/Reacher/random-v1 is damaged: its actions do not have their digest" in error
    assert "remove " in error

    path.write_bytes(path.read_bytes()[:1000])
    assert main(["run", written(tmp_path), "--results", str(tmp_path / "results")]) == 2
    assert "dataset smore/Reacher/random-v1 is damaged: its episodes cannot be read" in capsys.readouterr().err
