"""The paper's own tables: recomputed from their cells, and shown as they are printed."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.frames.cells import Column, averages, columns, common_tasks, drops
from analysis.frames.rank_agreement import agreements
from analysis.paper.published import Printed, beside, heading, published
from analysis.paper.tables import PAPER_TABLES, PaperTable
from analysis.rendering import markdown
from analysis.rendering.layout import PUBLISHED, RATIO, layout
from smore_sweep.discovery import load_sweep
from tests.golden.made_up import TITLE, frame


def table_2() -> tuple[dict[Column, float], dict[Column, float]]:
    """Averages and drops, recomputed from the 42 printed cells by the code that makes our tables."""
    printed = published("2").query("metric == 'discounted_return'")
    means: dict[str, dict[Column, float]] = {}
    for row in printed.itertuples():
        means.setdefault(row.task, {})[row.expert_share, row.method] = row.mean
    over: list[Column] = [(share, name) for share in (0.05, 0.025, 0.01) for name in ("SMORe", "GoFAR")]
    tasks = common_tasks(means, over)
    assert len(tasks) == 7
    average = averages(means, tasks, over)
    return average, drops(average, 0.05)


def printed(row: str, share: float | None, name: str) -> float:
    found = published("2").query("task == @row and expert_share == @share and method == @name")
    return float(found["mean"].item())


def test_averages_of_the_papers_table_2() -> None:
    average, _ = table_2()
    expected = {
        (0.05, "SMORe"): 25.984,
        (0.05, "GoFAR"): 16.183,
        (0.025, "SMORe"): 23.994,
        (0.025, "GoFAR"): 11.499,
        (0.01, "SMORe"): 21.817,
        (0.01, "GoFAR"): 10.330,
    }
    assert average == pytest.approx(expected, abs=5e-4)
    # Two are printed truncated, not rounded; the others agree.
    truncated = {(0.01, "SMORe"), (0.025, "GoFAR")}
    for (share, name), value in average.items():
        as_printed = printed("Average Performance", share, name)
        assert math.floor(value * 100) / 100 == pytest.approx(as_printed)
        assert (round(value, 2) != pytest.approx(as_printed)) == ((share, name) in truncated)


def test_drops_of_the_papers_table_2() -> None:
    _, drop = table_2()
    expected = {
        (0.05, "SMORe"): 0.0,
        (0.05, "GoFAR"): 0.0,
        (0.025, "SMORe"): -7.66,
        (0.025, "GoFAR"): -28.95,
        (0.01, "SMORe"): -16.04,
        (0.01, "GoFAR"): -36.17,
    }
    assert drop == pytest.approx(expected, abs=6e-3)
    for (share, name), value in drop.items():
        # One drop is printed wrong: -28.4% for -28.95%.
        agrees = value == pytest.approx(printed("Avg. Perf. Drop", share, name), abs=0.1)
        assert agrees == ((share, name) != (0.025, "GoFAR"))
    assert printed("Avg. Perf. Drop", 0.025, "GoFAR") == -28.4


# Every table of the paper


def as_printed(table: PaperTable) -> pd.DataFrame:
    """Make runs of the table's sweep whose outcomes are the printed means, where there are any."""
    runs = load_sweep(table.sweep).expand("paper", seeds=1)
    rows = []
    for run in runs:
        label = run.named.label
        cell = beside(table.metric, run.task, label, run.expert_share, table.number)
        rows.append(
            {
                "method": run.method.name,
                "label": label,
                "task": run.task,
                "expert_share": run.expert_share,
                "scale": run.scale,
                "source": run.source,
                "git": "",
                "unnamed": "",
                "status": "done" if cell else "missing",
                table.metric: cell.mean if cell else math.nan,
                **vars(run.budget),
            }
        )
    return pd.DataFrame(rows)


PARAMETERS = pytest.mark.parametrize("table", PAPER_TABLES.values(), ids=lambda table: f"table_{table.number}")


@PARAMETERS
def test_a_table_shows_every_cell_that_the_paper_prints(table: PaperTable) -> None:
    shown = layout(as_printed(table), table.metric, table.title, table=table, compare=True)
    print_ = published(table.number).dropna(subset="mean")
    print_ = print_[~print_["task"].isin(["Average Performance", "Avg. Perf. Drop"])]
    print_ = print_[print_["method"] != "GoFAR (sparse reward)"]  # the remark of Table 13
    names = {(c.task, shown.name(c.label), c.expert_share): c.published for c in shown.cells}
    for row in print_.itertuples():
        assert names[row.task, row.method, row.expert_share] == Printed(row.mean, row.std, row.doubtful)
    # In print's order; what print lacks comes last or, in Tables 6 to 8, is Table 2's.
    in_print = list(print_["method"].unique())
    assert [name for name in map(shown.name, table.labels) if name in in_print] == in_print
    assert heading(table.number, "no such method") == "no such method"


@PARAMETERS
def test_the_papers_own_numbers_agree_with_themselves(table: PaperTable) -> None:
    shown = layout(as_printed(table), table.metric, table.title, table=table, compare=True)
    assert {cell.ratio for cell in shown.cells if not math.isnan(cell.ratio)} == {1.0}
    for found in agreements(shown.cells).values():
        assert found.order == "agrees"
        assert math.isnan(found.tau) or found.tau == pytest.approx(1.0)
    rows = {row.name: row.entries for block in shown.blocks for row in block.rows}
    assert {entry.text for entry in rows[RATIO]} <= {"1.00", ""}


