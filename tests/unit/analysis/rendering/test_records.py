"""Tables as JSON."""

from __future__ import annotations

import json
import math

from analysis.rendering import records
from analysis.rendering.layout import layout
from tests.golden.made_up import TITLE, frame


def test_json_has_every_cell_with_the_name_that_is_shown() -> None:
    runs = frame()
    shown = layout(runs, "return99", TITLE, compare=True, names={"SMORe": "SMORe temperature=3.0"})
    (table,) = json.loads(json.dumps(records.tables([("mine", shown)]), allow_nan=False))
    assert table["table"] == "mine"
    assert table["title"] == f"{TITLE}."
    assert len(table["cells"]) == len(shown.cells)
    assert {cell["method"] for cell in table["cells"]} == {"SMORe temperature=3.0", "GoFAR"}
    missing = next(cell for cell in table["cells"] if not cell["seeds"])
    assert missing["mean"] is None
    assert missing["expected"] == 3
    by_key = {(cell.task, cell.expert_share, cell.label): cell for cell in shown.cells}
    for cell in table["cells"]:
        own = by_key[cell["task"], cell["expert_share"], cell["method"].split(" ")[0]]
        assert math.isnan(own.mean) or cell["mean"] == own.mean
