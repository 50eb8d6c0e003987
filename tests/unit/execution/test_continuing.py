"""Longer runs that go on from the kept learner of a shorter one: bit for bit those that nobody interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from baselines.gofar import GoFAR
from smore_sweep.cli.main import main
from smore_sweep.data import pools
from smore_sweep.data.rollout import rollout
from smore_sweep.execution.continuing import begin_longer, longer_record
from smore_sweep.execution.datasets import build_stores
from smore_sweep.execution.session import sweep_experiment
from smore_sweep.planning.choices import Choices, parse_choices
from smore_sweep.planning.continuation import find_continuations
from smore_sweep.planning.plan import make_plan
from smore_sweep.results import run_files
from smore_sweep.results.record import CONTINUED, DONE, PARTIAL, Record
from smore_sweep.results.recorder import recording
from smore_sweep.results.verification import verify_records
from smore_sweep.run_spec import Budget, RunSpec
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep
from smore_sweep.storage.fence import OPEN
from smore_sweep.training.loop import build_learner, load_records, train

SHORT, LONG = 10, 25
BUDGET = Budget(episodes=20, updates=SHORT, batch_size=8, evaluate_every=5, evaluation_episodes=3, final_episodes=6)
SWEEP = Sweep(
    name="longer",
    description="",
    grids=[Grid(methods=[GoFAR(hidden=8), SMORe(hidden=8)], tasks=["PointReach"], expert_share=[0.5])],
    scales={"laptop": Scale(tasks=["PointReach"], seeds=2, budget=BUDGET)},
)
LONGER = parse_choices(updates=LONG)
GOFAR = parse_choices(methods="gofar")


@pytest.fixture(autouse=True, scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Make the sweep's episodes, in a folder of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINARI_DATASETS_PATH", str(tmp_path_factory.mktemp("datasets")))
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        for policy in ("expert", "random"):
            pools.save("PointReach", policy, rollout("PointReach", policy, 0, 10), {})
        yield


def trained(results: Path, runs: list[RunSpec], *, keep_learner: bool = False) -> None:
    """Train runs as one stack from their records, as a worker does."""
    plan = make_plan(SWEEP, None, results)
    store, fingerprints = build_stores(
        plan, {(name, policy): pools.load(name, policy, 10) for name, policy in plan.pools()}
    )["PointReach"]
    records = [
        run_files.load(results, run.run_id) or Record(run.content(), facts={"dataset": fingerprints[0.5]})
        for run in runs
    ]

    def keep(batch: object) -> None:
        for run_id, record in batch:  # type: ignore[attr-defined]
            run_files.save(results, run_id, record)

    learner = build_learner(runs, store, torch.device("cpu"))
    load_records(learner, runs, records)
    train(runs, learner, records, keep=keep, tick=lambda _: None, keep_learner=keep_learner)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory, episodes: None) -> Path:
    """Make results with the short runs of GoFAR, whose learners were kept."""
    results = tmp_path_factory.mktemp("short")
    trained(results, GOFAR.expand(SWEEP, None), keep_learner=True)
    return results


@pytest.fixture
def results(short: Path, tmp_path: Path) -> Path:
    """Copy them."""
    return Path(shutil.copytree(short, tmp_path / "results"))


def begun(results: Path, choices: Choices = LONGER, sweep: Sweep = SWEEP) -> list[str]:
    """Begin the longer runs of a sweep and return what is said of them."""
    experiment = sweep_experiment(sweep, results)
    found = find_continuations(make_plan(sweep, None, results, choices), results)
    return begin_longer(found, results, lambda: recording(experiment, print, OPEN)).describe()


def gofar_start() -> RunSpec:
    return GOFAR.expand(SWEEP, None)[0]


def damaged(results: Path) -> Path:
    """Flip a bit of a parameter of a kept learner, and return its file."""
    path = results / "runs" / gofar_start().run_id / "learner.npz"
    data = bytearray(path.read_bytes())
    data[data.rfind(b"\x93NUMPY") + 130] ^= 1
    path.write_bytes(data)
    return path


def gofar_runs(choices: Choices = LONGER) -> list[RunSpec]:
    return [run for run in choices.expand(SWEEP, None) if run.method.name == "GoFAR"]


def test_a_longer_run_is_bit_for_bit_the_undisturbed_one(results: Path, tmp_path: Path) -> None:
    runs, undisturbed = gofar_runs(), tmp_path / "undisturbed"
    trained(undisturbed, runs)
    sentences = begun(results)
    assert sentences[0] == "GoFAR hidden=8: 2 runs go on from the learner kept after 10 updates"
    assert sentences[1].startswith("SMORe hidden=8: 2 runs go from the start: its training is scheduled over the")
    plan = make_plan(SWEEP, None, results, LONGER)
    assert plan.behind == {run.run_id: SHORT for run in runs}
    trained(results, runs)
    for run in runs:
        one, other = run_files.load(undisturbed, run.run_id), run_files.load(results, run.run_id)
        assert one is not None
        assert other is not None
        assert (one.status, other.status) == (DONE, DONE)
        assert one.evaluations.keys() == other.evaluations.keys() == {5, 10, 15, 20, 25}
        for update, outcomes in one.evaluations.items():
            for name, array in vars(outcomes).items():
                np.testing.assert_array_equal(array, vars(other.evaluations[update])[name], err_msg=f"{update} {name}")
        for name, array in one.policy.items():
            np.testing.assert_array_equal(array, other.policy[name])
        for update in one.metrics:
            assert {**one.metrics[update], "seconds": 0} == {**other.metrics[update], "seconds": 0}
        start = replace(run, budget=BUDGET).run_id
        assert other.facts[CONTINUED] == start
        assert f"goes on from update 10 of run {start}, the same but for its length" in other.log[0]


def test_the_last_evaluation_gives_its_first_episodes(short: Path) -> None:
    run = gofar_runs()[0]
    before = replace(run, budget=BUDGET).run_id
    shorter, kept = run_files.load(short, before), run_files.load_learner(short, before)
    assert shorter is not None
    assert kept is not None
    record = longer_record(run, shorter, kept)
    assert len(shorter.evaluations[SHORT].reached) == 6
    assert len(record.evaluations[SHORT].reached) == 3
    assert (record.status, record.update) == (PARTIAL, SHORT)


def test_a_done_run_keeps_its_learner_only_if_asked(short: Path, tmp_path: Path) -> None:
    runs = GOFAR.expand(SWEEP, None)
    trained(tmp_path, runs)
    assert run_files.kept_learners(tmp_path) == {}
    assert run_files.kept_learners(short) == {run.run_id: SHORT for run in runs}
    for run in runs:  # the records themselves are the same files, but for times
        assert {path.name for path in (short / "runs" / run.run_id).iterdir()} == {"done.npz", "learner.npz"}
        one, other = (run_files.load(folder, run.run_id) for folder in (short, tmp_path))
        assert one is not None
        assert other is not None
        assert one.learner == other.learner == {}
    assert begun(tmp_path)[0] == (
        "GoFAR hidden=8: 2 runs go from the start: no shorter run kept its learner (run --keep-learner keeps it)"
    )


def test_an_interval_that_does_not_divide_is_said(results: Path) -> None:
    odd = parse_choices(methods="gofar", updates=12, seeds="1")
    trained(results, odd.expand(SWEEP, None), keep_learner=True)
    later = replace(odd, updates=14)
    (start,) = odd.expand(SWEEP, None)
    (sentence,) = begun(results, later)  # the run of 10 serves, that of 12 does not
    assert sentence.endswith("1 run goes on from the learner kept after 10 updates")
    run_files.retire(results, replace(start, budget=BUDGET).run_id)
    run_files.retire(results, later.expand(SWEEP, None)[0].run_id)
    (sentence,) = begun(results, later)
    assert "the run of 12 updates does not end at an evaluation of the longer one, which has one every 5" in sentence


def test_a_damaged_learner_is_no_beginning(results: Path) -> None:
    path = damaged(results)
    sentences = begun(results)
    assert "GoFAR hidden=8: 1 run goes from the start: the run of 10 updates is damaged" in sentences
    assert path.with_name("learner.npz.broken").exists()


def test_verify_reads_learners_too(results: Path) -> None:
    damaged(results)
    (sentence,) = verify_records(results, lambda _: None).broken
    assert "learner.npz is broken" in sentence


def test_other_episodes_are_no_beginning(results: Path) -> None:
    run_id = gofar_start().run_id
    record = run_files.load(results, run_id)
    assert record is not None
    run_files.save(results, run_id, replace(record, facts={**record.facts, "dataset": "another"}))
    assert any("was trained on other episodes than are here" in sentence for sentence in begun(results))


def test_too_few_last_episodes_are_said(tmp_path: Path) -> None:
    few = replace(SWEEP, scales={"laptop": replace(SWEEP.scales["laptop"], budget=replace(BUDGET, final_episodes=2))})
    trained(tmp_path, GOFAR.expand(few, None), keep_learner=True)
    sentence = begun(tmp_path, sweep=few)[0]
    assert "ends with an evaluation of 2 episodes, and the longer one needs 3 there" in sentence


def test_changed_code_is_no_beginning(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from smore_sweep.planning import continuation

    monkeypatch.setattr(continuation, "changed_runs", lambda runs, summaries: {"gofar.py": [runs[0].run_id]})
    assert "the run of 10 updates was made before gofar.py changed" in begun(results)[0]


def test_a_plan_says_where_runs_begin(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "a_longer_sweep.py"
    file.write_text("from tests.unit.execution.test_continuing import SWEEP\n")
    assert main(["plan", str(file), "--results", str(results), "--updates", "25"]) == 0
    assert "GoFAR hidden=8: 2 runs go on from the learner kept after 10 updates" in capsys.readouterr().out
