"""Methods by name, and knobs from text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from baselines.iql import GCIQL
from smore_sweep import user_code
from smore_sweep.cli.main import main
from smore_sweep.discovery import configure, find_method, methods
from smore_sweep.errors import UserError
from smore_sweep.smore import SMORe

ROOT = Path(__file__).parents[2]


def test_every_method_file_is_listed() -> None:
    user_code.forget()  # what other tests have imported
    files = {path.stem for path in (ROOT / "baselines").glob("[!_]*.py")}
    assert set(methods()) == files | {"smore"}
    assert next(iter(methods())) == "smore"
    assert len({kind.name for kind in methods().values()}) == len(methods())


@pytest.mark.parametrize("name", ["iql", "gc_iql", "GC-IQL", "gciql"])
def test_a_method_is_found_by_file_and_by_name(name: str) -> None:
    assert find_method(name) is GCIQL


def test_knobs_take_the_type_of_their_default() -> None:
    settings = {"beta": "0.25", "hidden": "32", "normalize_inputs": "False", "variant": "printed"}
    assert configure(SMORe, settings) == SMORe(beta=0.25, hidden=32, normalize_inputs=False, variant="printed")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bata": "0.5"}, "SMORe has no field 'bata'; it has: bc_weight, beta, "),
        ({"beta": "half"}, "SMORe: beta = 'half' is not valid; it must be in (0, 1]"),
        ({"hidden": "1.5"}, "SMORe: hidden = '1.5' is not valid; it must be a whole number in [1, inf)"),
        ({"normalize_inputs": "1"}, "SMORe: normalize_inputs = '1' is not valid; it must be true or false"),
    ],
)
def test_wrong_knobs_are_refused(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        configure(SMORe, settings)


def test_methods_are_listed_with_their_knobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods"]) == 0
    overview = capsys.readouterr().out
    assert all(f"│ {name} " in overview for name in methods())
    assert main(["methods", "smore"]) == 0
    details = capsys.readouterr().out
    assert re.search(r"temperature\*\s+│ 3\.0\s+│ in \[0, inf\)", details)
