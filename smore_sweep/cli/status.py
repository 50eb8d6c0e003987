"""``smore-sweep status``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from smore_sweep.cli.options import (
    AnySweepName,
    AsJson,
    MethodNames,
    Results,
    ScaleName,
    Seeds,
    Settings,
    Source,
    TaskNames,
    Updates,
)
from smore_sweep.errors import UserError
from smore_sweep.run_spec import GENERATED
from smore_sweep.storage.paths import DEFAULT_RESULTS, StoragePath

if TYPE_CHECKING:
    from smore_sweep.planning.plan import Plan


def status(
    sweep: AnySweepName = None,
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    methods: MethodNames = None,
    settings: Settings = None,
    updates: Updates = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    as_json: AsJson = False,
) -> int:
    """Show how far a sweep, or every sweep that has runs, is."""
    from smore_sweep.console import make_console
    from smore_sweep.discovery import all_sweeps, load_sweep
    from smore_sweep.monitoring import heartbeat, progress_reporter
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.planning.code_changes import describe_changes
    from smore_sweep.planning.history import other_requests
    from smore_sweep.planning.plan import make_plan
    from smore_sweep.planning.tables import STATES, plan_table
    from smore_sweep.results.record import MISSING
    from smore_sweep.storage.paths import storage_path

    out, folder = make_console(), storage_path(results)
    choices = parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    )
    if not sweep:
        choices.refuse_changes("name it, such as smore-sweep status quickstart")
        if choices.tasks:
            raise UserError("--tasks can be given with one sweep only; name it, such as smore-sweep status quickstart")
    sweeps = [load_sweep(sweep)] if sweep else all_sweeps(scale)
    plans = [
        (make_plan(each, size, folder, choices), "")
        for each in sweeps
        for size in ([each.scale(scale)] if sweep or scale else each.scales)
    ]
    gone = [] if sweep else _add_remembered(plans, folder, scale)
    shown = [(plan, how) for plan, how in plans if sweep or plan.count(MISSING) < len(plan.runs)]
    training, workers = heartbeat.load(folder), heartbeat.load_workers(folder)
    if as_json:
        counts = [
            {
                "sweep": plan.sweep.name,
                "scale": plan.scale,
                "source": plan.source,
                "asked": how.strip(),
                "runs": len(plan.runs),
                **{state: plan.count(state) for state in STATES},
            }
            for plan, how in shown
        ]
        shown_now = {"training": training and asdict(training), "workers": [asdict(worker) for worker in workers]}
        print(json.dumps({"results": str(folder), "sweeps": counts, **shown_now}, indent=2))
        return 0
    for plan, how in shown:
        if sweep:
            out.print(plan_table(plan))
        line = ", ".join(f"{plan.count(state)} {state}" for state in STATES)
        for sentence in describe_changes(plan.changed):
            gone.append(f"{plan.sweep.name}: {sentence}")
        out.print(f"{plan.sweep.name} · {plan.scale}{how}: {line}", markup=False, soft_wrap=True)
    if sweep and all(plan.count(MISSING) == len(plan.runs) for plan, _ in shown):
        gone += [f"it was run here with: {options}" for options in other_requests(folder, sweep, choices)]
    for sentence in gone:
        out.print(sentence, markup=False, soft_wrap=True)
    if not shown and not gone:
        out.print(f"no sweep has a run in {results}; make plan SWEEP=quickstart shows what one would do", markup=False)
    lines = list(progress_reporter.describe(training, time.time())) if training else []
    lines += progress_reporter.describe_workers(workers, time.time())
    for line in ["", *lines] if lines else []:
        out.print(line, markup=False, soft_wrap=True)
    return 0


def _add_remembered(plans: list[tuple[Plan, str]], folder: StoragePath, scale: str | None) -> list[str]:
    """Add the plans of a user's own sweeps and of choices that were run before.

    Returns:
        A sentence for each that cannot be read any more.
    """
    from smore_sweep.discovery import load_sweep
    from smore_sweep.planning.history import remembered
    from smore_sweep.planning.plan import make_plan

    gone = []
    for request in remembered(folder):
        if scale not in (None, request.scale):
            continue
        own = f" ({request.sweep})" if request.sweep.endswith(".py") else ""
        try:
            plan = make_plan(load_sweep(request.sweep), request.scale, folder, request.choices)
        except UserError as error:
            gone.append(f"{request.sweep}: {error}")
        else:
            plans.append((plan, f"{request.title}{own}"))
    return gone
