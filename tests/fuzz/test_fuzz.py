"""A short ``make fuzz``: damaged files end in the right data, in one sentence, or aside."""

from __future__ import annotations

import pytest

from tests.fuzz.cases import run_cases
from tests.fuzz.subjects import DATA, REFUSED, RIGHT, Subject

SEED = 0
CASES = 100

SUBJECTS = DATA


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_damaged_files(subject: Subject) -> None:
    report = run_cases(subject, SEED, 0, CASES)
    assert not report.findings
    assert report.outcomes.total() == CASES
    assert (report.outcomes[RIGHT] == CASES) == subject.mended


def test_a_crash_and_a_wrong_outcome_are_findings() -> None:
    def read(folder: object) -> str:
        import os

        os.abort()

    def mistake(folder: object) -> str:
        raise KeyError("\x1b")

    heartbeat = next(subject for subject in SUBJECTS if subject.name == "live.json")
    crash = run_cases(Subject("crash", heartbeat.write, "live.json", read), SEED, 0, 2)
    assert (crash.outcomes["crash"], len(crash.findings)) == (2, 2)
    wrong = run_cases(Subject("mistake", heartbeat.write, "live.json", mistake), SEED, 0, 2)
    assert [finding.isprintable() and "KeyError" in finding for finding in wrong.findings] == [True, True]
    assert not wrong.outcomes[REFUSED]
