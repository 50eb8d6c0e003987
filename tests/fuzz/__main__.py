"""``make fuzz``: damage files for some minutes, and count how each reader takes it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.fuzz.cases import Report, run_cases
from tests.fuzz.subjects import ASIDE, REFUSED, RIGHT
from tests.fuzz.test_fuzz import SUBJECTS

BATCH = 200


def main(arguments: Sequence[str]) -> int:
    """Run batches of all subjects in turn. Returns 0 without findings, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    deadline = time.monotonic() + 60.0 * options.minutes
    reports = {subject.name: Report() for subject in SUBJECTS}
    first = 0
    while time.monotonic() < deadline:
        for subject in SUBJECTS:
            batch, total = run_cases(subject, options.seed, first, BATCH), reports[subject.name]
            total.outcomes += batch.outcomes
            total.findings += batch.findings
            for finding in batch.findings:
                print(f"FOUND: {finding}", flush=True)
            if time.monotonic() >= deadline:
                break
        first += BATCH
    print(f"| {'reader':20} |    cases |    right |  refused |    aside | findings |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, total in reports.items():
        counts = (total.outcomes.total(), *(total.outcomes[kind] for kind in (RIGHT, REFUSED, ASIDE)))
        print(f"| {name:20} | {' | '.join(f'{count:8,}' for count in (*counts, len(total.findings)))} |")
    return 1 if any(total.findings for total in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
