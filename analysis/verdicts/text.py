"""Verdicts as text: sentences, and lists for a terminal, in Markdown and as JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis.frames.benchmarks import BENCHMARKS
from analysis.rendering.captions import probability
from analysis.rendering.markdown import escape, pipe_table
from analysis.stats.contrast import LEVEL, Answer, Effect, Interval
from analysis.stats.sequential import LOOKS, SPENT
from analysis.verdicts.judge import Finding, Verdict

WIDTH = 120
"""Characters per line where the output is no terminal."""
INDENT = (0, 0, 0, 3)
ANSWERS: dict[Answer, str] = {"yes": "as claimed", "no": "the contrary", "open": "open"}
PRINTED = {True: "yes", False: "no", None: "not printed"}
RULE = (
    "A comparison is decided if all of its runs have ended, the exact two-sided Mann-Whitney U test over seeds gives "
    f"p < {SPENT[0]:g} after Holm's correction over the claim's comparisons, and the margin's {1 - LEVEL:.0%} "
    "bootstrap interval lies on one side of 0, and P on the same side of 0.5; else it is open. What is open is looked "
    f"at again with {LOOKS[1]} and {LOOKS[2]} times the scale's seeds, at p < {SPENT[1]:g}, so that all looks together "
    f"err with a chance of at most {LEVEL:.0%}. The margin is the difference of the two means beyond what the claim "
    "allows, positive as claimed; P is the probability that two random seeds are as claimed. Of several methods the "
    "pair is compared that makes the claim hardest. A diverged run counts as a return of 0. By print: the same "
    "criterion on the means that the paper prints, without any test."
)
"""Explanation of the list."""
_STYLES = {"holds": "bold green", "does not hold": "bold red", "undecided": "bold yellow"}


def reason(verdict: Verdict) -> str:
    """Explain a verdict in one sentence: the items by answer, why some are open, and which tasks have no runs."""
    claim = verdict.claim
    by_wording: dict[str, list[str]] = {}
    for finding in sorted(verdict.counting, key=lambda finding: list(ANSWERS).index(finding.answer)):
        why = f" ({_why(finding)})" if finding.answer == "open" else ""
        by_wording.setdefault(f"{ANSWERS[finding.answer]}{why} on", []).append(finding.contrast.item)
    parts = [f"{wording} {', '.join(items)}" for wording, items in by_wording.items()]
    if not verdict.tasks:
        parts.append("nothing to compare yet")
    elif absent := [task for task in claim.tasks if task not in verdict.tasks]:
        parts.append(f"nothing to compare on {', '.join(absent)}")
    if claim.of > 1:
        parts.append(f"needed: {claim.needed} of {claim.of}")
    if verdict.next_look:
        tasks, seeds = verdict.next_look
        parts.append(f"next look: {seeds} seeds on {', '.join(tasks)}")
    beyond = [f"{f.contrast.item} ({ANSWERS[f.answer]})" for f in verdict.findings if not f.contrast.counts]
    if beyond:
        parts.append(f"beyond the paper: {', '.join(beyond)}")
    joined = "; ".join(parts)
    return f"{joined[:1].upper()}{joined[1:]}."


def tally(verdict: Verdict) -> str:
    """Count the answers: ``3 as claimed, 1 open, of 12``."""
    counts = [(len(verdict.items(answer)), wording) for answer, wording in ANSWERS.items()]
    tallies = ", ".join(f"{count} {wording}" for count, wording in counts if count) or "none looked at"
    return f"{tallies}, of {verdict.claim.of}"


def by_print(verdict: Verdict) -> str:
    """Format ``yes``, ``no (not on FetchSlide)`` or ``not printed``."""
    against = f" (not on {', '.join(verdict.printed_against)})" if verdict.printed_against else ""
    return f"{PRINTED[verdict.printed]}{against}"


def markdown(verdicts: Sequence[Verdict]) -> str:
    """Write the summary in Markdown, then each claim with all of its comparisons."""
    return f"{summary(verdicts)}\n{details(verdicts)}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """Write a Markdown table with one line per claim."""
    heads = ["", "claim", "verdict", "comparisons", "tasks", "margin", "P", "p (Holm)", "seeds", "runs", "by print"]
    rows = []
    for number, verdict in enumerate(verdicts, 1):
        size = verdict.effect
        rows.append(
            [
                str(number),
                f"{verdict.claim.sentence} ({verdict.claim.where})",
                f"**{verdict.outcome}**",
                tally(verdict),
                f"{len(verdict.tasks)} of {len(verdict.claim.tasks)}",
                margin(size, verdict.claim.unit) if size else "",
                chance(size) if size else "",
                _range([finding.p for finding in verdict.counting]),
                seeds(verdict.counting),
                str(len(verdict.runs)),
                by_print(verdict),
            ]
        )
    return f"{pipe_table(heads, rows)}\n\n{escape(RULE)}\n"


def details(verdicts: Sequence[Verdict]) -> str:
    """Write each claim in Markdown, with its criterion, the reason of its verdict and all comparisons."""
    return "\n\n".join(_section(number, verdict) for number, verdict in enumerate(verdicts, 1)) + "\n"


def show(verdicts: Sequence[Verdict]) -> None:
    """Print the verdicts on a terminal."""
    console = Console(width=None if sys.stdout.isatty() else WIDTH, highlight=False)
    first = verdicts[0]
    paper = BENCHMARKS[first.claim.benchmark]
    console.print(Text(f"Claims of the {paper} at scale {first.scale}, {first.source} data", style="bold"))
    console.print(Text(RULE, style="dim"))
    for number, verdict in enumerate(verdicts, 1):
        claim = verdict.claim
        console.print()
        outcome = (verdict.outcome, _STYLES[verdict.outcome])
        console.print(Text.assemble((f"{number}. {claim.sentence}", "bold"), f" ({claim.where})  ", outcome))
        console.print(Padding(Text(claim.criterion), INDENT))
        console.print(Padding(Text(reason(verdict)), INDENT))
        if verdict.findings:
            table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
            for name in _heads(verdict):
                table.add_column(name, no_wrap=name != "claimed")
            for finding in verdict.findings:
                table.add_row(*(Text(cell) for cell in _line(finding)))
            console.print(Padding(table, INDENT))
        console.print(Padding(Text(_footer(verdict), style="dim"), INDENT))


def record(verdict: Verdict) -> dict[str, Any]:
    """Convert a verdict to plain JSON types, with the ids of its runs."""
    claim = verdict.claim
    return {
        **{name: value for name, value in asdict(claim).items() if name != "measure"},
        "outcome": verdict.outcome,
        "reason": reason(verdict),
        "effect": asdict(verdict.effect) if verdict.effect else None,
        "tasks_looked_at": list(verdict.tasks),
        "tasks_unfinished": list(verdict.waiting),
        "scale": verdict.scale,
        "source": verdict.source,
        "by_print": verdict.printed,
        "by_print_against": list(verdict.printed_against),
        "findings": [
            {**asdict(f.contrast), "effect": asdict(f.effect), "p": f.contrast.p, "p_holm": f.p}
            | {"smallest_p": f.smallest, "answer": f.answer}
            for f in verdict.findings
        ],
        "runs": list(verdict.runs),
    }


def margin(size: Effect, unit: str) -> str:
    """Format ``+1.20 [+0.90, +1.50]``, with the unit unless it is a return."""
    return f"{_signed(size.margin)} {_interval(size.margin_interval)}" + (f" {unit}" if unit != "return" else "")


def chance(size: Effect) -> str:
    """Format ``0.96 [0.88, 1.00]``."""
    low, high = size.probability_interval
    return f"{size.probability:.2f} [{low:.2f}, {high:.2f}]"


def seeds(findings: Sequence[Finding]) -> str:
    """Format ``5``, or ``3 to 5``."""
    counts = [count for finding in findings for count in finding.contrast.seeds]
    if not counts:
        return ""
    return f"{counts[0]}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _why(finding: Finding) -> str:
    contrast, p = finding.contrast, probability(finding.p)
    if contrast.waiting:
        count = f"{contrast.waiting} run{'s have' if contrast.waiting > 1 else ' has'} not ended"
        so_far = ANSWERS["yes" if contrast.true_of_means else "no"]
        return f"{count}; so far {so_far}, p {p if p.startswith('<') else f'= {p}'}"
    if finding.smallest >= contrast.level:
        n, m = contrast.seeds
        return f"{n} against {m} seeds reach no p below {probability(finding.smallest)}"
    if finding.p >= contrast.level:
        return f"p = {p}"
    low, high = finding.effect.margin_interval
    return "the margin's interval holds 0" if low <= 0 <= high else "the means and the ranks disagree"


def _heads(verdict: Verdict) -> list[str]:
    return ["on", "claimed", f"margin ({verdict.claim.unit})", "P", "p", "Holm", "seeds", "seen"]


def _line(finding: Finding) -> list[str]:
    contrast = finding.contrast
    first, second = (float(np.mean(values)) for values in (contrast.first_values, contrast.second_values))
    share = "" if contrast.share == 1 else f"{contrast.share:.2g} × "
    sign = ">" if contrast.more else "<"
    n, m = contrast.seeds
    return [
        contrast.item,
        f"{contrast.first} ({first:.2f}) {sign} {share}{contrast.second} ({second:.2f})",
        margin(finding.effect, "return"),
        chance(finding.effect),
        probability(contrast.p),
        probability(finding.p),
        f"{n} v {m}",
        ANSWERS[finding.answer],
    ]


def _section(number: int, verdict: Verdict) -> str:
    claim = verdict.claim
    parts = [
        f"### {number}. {escape(claim.sentence)} {verdict.outcome.capitalize()}",
        f"{escape(f'{claim.where}. {claim.criterion}')} {escape(reason(verdict))}",
    ]
    if verdict.findings:
        rows = [list(map(escape, _line(finding))) for finding in verdict.findings]
        parts.append(pipe_table(_heads(verdict), rows))
    return "\n\n".join([*parts, escape(_footer(verdict))])


def _footer(verdict: Verdict) -> str:
    note = f" {verdict.claim.note}" if verdict.claim.note else ""
    return f"Sweep {verdict.claim.sweep}, {len(verdict.runs)} runs. By print: {by_print(verdict)}.{note}"


def _range(ps: Sequence[float]) -> str:
    if not ps:
        return ""
    low, high = probability(min(ps)), probability(max(ps))
    return escape(low if low == high else f"{low} to {high}")


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # adding zero: no -0.00


def _interval(interval: Interval) -> str:
    return f"[{', '.join(_signed(bound) for bound in interval)}]"
