"""Figures of a sweep of one's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from analysis import figures
from analysis.frames.request import ResultsRequest
from analysis.plots import files, style
from analysis.plots.registry import draw
from analysis.plots.sweeps import axes_of, figure_of
from smore_sweep.discovery import load_sweep
from tests.finished import finish

MINE = """
from baselines.gofar import GoFAR
from smore_sweep import Budget, Grid, Scale, Sweep, grid
from smore_sweep.smore import SMORe

BUDGET = Budget(
    episodes=40, updates=40, batch_size=8, evaluate_every=20, evaluation_episodes=2, final_episodes=2
)
SWEEP = Sweep(
    name="mine",
    description="Temperatures",
    grids=[
        Grid(
            methods=[*grid(SMORe, temperature=[0.3, 3.0, 10.0], variant=["paper", "printed"]), GoFAR()],
            tasks=["Reacher"],
            expert_share=[0.1, 0.5],
        )
    ],
    scales={"small": Scale(tasks=["Reacher"], seeds=2, budget=BUDGET)},
)
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    finish(tmp_path / "output", load_sweep(str(path)).expand())
    return str(path)


def drawn(mine: str, axis: str) -> Figure:
    sweep = load_sweep(mine)
    return draw(*figure_of(sweep, "small", axis, ResultsRequest(Path(mine).parent / "output")), "return99")


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_metric_against_a_number_keeps_the_other_knobs_and_shares_apart(mine: str) -> None:
    figure = drawn(mine, "temperature")
    assert legend(figure) == ["SMORe variant=paper", "SMORe variant=printed", "GoFAR"]
    assert [panel.get_title() for panel in figure.axes] == ["Reacher, 10%", "Reacher, 50%"]
    for panel in figure.axes:
        assert panel.get_xscale() == "log"
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["0.3", "3", "10"]
        assert [len(line.get_xdata()) for line in panel.lines] == [3, 3, 2]  # type: ignore[arg-type]


def test_a_metric_against_names_and_against_the_share(mine: str) -> None:
    figure = drawn(mine, "variant")
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["paper", "printed"]
    assert "SMORe temperature=3.0" in legend(figure)
    shares = drawn(mine, "expert_share")
    assert [tick.get_text() for tick in shares.axes[0].get_xticklabels()] == ["10", "50"]
    assert len(shares.axes) == 1
    assert len(legend(shares)) == 7


def test_every_knob_that_varies_is_drawn_and_only_those(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    output = Path(mine).parent / "figures"
    command = ["--sweep", mine, "--results", f"{Path(mine).parent}/output", "--output", str(output)]
    assert figures.main(command) == 0
    names = ["curves", "variant", "temperature", "expert_share"]
    assert sorted(axes_of(load_sweep(mine).expand())) == sorted(names[1:])
    assert {path.stem for path in output.iterdir()} == {f"mine_{name}_small" for name in names}
    assert figures.main([*command, "--x", "temprature"]) == 2
    assert capsys.readouterr().err.endswith("did you mean temperature?\n")
    assert figures.main(["--x", "temperature"]) == 2
    assert "--x temperature needs --sweep" in capsys.readouterr().err


def test_every_scale_is_drawn_on_its_own_tasks(mine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    more = 'tasks=["Reacher", "FetchReach", "FetchPush"]'
    text = MINE.replace('tasks=["Reacher"]', more, 1).replace(
        "scales={", 'scales={"other": Scale(tasks=["FetchReach", "FetchPush"], seeds=1, budget=BUDGET), '
    )
    Path(mine).write_text(text)
    shown: dict[str, list[str]] = {}

    def write(frame: pd.DataFrame, path: Path, *, plain: bool) -> list[Path]:
        shown[path.name] = list(frame["task"].unique())
        return [path]

    monkeypatch.setattr(figures, "draw", lambda _, frame, metric: frame)
    monkeypatch.setattr(files, "write", write)
    assert figures.main(["--sweep", mine, "--results", f"{Path(mine).parent}/output", "--x", "variant"]) == 0
    assert shown == {"mine_variant_other": ["FetchReach", "FetchPush"], "mine_variant_small": ["Reacher"]}


def test_a_plain_figure_has_its_small_print_in_a_file(mine: str) -> None:
    folder = Path(mine).parent
    command = ["--sweep", mine, "--results", f"{folder}/output", "--x", "temperature", "--output"]
    assert figures.main([*command, str(folder / "burnt")]) == 0
    assert figures.main([*command, str(folder / "plain"), "--plain"]) == 0
    assert (folder / "plain" / "mine_temperature_small.txt").read_text().startswith("Scale small: 2 seeds (0 to 1)")
    pictures = [folder / name / "mine_temperature_small.png" for name in ("burnt", "plain")]
    heights = [int.from_bytes(path.read_bytes()[20:24], "big") for path in pictures]
    assert heights[0] > heights[1] + 40


def test_no_two_of_a_hundred_series_look_alike() -> None:
    names = [*style.LOOKS, *(f"series {number}" for number in range(100))]
    looks = list(style.looks(names).values())
    assert len({(look.colour, look.marker, look.dashes) for look in looks}) == len(names)
    assert len({(look.colour, look.marker) for look in looks}) == len(names)
