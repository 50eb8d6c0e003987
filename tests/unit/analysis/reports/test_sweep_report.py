"""A sweep's page is complete, self-contained, escaped and deterministic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from markupsafe import Markup

from analysis import report
from analysis.frames.request import ResultsRequest
from analysis.rendering.html import Section, paragraph
from analysis.rendering.html import page as document
from analysis.reports import sweep_report
from analysis.reports.material import Material, collect
from analysis.reports.sweep_report import page
from baselines.gofar import GoFAR
from smore_sweep.discovery import load_sweep
from smore_sweep.planning.choices import parse_choices
from smore_sweep.results.record import DIVERGED, DONE, MISSING, PARTIAL, Summary
from smore_sweep.run_spec import Budget
from smore_sweep.smore import SMORe
from smore_sweep.spec import Grid, Scale, Sweep
from smore_sweep.task import METRICS
from tests.finished import finish

HOSTILE = '<script src="http://evil.example/x.js">alert(1)</script> & "quoted"'
BUDGET = Budget(episodes=100, updates=200, batch_size=32, evaluate_every=100, evaluation_episodes=2, final_episodes=4)
SWEEP = Sweep(
    name="coverage_ablation",
    description=HOSTILE,
    grids=[Grid(methods=[SMORe(), GoFAR()], tasks=["FetchReach", "Reacher"], expert_share=[0.05, 0.01])],
    scales={"laptop": Scale(tasks=["FetchReach", "Reacher"], seeds=3, budget=BUDGET)},
)
RUNS = SWEEP.expand()
OTHER = {RUNS[1].run_id: DIVERGED, RUNS[4].run_id: PARTIAL, RUNS[7].run_id: MISSING, RUNS[8].run_id: MISSING}
COMMAND = "SWEEP=coverage_ablation SCALE=laptop"
VOID = {"meta", "img", "br"}


def material(other: Mapping[str, str] = OTHER) -> Material:
    """Make up runs, all done except ``other``. No two have the same return."""
    rows, evaluations, summaries = [], [], {}
    for number, run in enumerate(RUNS):
        status = other.get(run.run_id, DONE)
        final = 10.0 + number / 7 if status == DONE else math.nan
        identity = {
            "run_id": run.run_id, "method": run.method.name, "label": run.named.label, "task": run.task,
            "expert_share": run.expert_share, "seed": run.seed, "scale": run.scale, "source": run.source,
        }  # fmt: skip
        facts = {"dataset": f"data{run.task}{run.expert_share}", "git": "0123456789ab", "stack": "some-stack"}
        if status != MISSING:
            update = 200 if status == DONE else 100
            summaries[run.run_id] = Summary(status, update, 36.0, facts, {})
            evaluations += [
                {**identity, "update": at, **dict.fromkeys(METRICS, number / 7)} for at in range(100, update + 1, 100)
            ]
        rows.append(
            {
                **identity, "status": status, **dict.fromkeys(METRICS, final),
                "dataset": facts["dataset"], "git": facts["git"], "seconds": 36.0, "unnamed": "hidden=128",
                **{name: getattr(BUDGET, name) for name in ("updates", "batch_size", "episodes", "final_episodes")},
            }
        )  # fmt: skip
    frame = pd.DataFrame(rows).assign(first_look=5)
    return Material(SWEEP, RUNS, frame, pd.DataFrame(evaluations), summaries, {}, COMMAND, frame)


@pytest.fixture(scope="module")
def made() -> str:
    return page(material())


def test_a_metric_that_no_run_has_is_left_out(made: str) -> None:
    whole = material()
    old = replace(whole, frame=whole.frame.assign(ever=math.nan))
    assert "Success rate at any step" in made
    assert "Success rate at any step" not in page(old)


class Reader(HTMLParser):
    """Collect the elements and the text of a page; fail if the tags do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] != "style":
            self.text.append(data)

    def named(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_the_page_loads_nothing(made: str) -> None:
    found = Reader(made)
    loaded = [attributes[name] or "" for _, attributes in found.tags for name in ("src", "href") if name in attributes]
    assert all(target.startswith(("#", "data:")) for target in loaded)
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object", "base"}
    assert "url(" not in made
    assert "@import" not in made


def test_contents_lead_to_every_section(made: str) -> None:
    found = Reader(made)
    targets = [(attributes["href"] or "").removeprefix("#") for attributes in found.named("a")]
    assert targets == [attributes.get("id") for attributes in found.named("h2")]
    assert len(set(targets)) == 7


def test_readers_of_the_page_are_told_what_is_what(made: str) -> None:
    found = Reader(made)
    assert all(attributes.get("scope") in ("col", "row", "colgroup") for attributes in found.named("th"))
    pictures = found.named("img")
    assert len(pictures) == 2  # curves, and the shares of expert data
    assert all("FetchReach, Reacher" in (attributes["alt"] or "") for attributes in pictures)
    assert found.named("html") == [{"lang": "en"}]


def test_every_cell_is_there(made: str) -> None:
    frame = material().frame
    for _, seeds in frame.groupby(["task", "label", "expert_share"]):
        done = seeds.loc[seeds["status"] == DONE, "return99"]
        assert f"{done.mean():.2f}" in made
    assert made.count("published") > 8
    assert f"make report {COMMAND}" in made


def test_runs_that_are_not_done_are_named(made: str) -> None:
    text = Reader(made).text
    for run in RUNS:
        assert (run.run_id in text) == (run.run_id in OTHER)
        assert (run.title in text) == (run.run_id in OTHER)
    assert "24 runs: 20 done, 1 diverged, 1 partial, 2 missing." in text


def test_claims_are_not_judged_by_a_changed_sweep(made: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sweep_report, "_figures", lambda _: Markup(""))  # drawing takes seconds
    chosen = ResultsRequest(tmp_path, parse_choices(methods="smore,gcsl", updates=20))
    sweep = chosen.choices.apply(load_sweep("noise"))
    finish(tmp_path, sweep.expand("smoke"))
    changed = collect(sweep, "smoke", chosen)
    for frame in (changed.frame, changed.figures["noise"]):
        assert set(frame["label"]) == {"SMORe", "GCSL"}
        assert set(frame["updates"]) == {20}
        assert set(frame["status"]) == {DONE}
    for text, judged in ((made, True), (page(changed), False)):
        assert ("How claims are judged" in text) == judged
        assert (sweep_report.CHANGED in text) == (not judged)


def test_a_sweep_without_gaps_says_nothing_of_them() -> None:
    assert "not done" not in page(material({}))


def test_cost_and_provenance_are_sums(made: str) -> None:
    text = Reader(made).text
    # 22 runs have a record, of 36 s each: 20 of 200 updates and 2 of 100.
    at = text.index("all")
    assert [cell for cell in text[at : at + 6] if cell.strip()] == ["all", "22", "0.22", "36.0", "4,200", "5"]
    assert "dataReacher0.01" in text
    assert text[text.index("0123456789ab") + 1] == "22"
    assert "some-stack" not in text


def test_text_is_escaped(made: str) -> None:
    assert HOSTILE not in made
    assert HOSTILE in "".join(Reader(made).text)
    of = replace(material(), sweep=replace(SWEEP, name="mine"))  # not a table of the paper, which has its own labels
    for column in ("label", "git"):
        of.frame[column] = HOSTILE
    assert not Reader(page(of)).named("script")


def test_the_same_results_give_the_same_page(made: str) -> None:
    assert page(material()) == made


def test_many_configurations_are_drawn_method_by_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_report, "MOST_LINES", 1)
    captions = [text for text in Reader(page(material())).text if text.startswith("Learning curves")]
    assert captions == ["Learning curves: SMORe.", "Learning curves: GoFAR."]