@PARAMETERS
def test_a_table_and_its_sweep_fit_at_every_scale(table: PaperTable) -> None:
    """A mismatch would lose columns in silence."""
    sweep = load_sweep(table.sweep)
    for scale in sweep.scales:
        runs = sweep.expand(scale, seeds=1)
        assert set(table.labels) <= {run.named.label for run in runs}
        assert set(table.shares) <= {run.expert_share for run in runs}


def test_table_2_from_its_own_cells_has_the_papers_summary() -> None:
    table = PAPER_TABLES["2"]
    (block,) = layout(as_printed(table), table.metric, table.title, table=table).blocks
    summary = block.rows[-4:]
    assert [row.name for row in summary] == ["Average Performance", PUBLISHED, "Avg. Perf. Drop", PUBLISHED]
    assert [entry.text for entry in summary[0].entries] == ["25.98", "16.18", "23.99", "11.50", "21.82", "10.33"]
    assert [entry.text for entry in summary[2].entries] == ["0.0%", "0.0%", "-7.7%", "-28.9%", "-16.0%", "-36.2%"]
    assert summary[0].entries == summary[1].entries
    assert summary[2].entries == summary[3].entries


def test_drops_of_print_have_the_base_of_ours() -> None:
    """The paper has no share of 20%, so none of its averages is a drop from there."""
    table = PAPER_TABLES["2"]
    frame = as_printed(table)
    unprinted = frame[frame["expert_share"] == 0.05].assign(expert_share=0.2)
    (first, second) = layout(pd.concat([frame, unprinted]), table.metric, table.title, table=table).blocks
    for block in (first, second):
        assert [row.name for row in block.rows[-3:]] == ["Average Performance", PUBLISHED, "Avg. Perf. Drop"]
    assert [entry.text for entry in second.rows[-1].entries] == ["-16.0%", "-36.2%"]


def test_table_1_has_one_column_a_method_and_no_average() -> None:
    """Locomotion has another expert share and longer episodes."""
    table = PAPER_TABLES["1"]
    shown = layout(as_printed(table), table.metric, table.title, table=table)
    assert [share for share, _ in columns(shown.cells)] == [None] * 7
    (block,) = shown.blocks
    assert [(head.share, head.group) for head in block.heads[:3]] == [
        ("", "Occupancy matching"), ("", "Occupancy matching"), ("", "Behaviour cloning"),
    ]  # fmt: skip
    assert {row.name for row in block.rows} >= {"Reacher", "AntTgtVel-r-e"}
    text = " ".join(shown.caption)
    assert "Expert share: 10% (2.91% for CheetahTgtVel-m-e, " in text
    assert "No average: the tasks' episodes differ in length." in text
    assert "0.999 for locomotion" in text


def test_doubtful_cells_are_marked_and_not_compared() -> None:
    """Table 16's Sawyer cells are those of Table 14, without expert data."""
    table = PAPER_TABLES["16"]
    shown = layout(as_printed(table), table.metric, table.title, table=table, compare=True)
    (door,) = [c for c in shown.cells if (c.task, c.label) == ("SawyerDoor", "SMORe")]
    assert door.published == Printed(20.28, 2.65, doubtful=True)
    assert math.isnan(door.ratio)
    assert {task for task, _ in agreements(shown.cells)} == {"FetchReach", "FetchPick", "FetchPush", "FetchSlide"}
    text = markdown.table(shown)
    assert "| *published* | 20.28 ± 2.65? | 5.06 ± 0.52? |" in text
    assert "? marks a published cell that appears to be another expert share's" in text
    assert "its averages" not in text


def test_a_table_says_which_of_the_papers_tasks_it_lacks() -> None:
    compared = layout(frame(), "return99", TITLE, table=PAPER_TABLES["2"])
    assert (
        "Tasks of the printed table that are not in ours: SawyerReach, SawyerDoor, FetchPick, FetchSlide."
        in compared.caption
    )
    table = PAPER_TABLES["13"]
    whole = layout(as_printed(table), "return99", TITLE, table=table).caption
    assert table.remark in whole
    assert not any("not in ours" in sentence for sentence in whole)


def test_published_cells() -> None:
    assert beside("return99", "Reacher", "SMORe", 0.05) == Printed(22.43, 3.46)
    assert beside("return98", "Reacher", "WGCSL", 0.025) == beside("return99", "Reacher", "WGCSL", 0.025, "7")
    assert beside("return99", "Reacher", "GoFAR", 0.1) == Printed(19.74, 1.35)
    assert beside("success", "Reacher", "SMORe", 0.1) == Printed(0.875, 0.07)
    assert beside("success", "Reacher", "SMORe", 0.05) is None
    assert beside("return99", "SawyerDoor", "GoFAR (sparse reward)", 0.1, "13") is None  # a dash
    # Our GC-IQL is called IQL in some tables; FetchPick's deviation differs between tables.
    assert beside("return99", "Reacher", "GC-IQL", 0.1) == Printed(11.70, 1.97)
    assert beside("return99", "FetchPick", "SMORe", 0.1) == Printed(26.47, 1.34)
    assert beside("return99", "FetchPick", "SMORe", 0.1, "12") == Printed(26.47, 0.34)
    assert beside("return99", "SawyerDoor", "SMORe", 0.1) == Printed(31.48, 0.46)  # and not Table 16's
    with pytest.raises(ValueError, match="the tables are: 1, 2"):
        published("3")
