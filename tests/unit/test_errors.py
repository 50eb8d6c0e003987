"""Sentences that refuse a name."""

from __future__ import annotations

import pytest

from smore_sweep.discovery import all_sweeps, find_method, find_scale, load_sweep
from smore_sweep.errors import DeclarationError, unknown
from smore_sweep.tasks import task

FRUIT = ("apple", "Pear", "quince")


def test_an_unknown_name_is_refused_with_the_valid_ones_and_the_closest() -> None:
    assert (
        unknown("fruit", "peer", FRUIT)
        == "unknown fruit 'peer'; the fruits are: apple, Pear, quince; did you mean Pear?"
    )
    assert unknown("fruit", "iron", FRUIT) == "unknown fruit 'iron'; the fruits are: apple, Pear, quince"
    assert unknown("fruit", "APPLE", ["apple"], ", or none").endswith("are: apple, or none; did you mean apple?")


def test_every_kind_of_name_has_a_suggestion() -> None:
    with pytest.raises(DeclarationError, match=r"unknown task 'fetchreach'; .* did you mean FetchReach\?"):
        task("fetchreach")
    with pytest.raises(DeclarationError, match=r"unknown method 'smroe'; .* did you mean smore\?"):
        find_method("smroe")
    with pytest.raises(
        DeclarationError, match=r"unknown sweep 'quickstrat'; .*, or give a .py file; did you mean quickstart\?"
    ):
        load_sweep("quickstrat")
    with pytest.raises(DeclarationError, match=r"unknown scale 'papper'; .* did you mean paper\?"):
        find_scale("Reacher", "papper")
    with pytest.raises(DeclarationError, match=r"no sweep has a scale 'papper'; .* did you mean paper\?"):
        all_sweeps("papper")
    with pytest.raises(DeclarationError, match=r"sweep quickstart has no scale 'smok'; .* did you mean smoke\?"):
        load_sweep("quickstart").scale("smok")
    with pytest.raises(DeclarationError, match=r"sweep main has no task 'FetchPsh'; .* did you mean FetchPush\?"):
        load_sweep("main").expand(tasks=["FetchPsh"])
