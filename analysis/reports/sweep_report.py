"""A sweep's results as one HTML page.

The page is a function of the results: the same results give the same bytes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import pandas as pd
from markupsafe import Markup

from analysis.frames.benchmarks import by_usual_metric
from analysis.frames.metrics import METRICS
from analysis.frames.series import declared, series_names
from analysis.frames.table_request import tables_of
from analysis.plots import lines
from analysis.plots.files import svg
from analysis.plots.points import NothingToDrawError
from analysis.plots.registry import FIGURES, Draw, draw, with_evaluations
from analysis.rendering import html
from analysis.rendering.html import Section
from analysis.rendering.layout import layout
from analysis.reports.material import Material
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import Verdict, judge
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL, Summary
from smore_sweep.run_spec import GENERATED, RunSpec, percent

MOST_LINES = 12
"""Most lines in one panel. If a sweep has more configurations, each method gets a figure of its own."""

CHANGED = "Not judged: the claims are about the sweep as declared, and its methods, knobs or updates were changed."
"""What the page of a changed sweep has in place of verdicts."""


def page(material: Material) -> str:
    """Render the page. Raises :class:`ValueError` if the frame mixes scales."""
    title = f"{material.sweep.name} · {material.scale}"
    if material.source != GENERATED:
        title += f" · {material.source} data"
    states = Counter(map(str, material.frame["status"]))
    counts = ", ".join(f"{states[state]:,} {state}" for state in (DONE, DIVERGED, PARTIAL, MISSING) if states[state])
    description = html.paragraph(material.sweep.description)
    lead = html.join([description, html.paragraph(f"{len(material.runs):,} runs: {counts}.", soft=True)])
    return html.page(
        title,
        lead,
        [
            Section("The paper's claims", _claims(material)),
            Section("Results", _results(material)),
            Section("Figures", _figures(material)),
            Section("Runs that are not done", _unfinished(material)),
            Section("What was run", _declared(material)),
            Section("Cost", _cost(material)),
            Section("Provenance", _provenance(material)),
        ],
    )


def _claims(material: Material) -> Markup:
    claims = [claim for claim in CLAIMS if claim.sweep == material.sweep.name]
    if material.all_tasks is None:
        return html.paragraph(CHANGED, soft=True) if claims else Markup("")
    verdicts = [judge(claim, material.all_tasks) for claim in claims]
    rule = [html.folded("How claims are judged", html.paragraph(text.RULE, soft=True))] if verdicts else []
    return html.join([*map(_verdict, verdicts), *rule])


def _verdict(verdict: Verdict) -> Markup:
    claim, size = verdict.claim, verdict.effect
    effect = f"Margin {text.margin(size, claim.unit)}, P {text.chance(size)}. " if size else ""
    return html.join(
        [
            html.heading(
                claim.sentence, verdict.outcome, {"holds": "good", "does not hold": "bad"}.get(verdict.outcome, "")
            ),
            html.paragraph(f"{claim.where}. {claim.criterion}"),
            html.paragraph(text.reason(verdict)),
            html.paragraph(
                f"{effect}{len(verdict.runs)} runs. By print: {text.by_print(verdict)}. {claim.note}", soft=True
            ),
        ]
    )


def _results(material: Material) -> Markup:
    """The paper's tables that the sweep yields, beside the printed numbers; other metrics are folded."""
    frame, sweep = material.frame, material.sweep
    names = series_names(declared(sweep))
    printed = [table for table in tables_of(sweep) if table]
    tables = [html.table(layout(frame, table.metric, table.title, table=table, compare=True)) for table in printed]
    metrics = {table.metric for table in printed}
    usual = dict(by_usual_metric(frame))
    for metric, own in usual.items():
        if metric not in metrics:
            tables.append(html.table(layout(own, metric, sweep.description, names=names, compare=True)))
    return html.join(
        [
            *tables,
            *(
                html.folded(metric.title, html.table(layout(frame, name, sweep.description, names=names)))
                for name, metric in METRICS.items()
                if [name] != list(usual) and name not in metrics and frame[name].notna().any()
            ),
        ]
    )


def _figures(material: Material) -> Markup:
    curves = with_evaluations(material.frame, material.curves)
    wanted: list[tuple[str, pd.DataFrame, Draw]] = []
    if curves["label"].nunique() <= MOST_LINES:
        wanted.append(("Learning curves", curves, lines.learning_curves))
    else:
        wanted += [
            (f"Learning curves: {method}", own, lines.learning_curves)
            for method, own in curves.groupby("method", sort=False)
        ]
    if material.frame.groupby("task")["expert_share"].nunique().max() > 1:
        wanted.append(("Return against the share of expert data", material.frame, lines.coverage))
    wanted += [(FIGURES[name].title, frame, FIGURES[name].draw) for name, frame in material.figures.items()]
    parts = []
    for title, frame, drawing in wanted:
        for metric, own in by_usual_metric(frame):
            try:
                figure = draw(drawing, own, metric)
            except NothingToDrawError:
                continue
            tasks = ", ".join(dict.fromkeys(map(str, own["task"])))
            alt = f"{title}: {METRICS[metric].title} on {tasks}. The numbers are in the tables."
            parts.append(html.figure(svg(figure), figure.get_figwidth(), alt, f"{title}."))
    return html.join(parts)


