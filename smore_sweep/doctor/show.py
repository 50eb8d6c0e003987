"""Show findings in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from smore_sweep.doctor.findings import BAD, GOOD, NOTE, SKIPPED, Finding

MARKS = {GOOD: ("✔", "green"), NOTE: ("●", "yellow"), BAD: ("✘", "bold red"), SKIPPED: ("–", "dim")}
BAR = 24


def section(title: str) -> Text:
    """Return the heading of a section."""
    return Text(f"\n{title}", style="bold cyan")


def line(finding: Finding) -> Table:
    """Return a finding as one line: mark, name, verdict."""
    mark, style = MARKS[finding.rating]
    row = Table.grid(padding=(0, 1))
    row.add_column(width=3, justify="right")
    row.add_column(width=27)
    row.add_column(overflow="fold")
    row.add_row(Text(mark, style=style), finding.name, Text(finding.verdict, style=style if mark != "✔" else ""))
    return row


def rates_table(finding: Finding) -> Padding:
    """Return the member-updates per second by stack size, with bars."""
    rows = finding.figures["stacks"]
    table = Table(box=None, padding=(0, 2), header_style="dim")
    headings = ["stack", "member-updates/s", "of the product rate", *(["eager"] if "eager" in rows[0] else [])]
    for heading in headings:
        table.add_column(heading, justify="right")
    table.add_column("")
    fastest = max(row["rate"] for row in rows)
    for row in rows:
        cells = [f"{row['stack']}", f"{row['rate']:,.0f}", f"{row['share']:.0%}"]
        cells += [f"{row['eager']:,.0f}"] if "eager" in row else []
        table.add_row(*cells, Text("━" * max(1, round(BAR * row["rate"] / fastest)), style="cyan"))
    return Padding(table, (0, 0, 0, 4))


def conclusion(findings: Sequence[Finding], seconds: float) -> Panel:
    """Return the last word on a machine."""
    bad = [finding.name for finding in findings if finding.rating == BAD]
    skipped = [finding.name for finding in findings if finding.rating == SKIPPED]
    good = sum(finding.rating in (GOOD, NOTE) for finding in findings)
    lines = [Text(f"{good} of {len(findings)} findings are good, in {seconds:.0f} s.")]
    if bad:
        lines.append(Text(f"To mend: {', '.join(bad)}.", style="bold red"))
    if skipped:
        lines.append(Text(f"Skipped: {', '.join(skipped)}.", style="dim"))
    title = "This machine is ready" if not bad else "Something is to be mended"
    return Panel(Group(*lines), title=title, title_align="left", border_style="red" if bad else "green", width=100)


def show(out: Console, finding: Finding) -> None:
    """Print a finding, and its table if it has one."""
    out.print(line(finding))
    if "stacks" in finding.figures:
        out.print(rates_table(finding))
