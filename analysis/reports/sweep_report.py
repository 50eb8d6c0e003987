"""The parts of a sweep's page (:mod:`analysis.report`): each a function of what the results hold."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from analysis.frames.metrics import DEFAULT_METRIC, METRICS
from analysis.paper.tables import PAPER_TABLES
from analysis.plots import lines
from analysis.plots.files import svg
from analysis.plots.points import NothingToDrawError
from analysis.plots.registry import FIGURES, Draw, draw, with_evaluations
from analysis.rendering import html as web
from analysis.rendering.html import Section
from analysis.rendering.layout import layout
from analysis.reports.material import Material
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import Verdict, judge
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL, Summary
from smore_sweep.spec import GENERATED, RunSpec, percent

MOST_LINES = 12
"""In one panel. Where a sweep has more configurations, each method gets a figure of its own."""


def page(of: Material) -> str:
    """The page. Raises :class:`ValueError` if the frame mixes scales."""
    title = f"{of.sweep.name} · {of.scale}" + ("" if of.source == GENERATED else f" · {of.source} data")
    states = Counter(map(str, of.frame["status"]))
    counts = ", ".join(f"{states[state]:,} {state}" for state in (DONE, DIVERGED, PARTIAL, MISSING) if states[state])
    lead = web.join(
        [web.paragraph(of.sweep.description), web.paragraph(f"{len(of.runs):,} runs: {counts}.", soft=True)]
    )
    return web.page(
        title,
        lead,
        [
            Section("The paper's claims", _claims(of)),
            Section("Results", _results(of)),
            Section("Figures", _figures(of)),
            Section("Runs that are not done", _unfinished(of)),
            Section("What was run", _declared(of)),
            Section("Cost", _cost(of)),
            Section("Provenance", _provenance(of)),
        ],
    )


def _claims(of: Material) -> Markup:
    verdicts = [judge(claim, of.all_tasks) for claim in CLAIMS if claim.sweep == of.sweep.name]
    rule = [web.folded("How claims are judged", web.paragraph(text.RULE, soft=True))] if verdicts else []
    return web.join([*map(_verdict, verdicts), *rule])


def _verdict(verdict: Verdict) -> Markup:
    claim, size = verdict.claim, verdict.effect
    effect = f"Margin {text.margin(size, claim.unit)}, P {text.chance(size)}. " if size else ""
    return web.join(
        [
            web.heading(
                claim.sentence, verdict.outcome, {"holds": "good", "does not hold": "bad"}.get(verdict.outcome, "")
            ),
            web.paragraph(f"{claim.where}. {claim.criterion}"),
            web.paragraph(text.reason(verdict)),
            web.paragraph(
                f"{effect}{len(verdict.runs)} runs. By print: {text.by_print(verdict)}. {claim.note}", soft=True
            ),
        ]
    )


def _results(of: Material) -> Markup:
    """The paper's tables that the sweep makes, beside the printed numbers; the metrics that these lack are folded."""
    printed = [table for table in PAPER_TABLES.values() if table.sweep == of.sweep.name]
    made = [web.table(layout(of.frame, table.metric, table.title, table=table, compare=True)) for table in printed]
    shown = {table.metric for table in printed}
    if DEFAULT_METRIC not in shown:
        made.append(web.table(layout(of.frame, DEFAULT_METRIC, of.sweep.description, compare=True)))
    return web.join(
        [
            *made,
            *(
                web.folded(metric.title, web.table(layout(of.frame, name, of.sweep.description)))
                for name, metric in METRICS.items()
                if name not in {DEFAULT_METRIC, *shown}
            ),
        ]
    )


def _figures(of: Material) -> Markup:
    curves = with_evaluations(of.frame, of.curves)
    wanted: list[tuple[str, pd.DataFrame, Draw]] = []
    if curves["label"].nunique() <= MOST_LINES:
        wanted.append(("Learning curves", curves, lines.learning_curves))
    else:
        wanted += [
            (f"Learning curves: {method}", own, lines.learning_curves)
            for method, own in curves.groupby("method", sort=False)
        ]
    if of.frame.groupby("task")["expert_share"].nunique().max() > 1:
        wanted.append(("Return against the share of expert data", of.frame, lines.coverage))
    wanted += [(FIGURES[name].title, frame, FIGURES[name].draw) for name, frame in of.figures.items()]
    tasks = ", ".join(dict.fromkeys(map(str, of.frame["task"])))
    made = []
    for title, frame, drawing in wanted:
        try:
            figure = draw(drawing, frame, DEFAULT_METRIC)
        except NothingToDrawError:
            continue
        alt = f"{title}: {METRICS[DEFAULT_METRIC].title} on {tasks}. The numbers are in the tables."
        made.append(web.figure(svg(figure), figure.get_figwidth(), alt, f"{title}."))
    return web.join(made)


