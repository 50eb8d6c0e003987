"""Looks at a claim: their levels, and by simulation the chance that any comparison of a claim is decided wrongly."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.stats import significance
from analysis.stats.contrast import LEVEL
from analysis.stats.sequential import LOOKS, SPENT, level, next_look


def test_the_looks_spend_the_level() -> None:
    assert sum(SPENT) == pytest.approx(LEVEL)
    assert [level(seeds, 5) for seeds in (3, 5, 9, 10, 19, 20, 40)] == [
        *[SPENT[0]] * 3,
        *[SPENT[1]] * 2,
        *[SPENT[2]] * 2,
    ]
    assert [next_look(seeds, 5) for seeds in (3, 5, 10, 20)] == [5, 10, 20, None]


def decided(samples: list[tuple[np.ndarray, np.ndarray]], first: int) -> list[bool]:
    """Look at comparisons until all are decided or the looks are used up; an open one alone gets more seeds."""
    answers = [False] * len(samples)
    seeds = [first] * len(samples)
    for times in LOOKS:
        seeds = [number if answer else times * first for number, answer in zip(seeds, answers, strict=True)]
        ps = [significance.mann_whitney(a[:n], b[:n]) for (a, b), n in zip(samples, seeds, strict=True)]
        corrected = significance.holm(ps)
        answers = [answer or p < level(n, first) for answer, p, n in zip(answers, corrected, seeds, strict=True)]
        if all(answers):
            break
    return answers


def test_hardly_any_claim_is_decided_wrongly() -> None:
    """Six comparisons without a difference: the chance of any answer is at most the level (2.3 standard errors)."""
    rng, first, claims = np.random.default_rng(0), 5, 500
    wrong = sum(
        any(decided([(rng.normal(size=4 * first), rng.normal(size=4 * first)) for _ in range(6)], first))
        for _ in range(claims)
    )
    assert wrong / claims < LEVEL + 2.3 * (LEVEL * (1 - LEVEL) / claims) ** 0.5
    assert wrong > 0  # the first look has a chance of 0.047


def test_further_seeds_decide_what_five_cannot() -> None:
    """Twelve comparisons a standard deviation and a half apart: out of five seeds' reach, and found by twenty."""
    rng, first = np.random.default_rng(1), 5
    samples = [(rng.normal(1.5, size=4 * first), rng.normal(size=4 * first)) for _ in range(12)]
    assert significance.smallest_p(first, first) * 12 > SPENT[0]
    assert sum(decided(samples, first)) >= 9
