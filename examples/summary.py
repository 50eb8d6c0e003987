"""Return by method and task of committed results, and how many runs are missing: python examples/summary.py."""

import pandas as pd

import smore_sweep


def summary(sweep: str, results: str) -> pd.DataFrame:
    """Return mean, deviation and number of seeds of each method on each task, and how many runs are missing."""
    runs = smore_sweep.results(sweep, results=results)
    cells = runs.groupby(["task", "label"])
    table = cells["return99"].agg(["mean", "std", "count"])
    table["missing"] = cells["status"].agg(lambda status: (status != "done").sum())
    return table.round(2)


if __name__ == "__main__":
    print(summary("comparison", results="results").to_string())
