"""What is said before anything trains."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from rich.console import Console

from smore_sweep.errors import DeclarationError
from smore_sweep.execution.local import train_one
from smore_sweep.execution.runner import other_episodes
from smore_sweep.execution.worker import Request, _Worker
from smore_sweep.planning.choices import AS_DECLARED
from smore_sweep.planning.plan import Plan
from smore_sweep.results import run_files
from smore_sweep.results.record import DONE, METHOD_CODE, MISSING, Record
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.fence import OPEN
from sweeps.coverage_ablation import SWEEP


def test_done_runs_of_other_episodes_are_said() -> None:
    runs = [run for run in SWEEP.expand("smoke") if run.task == "FetchReach"]
    states = dict.fromkeys((run.run_id for run in runs), DONE) | {runs[-1].run_id: MISSING}
    datasets = {run.run_id: "before" if run.expert_share == 0.01 else "here" for run in runs[1:]}
    plan = Plan(SWEEP, "smoke", GENERATED, runs, states, {}, datasets=datasets)
    assert other_episodes(plan, {"FetchReach": {0.05: "here", 0.01: "here"}}) == [
        "FetchReach 1%: 3 done runs were trained on other episodes than those to come"
    ]
    assert other_episodes(plan, {}) == []


def test_changed_code_is_refused_by_a_single_run_and_by_a_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    run = SWEEP.expand("smoke")[0]
    run_files.save(tmp_path, run.run_id, Record(run.content(), facts={METHOD_CODE: "of before"}))
    said = (
        "smore.py has changed since 1 run was made; --retrain makes it again, --keep accepts it as it is; "
        "give smore-sweep run one of the two"
    )
    with pytest.raises(DeclarationError) as refusal:
        train_one(run, tmp_path)
    assert str(refusal.value) == f"{said}, or remove {tmp_path / 'runs' / run.run_id} to train it again"
    request = Request(
        SWEEP.name, "smoke", AS_DECLARED, tmp_path, submission="some", git="", slots=1, largest=1, grace=1.0
    )
    with pytest.raises(DeclarationError) as refusal:
        _Worker(request, "one", OPEN, False, 0, Mock(), Mock(), Console(quiet=True)).run()
    assert str(refusal.value) == said
