"""The examination of a machine: what its findings say, and the report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from smore_sweep.bench.synthetic import make_store
from smore_sweep.doctor import cost, training
from smore_sweep.doctor.__main__ import main
from smore_sweep.doctor.findings import BAD, GOOD, SKIPPED, Clock, Finding, examine
from smore_sweep.training.capture import EAGER

CPU = torch.device("cpu")
STORE = make_store(40, seed=0)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smore_sweep.bench.synthetic.EPISODES", 40)
    monkeypatch.setattr(training, "COMPARED", 2)


def test_equal_updates_do_not_differ_and_coarser_products_are_found() -> None:
    """A GPU that computes with TF32's ten bits of mantissa where float32 has 23."""
    exact, _ = training._after(STORE, CPU, EAGER)
    assert training._difference(exact, training._after(STORE, CPU, EAGER)[0], STORE) == 0.0
    coarse = training._fresh(STORE, CPU)
    for _ in range(training.COMPARED):
        for net in coarse.nets.values():
            with torch.no_grad():
                net.flat.copy_((net.flat.view(torch.int32) & ~0x1FFF).view(torch.float32))
        coarse.update()
    assert training._difference(exact, coarse, STORE) > training.TOLERANCE


def test_comparisons_are_skipped_with_a_reason_without_a_gpu() -> None:
    found = [training.device_agreement(STORE, CPU), training.capture_agreement(STORE, CPU)]
    assert [finding.rating for finding in found] == [SKIPPED, SKIPPED]
    assert "no GPU" in found[0].verdict


def test_rates_are_measured_for_each_stack_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "SIZES", {"tiny": (8, 16)})
    rows = training.rates(STORE, CPU, "tiny", 0.4).figures["stacks"]
    assert [row["stack"] for row in rows] == [1, 10]
    assert all(0 < row["share"] < 2 and row["rate"] > 0 for row in rows)


def test_a_campaign_costs_less_on_a_faster_machine_and_nothing_is_guessed_without_a_rate(tmp_path: Path) -> None:
    slow = cost.paper_campaign({"stacks": [{"stack": 10, "rate": 100.0}]}, tmp_path, 2, 0)
    fast = cost.paper_campaign({"stacks": [{"stack": 10, "rate": 10_000.0}]}, tmp_path, 16, 1)
    assert slow.figures["training_hours"] == pytest.approx(fast.figures["training_hours"] * 10_000 / 200)
    assert fast.figures["hours"] == max(fast.figures["training_hours"], fast.figures["evaluation_hours"])
    small = [{"stack": 1, "rate": 100.0}, {"stack": 100, "rate": 10_000.0}]  # what a stack of 100 has is not for all
    part = cost.paper_campaign({"stacks": small}, tmp_path, 16, 1)
    assert fast.figures["training_hours"] < part.figures["training_hours"] < 100 * fast.figures["training_hours"]
    assert cost.paper_campaign(None, tmp_path, 2, 0).rating == SKIPPED


def test_an_error_is_a_finding_and_a_late_one_is_skipped() -> None:
    def broken() -> Finding:
        raise OSError("no such device\nmore")

    assert examine("x", broken, Clock(60), 1) == Finding("x", BAD, "OSError: no such device")
    assert examine("x", broken, Clock(0), 1).rating == SKIPPED


def test_the_report_has_every_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path, tmp_path / "results", 4.0) == 0
    printed = capsys.readouterr().out
    assert "This machine is ready" in printed
    [file] = tmp_path.glob("doctor-*.json")
    findings = {finding["name"]: finding for finding in json.loads(file.read_text())["findings"]}
    assert findings["versions"]["rating"] == GOOD
    assert findings["Ray"]["rating"] == SKIPPED
    assert "no time left" in findings["Ray"]["verdict"]
    assert findings["processor"]["figures"]["cores"] >= 1
    assert "versions" in file.with_suffix(".txt").read_text()
    assert str(tmp_path) not in file.read_text() + file.with_suffix(".txt").read_text()