def test_an_empty_section_is_left_out() -> None:
    text = document(
        "title", paragraph("lead"), [Section("nothing", Markup("")), Section("something", paragraph("text"))]
    )
    assert [attributes["id"] for attributes in Reader(text).named("h2")] == ["s1"]
    assert "nothing" not in text


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "load_sweep", lambda _: SWEEP)


@pytest.mark.usefixtures("sweeps")
def test_the_page_is_written_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made: str) -> None:
    monkeypatch.setattr(report, "collect", lambda *_: material())
    assert report.main(["--sweep", "x", "--output", str(tmp_path / "new")]) == 0
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["coverage_ablation_laptop.html"]
    assert (tmp_path / "new" / "coverage_ablation_laptop.html").read_text(encoding="utf-8") == made


@pytest.mark.usefixtures("sweeps")
def test_wrong_requests_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for options, code, said in (
        ([], 1, f"run: make sweep SWEEP=x SCALE=laptop RESULTS={tmp_path}\n"),
        (["--seeds", "0"], 2, "seeds = 0 is not valid; it must be a whole number of at least 1\n"),
        (["--source", "wgcsl"], 1, f"SWEEP=x SCALE=laptop SOURCE=wgcsl RESULTS={tmp_path}\n"),
        (["--scale", "huge"], 2, "has no scale 'huge'; its scales are: laptop\n"),
        (["--source", "the web"], 2, "use lower-case letters, digits, - and _\n"),
    ):
        assert report.main(["--sweep", "x", "--results", str(tmp_path), *options]) == code
        error = capsys.readouterr().err
        assert error.endswith(said)
        assert error.count("\n") == 1
