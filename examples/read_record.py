"""Read a finished run's raw outcomes: its learning curve, and the steps that its last policy spends at the goal."""

import sys

from smore_sweep.results import run_files
from smore_sweep.storage.paths import storage_path


def show(results: str, run_id: str) -> None:
    """Print the success of each evaluation, and of the last one the mean number of steps at the goal."""
    record = run_files.load(storage_path(results), run_id)
    if record is None:
        raise SystemExit(f"{results} has no run {run_id}")
    for update, outcomes in record.evaluations.items():  # outcomes.reached: [episodes, steps]
        print(update, outcomes.summary()["success"])
    print("steps at the goal:", record.evaluations[record.update].reached.sum(1).mean())


if __name__ == "__main__":
    show(*sys.argv[1:])
