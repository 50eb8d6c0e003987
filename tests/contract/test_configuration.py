"""Configurations of methods: what they refuse, and how."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.gofar import GoFAR
from baselines.wgcsl import WGCSL
from smore_sweep.errors import UserError
from smore_sweep.method import Method
from smore_sweep.smore import SMORe
from tests.contract.members import every_method

BAD: list[tuple[type[Method], str, Any, str]] = [
    (SMORe, "variant", "papper", "one of paper, printed, release, release_stable"),
    (SMORe, "divergence", "chi", "one of pearson, kl, hellinger, total_variation, jensen_shannon"),
    (SMORe, "beta", 0.0, "in (0, 1]"),
    (SMORe, "beta", 1.01, "in (0, 1]"),
    (SMORe, "beta", "0.5", "in (0, 1]"),
    (SMORe, "beta", True, "in (0, 1]"),
    (SMORe, "expectile", 1.0, "in (0, 0.999]"),
    (SMORe, "temperature", -1.0, "in [0, inf)"),
    (SMORe, "temperature", float("inf"), "in [0, inf)"),
    (SMORe, "her_ratio", float("nan"), "in [0, 1]"),
    (SMORe, "her_ratio", None, "in [0, 1]"),
    (SMORe, "discount", 1.0, "in [0, 0.9999]"),
    (SMORe, "hidden", 0, "a whole number in [1, inf)"),
    (SMORe, "hidden", 16.0, "a whole number in [1, inf)"),
    (SMORe, "hidden", True, "a whole number in [1, inf)"),
    (SMORe, "normalize_inputs", 1, "true or false"),
    (GoFAR, "divergence", "pearson", "one of chi_square, kl"),
    (GoFAR, "reward", "dense", "one of discriminator, binary"),
    (GoFAR, "target_period", 0, "a whole number in [1, inf)"),
    (GoFAR, "learning_rate", 0.0, "in (0, inf)"),
    (WGCSL, "variant", "gofar", "one of release, gofar_code"),
    (WGCSL, "baw_delta", -0.1, "in [0, inf)"),
    (WGCSL, "discount", 0.0, "in (0, 0.9999]"),
    (DDPG, "action_l2", -1.0, "in [0, inf)"),
    (AM, "variant", "printed", "one of release, paper"),
]


@pytest.mark.parametrize(("method", "field", "value", "valid"), BAD)
def test_bad_values_are_refused(method: type[Method], field: str, value: Any, valid: str) -> None:
    with pytest.raises(UserError) as error:
        method(**{field: value})
    assert str(error.value) == f"{method.name}: {field} = {value!r} is not valid; it must be {valid}"


@pytest.mark.parametrize(("method", "field"), [(SMORe, "bata"), (GoFAR, "her_ratio"), (GoFAR, "beta")])
def test_a_field_that_a_method_does_not_have_is_refused_with_the_list_of_its_fields(
    method: type[Method], field: str
) -> None:
    with pytest.raises(UserError) as error:
        method(**{field: 0.5})
    names = sorted(item.name for item in dataclasses.fields(method))  # type: ignore[arg-type]
    assert str(error.value) == f"{method.name} has no field {field!r}; it has: {', '.join(names)}"


def test_other_divergences_need_the_papers_variant() -> None:
    with pytest.raises(UserError, match="divergence = 'kl' needs variant = 'paper', not 'release'"):
        SMORe(divergence="kl", variant="release")


@pytest.mark.parametrize("knob", ["critic_her_ratio", "baw_delta"])
def test_gofars_wgcsl_lacks_what_only_the_release_has(knob: str) -> None:
    fields: dict[str, Any] = {knob: 0.5}
    with pytest.raises(UserError, match=f"variant 'gofar_code' has no {knob}; only 'release' has"):
        WGCSL(variant="gofar_code", **fields)


@every_method
def test_a_configuration_is_frozen_and_knows_what_changed(method: Method) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.hidden = 8
    assert method.changed()["hidden"] == 16
    assert type(method)(**method.fields()) == method
    assert type(method)(**method.changed()) == method
