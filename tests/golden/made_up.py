"""A small committed frame of made-up runs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

HERE = Path(__file__).parent
TITLE = "Made-up numbers: 100% synthetic & of no meaning"


def frame() -> pd.DataFrame:
    return pd.read_csv(HERE / "frame.csv")
