"""Tables of the paper show every configuration of their sweep, also when choices or an edit change it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from analysis import tables
from analysis.frames.table_request import tables_of
from analysis.paper.tables import OURS, PAPER_TABLES
from baselines.qrl import QRL
from smore_sweep.discovery import load_sweep
from smore_sweep.planning.choices import parse_choices
from smore_sweep.spec import Sweep
from tests.finished import finish


def chosen(name: str, methods: str, setting: str) -> Sweep:
    return parse_choices(methods=methods, settings=[setting]).apply(load_sweep(name))


def test_configurations_that_print_lacks_come_last() -> None:
    (table,) = tables_of(chosen("coverage_ablation", "smore,gofar", "smore.beta=0.5,0.7"))
    assert table
    assert table.groups == {"": ("SMORe", "GoFAR"), OURS: ("SMORe beta=0.7",)}
    (table,) = tables_of(chosen("her_ratio", "smore", "smore.her_ratio=0.2,0.3"))
    assert table
    assert table.labels[-1] == "SMORe her_ratio=0.3"  # in the group that the table has already
    assert list(table.groups) == list(PAPER_TABLES["12"].groups)


def test_a_method_of_ones_own_has_a_column() -> None:
    sweep = load_sweep("main")
    more = replace(sweep.grids[0], methods=[*sweep.grids[0].methods, QRL()])
    found = tables_of(replace(sweep, grids=[more, *sweep.grids[1:]]))
    assert [table.number for table in found if table] == ["1", "10", "11"]
    assert all(table.groups[OURS] == ("QRL",) for table in found if table)


def test_a_sweep_as_declared_yields_the_tables_as_declared() -> None:
    for table in PAPER_TABLES.values():
        assert table in tables_of(load_sweep(table.sweep))


def test_without_a_configuration_of_the_papers_a_sweep_has_its_own_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = chosen("in_sample", "smore", "smore.beta=0.7")
    assert tables_of(sweep) == [None]
    finish(tmp_path, sweep.expand("smoke"))
    request = ["--sweep", "in_sample", "--methods", "smore", "--set", "smore.beta=0.7", "--results", str(tmp_path)]
    assert tables.main([*request, "--scale", "smoke", "--format", "csv"]) == 0
    assert "SMORe beta=0.7" in capsys.readouterr().out
