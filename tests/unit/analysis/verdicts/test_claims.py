"""Verdicts on made-up seeds (claims that hold, fail, or lack seeds or runs), the paper's own numbers, and effects and p
worked by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
import pytest

from analysis import claims
from analysis.stats import contrast
from analysis.stats.contrast import Contrast, Effect, answer, corrected, effect, reach
from analysis.stats.sequential import SPENT
from analysis.verdicts import text
from analysis.verdicts.claims import CLAIMS, Claim, drops
from analysis.verdicts.judge import Verdict, by_print, judge
from smore_sweep.discovery import load_sweep

BY_ID = {claim.id: claim for claim in CLAIMS}
Mean = Callable[[str, str, float], float]
"""A return for each task, label and expert share."""


def frame(claim: Claim, mean: Mean, seeds: int = 10) -> pd.DataFrame:
    """Make one row per run of the claim's tasks, each method's seeds 0.1 apart around its mean."""
    others = claim.second or ("A", "B")
    rows = [
        {
            "run_id": f"{task}/{label}/{share}/{seed}",
            "label": label,
            "task": task,
            "expert_share": share,
            "seed": seed,
            "first_look": seeds,
            "scale": "laptop",
            "source": "generated",
            "status": "done",
            **dict.fromkeys(
                ("return99", "return999", "ever"), mean(task, label, share) + 0.1 * (seed - (seeds - 1) / 2)
            ),
        }
        for task in claim.tasks
        for label in dict.fromkeys((*claim.first, *others))
        for share in claim.shares or (0.1,)
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


def smore(value: float, other: float = 20.0, *, but: Sequence[str] = (), then: float = 20.0) -> Mean:
    """SMORe at ``value``, on the tasks ``but`` at ``then``; all others at ``other``."""
    return lambda task, label, share: (then if task in but else value) if label == "SMORe" else other


def falling(**to: float) -> Mean:
    """A return of 30 at 5% expert data, and the given return at 1%."""
    return lambda task, label, share: 30.0 if share == 0.05 else to[label]


def betas(worst: float, on_push: float) -> Mean:
    """Returns of 30 at every beta but 0.8."""
    return lambda task, label, share: 30.0 if "0.8" not in label else on_push if task == "FetchPush" else worst


def one(label: str, value: float) -> Mean:
    """Returns of 30 except for one label."""
    return lambda task, other, share: value if other == label else 30.0


@dataclass
class Case:
    """Returns with which a claim holds, and others with which it does not."""

    holds: Sequence[Mean]
    fails: Sequence[Mean]


TWELVE = BY_ID["best_of_twelve"].tasks
SIX = BY_ID["her_adds_little"].tasks
WITHOUT_BOTH = "SMORe (w/o AWR and Expectile loss)"
CASES = {
    "best_of_twelve": Case(
        [smore(30), smore(30, but=TWELVE[:2], then=10)], [smore(10), smore(30, but=TWELVE[:3], then=10)]
    ),
    "half_the_drop": Case([falling(SMORe=27, GoFAR=20)], [falling(SMORe=24, GoFAR=20), falling(SMORe=20, GoFAR=24)]),
    "best_with_noise": Case([smore(30)], [smore(30, but=["FetchReachNoise1.5"], then=10)]),
    "robust_to_beta": Case(
        [betas(30, on_push=10), betas(28, on_push=26)],
        [betas(30, on_push=30), betas(26, on_push=10), betas(26, on_push=30)],
    ),
    "her_adds_little": Case(
        [one("SMORe her_ratio=0.0", 28), one("SMORe her_ratio=0.0", 40)], [one("SMORe her_ratio=0.0", 26)]
    ),
    "gofar_needs_its_discriminator": Case(
        [one("GoFAR reward=binary", 19)], [one("GoFAR reward=binary", 21), one("GoFAR reward=binary", 40)]
    ),
    "expectile_and_awr_needed": Case(
        [one("SMORe", 40)],
        [one("SMORe", 30), one(WITHOUT_BOTH, 20)],  # one part alone does not do
    ),
    "ahead_of_in_sample": Case([smore(30), smore(30, but=SIX[:2], then=10)], [smore(30, but=SIX[:3], then=10)]),
    "qrl_on_pointmaze": Case([one("QRL", 40)], [one("QRL", 20)]),
    "hiql_on_mazes": Case([one("HIQL", 40)], [one("HIQL", 20)]),
    "gciql_on_cubes": Case([one("GCIQL (OGBench)", 40)], [one("GCIQL (OGBench)", 20)]),
    "ahead_without_experts": Case([smore(30), smore(30, but=SIX[:2], then=10)], [smore(30, but=SIX[:3], then=10)]),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_holds_or_does_not(claim: Claim) -> None:
    for mean in CASES[claim.id].holds:
        assert judge(claim, frame(claim, mean)).outcome == "holds"
    for mean in CASES[claim.id].fails:
        assert judge(claim, frame(claim, mean)).outcome == "does not hold"


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_too_few_seeds_decide_nothing(claim: Claim) -> None:
    for mean in (CASES[claim.id].holds[0], CASES[claim.id].fails[0]):
        seen = judge(claim, frame(claim, mean, seeds=3))
        assert seen.outcome == "undecided"
        assert "3 against 3 seeds reach no p below " in text.reason(seen)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
@pytest.mark.parametrize("declared", [True, False])
def test_missing_tasks_decide_nothing_but_the_others_are_shown(claim: Claim, declared: bool) -> None:
    runs = frame(claim, CASES[claim.id].holds[0])
    gone = claim.tasks[: claim.of - claim.needed + 1]
    if declared:
        runs.loc[runs["task"].isin(gone), ["status", "return99", "return999", "ever"]] = ["missing", *[math.nan] * 3]
    else:
        runs = runs[~runs["task"].isin(gone)]
        if runs.empty:
            pytest.skip("it speaks of one task")
    seen = judge(claim, runs)
    assert seen.outcome == "undecided"
    assert seen.tasks == claim.tasks[len(gone) :]
    assert len(seen.items("yes")) == (0 if claim.measure is drops else claim.needed - 1)
    if seen.tasks:
        assert seen.effect is not None
        assert seen.effect.margin > 0
        assert f"nothing to compare on {', '.join(gone)}" in text.reason(seen)
    else:
        assert "Nothing to compare yet" in text.reason(seen)


def test_a_task_with_one_side_only_is_no_comparison() -> None:
    claim = BY_ID["her_adds_little"]
    runs = frame(claim, one("SMORe her_ratio=0.0", 28))
    seen = judge(claim, runs[runs["label"] == "SMORe"])
    assert (seen.outcome, seen.tasks, seen.effect) == ("undecided", (), None)
    assert text.reason(seen) == "Nothing to compare yet; needed: 6 of 6."
    assert len(seen.runs) == 60


def test_a_contrary_task_outweighs_missing_ones_where_all_are_needed() -> None:
    claim = BY_ID["her_adds_little"]
    runs = frame(claim, one("SMORe her_ratio=0.0", 20))
    assert judge(claim, runs[runs["task"] == SIX[0]]).outcome == "does not hold"


def test_runs_under_way_keep_a_task_open() -> None:
    claim = BY_ID["best_with_noise"]
    runs = frame(claim, smore(30))
    runs.loc[0, ["status", "return99"]] = ["partial", math.nan]
    seen = judge(claim, runs)
    assert seen.outcome == "undecided"
    assert seen.items("open") == [claim.tasks[0]]
    assert text.reason(seen) == (
        "As claimed on FetchReachNoise1.0, FetchReachNoise1.5; open (1 run has not ended; so far as claimed, "
        "p <0.0001) on FetchReachNoise0.5; needed: 3 of 3; next look: 10 seeds on FetchReachNoise0.5."
    )
    assert runs.loc[0, "run_id"] not in seen.runs
    assert len(seen.runs) == len(runs) - 1


@pytest.mark.parametrize("mean", [28, 27.02], ids=["decided", "open"])
def test_further_seeds_of_one_side_change_nothing(mean: float) -> None:
    claim = BY_ID["her_adds_little"]
    runs = frame(claim, one("SMORe her_ratio=0.0", mean)).assign(first_look=5)
    first = runs["seed"] < 5
    before, after = judge(claim, runs[first]), judge(claim, runs[first | (runs["label"] == "SMORe")])
    assert (after.outcome, after.findings, after.runs) == (before.outcome, before.findings, before.runs)
    assert before.outcome == ("holds" if mean == 28 else "undecided")
    assert after.next_look == before.next_look == (None if mean == 28 else (SIX, 10))
    runs.loc[runs["seed"] == 9, ["status", "return99"]] = ["partial", math.nan]  # the next look, under way
    assert judge(claim, runs[first | (runs["label"] == "SMORe")]).outcome == before.outcome
    assert judge(claim, runs).next_look == (SIX, 10)


def test_an_average_is_over_the_seeds_that_all_tasks_have() -> None:
    """SMORe's drop is small on FetchReach alone, which has twice the seeds."""
    claim = BY_ID["half_the_drop"]
    there, elsewhere = falling(SMORe=29, GoFAR=10), falling(SMORe=20, GoFAR=24)
    runs = frame(claim, lambda task, *cell: (there if task == "FetchReach" else elsewhere)(task, *cell))
    runs = runs.assign(first_look=5)
    first = runs["seed"] < 5
    before, after = judge(claim, runs[first]), judge(claim, runs[first | (runs["task"] == "FetchReach")])
    assert before.outcome == after.outcome == "does not hold"
    assert (after.findings, after.tasks, after.waiting) == (before.findings, claim.tasks, ())
    assert after.findings[0].contrast.level == SPENT[0]


