"""RESULTS.md: claims, commentary, tables and provenance of the finished runs.

The page is a function of the results, so the same results give the same text. The commentary is written by people, in
``analysis/commentary.md``, and taken over as it is.
"""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from analysis.frames.benchmarks import BENCHMARKS, by_usual_metric
from analysis.frames.model_selection import TUNING
from analysis.frames.request import ResultsRequest
from analysis.frames.series import declared, series_names
from analysis.frames.table_request import of_sweep
from analysis.paper.tables import PAPER_TABLES
from analysis.rendering import markdown
from analysis.rendering.captions import probability
from analysis.rendering.layout import layout
from analysis.stats import significance
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS
from analysis.verdicts.judge import Verdict, judge
from smore_sweep.discovery import load_sweep, sweep_names
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL
from smore_sweep.run_spec import GENERATED, percent

Frames = Mapping[str, pd.DataFrame]
"""Name of a sweep to its runs at one scale: one row per expected run on all of its tasks."""


def page(scales: Mapping[str, Frames], commentary: str) -> str:
    """Write the page from the frames of each scale. All claims come before any table, and no table mixes scales."""
    parts = [
        "# Results",
        "Written by `make results` from raw outcomes; only the section *Commentary*, if there is one, is by hand "
        "(`analysis/commentary.md`). Other views of the same runs: `make claims`, `make tables`, `make figures`, "
        "`make report`.",
    ]
    judged = {scale: _verdicts(frames) for scale, frames in scales.items()}
    for scale, verdicts in judged.items():
        parts += [
            part
            for name, paper in BENCHMARKS.items()
            if (own := [verdict for verdict in verdicts if verdict.claim.benchmark == name])
            for part in (f"## Claims of the {paper}, {scale} scale", text.summary(own))
        ]
    if commentary.strip():
        parts += ["## Commentary", commentary]
    for scale, frames in scales.items():
        parts += [f"## Caveats, {scale} scale", _caveats(frames)]
    for scale, verdicts in judged.items():
        if verdicts:
            parts += [f"## Claim by claim, {scale} scale", text.details(verdicts)]
    for scale, frames in scales.items():
        parts += [f"## Tables, {scale} scale", *_tables(frames)]
    for scale, frames in scales.items():
        parts += [f"## Provenance, {scale} scale", *_provenance(frames)]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def _verdicts(frames: Frames) -> list[Verdict]:
    """Judge the claims of the papers of which a sweep with claims has an ended run."""
    known = [claim for claim in CLAIMS if claim.sweep in frames]
    begun = {claim.benchmark for claim in known if _ended(frames[claim.sweep]).any()}
    return [judge(claim, frames[claim.sweep]) for claim in known if claim.benchmark in begun]


def finished(about: ResultsRequest, scale: str) -> Frames:
    """Load the sweeps that have the scale, if any of the reported ones has an ended run; else none."""
    names = [name for name in sweep_names() if scale in load_sweep(name).scales]
    frames = {name: about.load_for_claims(load_sweep(name), scale) for name in names}
    return frames if any(_ended(frame).any() for name, frame in frames.items() if name not in TUNING) else {}


def _tables(frames: Frames) -> list[str]:
    reported = {name: _begun(frame) for name, frame in frames.items() if _ended(frame).any() and name not in TUNING}
    parts = []
    for number, table in PAPER_TABLES.items():
        if table.sweep in reported:
            own_columns = of_sweep(table, load_sweep(table.sweep))
            wide = layout(reported[table.sweep], table.metric, table.title, table=own_columns)
            parts += [f"### Table {number}", markdown.table(wide)]
    for name in sorted(set(reported) - {table.sweep for table in PAPER_TABLES.values()}):
        sweep, frame = load_sweep(name), reported[name]
        parts.append(f"### Sweep {name}")
        for metric, own in by_usual_metric(frame):
            parts.append(markdown.table(layout(own, metric, sweep.description, names=series_names(declared(sweep)))))
    return parts