def _unfinished(of: Material) -> Markup:
    made = []
    titles = {run.run_id: run.title for run in of.runs}
    for state, meaning in (
        (DIVERGED, "Their losses or parameters became infinite or not a number; they have no result."),
        (PARTIAL, "Interrupted, or training now. Give the sweep's command again."),
        (MISSING, "Not started. Give the sweep's command again."),
    ):
        ids = [str(run_id) for run_id in of.frame.loc[of.frame["status"] == state, "run_id"]]
        if not ids:
            continue
        behind = {run_id: f"{of.summaries[run_id].update:,}" if run_id in of.summaries else "0" for run_id in ids}
        rows = [(titles[run_id], run_id, behind[run_id]) for run_id in ids]
        body = web.join([web.paragraph(meaning, soft=True), web.records(("run", "id", "updates"), rows)])
        made.append(web.folded(f"{len(ids):,} {state}", body, unfold=state == DIVERGED))
    return web.join([*made, web.code(f"make sweep {of.command}")]) if made else Markup("")


def _declared(of: Material) -> Markup:
    tasks: dict[str, list[RunSpec]] = defaultdict(list)
    for run in of.runs:
        tasks[run.task].append(run)
    rows = []
    for task, runs in tasks.items():
        budget, seeds = runs[0].budget, sorted({run.seed for run in runs})
        rows.append(
            (
                task,
                ", ".join(percent(share) for share in sorted({run.expert_share for run in runs}, reverse=True)),
                f"{len(seeds)} ({seeds[0]} to {seeds[-1]})",
                *(f"{value:,}" for value in (budget.updates, budget.batch_size, budget.episodes)),
                f"{budget.evaluation_episodes:,} every {budget.evaluate_every:,}, {budget.final_episodes:,} last",
                f"{len(runs):,}",
            )
        )
    headings = ("task", "expert share", "seeds", "updates", "batch", "training episodes", "evaluation episodes", "runs")
    knobs: dict[str, dict[str, dict[str, list[str]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for run in of.runs:
        for name, value in run.method.fields().items():
            at = knobs[run.named.label][name][str(value)]
            if run.task not in at:
                at.append(run.task)
    methods = [
        (label, ", ".join(_knob(name, values) for name, values in by_name.items())) for label, by_name in knobs.items()
    ]
    return web.join(
        [
            web.records(headings, rows, numbers=True),
            web.heading("Methods and their knobs"),
            web.records(("method", "knobs"), methods),
        ]
    )


def _knob(name: str, values: Mapping[str, Sequence[str]]) -> str:
    """``beta=0.5``, or ``her_ratio=0.8 (Reacher) or 0.2 (FetchReach)``."""
    if len(values) == 1:
        return f"{name}={next(iter(values))}"
    return f"{name}=" + " or ".join(f"{value} ({' '.join(tasks)})" for value, tasks in values.items())


def _cost(of: Material) -> Markup:
    spent: dict[str, list[Summary]] = defaultdict(list)
    for run_id, label in zip(of.frame["run_id"], of.frame["label"], strict=True):
        if run_id in of.summaries:
            spent[str(label)].append(of.summaries[run_id])
    rows = [_spent(label, kept) for label, kept in spent.items()]
    if len(rows) > 1:
        rows.append(_spent("all", [summary for kept in spent.values() for summary in kept]))
    said = (
        "Seconds of training and evaluation. The runs of a stack train at once on one CPU core or GPU, and each counts "
        "its share; data, start-up and lost work do not count."
    )
    headings = ("method", "runs", "hours", "seconds a run", "member-updates", "member-updates a second")
    return web.join([web.records(headings, rows, numbers=True), web.paragraph(said, soft=True)])


def _spent(label: str, kept: Sequence[Summary]) -> tuple[str, ...]:
    seconds, updates = sum(summary.seconds for summary in kept), sum(summary.update for summary in kept)
    rate = f"{updates / seconds:,.0f}" if seconds else ""
    return label, f"{len(kept):,}", f"{seconds / 3600:.2f}", f"{seconds / len(kept):,.1f}", f"{updates:,}", rate


def _provenance(of: Material) -> Markup:
    there = [(run, of.summaries[run.run_id].facts) for run in of.runs if run.run_id in of.summaries]
    facts = Counter(
        (name, str(value)) for _, facts in there for name, value in facts.items() if name not in ("dataset", "stack")
    )
    data: dict[tuple[str, float], dict[str, None]] = defaultdict(dict)
    for run, known in there:
        data[run.task, run.expert_share].setdefault(str(known.get("dataset", "unknown")))
    sets = [(task, percent(share), ", ".join(prints)) for (task, share), prints in data.items()]
    return web.join(
        [
            web.heading("Made with"),
            web.records(("what", "which", "runs"), [(*fact, f"{count:,}") for fact, count in sorted(facts.items())]),
            web.heading(f"Data ({of.source})"),
            web.records(("task", "expert share", "fingerprint"), sets),
            web.heading("This page"),
            web.code(f"make report {of.command}"),
        ]
    )
