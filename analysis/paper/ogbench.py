"""OGBench's published success rates on its state datasets, transcribed in ``ogbench_success.csv``.

Mean and standard deviation over eight seeds, in percent (Park et al., ICLR 2025, Table 2): a million updates of batch
1,024, the mean of the last three of ten evaluations, 250 episodes each.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd

LABELS = {"GCIQL": "GCIQL (OGBench)", "CRL": "CRL (OGBench)"}
"""Our labels of printed names, where they differ: other methods here have those names already."""

_CSV = Path(__file__).with_name("ogbench_success.csv")


@cache
def success_rates() -> pd.DataFrame:
    """Return one row per printed cell: task, method (as printed), label (ours), mean and std, from 0 to 1."""
    frame = pd.read_csv(_CSV)
    frame["label"] = frame["method"].map(lambda name: LABELS.get(name, name))
    frame[["mean", "std"]] /= 100.0
    return frame


@cache
def cells() -> dict[tuple[str, str], tuple[float, float]]:
    """Return mean and std by task and label."""
    return {(row.task, row.label): (row.mean, row.std) for row in success_rates().itertuples()}
