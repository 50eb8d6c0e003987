"""The runs of a claim's next look, found from real records."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.verdicts.further_seeds import further_seeds
from smore_sweep.discovery import load_sweep
from smore_sweep.errors import UserError
from smore_sweep.planning.choices import Choices
from smore_sweep.run_spec import GENERATED
from tests.finished import finish

CLAIM, SWEEP, SCALE = "her_adds_little", "her_ratio", "smoke"
LABELS = ("SMORe her_ratio=0.0", "SMORe")


def runs(seeds: int) -> Choices:
    return Choices(tasks=("FetchReach",), methods=LABELS, seeds=seeds)


def test_a_claim_is_looked_at_with_more_and_more_seeds(tmp_path: Path) -> None:
    declared = load_sweep(SWEEP)
    first = declared.scales[SCALE].seeds_of("FetchReach")

    def wanted() -> Choices | None:
        return further_seeds(CLAIM, SWEEP, SCALE, tmp_path, GENERATED)

    finish(tmp_path, runs(first).expand(declared, SCALE))  # two seeds decide nothing
    found = wanted()
    assert found is not None
    assert (found.tasks, found.methods, found.seeds) == (("FetchReach",), LABELS, 2 * first)
    finish(tmp_path, runs(2 * first).expand(declared, SCALE)[:3])  # a look that has begun is ended first
    found = wanted()
    assert found is not None
    assert found.seeds == 2 * first
    finish(tmp_path, runs(2 * first).expand(declared, SCALE))
    found = wanted()
    assert found is not None
    assert found.seeds == 4 * first
    finish(tmp_path, runs(4 * first).expand(declared, SCALE))
    found = wanted()
    assert found is None or "FetchReach" not in found.tasks


def test_a_claim_has_one_sweep(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no claim 'her_adds_litle'; .*did you mean her_adds_little"):
        further_seeds("her_adds_litle", SWEEP, None, tmp_path, GENERATED)
    with pytest.raises(UserError, match="is judged by sweep her_ratio, not main; run that"):
        further_seeds(CLAIM, "main", None, tmp_path, GENERATED)
