"""Names of configurations."""

from __future__ import annotations

from analysis.frames.series import series_names, varied_knobs
from baselines.gofar import GoFAR
from smore_sweep.smore import SMORe
from smore_sweep.spec import grid


def test_the_default_is_named_like_the_other_values_of_a_grid() -> None:
    methods = [*grid(SMORe, temperature=[1.0, 3.0]), GoFAR()]
    assert series_names(methods) == {
        "SMORe temperature=1.0": "SMORe temperature=1.0",
        "SMORe": "SMORe temperature=3.0",
        "GoFAR": "GoFAR",
    }
    assert varied_knobs(methods) == ["temperature"]


def test_the_knob_of_an_axis_is_in_no_name() -> None:
    methods = grid(SMORe, temperature=[1.0, 3.0], beta=[0.5, 0.7], her_ratio=0.2)
    assert set(series_names(methods, without=["temperature"]).values()) == {
        "SMORe beta=0.5 her_ratio=0.2",
        "SMORe beta=0.7 her_ratio=0.2",
    }
    assert set(varied_knobs(methods)) == {"temperature", "beta"}


def test_one_change_at_a_time_keeps_the_short_name_of_what_is_changed() -> None:
    methods = [SMORe(), SMORe(beta=0.7), SMORe(temperature=1.0)]
    assert series_names(methods) == {method.label: method.label for method in methods}
