"""``smore-sweep plan``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smore_sweep.cli import complete
from smore_sweep.cli.options import (
    SWEEP_HELP,
    AsJson,
    Exported,
    MethodNames,
    Results,
    ScaleName,
    Seeds,
    Settings,
    Source,
    TaskNames,
    Updates,
    without_exported,
)
from smore_sweep.cores import usable_cores
from smore_sweep.run_spec import GENERATED
from smore_sweep.spec import DEFAULT_SCALE
from smore_sweep.storage.paths import DEFAULT_RESULTS

if TYPE_CHECKING:
    from smore_sweep.planning.campaign import CampaignEntry
    from smore_sweep.planning.plan import Plan


def plan(
    sweep: Annotated[
        str, typer.Argument(metavar="SWEEP", help=f"{SWEEP_HELP}; all of them: all", autocompletion=complete.plans)
    ],
    scale: ScaleName = None,
    seeds: Seeds = None,
    tasks: TaskNames = None,
    methods: MethodNames = None,
    settings: Settings = None,
    updates: Updates = None,
    source: Source = GENERATED,
    results: Results = DEFAULT_RESULTS,
    exported: Exported = None,
    as_json: AsJson = False,
) -> int:
    """Show what a sweep still has to do, and how long it takes."""
    from smore_sweep.cli import needed_scale
    from smore_sweep.discovery import load_sweep
    from smore_sweep.planning import campaign
    from smore_sweep.planning.choices import parse_choices
    from smore_sweep.planning.continuation import find_continuations
    from smore_sweep.planning.plan import make_plan
    from smore_sweep.storage.paths import storage_path

    folder = storage_path(results)
    choices = parse_choices(
        tasks=tasks, methods=methods, seeds=seeds, settings=settings or (), updates=updates, source=source
    )
    choices = without_exported(choices, exported)
    if sweep == campaign.ALL:
        size = scale or DEFAULT_SCALE
        _show_campaign(list(campaign.campaign(size, folder, choices)), size, as_json)
    else:
        wanted = make_plan(load_sweep(sweep), scale, folder, choices)
        found = find_continuations(wanted, folder).describe() if choices.updates is not None else []
        _show(wanted, found, needed_scale.describe(wanted, folder, choices, usable_cores()), as_json)
    return 0


def _show(plan: Plan, continuations: list[str], needs: list[str], as_json: bool) -> None:
    from smore_sweep.console import make_console
    from smore_sweep.execution.datasets import missing_episodes
    from smore_sweep.planning.choices import ALL_ELSEWHERE
    from smore_sweep.planning.code_changes import describe_changes
    from smore_sweep.planning.estimate import estimate
    from smore_sweep.planning.stacks import LARGEST_STACK, describe_stacks, group_into_stacks
    from smore_sweep.planning.tables import estimate_line, plan_table

    out, cores = make_console(), usable_cores()
    if not as_json:  # before episodes that cannot be made are refused
        out.print(plan_table(plan) if plan.runs else ALL_ELSEWHERE)
    episodes = missing_episodes(plan)
    stacks = group_into_stacks(plan.pending, slots=cores, largest=LARGEST_STACK["cpu"])
    seconds = estimate(plan, episodes, cores)
    changes = describe_changes(plan.changed)
    if as_json:
        record = _plan_record(plan) | {
            "episodes_to_make": [
                {"task": task, "policy": policy, "episodes": count} for (task, policy), count in episodes.items()
            ],
            "changed_code": changes,
            "continuations": continuations,
            "needs": needs,
            "cpu_cores": cores,
            "stacks": len(stacks),
            "estimated_seconds": {**vars(seconds), "total": seconds.total},
        }
        print(json.dumps(record, indent=2))
        return
    for (task, policy), count in episodes.items():
        out.print(f"to make: {count:,} {task} episodes of the {policy} policy")
    if plan.pending:
        out.print(f"to train: {len(plan.pending)} runs, as {describe_stacks(stacks)} on {cores} CPU cores")
        out.print(estimate_line(seconds))
    elif plan.runs:
        out.print("nothing to do: every run is done")
    for sentence in [*needs, *continuations, *changes]:
        out.print(sentence, markup=False, soft_wrap=True)


def _show_campaign(entries: list[CampaignEntry], scale: str, as_json: bool) -> None:
    from smore_sweep.console import make_console
    from smore_sweep.planning.tables import campaign_table

    if as_json:
        print(json.dumps({"scale": scale, "sweeps": [_campaign_record(entry) for entry in entries]}, indent=2))
    else:
        make_console().print(campaign_table(entries, scale))


def _plan_record(plan: Plan) -> dict[str, Any]:
    from smore_sweep.planning.tables import STATES

    return {
        "sweep": plan.sweep.name,
        "description": plan.sweep.description,
        "scale": plan.scale,
        "source": plan.source,
        "runs": len(plan.runs),
        **{state: plan.count(state) for state in STATES},
        "cells": [
            {
                "task": task,
                "method": label,
                "expert_share": share,
                "updates": run.budget.updates,
                "runs": states.total(),
                **{state: states[state] for state in STATES},
            }
            for task, label, share, states, run in plan.rows()
        ],
    }


def _campaign_record(entry: CampaignEntry) -> dict[str, Any]:
    from smore_sweep.results.record import DONE

    cores = usable_cores()
    return {
        "sweep": entry.plan.sweep.name,
        "runs": len(entry.plan.runs),
        "new": len(entry.fresh.runs),
        "done": entry.fresh.count(DONE),
        "stacks_left": entry.stacks(cores),
        "member_updates_left": entry.member_updates,
        "cpu_cores": cores,
        "estimated_seconds": entry.seconds(cores),
    }
