"""RESULTS.md from made-up runs, and the committed page from the committed runs."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from analysis import results
from analysis.reports.results_page import Frames, page
from analysis.stats import contrast
from smore_sweep.discovery import all_sweeps

ROOT = Path(__file__).parents[4]
COMMENTARY = "Nothing here is *real*: see <https://example.org> & so on.\n"
CLAIMS, WORDS, CAVEATS, EACH, TABLES, PROVENANCE = (
    "## Claims of the SMORe paper, laptop scale",
    "## Commentary",
    "## Caveats, laptop scale",
    "## Claim by claim, laptop scale",
    "## Tables, laptop scale",
    "## Provenance, laptop scale",
)


def runs(sweep: str, labels: list[str], tasks: list[str], seeds: range = range(5)) -> pd.DataFrame:
    """Make one row per run. Those of SMORe are the same runs in every sweep, with the same ids."""
    rows = [
        {
            "run_id": f"{task}-{seed}" if label == "SMORe" else f"{sweep}-{task}-{label}-{seed}",
            "method": label.split(" ")[0],
            "label": label,
            "task": task,
            "expert_share": 0.1,
            "seed": seed,
            "first_look": len(seeds),
            "scale": "laptop",
            "source": "generated",
            "status": "done",
            "dataset": f"of_{task}",
            "git": "abc123",
            "seconds": 360.0,
            **dict.fromkeys(("return99", "return98", "return999"), (30 if label == "SMORe" else 20) + 0.1 * seed),
            "success": 1.0,
            "final_distance": 0.01,
            "updates": 100,
            "batch_size": 32,
            "episodes": 50,
            "final_episodes": 20,
            "unnamed": "hidden=128",
        }
        for task in tasks
        for label in labels
        for seed in seeds
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def frames() -> Frames:
    """Sweeps with some runs that are diverged, partial or missing."""
    her = runs("her_ratio", ["SMORe", "SMORe her_ratio=0.0", "GoFAR"], ["FetchReach", "SawyerReach", "FetchPush"])
    numbers = ["return99", "return98", "return999", "success", "final_distance"]
    for hit, status in (
        (her["task"] == "FetchPush", "missing"),
        ((her["label"] == "GoFAR") & (her["seed"] == 2) & (her["task"] == "FetchReach"), "diverged"),
        ((her["label"] == "GoFAR") & (her["seed"] == 3) & (her["task"] == "FetchReach"), "partial"),
    ):
        her.loc[hit, "status"] = status
        her.loc[hit, numbers] = math.nan
    her.loc[her["task"] == "FetchPush", ["git", "dataset", "seconds"]] = ["", "", math.nan]
    return {
        "her_ratio": her,
        "in_sample": runs("in_sample", ["SMORe", "GC-IQL"], ["FetchReach"]),
        "expectile": runs("expectile", ["SMORe expectile=0.7"], ["FetchReach"]),
        "tuning": runs("tuning", ["SMORe her_ratio=0.2"], ["Reacher"], range(1000, 1002)),
    }


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use few resamples, which suffice here."""
    monkeypatch.setattr(contrast, "RESAMPLES", 20)


def section(text: str, heading: str) -> str:
    return text.split(f"\n{heading}\n")[1].split("\n## ")[0]


def test_claims_stand_on_top_and_what_people_say_is_taken_as_it_is(frames: Frames) -> None:
    text = page({"laptop": frames}, COMMENTARY)
    heads = [line for line in text.splitlines() if line.startswith("## ")]
    assert heads == [CLAIMS, WORDS, CAVEATS, EACH, TABLES, PROVENANCE]
    assert section(text, WORDS).strip() == COMMENTARY.strip()
    assert WORDS not in page({"laptop": frames}, "")
    assert "Hindsight goals add little. (Table 12) | **does not hold**" in section(text, CLAIMS)
    assert "in-sample methods. (Table 15) | **undecided** | 1 as claimed, of 6" in section(text, CLAIMS)


def test_it_is_the_same_text_each_time(frames: Frames) -> None:
    assert page({"laptop": frames}, COMMENTARY) == page({"laptop": frames}, COMMENTARY)


