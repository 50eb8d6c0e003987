"""Run a sweep: plan, check the input, roll out data, train the pending runs, print the table."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from rich.console import Console

from smore_sweep.console import make_console
from smore_sweep.cores import usable_cores
from smore_sweep.data import generate, pools
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import DeclarationError
from smore_sweep.execution.continuing import begin_longer
from smore_sweep.execution.datasets import build_stores, missing_episodes
from smore_sweep.execution.notify import notifying
from smore_sweep.execution.own_methods import check_own_methods
from smore_sweep.execution.ray_auth import require_private_token
from smore_sweep.execution.session import check_folder, interruptible, sweep_experiment
from smore_sweep.exit_codes import INCOMPLETE, INTERRUPTED
from smore_sweep.monitoring.heartbeat import driver_file
from smore_sweep.monitoring.progress_reporter import ProgressReporter
from smore_sweep.planning.choices import ALL_ELSEWHERE, AS_DECLARED, Choices
from smore_sweep.planning.code_changes import code_facts, describe_changes
from smore_sweep.planning.continuation import find_continuations
from smore_sweep.planning.estimate import estimate
from smore_sweep.planning.history import remember
from smore_sweep.planning.plan import Plan, make_plan
from smore_sweep.planning.search import Search, Trial, read_trials
from smore_sweep.planning.stacks import describe_stacks, group_into_stacks, padded_size
from smore_sweep.planning.tables import estimate_line, plan_table
from smore_sweep.results import record
from smore_sweep.results.record_writer import RecordingError
from smore_sweep.results.recorder import Recorder, recording
from smore_sweep.results.tracking import Experiment
from smore_sweep.run_spec import share_of
from smore_sweep.spec import Sweep
from smore_sweep.stacked import fused
from smore_sweep.storage.fence import Fence
from smore_sweep.storage.lock import hold
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath
from smore_sweep.training import capture

Recording: TypeAlias = "Callable[[], AbstractContextManager[Recorder]]"
"""Opens the recorder, which writes."""


def run(
    requested: Sweep | str,
    *,
    scale: str | None = None,
    choices: Choices = AS_DECLARED,
    results: StoragePath,
    address: str | None = None,
    gpus_per_stack: float | None = None,
    stack_size: int | None = None,
    notification: str | None = None,
    mirrors: Sequence[str] = (),
    retrain: bool = False,
    keep: bool = False,
    keep_learner: bool = False,
    search: Search | None = None,
    out: Console | None = None,
    show: Callable[[Console, Plan], None] | None = None,
) -> int:
    """Run a sweep to its end.

    Args:
        requested: A sweep, the name of a shipped one, or a ``.py`` file.
        scale: Its scale; None for the sweep's own.
        choices: The part of the sweep to run, and changes of it.
        results: Results folder.
        address: A running Ray cluster; None starts a local Ray.
        gpus_per_stack: GPUs per stack; None for one where the cluster has GPUs.
        stack_size: Largest number of runs in a stack; None for the device's default.
        notification: Shell command to run when the sweep ends, however it ends.
        mirrors: Where else to show the runs (:data:`smore_sweep.results.mirrors.PACKAGES`).
        retrain: Train stored runs again whose code has changed since.
        keep: Accept stored runs whose code has changed since.
        keep_learner: Keep the learners of done runs, from which longer runs can go on.
        search: Search the grid in place of training all of it.
        out: Where to print; None for standard output.
        show: Prints the results when training has ended, given the plan as it was before.

    Returns:
        The exit code: 0 if every planned run is done, or the search has ended without failures.

    Raises:
        UserError: If anything about the request is wrong.
    """
    out = out or make_console()
    training = _Training(address, gpus_per_stack, stack_size, keep_learner, search)
    name = requested.name if isinstance(requested, Sweep) else requested
    with notifying(notification, name, out.print) as ending:
        sweep = requested if isinstance(requested, Sweep) else load_sweep(requested)

        def read_plan() -> Plan:
            plan = make_plan(sweep, scale, results, choices)
            return search.choose(plan) if search else plan

        plan = read_plan()
        check_folder(results)
        experiment = sweep_experiment(sweep, results, mirrors)
        with hold(results, f"make sweep SWEEP={name}", out.print) as fence, interruptible():
            plan = read_plan()
            if not plan.runs:
                out.print(ALL_ELSEWHERE)
                ending.status, ending.message = "done", f"{name}: {ALL_ELSEWHERE}"
                return 0
            record_here = partial(recording, experiment, partial(out.print, markup=False), fence)
            failures: list[str] = []
            try:
                plan = _brought_up_to_date(
                    out, plan, read_plan, record_here, results, choices, retrain=retrain, keep=keep
                )
                if isinstance(requested, str) and not search:
                    remember(results, requested, plan.scale, choices)
                out.print(plan_table(plan))
                if plan.pending:
                    failures = _train(out, plan, experiment, fence, training)
                else:
                    with record_here() as recorder:
                        recorder.publish(_done_runs(plan))
            except KeyboardInterrupt:
                ending.status, ending.message = "interrupted", f"{name}: interrupted"
                out.print("\nInterrupted. Finished runs are kept; the same command resumes from the last evaluation.")
                return INTERRUPTED
            except RecordingError as error:
                ending.message = f"{name}: {error}"
                out.print(f"\n{error}. Finished runs are kept; fix this and give the same command again.", markup=False)
                return INCOMPLETE
            if show:
                show(out, plan)
            if search:
                _report_failures(out, failures)
                ending.status = "incomplete" if failures else "done"
                ending.message = f"{name}: the search has ended"
                return INCOMPLETE if failures else 0
            plan = read_plan()  # reading the outcomes may have put a broken record aside
            _report(out, plan, results, failures, name, choices)
        if plan.pending:
            ending.status, missing = "incomplete", f"{len(plan.pending)} of {len(plan.runs)} runs are missing"
            ending.message = "; failed: ".join([f"{name}: {missing}", *failures])
            return INCOMPLETE
        ending.status, ending.message = "done", f"{name}: all {len(plan.runs)} runs are done"
        return 0


@dataclass(frozen=True)
class _Training:
    """How the pending runs are trained; see :func:`run`."""

    address: str | None
    gpus_per_stack: float | None
    stack_size: int | None
    keep_learner: bool
    search: Search | None


def _brought_up_to_date(
    out: Console,
    plan: Plan,
    read_plan: Callable[[], Plan],
    record_here: Recording,
    results: StoragePath,
    choices: Choices,
    *,
    retrain: bool,
    keep: bool,
) -> Plan:
    """Settle what is to be done about stored runs whose code has changed, let longer runs begin where shorter ones end,
    and return the plan as it is then."""
    again = [*plan.changed.values(), *plan.accepted.values()] if retrain else []
    changed = {run_id for run_ids in again for run_id in run_ids}
    check_own_methods(run for run in plan.runs if run.run_id in changed or plan.states[run.run_id] != record.DONE)
    if plan.changed or changed:
        _settle_changes(plan, record_here, retrain=retrain, keep=keep)
        plan = read_plan()
    if choices.updates is not None:
        for sentence in begin_longer(find_continuations(plan, results), results, record_here).describe():
            out.print(sentence, markup=False, soft_wrap=True)
        plan = read_plan()
    return plan


def _settle_changes(plan: Plan, record_here: Recording, *, retrain: bool, keep: bool) -> None:
    """Retire or accept the stored runs whose code has changed.

    Raises:
        DeclarationError: If neither is asked for.
    """
    if not (retrain or keep):
        raise DeclarationError("\n".join(describe_changes(plan.changed)))
    by_id = {run.run_id: run for run in plan.runs}
    groups = [*plan.changed.values(), *(plan.accepted.values() if retrain else ())]
    run_ids = dict.fromkeys(run_id for run_ids in groups for run_id in run_ids)
    with record_here() as recorder:
        if retrain:
            recorder.retire(list(run_ids))
        else:
            recorder.accept_code({run_id: code_facts(by_id[run_id]) for run_id in run_ids})


def _done_runs(plan: Plan) -> list[tuple[str, str]]:
    """Return (id, title) of the runs that are done."""
    return [(run.run_id, run.title) for run in plan.runs if plan.states[run.run_id] == record.DONE]


def _open_trials(plan: Plan, results: StoragePath) -> list[Trial]:
    """Return the trials of a search on those tasks and expert shares where a trial has not ended.

    Ended trials are among them: the others are compared with what is stored of those.
    """
    trials = read_trials(plan, results)
    unfinished = {trial.group for trial in trials if not trial.ended}
    return [trial for trial in trials if trial.group in unfinished]


def _train(
    out: Console,
    plan: Plan,
    experiment: Experiment,
    fence: Fence,
    training: _Training,
) -> list[str]:
    """Train the pending runs; return one sentence per error for which runs were given up."""
    updates = capture.chosen()
    if training.address is None:
        fused.chosen()
        require_private_token()
    from smore_sweep.execution.cluster import connected
    from smore_sweep.execution.early_stopping import asha, reports
    from smore_sweep.execution.recorder_actor import recorder_actor
    from smore_sweep.execution.trainable import train_stacks

    needed, missing = plan.pools(), missing_episodes(plan)
    # Existing pools are loaded first: a damaged dataset is refused before a cluster is requested.
    episodes = {pool: pools.load(*pool, count, plan.source) for pool, count in needed.items() if pool not in missing}
    if training.address is None:
        out.print(estimate_line(estimate(plan, missing, usable_cores())))
    with (
        connected(training.address, training.gpus_per_stack) as cluster,
        recorder_actor(experiment, _done_runs(plan), partial(out.print, markup=False), fence) as recorder,
    ):
        for pool in missing:
            generate.ensure(out, *pool, needed[pool])
            episodes[pool] = pools.load(*pool, needed[pool])
        trials = _open_trials(plan, experiment.results) if training.search else []
        largest = training.stack_size or cluster.largest_stack
        stacks = [trial.stack for trial in trials] or group_into_stacks(
            plan.pending, slots=cluster.slots, largest=largest, filled=cluster.gpus_per_stack > 0
        )
        padded = padded_size(plan.runs, largest) if cluster.gpus_per_stack else None
        if training.address is None and not cluster.gpus_per_stack and (warning := fused.why_not()):
            out.print(warning, markup=False)
        if padded and (hint := cluster.idle(padded, len(stacks))):
            out.print(hint, markup=False)
        filled = f", each filled up to {padded}" if padded else ""
        out.print(f"training {len(plan.pending)} runs as {describe_stacks(stacks)}{filled} on {cluster}")
        stores = build_stores(plan, episodes)
        for sentence in other_episodes(plan, {name: fingerprints for name, (_, fingerprints) in stores.items()}):
            out.print(sentence, markup=False, soft_wrap=True)
        with ProgressReporter(out, plan, stacks, cluster.cpus, driver_file(experiment.results), fence) as reporter:
            return train_stacks(
                stacks,
                stores,
                recorder,
                git=experiment.tags["git"],
                cluster=cluster,
                callback=reporter,
                padded=padded,
                updates=updates,
                keep_learner=training.keep_learner,
                scheduler=asha(training.search, trials) if training.search and training.search.stops else None,
                history=[reports(trial.points) for trial in trials],
            )


def other_episodes(plan: Plan, fingerprints: Mapping[str, Mapping[float, str]]) -> list[str]:
    """Return a sentence per task and expert share whose done runs have other episodes than the pending ones.

    Args:
        plan: The plan.
        fingerprints: Of the episodes that the pending runs train on, by task and expert share.
    """
    others: Counter[tuple[str, float]] = Counter()
    for run in plan.runs:
        here = fingerprints.get(run.task, {}).get(run.expert_share)
        done = plan.states[run.run_id] == record.DONE
        if done and here and plan.datasets.get(run.run_id, here) != here:
            others[run.task, run.expert_share] += 1
    return [
        f"{task} {share_of(task, share)}".rstrip()
        + f": {count} done run{'s were' if count > 1 else ' was'} trained on "
        "other episodes than those to come"
        for (task, share), count in others.items()
    ]


def _report_failures(out: Console, failures: Sequence[str]) -> None:
    for failure in failures:
        out.print(f"failed: {failure}", markup=False, soft_wrap=True)
    if failures:
        out.print("The MLflow page of a failed run has its log with the traceback, log.txt.")


def _report(
    out: Console, plan: Plan, results: StoragePath, failures: Sequence[str], name: str, choices: Choices
) -> None:
    _report_failures(out, failures)
    if plan.pending:
        out.print(f"{len(plan.pending)} of {len(plan.runs)} planned runs are missing; give the same command again")
    else:
        _print_next_steps(out, plan, results, name, choices)


def _print_next_steps(out: Console, plan: Plan, results: StoragePath, name: str, choices: Choices) -> None:
    name = shlex.quote(name)
    where = "" if str(results) == DEFAULT_RESULTS else f" --results {shlex.quote(str(results))}"
    chosen = "".join(f" --{option} {shlex.quote(text)}" for option, text in choices.options().items())
    request = f"--sweep {name} --scale {plan.scale}{where}{chosen}"
    next_steps = {
        f"smore-sweep ui {name}{where}": "its runs in the MLflow page",
        f"smore-sweep tables {request}": "LaTeX tables (--format markdown|csv|json|terminal)",
        f"smore-sweep figures {request}": "learning curves, and the return against each knob that it varies",
        f"{results}/runs/": "raw outcomes, one folder per run",
    }
    width = max(map(len, next_steps))
    out.print(f"All {len(plan.runs)} runs are done. Where to look next:")
    for step, purpose in next_steps.items():
        out.print(f"  {step:<{width}}    {purpose}", markup=False, soft_wrap=True)