def test_an_average_waits_for_a_task_that_it_leaves_out() -> None:
    claim = BY_ID["half_the_drop"]
    runs = frame(claim, falling(SMORe=27, GoFAR=20))
    seen = judge(claim, runs[(runs["task"] != "FetchReach") | (runs["label"] != "GoFAR")])
    assert (seen.outcome, seen.waiting) == ("undecided", ("FetchReach",))
    assert seen.tasks == tuple(task for task in claim.tasks if task != "FetchReach")
    assert seen.findings[0].contrast.waiting == 1


def test_a_diverged_run_counts_as_one_that_earned_nothing() -> None:
    claim = BY_ID["best_with_noise"]
    runs = frame(claim, smore(30))
    hit = (runs["label"] == "SMORe") & (runs["seed"] < 5) & (runs["task"] == claim.tasks[0])
    runs.loc[hit, ["status", "return99"]] = ["diverged", math.nan]
    seen = judge(claim, runs)
    first = seen.findings[0]
    assert first.contrast.first_values[:5] == (0.0,) * 5
    assert first.answer == "open"  # half of the seeds are above all others and half below
    assert first.effect.probability == 0.5
    assert set(seen.runs) == set(runs["run_id"])


def test_tasks_beyond_the_papers_are_shown_and_do_not_count() -> None:
    claim = BY_ID["best_with_noise"]
    runs = frame(claim, smore(30))
    more = runs[runs["task"] == claim.tasks[0]].assign(task="FetchReach")
    more["return99"] = 50 - more["return99"]  # SMORe is worst there
    seen = judge(claim, pd.concat([more, runs]))
    assert seen.outcome == "holds"
    assert seen.items("no") == []
    assert "beyond the paper: FetchReach (the contrary)" in text.reason(seen)


