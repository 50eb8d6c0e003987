"""Mistakes in a sweep file: each is one sentence with the value and a remedy, before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from smore_sweep.cli.main import main

FILE = """
from dataclasses import replace

from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from smore_sweep import Budget, Grid, Method, Scale, Sweep, Task, grid, knob, method
from smore_sweep.smore import SMORe

budget = Budget(episodes=40, updates=10, batch_size=8, evaluate_every=5, evaluation_episodes=2, final_episodes=2)
{extra}
SWEEP = Sweep(name={name}, description={description}, grids={grids}, scales={scales})
"""
GRID = "[Grid(methods={methods}, tasks={tasks}, expert_share={share})]"
SCALES = '{{"laptop": Scale(tasks={tasks}, seeds={seeds}, budget={budget}, {more})}}'
USUAL = {
    "extra": "",
    "name": '"mine"',
    "description": '"x"',
    "methods": "[SMORe()]",
    "tasks": '["Reacher"]',
    "share": "[0.1]",
    "seeds": "2",
    "budget": "budget",
    "more": "",
}
OF_A_METHOD = "    name = 'M'\n    rate: float = knob('x', default=1.0)\n"

MISTAKES = [
    ({"share": "0.1"}, "a grid's expert_share = 0.1 is not valid; it must be a list, such as [0.1]"),
    ({"share": "[10]"}, "expert_share = 10 is not valid; it must be in [0, 1]"),
    ({"share": '["10%"]'}, "a grid's expert_share hold '10%', which is not valid; give values such as 0.1"),
    ({"share": "[]"}, "has a grid without any expert_share"),
    ({"methods": "SMORe()"}, "a grid's methods = SMORe("),
    ({"methods": "SMORe"}, "a grid's methods = the class SMORe is not valid; it must be a list, such as [SMORe()]"),
    ({"methods": "[SMORe]"}, "a grid's methods hold the class SMORe; give an instance of it, such as SMORe()"),
    ({"methods": '["SMORe"]'}, "a grid's methods hold 'SMORe', which is not valid; give values such as SMORe()"),
    ({"methods": "[]"}, "has a grid without any methods"),
    ({"methods": "[SMORe(), SMORe()]"}, "declares the run 'SMORe · Reacher · 10% · s0' twice"),
    ({"methods": "[SMORe(beta=[0.5, 0.7])]"}, "SMORe: beta = [0.5, 0.7] is not valid; it must be in (0, 1]"),
    ({"methods": '[SMORe(beta="0.5")]'}, "SMORe: beta = '0.5' is not valid"),
    ({"methods": "[SMORe(hidden=64.0)]"}, "hidden = 64.0 is not valid; it must be a whole number in [1, inf)"),
    ({"methods": "[SMORe(normalize_inputs=1)]"}, "normalize_inputs = 1 is not valid; it must be true or false"),
    ({"methods": '[SMORe(variant="Release")]'}, "variant = 'Release' is not valid; it must be one of paper, printed"),
    ({"methods": "[GoFAR(beta=0.5)]"}, "GoFAR has no field 'beta'; it has: discount, "),
    ({"methods": "grid(SMORe, betta=[0.5])"}, "SMORe has no field 'betta'; it has: "),
    ({"methods": "grid(SMORe(), beta=[0.5])"}, "give the class, as in grid(SMORe, beta=[0.5, 0.7])"),
    ({"methods": 'grid("smore", beta=[0.5])'}, "grid('smore', ...) is not valid; give the class"),
    ({"tasks": '"Reacher"'}, "tasks = 'Reacher' is not valid; it must be a list, such as [\"FetchReach\"]"),
    ({"tasks": '["reacher"]'}, "did you mean Reacher?"),
    ({"tasks": "[1]"}, 'a grid\'s tasks hold 1, which is not valid; give values such as "FetchReach"'),
    ({"seeds": "[0, 1, 2]"}, "a scale's seeds = [0, 1, 2] is not valid; it must be their number, such as 5"),
    ({"seeds": '"5"'}, "a scale's seeds = '5' is not valid"),
    ({"seeds": "0"}, "seeds = 0 is not valid"),
    ({"budget": "10"}, "a scale's budget = 10 is not valid; it must be a Budget(...)"),
    ({"budget": "Budget(episodes=40)"}, "missing 5 required keyword-only arguments: 'updates', 'batch_size'"),
    ({"budget": "replace(budget, updates=1e5)"}, "updates = 100000.0 is not valid; it must be a whole number"),
    ({"more": 'per_task={"Reacher": {"update": 5}}'}, "Reacher: the budget has no field 'update'; it has: episodes,"),
    ({"more": 'knobs={"betta": 2.0}'}, "scale laptop sets the knob 'betta', which no method of sweep mine has"),
    ({"more": "knobs=[1]"}, "a scale's knobs = [1] is not valid; it must be a dictionary"),
    ({"scales": "{}"}, "sweep mine has no scale; give it one"),
    ({"scales": "[1]"}, "a sweep's scales = [1] is not valid; it must be a dictionary"),
    ({"scales": '{"laptop": budget}'}, "is not valid; it must be a Scale(...)"),
    ({"grids": "[]"}, "sweep mine has no grid; give it one"),
    ({"grids": "[SMORe()]"}, "which is not valid; give values such as Grid(methods=[SMORe()], tasks=[...])"),
    ({"name": '"My Sweep"'}, "sweep name 'My Sweep' is not valid; use lower-case letters"),
    ({"name": "None"}, "a sweep's name = None is not valid; it must be a text"),
    ({"description": "3"}, "a sweep's description = 3 is not valid"),
    ({"extra": "import nothing_here"}, "ModuleNotFoundError: No module named 'nothing_here' (line 10)"),
    ({"extra": "x = ("}, "SyntaxError: '(' was never closed"),
    ({"extra": "SWEEP = Sweep\n'''", "description": "'''+'"}, "cannot be read"),
    ({"extra": 'Task("T", "Pendulum-v1", threshold=0.1)'}, "T: the observation space is Box("),
    ({"extra": 'Task("T", "Nope-v0", threshold=0.1)'}, "T: Environment `Nope` doesn't exist"),
    ({"extra": 'Task("T", print)'}, "missing 1 required keyword-only argument: 'threshold' (line 10)"),
    (
        {"extra": "@method\nclass M:\n    name = 'M'\n"},
        "the class M is decorated with @method and must derive from Method",
    ),
    ({"extra": "@method\nclass M(Method):\n    pass\n", "methods": "[M()]"}, "the method M has no name; give it one"),
    (
        {"extra": "@method\nclass M(Method):\n    name = 'M'\n    rate: float = 1.0\n"},
        "the method M declares rate without knob(); write it as rate: float = knob(",
    ),
    (
        {"extra": f"@method\nclass M(Method):\n{OF_A_METHOD}", "methods": "[M()]"},
        "the method M lacks networks() and sample() and losses()",
    ),
    (
        {"extra": f"@method\nclass M(Method):\n{OF_A_METHOD}    learns_online = True\n", "methods": "[M()]"},
        "lacks networks() and sample() and losses() and begin_online() and online_losses() and explore()",
    ),
    (
        {"extra": "class M(Method):\n    name = 'M'\n", "methods": "[M()]"},
        "the class M is not a method yet; put @method",
    ),
]


@pytest.mark.parametrize(("changes", "said"), MISTAKES, ids=[said[:50] for _, said in MISTAKES])
def test_a_mistake_in_a_sweep_file(
    changes: dict[str, str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = USUAL | changes
    parts = {"grids": GRID.format(**values), "scales": SCALES.format(**values)} | values
    file = tmp_path / "mistaken.py"
    file.write_text(FILE.format(**parts))
    assert main(["run", str(file), "--results", str(tmp_path / "results")]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_the_file_without_a_mistake_is_planned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = {"grids": GRID.format(**USUAL), "scales": SCALES.format(**USUAL)} | USUAL
    file = tmp_path / "mistaken.py"
    file.write_text(FILE.format(**parts))
    assert main(["plan", str(file), "--results", str(tmp_path / "results")]) == 0
    assert "2 runs" in capsys.readouterr().out
