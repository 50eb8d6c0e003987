"""Benchmarks: the plain loop has the learner's objective, and the measurements are consistent."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines._images import ImageMethod
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.image_gcbc import ImageGCBC
from smore_sweep.bench import bench, ceiling, kernels
from smore_sweep.bench.memory import bytes_of, large_store
from smore_sweep.bench.overhead import Overhead
from smore_sweep.bench.packing import SLOTS, STACKS, Packing, unequal_stacks
from smore_sweep.bench.plain_loop import Buffer, PlainLoop
from smore_sweep.bench.speed import counted_flops, measure_speed, plain_update, product, rate
from smore_sweep.bench.sweeping import Timing
from smore_sweep.bench.synthetic import (
    EPISODES,
    IMAGE_TASK,
    TASK,
    fitting_task,
    make_budget,
    make_episodes,
    make_runs,
    make_store,
)
from smore_sweep.discovery import methods
from smore_sweep.errors import UserError
from smore_sweep.planning.stacks import makespan
from smore_sweep.smore import SMORe
from smore_sweep.stacked import fused
from smore_sweep.stacked.replay import Batch
from smore_sweep.tasks import task
from smore_sweep.training import loop
from smore_sweep.training.learner import Learner, knob_tensors

CPU = torch.device("cpu")
SIZES = task(TASK).sizes
Side = dict[str, torch.Tensor]


@pytest.fixture
def plain() -> PlainLoop:
    torch.manual_seed(0)
    buffer = Buffer(make_episodes(20, seed=0), task(TASK).threshold, seed=0)
    return PlainLoop(SMORe(), SIZES, buffer, batch_size=8, updates=100, device=CPU)


def _learner(stack: int = 1) -> Learner:
    budget = make_budget(batch_size=8)
    return loop.build_learner(make_runs(SMORe(), range(stack), budget), make_store(EPISODES, seed=0), CPU)


def _copy(modules: Sequence[torch.nn.Module], leaves: dict[str, torch.Tensor]) -> None:
    """Copy the modules' parameters, one module per copy, into a stacked network's buffer."""
    for copy, module in enumerate(modules):
        linear = [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)]
        norms = [layer for layer in module.modules() if isinstance(layer, torch.nn.LayerNorm)]
        for i, layer in enumerate(linear):
            leaves[f"w{i}"][copy] = layer.weight.T
            leaves[f"b{i}"][copy] = layer.bias
        for i, norm in enumerate(norms):
            leaves[f"scale{i}"][copy] = norm.weight
            leaves[f"shift{i}"][copy] = norm.bias


def _batch() -> tuple[Side, Side, Batch]:
    """Return the same 16 transitions of rho and 16 of q for the plain loop and for a stack of one."""
    generator = torch.Generator().manual_seed(1)

    def side() -> Side:
        widths = {"observations": 10, "next_observations": 10, "goals": 3, "actions": 4}
        return {name: torch.randn(16, width, generator=generator) for name, width in widths.items()}

    rho, q = side(), side()
    both = {name: torch.cat([rho[name], q[name]])[None] for name in rho}
    return (
        rho,
        q,
        Batch(
            both["observations"],
            both["actions"],
            both["next_observations"],
            both["goals"],
            both["goals"],
            torch.zeros(1, 32),
        ),
    )


def test_plain_loop_has_the_same_losses_and_gradients(plain: PlainLoop) -> None:
    learner, (rho, q, batch) = _learner(), _batch()
    modules: dict[str, Sequence[torch.nn.Module]] = {"S": plain.scores, "M": [plain.value], "pi": [plain.policy]}
    with torch.no_grad():
        for parameter in (p for target in plain.targets for p in target.parameters()):
            parameter.mul_(1.1)
        for name, net in learner.nets.items():
            _copy(modules[name], net.leaves(net.flat))
        target = learner.nets["S"].target_flat
        assert target is not None
        _copy(plain.targets, learner.nets["S"].leaves(target))
    knobs = knob_tensors([SMORe()], CPU)
    ours, _ = learner.method.losses(learner.nets, batch, knobs)
    theirs = {"value": plain.value_loss(rho), "policy": plain.policy_loss(rho), "score": plain.score_loss(rho, q)}
    for name, loss in theirs.items():
        torch.testing.assert_close(ours[name][0], loss, atol=1e-5, rtol=1e-4)

    torch.stack(list(ours.values())).sum().backward()  # type: ignore[no-untyped-call]
    torch.stack(list(theirs.values())).sum().backward()  # type: ignore[no-untyped-call]
    for name, networks in modules.items():
        flat = learner.nets[name].flat.grad
        assert flat is not None
        for copy, module in enumerate(networks):
            first = next(layer for layer in module.modules() if isinstance(layer, torch.nn.Linear))
            assert first.weight.grad is not None
            torch.testing.assert_close(
                learner.nets[name].leaves(flat)["w0"][copy], first.weight.grad.T, atol=1e-5, rtol=1e-4
            )


def test_plain_loop_learns(plain: PlainLoop) -> None:
    rho, q, _ = _batch()
    nets = [plain.value, plain.policy, *plain.scores, *plain.targets]
    before = [parameter.detach().clone() for net in nets for parameter in net.parameters()]
    losses = [plain.step(rho, q) for _ in range(30)]
    after = [parameter for net in nets for parameter in net.parameters()]
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert losses[-1]["score"] < losses[0]["score"]
    assert losses[-1]["policy"] < losses[0]["policy"]


def test_goal_transitions_enter_their_goal() -> None:
    episodes = make_episodes(20, seed=0)
    buffer = Buffer(episodes, task(TASK).threshold, seed=0)
    mean, deviation = buffer._observations
    _, q = buffer.sample(200, her_ratio=0.8)
    goal_mean, goal_deviation = buffer._goals
    hand = q["next_observations"][:, :3] * deviation[:3] + mean[:3]
    inside = (abs(q["next_observations"][:, :3]) < 5).all(-1) & (abs(q["goals"]) < 5).all(-1)
    distance = np.linalg.norm(hand - (q["goals"] * goal_deviation + goal_mean), axis=-1)[inside]
    assert distance.max() <= task(TASK).threshold + 1e-5


def test_rates_are_positive() -> None:
    multiply, operations = product(1, CPU)
    assert rate(multiply, 3, CPU) * operations > 1e8
    assert rate(plain_update(8, CPU), 2, CPU) > 0
    assert rate(_learner(2).update, 2, CPU) > 0


def test_a_round_gives_consistent_ratios() -> None:
    compared = [SMORe(), GoFAR()]
    measured = measure_speed(compared, [1], batch_size=8, device=CPU, rounds=2)
    assert [(row.method, row.stack) for row in measured] == [("SMORe", 1), ("GoFAR", 1)]
    for method, row in zip(compared, measured, strict=True):
        assert len(row.rate.values) == 2
        flops = row.rate.values[0] * method.flops(SIZES, 8) / row.products.values[0] / 1e9
        assert row.share.values[0] == pytest.approx(flops)


def test_every_method_is_measured_on_shapes_that_it_takes() -> None:
    fitting = {kind: fitting_task(kind())[0] for kind in methods().values()}
    assert {kind for kind, name in fitting.items() if name == IMAGE_TASK} == {
        kind for kind in fitting if issubclass(kind, ImageMethod)
    }
    [row] = measure_speed([ImageGCBC(hidden=16)], [2], batch_size=4, device=CPU, rounds=1)
    assert row.rate.values[0] > 0


def test_overhead_adds_up() -> None:
    found = Overhead(
        slots=2, stacks=40, start_up=5.0, wall=50.0, training=80.0, evaluation=10.0, book_keeping=0.1, sent=(1.0, 2.0)
    )
    assert found.share == pytest.approx(0.1)
    assert found.per_stack == pytest.approx(0.25)


def test_a_packing_is_held_against_workers_that_never_wait() -> None:
    full = Packing(2, (Timing(1, 5), Timing(1, 3), Timing(3, 5)))
    assert full.makespan == 4
    assert full.ratio == 1
    assert [[timing.end for timing in row] for row in full.rows()] == [[5], [3, 5]]
    assert Packing(2, (Timing(0, 4), Timing(0, 2), Timing(3, 4))).ratio == pytest.approx(8 / 7)


def test_the_packed_stacks_are_many_and_unequal() -> None:
    for slots in SLOTS:
        made = unequal_stacks([SMORe(), GoFAR()], slots)
        assert len(made) == STACKS
        assert made[0].work > 10 * made[-1].work
        ideal = sum(stack.work for stack in made) / slots
        assert makespan(made, slots) < 1.05 * ideal


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_a_learner_does_not_copy_the_episodes() -> None:
    """The peak of memory shows that not even a temporary copy is made."""
    store = large_store(64_000_000)
    budget = replace(make_budget(batch_size=8), episodes=store.episodes)
    runs = [replace(run, budget=budget) for run in make_runs(SMORe(hidden=16), range(2), budget)]
    loop.build_learner(
        make_runs(SMORe(hidden=16), range(2), make_budget(8)), make_store(EPISODES, seed=0), CPU
    ).update()
    Path("/proc/self/clear_refs").write_text("5")  # the highest is the present one
    before = _highest()
    learner = loop.build_learner(runs, store, CPU)
    for _ in range(3):
        learner.update()
    assert _highest() - before < bytes_of(store) / 4


def test_memory_of_a_process_is_told_apart() -> None:
    """Run a new process, because this one may free memory of other tests meanwhile."""
    look = """if True:
        import numpy as np
        from smore_sweep.bench.processes import memory

        before = memory()
        held = np.ones(10_000_000)
        now = memory()
        print(now.own - before.own, now.own, now.proportional, now.resident)
    """
    grown, own, proportional, resident = map(int, subprocess.check_output([sys.executable, "-c", look]).split())
    assert 50e6 < grown < 120e6  # 80 MB, or none if the array were not counted
    assert own <= proportional <= resident


def _highest() -> int:
    """Return the peak memory of this process, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_bad_options_are_refused() -> None:
    with pytest.raises(UserError, match="batch size = 0"):
        bench(0, None)
    with pytest.raises(UserError, match="unknown method 'smort'; the methods are: smore, "):
        bench(8, "smort")
    with pytest.raises(UserError, match="no part 'spede'; its parts are: speed, kernels, overhead, memory, packing"):
        bench(8, None, "spede")


def test_the_ceiling_makes_the_products_of_an_update() -> None:
    with FlopCounterMode(display=False) as counter:
        ceiling.Policies.make().update(ceiling.Policies.make(), pointwise=True)
    assert counter.get_total_flops() == ceiling.MEMBERS * counted_flops(GCSL(), ceiling.BATCH)


def test_kernels_are_compared_at_every_size_and_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "SIZES", ((8, 4), (16, 4)))
    gains = list(kernels.measure_kernels([GCSL], rounds=2))
    assert [(gain.hidden, gain.stack) for gain in gains] == [(8, 1), (8, 10), (16, 1), (16, 10)]
    for gain in gains:
        assert tuple(gain.rates) == fused.available()
        assert gain.ratios[fused.TORCH].values == (1.0, 1.0)
        assert all(rate > 0 for spread in gain.rates.values() for rate in spread.values)
