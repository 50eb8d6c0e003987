"""What a sweep says before it trains."""

from __future__ import annotations

from smore_sweep.execution.runner import other_episodes
from smore_sweep.planning.plan import Plan
from smore_sweep.results.record import DONE, MISSING
from smore_sweep.run_spec import GENERATED
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