def test_tables_of_the_paper_come_first_and_tuning_has_none(frames: Frames) -> None:
    text = section(page({"laptop": frames}, ""), TABLES)
    heads = [line for line in text.splitlines() if line.startswith("### ")]
    assert heads == ["### Table 12", "### Table 15", "### Sweep expectile"]
    assert "\n| FetchReach | " in text
    assert "\n| FetchPush | " not in text
    assert "\n| Reacher | " not in text


def test_caveats_say_what_was_not_run(frames: Frames) -> None:
    text = section(page({"laptop": frames}, ""), CAVEATS)
    assert "* Not run: FetchPush." in text
    assert "* Seeds: 4 to 5 a cell. The smallest two-sided p of 5 against 5 is 0.0079" in text


def test_provenance_counts_every_run_once(frames: Frames) -> None:
    text = section(page({"laptop": frames}, ""), PROVENANCE)
    assert "| her_ratio | 2 | 0 to 4 | 28 | 1 | 1 | 0 | 3.0 |" in text
    assert "| in_sample | 1 | 0 to 4 | 10 | 0 | 0 | 0 | 1.0 |" in text
    assert "| tuning | 1 | 1000 to 1001 | 2 | 0 | 0 | 0 | 0.2 |" in text
    # 29 of her_ratio, GC-IQL's 5 and 5 of expectile; in_sample's SMORe are runs of her_ratio.
    assert "39 runs in all" in text
    assert "`abc123` (39)" in text
    assert "FetchReach `of_FetchReach`, SawyerReach `of_SawyerReach`." in text
    assert "Diverged: GoFAR on FetchReach, 10% expert, seed 2 (`her_ratio-FetchReach-GoFAR-2`)." in text


def test_without_a_run_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "RESULTS.md"
    assert results.main(["--results", str(tmp_path), "--output", str(output)]) == 1
    assert "run: make sweep SWEEP=main" in capsys.readouterr().err
    assert results.main(["--results", str(tmp_path), "--scale", "huge", "--output", str(output)]) == 2
    told = capsys.readouterr().err
    assert told.startswith("there is no scale 'huge'; the valid ones are: laptop, workstation, paper, ")
    assert results.main(["--results", str(tmp_path), "--scale", "few", "--output", str(output)]) == 1
    assert "run: make sweep SWEEP=fetchpush_data SCALE=few" in capsys.readouterr().err
    assert not output.exists()


def test_every_scale_but_smoke_is_shown_and_the_papers_come_first() -> None:
    declared = {scale for sweep in all_sweeps(None) for scale in sweep.scales}
    shown = list(results.shown_scales())
    assert shown[:3] == ["laptop", "workstation", "paper"]
    assert sorted(shown) == sorted(declared - {"smoke"})
    assert {"few", "many", "most", "tenth"} <= set(shown)


def test_a_scale_of_a_study_has_its_table_and_no_claims() -> None:
    text = page({"few": {"fetchpush_data": runs("fetchpush_data", ["SMORe"], ["FetchPush"]).assign(scale="few")}}, "")
    heads = [line for line in text.splitlines() if line.startswith("##")]
    assert heads == [
        "## Caveats, few scale",
        "## Tables, few scale",
        "### Sweep fetchpush_data",
        "## Provenance, few scale",
    ]


def test_the_page_is_written_whole(
    frames: Frames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "finished", lambda about, scale: frames if scale == "laptop" else {})
    monkeypatch.setattr(results, "COMMENTARY", tmp_path / "commentary.md")
    (tmp_path / "commentary.md").write_text(COMMENTARY)
    output = tmp_path / "RESULTS.md"
    assert results.main(["--output", str(output)]) == 0
    assert output.read_text() == page({"laptop": frames}, COMMENTARY)
    assert capsys.readouterr().out == f"{output}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["RESULTS.md", "commentary.md"]


@pytest.mark.skipif(not (ROOT / "RESULTS.md").exists(), reason="no results are committed")
def test_the_committed_page_follows_from_the_committed_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # all resamples
    output = tmp_path / "RESULTS.md"
    assert results.main(["--results", str(ROOT / "results"), "--output", str(output)]) == 0
    assert output.read_text() == (ROOT / "RESULTS.md").read_text()