def _caveats(frames: Frames) -> str:
    runs = _all_runs(frames)
    ended = runs[_ended(runs)]
    sizes = ended.groupby(["method", "label", "task", "expert_share"])["seed"].nunique()
    few, many = int(sizes.min()), int(sizes.max())
    source = str(runs["source"].iloc[0])
    origin = "rolled out from experts and random policies of this repository" if source == GENERATED else source
    missing = [task for task in dict.fromkeys(runs["task"]) if task not in set(ended["task"])]
    scale = runs["scale"].iloc[0]
    seeds = str(many) if few == many else f"{few} to {many}"
    lines = [
        f"Scale: {scale}. Each caption says how many updates, seeds and episodes that is; `sweeps/` has all that "
        "differs from the paper's.",
        f"Data: {origin}. They are not the paper's, so levels of return differ for that reason alone: compare orders.",
        "Protocol: one for all methods of a task (sparse reward, the same seeded evaluation episodes, last checkpoint; "
        "OGBench's tasks: the environment's success, mean of the last three evaluations). The SMORe paper's numbers "
        "appear to mix discounts and, in part, dense returns.",
        f"Seeds: {seeds} a cell. The smallest two-sided p of {many} against {many} is "
        f"{probability(significance.smallest_p(many, many))}, and bootstrap intervals of few seeds are too narrow.",
        "Knobs: chosen on seeds of their own where `sweeps/tuned.csv` has the method and task at this scale; each "
        "method's defaults elsewhere.",
    ]
    if missing:
        lines.append(f"Not run: {', '.join(missing)}. A claim that cannot be judged without them is undecided.")
    return "\n".join(f"* {line}" for line in lines)


def _provenance(frames: Frames) -> list[str]:
    heads = ["sweep", "tasks", "seeds", *(DONE, DIVERGED, PARTIAL, MISSING), "hours"]
    rows = []
    for name, frame in frames.items():
        if not _ended(frame).any():
            continue
        begun = _begun(frame)
        counts = begun["status"].value_counts()
        seeds = begun["seed"]
        rows.append(
            [
                name,
                str(begun["task"].nunique()),
                f"{seeds.min()} to {seeds.max()}",
                *(str(int(counts.get(status, 0))) for status in (DONE, DIVERGED, PARTIAL, MISSING)),
                f"{begun['seconds'].sum() / 3600:.1f}",
            ]
        )
    runs = _all_runs(frames)
    ended = runs[_ended(runs)]
    revisions = ended["git"].value_counts().sort_index()
    by = ", ".join(f"`{name}` ({count})" for name, count in revisions.items())
    data = ended.groupby("task", sort=True)["dataset"].unique()
    prints = ", ".join(f"{task} {' '.join(f'`{name}`' for name in sorted(names))}" for task, names in data.items())
    parts = [
        markdown.pipe_table(heads, rows, numbers=True),
        f"{len(ended):,} runs in all, each counted once here although several sweeps may share it; "
        f"{ended['seconds'].sum() / 3600:.1f} hours of training and evaluation. Git revisions (runs): {by}.",
        f"Fingerprints of the episodes: {prints}.",
    ]
    if len(lost := ended[ended["status"] == DIVERGED]):
        named = (
            f"{r.label} on {r.task}, {percent(r.expert_share)} expert, seed {r.seed} (`{r.run_id}`)"
            for r in lost.itertuples()
        )
        parts.append(f"Diverged: {'; '.join(named)}.")
    return parts


def _ended(frame: pd.DataFrame) -> pd.Series:
    return frame["status"].isin([DONE, DIVERGED])


def _begun(frame: pd.DataFrame) -> pd.DataFrame:
    """Select the tasks with any run that is not missing; the caveats name the others."""
    return frame[frame["task"].isin(frame.loc[frame["status"] != MISSING, "task"])]


def _all_runs(frames: Frames) -> pd.DataFrame:
    """Return every expected run of the reported sweeps once."""
    reported = [frame for name, frame in frames.items() if name not in TUNING]
    return pd.concat(reported, ignore_index=True).drop_duplicates("run_id")