def _unfinished(material: Material) -> Markup:
    parts = []
    titles = {run.run_id: run.title for run in material.runs}
    updates = {run_id: summary.update for run_id, summary in material.summaries.items()}
    for state, meaning in (
        (DIVERGED, "Their losses or parameters became infinite or not a number; they have no result."),
        (PARTIAL, "Interrupted, or training now. Give the sweep's command again."),
        (MISSING, "Not started. Give the sweep's command again."),
    ):
        ids = [str(run_id) for run_id in material.frame.loc[material.frame["status"] == state, "run_id"]]
        if not ids:
            continue
        rows = [(titles[run_id], run_id, f"{updates.get(run_id, 0):,}") for run_id in ids]
        body = html.join([html.paragraph(meaning, soft=True), html.records(("run", "id", "updates"), rows)])
        parts.append(html.folded(f"{len(ids):,} {state}", body, unfold=state == DIVERGED))
    return html.join([*parts, html.code(f"make sweep {material.command}")]) if parts else Markup("")


def _declared(material: Material) -> Markup:
    tasks: dict[str, list[RunSpec]] = defaultdict(list)
    for run in material.runs:
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
    for run in material.runs:
        for name, value in run.method.fields().items():
            at = knobs[run.named.label][name][str(value)]
            if run.task not in at:
                at.append(run.task)
    methods = [
        (label, ", ".join(_knob(name, values) for name, values in by_name.items())) for label, by_name in knobs.items()
    ]
    return html.join(
        [
            html.records(headings, rows, numbers=True),
            html.heading("Methods and their knobs"),
            html.records(("method", "knobs"), methods),
        ]
    )


def _knob(name: str, values: Mapping[str, Sequence[str]]) -> str:
    """Format ``beta=0.5``, or ``her_ratio=0.8 (Reacher) or 0.2 (FetchReach)``."""
    if len(values) == 1:
        return f"{name}={next(iter(values))}"
    return f"{name}=" + " or ".join(f"{value} ({' '.join(tasks)})" for value, tasks in values.items())


def _cost(material: Material) -> Markup:
    spent: dict[str, list[Summary]] = defaultdict(list)
    for run_id, label in zip(material.frame["run_id"], material.frame["label"], strict=True):
        if run_id in material.summaries:
            spent[str(label)].append(material.summaries[run_id])
    rows = [_spent(label, own) for label, own in spent.items()]
    if len(rows) > 1:
        rows.append(_spent("all", [summary for own in spent.values() for summary in own]))
    explanation = (
        "Seconds of training and evaluation. The runs of a stack train at once on one CPU core or GPU, and each counts "
        "its share; data, start-up and lost work do not count."
    )
    headings = ("method", "runs", "hours", "seconds a run", "member-updates", "member-updates a second")
    return html.join([html.records(headings, rows, numbers=True), html.paragraph(explanation, soft=True)])


def _spent(label: str, own: Sequence[Summary]) -> tuple[str, ...]:
    seconds, updates = sum(summary.seconds for summary in own), sum(summary.update for summary in own)
    rate = f"{updates / seconds:,.0f}" if seconds else ""
    return label, f"{len(own):,}", f"{seconds / 3600:.2f}", f"{seconds / len(own):,.1f}", f"{updates:,}", rate


def _provenance(material: Material) -> Markup:
    summaries = material.summaries
    recorded = [(run, summaries[run.run_id].facts) for run in material.runs if run.run_id in summaries]
    facts = Counter(
        (name, value)
        for _, facts in recorded
        for name, value in facts.items()
        if name not in ("dataset", "stack") and isinstance(value, str)
    )
    data: dict[tuple[str, float], dict[str, None]] = defaultdict(dict)
    for run, known in recorded:
        data[run.task, run.expert_share].setdefault(str(known.get("dataset", "unknown")))
    sets = [(task, percent(share), ", ".join(prints)) for (task, share), prints in data.items()]
    return html.join(
        [
            html.heading("Made with"),
            html.records(("what", "which", "runs"), [(*fact, f"{count:,}") for fact, count in sorted(facts.items())]),
            html.heading(f"Data ({material.source})"),
            html.records(("task", "expert share", "fingerprint"), sets),
            html.heading("This page"),
            html.code(f"make report {material.command}"),
        ]
    )