def test_long_tasks_are_judged_by_the_return_at_0_999() -> None:
    claim = BY_ID["best_of_twelve"]
    runs = frame(claim, smore(30))
    runs["return99"] = runs["return99"].where(~runs["task"].str.contains("TgtVel"), -1.0)
    assert len(judge(claim, runs).items("yes")) == 12


# The paper's own numbers

PRINT = {
    "best_of_twelve": (True, ["AntTgtVel-m-e"]),
    "half_the_drop": (True, []),
    "best_with_noise": (None, []),
    "robust_to_beta": (False, ["FetchSlide"]),
    "her_adds_little": (False, ["FetchSlide"]),
    "gofar_needs_its_discriminator": (True, []),
    "expectile_and_awr_needed": (True, []),
    "ahead_of_in_sample": (True, ["FetchReach"]),
    "ahead_without_experts": (True, ["FetchPick", "FetchSlide"]),
    "qrl_on_pointmaze": (True, []),
    "hiql_on_mazes": (False, ["pointmaze-medium-navigate", "pointmaze-large-stitch"]),
    "gciql_on_cubes": (True, []),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_what_the_printed_means_say(claim: Claim) -> None:
    holds, against = by_print(claim)
    assert (holds, list(against)) == PRINT[claim.id]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_speaks_of_what_its_sweep_declares(claim: Claim) -> None:
    sweep = load_sweep(claim.sweep)
    runs = sweep.expand("paper")
    assert set(claim.first) | set(claim.second) <= {run.named.label for run in runs}
    assert set(claim.tasks) <= {run.task for run in runs}
    assert set(claim.shares) <= {run.expert_share for run in runs}
    assert claim.needed <= claim.of == (1 if claim.measure is drops else len(claim.tasks))


# Effects and p by hand


def made(first: Sequence[float], second: Sequence[float], share: float = 1.0, more: bool = True) -> Contrast:
    return Contrast(
        item="Reacher",
        first="A",
        second="B",
        first_values=tuple(first),
        second_values=tuple(second),
        share=share,
        more=more,
    )


def test_effects_by_hand() -> None:
    seen = effect([made([1, 2, 3], [2, 2, 0])])
    assert seen.margin == pytest.approx(2 - 4 / 3)
    assert seen.probability == pytest.approx((1 + 2 + 3) / 9)  # of three pairs each; a tie is a half
    turned = effect([made([1, 2, 3], [2, 2, 0], more=False)])
    assert turned.margin == pytest.approx(4 / 3 - 2)
    assert turned.probability == pytest.approx(3 / 9)
    halved = effect([made([1, 2, 3], [2, 2, 0], share=0.5)])
    assert halved.margin == pytest.approx(2 - 2 / 3)
    assert halved.probability == pytest.approx((2 * 0.5 + 1 + 3 + 3) / 9)
    both = effect([made([1, 2, 3], [2, 2, 0]), made([5], [1])])
    assert both.margin == pytest.approx((2 / 3 + 4) / 2)
    assert both.probability == pytest.approx((6 / 9 + 1) / 2)


def test_intervals_by_hand() -> None:
    assert effect([made([5, 5], [3, 3])]).margin_interval == (2.0, 2.0)
    # Two seeds 0 and 4: a resample's mean is 0, 2 or 4, with 1/4, 1/2, 1/4.
    seen = effect([made([0, 4], [1])])
    assert seen.margin_interval == (-1.0, 3.0)
    assert seen.probability_interval == (0.0, 1.0)
    assert seen == effect([made([0, 4], [1])])


def test_p_by_hand() -> None:
    apart = made([5, 6, 7, 8, 9], [0, 1, 2, 3, 4])
    assert apart.p == pytest.approx(2 / 252)
    # Scaled to 3 and 1.5: the first side has ranks 2 and 4 of four, a sum that two of six splits reach.
    assert made([2, 4], [1, 0.5], share=3.0).p == pytest.approx(2 * 2 / 6)
    mixed = made([1, 4], [2, 3])
    assert corrected([apart, mixed, apart]) == pytest.approx([3 * 2 / 252, 1.0, 3 * 2 / 252])
    assert reach([apart, mixed, apart]) == pytest.approx([3 * 2 / 252, 2 / 6, 3 * 2 / 252])


def test_correction_can_put_the_level_out_of_reach() -> None:
    """Five against five seeds reach 0.0079: enough for six tasks, too little for twelve."""
    claim = BY_ID["best_of_twelve"]
    seen = judge(claim, frame(claim, smore(30), seeds=5))
    assert seen.outcome == "undecided"
    assert text.reason(seen).startswith("Open (5 against 5 seeds reach no p below 0.095) on Reacher, ")
    six = judge(BY_ID["her_adds_little"], frame(BY_ID["her_adds_little"], one("SMORe her_ratio=0.0", 28), seeds=5))
    assert six.outcome == "holds"
    assert [finding.p for finding in six.findings] == pytest.approx([6 * 2 / 252] * 6)


@pytest.mark.parametrize(
    ("interval", "probability", "p", "smallest", "waiting", "expected"),
    [
        ((0.1, 1.0), 0.9, 0.01, 0.001, 0, "yes"),
        ((-1.0, -0.1), 0.1, 0.01, 0.001, 0, "no"),
        ((-0.1, 1.0), 0.9, 0.01, 0.001, 0, "open"),  # the interval holds 0
        ((0.0, 1.0), 0.9, 0.01, 0.001, 0, "open"),
        ((0.1, 1.0), 0.1, 0.01, 0.001, 0, "open"),  # the ranks say the contrary
        ((-1.0, -0.1), 0.9, 0.01, 0.001, 0, "open"),
        ((0.1, 1.0), 0.9, 0.05, 0.001, 0, "open"),  # the test does not reach its level
        ((0.1, 1.0), 0.9, 0.01, 0.05, 0, "open"),  # nor could it
        ((0.1, 1.0), 0.9, 0.01, 0.001, 1, "open"),  # a run has not ended
    ],
)
def test_an_answer_needs_everything(
    interval: tuple[float, float], probability: float, p: float, smallest: float, waiting: int, expected: str
) -> None:
    size = Effect(margin=0.5, margin_interval=interval, probability=probability, probability_interval=(0.0, 1.0))
    assert answer(replace(made([1], [0]), waiting=waiting), size, p, smallest) == expected


def test_a_few_high_seeds_do_not_outvote_the_ranks() -> None:
    """Four of SMORe's twenty seeds at 100 pull its mean above all others, and sixteen lie below every other seed."""
    claim = BY_ID["best_with_noise"]
    runs = frame(claim, smore(1, other=4), seeds=20)
    runs.loc[(runs["label"] == "SMORe") & (runs["seed"] < 4), "return99"] = 100.0
    seen = judge(claim, runs)
    for finding in seen.findings:
        assert finding.p < finding.contrast.level
        assert finding.effect.margin_interval[0] > 0
        assert finding.effect.probability == pytest.approx(0.2)
        assert finding.answer == "open"
    assert "open (the means and the ranks disagree) on FetchReachNoise0.5" in text.reason(seen).replace("Open", "open")


def test_the_drop_by_hand() -> None:
    """Averages of two tasks by seed: SMORe 30 and 40 at 5% fall to 27 and 30, by 10 and 25%."""
    rows = [
        {"task": task, "label": "SMORe", "expert_share": share, "seed": seed, "value": value + side}
        for share, seeds in ((0.05, (30, 40)), (0.01, (27, 30)))
        for seed, value in enumerate(seeds)
        for task, side in (("Reacher", 5), ("FetchReach", -5))
    ]
    (falls,) = drops(pd.DataFrame(rows)).values()
    assert falls["SMORe"] == pytest.approx([10.0, 25.0])
    rows[0]["value"] = math.nan  # Reacher is not complete: FetchReach alone is left
    (falls,) = drops(pd.DataFrame(rows)).values()
    assert falls["SMORe"] == pytest.approx([100 * (1 - 22 / 25), 100 * (1 - 25 / 35)])


def test_the_pair_that_makes_the_claim_hardest_is_compared() -> None:
    claim = BY_ID["robust_to_beta"]
    order = {"SMORe": 30.0, "SMORe beta=0.7": 25.0, "SMORe beta=0.8": 28.0, "SMORe beta=0.9": 31.0}
    found = judge(claim, frame(claim, lambda task, label, share: order[label])).findings[0].contrast
    assert (found.first, found.second) == ("SMORe beta=0.7", "SMORe beta=0.9")
    found = judge(claim, frame(claim, betas(30, on_push=30))).findings[0].contrast
    assert found.first != found.second  # of equals, too
    claim = BY_ID["expectile_and_awr_needed"]
    found = judge(claim, frame(claim, one(WITHOUT_BOTH, 20))).findings[0].contrast
    assert found.first == "SMORe extraction=gradient"


# Output


@pytest.fixture
def some() -> list[Verdict]:
    return [judge(claim, frame(claim, CASES[claim.id].holds[0])) for claim in CLAIMS[2:5]]


def test_the_machine_readable_list_names_every_run(some: list[Verdict]) -> None:
    found = json.loads(json.dumps([text.record(verdict) for verdict in some], allow_nan=False))
    assert [entry["outcome"] for entry in found] == ["holds"] * 3
    assert [len(entry["runs"]) for entry in found] == [3 * 3 * 10, 4 * 4 * 10, 6 * 2 * 10]
    assert found[0]["findings"][0]["p_holm"] == pytest.approx(3 * 2 / math.comb(20, 10))
    assert found[1]["by_print_against"] == ["FetchSlide"]


def test_markdown_and_terminal_show_every_claim(some: list[Verdict], capsys: pytest.CaptureFixture[str]) -> None:
    written = text.markdown(some)
    text.show(some)
    printed = " ".join(capsys.readouterr().out.split())
    for verdict in some:
        assert verdict.claim.sentence in written
        assert verdict.claim.sentence in printed
    rows = [line for line in written.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)
    assert r"SMORe her\_ratio=0.0 (30.00) \> 0.9 × SMORe (30.00)" not in written
    assert r"SMORe her\_ratio=0.0 (28.00) \> 0.9 × SMORe (30.00)" in written
    assert "| +1.00 [" in written  # 28 - 27, above what is allowed


def test_wrong_requests_are_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for request, line in (
        (["--format", "html"], "there is no format 'html'; the valid ones are: terminal, markdown, json\n"),
        (["--scale", "huge"], "sweep main has no scale 'huge'; its scales are: smoke, laptop, workstation, paper\n"),
        (["--source", "the web"], "source 'the web' is not valid; use lower-case letters, digits, - and _\n"),
    ):
        assert claims.main(["--results", str(tmp_path), *request]) == 2
        assert capsys.readouterr().err == line


def test_without_a_run_it_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert claims.main(["--results", str(tmp_path)]) == 1
    assert "run: make sweep SWEEP=main" in capsys.readouterr().err


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty are enough for these seeds, which lie far apart."""
    monkeypatch.setattr(contrast, "RESAMPLES", 20)
