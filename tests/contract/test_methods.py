"""The contract of every method: a stack is scheduling, and never changes a member's numbers."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.gofar_expectile import GoFARExpectile
from baselines.wgcsl import WGCSL
from smore_sweep.bench.flops import count_flops
from smore_sweep.errors import UserError
from smore_sweep.method import Method
from smore_sweep.smore import SMORe
from smore_sweep.stacked import fused
from smore_sweep.stacked.replay import normalize
from smore_sweep.stacked.rng import Draws
from smore_sweep.training.learner import Learner
from smore_sweep.training.policy import restore
from tests.contract.members import (
    BATCH,
    IDLE,
    METHODS,
    SIZES,
    UPDATES,
    VECTORS,
    assert_equal,
    every_method,
    leaves,
    saved,
    sizes_of,
    stack,
    trained,
    values_of,
)


@every_method
@pytest.mark.parametrize("batch", [12, 16])
def test_a_stack_of_three_equals_three_stacks_of_one(method: Method, batch: int) -> None:
    """Two sizes, because vector kernels leave different remainders."""
    together = trained(stack(method, batch=batch), 4)
    states, metrics = together.state(), together.metrics()
    for member in range(3):
        alone = trained(stack(method, [member], batch), 4)
        assert_equal(states[member], alone.state()[0])
        assert {name: value[member] for name, value in metrics.items()} == {
            name: value[0] for name, value in alone.metrics().items()
        }


@every_method
def test_members_differ(method: Method) -> None:
    """Otherwise the tests of this file could not notice that members were mixed up."""
    states = trained(stack(method), 2).state()
    for name in states[0]:
        if "/w" in name and not name.endswith("/square"):
            # In proportion: the last layers of some methods start at almost 0.
            assert not np.allclose(states[0][name], states[1][name], atol=0.0)
            assert not np.allclose(states[1][name], states[2][name], atol=0.0)


@every_method
def test_permuting_the_members_permutes_the_results(method: Method) -> None:
    straight, permuted = trained(stack(method), 4).state(), trained(stack(method, [2, 0, 1]), 4).state()
    for slot, member in enumerate([2, 0, 1]):
        assert_equal(permuted[slot], straight[member])


@every_method
def test_a_member_that_turns_nan_is_noticed_and_leaves_the_others_alone(method: Method) -> None:
    before, healthy = saved(trained(stack(method), 2)), trained(stack(method), 4).state()
    for name in stack(method).nets:
        sick = stack(method)
        sick.load(before, 2)
        assert sick.diverged().tolist() == [False] * 3
        net = sick.nets[name]
        first, *_ = net.leaves(net.flat.detach()).values()
        net.by_member(first)[1, 0, 0, 0] = torch.nan
        assert sick.diverged().tolist() == [False, True, False]
        trained(sick, 2)
        assert sick.diverged().tolist() == [False, True, False]
        for member in (0, 2):
            assert_equal(sick.state()[member], healthy[member])


@every_method
def test_an_infinite_parameter_counts_as_diverged(method: Method) -> None:
    learner = stack(method)
    for name, net in learner.nets.items():
        for leaf, values in net.leaves(net.flat.detach()).items():
            entry = net.by_member(values)[2, -1].flatten()[-1:]
            before = float(entry)
            entry.fill_(-torch.inf)
            assert learner.diverged().tolist() == [False, False, True], f"{name}/{leaf}"
            entry.fill_(before)
    assert not learner.diverged().any()


@every_method
def test_a_loaded_state_goes_on_exactly(method: Method) -> None:
    undisturbed = trained(stack(method), 8)
    before = saved(trained(stack(method), 4))
    resumed = stack(method)
    resumed.load(before, 4)
    for first, second in zip(before, resumed.state(), strict=True):
        assert_equal(first, second)
    trained(resumed, 4)
    assert int(resumed.step) == 8
    for first, second in zip(undisturbed.state(), resumed.state(), strict=True):
        assert_equal(first, second)


@every_method
def test_members_go_on_exactly_in_other_stacks(method: Method) -> None:
    undisturbed = trained(stack(method), 8).state()
    before = saved(trained(stack(method), 4))
    for members in ([2, 0], [1]):
        regrouped = stack(method, members)
        regrouped.load([before[m] for m in members], 4)
        for slot, after in enumerate(trained(regrouped, 4).state()):
            assert_equal(after, undisturbed[members[slot]])


@every_method
def test_a_learner_takes_up_a_state_in_mid_training(method: Method) -> None:
    """Nothing of what it did before survives."""
    undisturbed = saved(trained(stack(method), 5))
    learner = trained(stack(method), 3)
    before = saved(learner)
    trained(learner, 6)
    learner.load(before, 3)
    for first, second in zip(undisturbed, trained(learner, 2).state(), strict=True):
        assert_equal(first, second)


@every_method
def test_a_saved_state_does_not_change_with_further_training(method: Method) -> None:
    learner = trained(stack(method), 2)
    state, metrics, copies = learner.state(), learner.metrics(), saved(learner)
    values = {name: value.copy() for name, value in metrics.items()}
    trained(learner, 2)
    for kept, copy in zip(state, copies, strict=True):
        assert_equal(kept, copy)
    assert all(np.array_equal(metrics[name], value) for name, value in values.items())


@every_method
def test_every_parameter_moves(method: Method) -> None:
    learner = stack(method)
    before = leaves(learner)
    for name, after in leaves(trained(learner, 25 if method in VECTORS else 4)).items():
        # In units of an Adam step: one of the 16 units may be dead, a whole leaf may not.
        moved = (after - before[name]).abs().flatten(2).amax(-1)
        assert (moved > 1e-5).all() or name in IDLE.get(type(method), ()), name
        assert torch.isfinite(after).all(), name


@every_method
def test_losses_are_finite_and_one_per_member(method: Method) -> None:
    metrics = trained(stack(method), 25 if method in VECTORS else 4).metrics()
    assert metrics
    for name, values in metrics.items():
        assert values.shape == (3,), name
        assert np.isfinite(values).all(), name
        assert len(set(values.tolist())) > 1, name


@pytest.mark.parametrize(
    "method", [m for m in METHODS if any(net.target_rate for net in m.networks(SIZES).values())], ids=lambda m: m.label
)
def test_targets_get_no_gradient_and_move_only_as_declared(method: Method) -> None:
    learner = stack(method)
    longest = max(net.spec.target_period for net in learner.nets.values())
    for update in range(1, longest + 3):
        before = {name: net.target_flat.clone() for name, net in learner.nets.items() if net.target_flat is not None}
        assert before
        learner.update()
        for name, old in before.items():
            net = learner.nets[name]
            assert net.target_flat is not None
            assert net.target_flat.grad is None
            assert not net.target_flat.requires_grad
            if update % net.spec.target_period:
                assert torch.equal(net.target_flat, old)
            else:
                moved = old + net.spec.target_rate * (net.flat.detach() - old)
                for leaf, values in net.leaves(net.target_flat).items():
                    torch.testing.assert_close(values, net.leaves(moved)[leaf], rtol=1e-5, atol=1e-7)
                assert torch.equal(net.target_flat, old) == (update <= round(net.spec.begins * UPDATES))


GOFAR_FAMILY = {"Q": (0.05, 20), "pi": (0.05, 20)}


@pytest.mark.parametrize(
    ("method", "targets"),
    [
        (SMORe(), {"S": (0.005, 1)}),
        (GoFAR(), {"V": (0.05, 20)}),
        (GoFARExpectile(), {"Q": (0.005, 1)}),
        (GCSL(), {}),
        *((method, GOFAR_FAMILY) for method in (WGCSL(), AM(), DDPG())),
    ],
    ids=lambda value: value.name if isinstance(value, Method) else "",
)
def test_declared_targets(method: Method, targets: dict[str, tuple[float, int]]) -> None:
    declared = {name: (net.target_rate, net.target_period) for name, net in method.networks(SIZES).items()}
    assert {name: target for name, target in declared.items() if target[0]} == targets


@pytest.mark.parametrize("method", [SMORe(hidden=16), GoFAR(hidden=16)], ids=["SMORe", "GoFAR"])
def test_adam_and_the_learning_rates(method: Method) -> None:
    """Adam's first step is the learning rate, whatever the gradient's size; the cosine decay ends the policy's at 0."""
    for update in (1, UPDATES // 2 + 1, UPDATES):
        learner = stack(method)
        fresh = [
            {name: np.zeros_like(a) if name.endswith(("/mean", "/square")) else a for name, a in member.items()}
            for member in saved(trained(stack(method), 1))
        ]
        learner.load(fresh, update - 1)
        before = leaves(learner)
        after = leaves(trained(learner, 1))
        for name, net in learner.nets.items():
            spec, bias = net.spec, f"{name}/b0"  # still small, so that float32 resolves its smallest steps
            decay = 0.5 * (1 + np.cos(np.pi * (update - 1) / UPDATES)) if spec.cosine_decay else 1.0
            # mean / sqrt(square) of one gradient g: (0.1 g / (1 - 0.9^u)) / sqrt(0.001 g^2 / (1 - 0.999^u))
            ratio = (0.1 / (1 - 0.9**update)) / np.sqrt(0.001 / (1 - 0.999**update))
            steps = (after[bias] - before[bias]).abs().flatten(1).amax(1).tolist()
            factor = values_of(method, "learning_rate")
            rates = [spec.learning_rate / method.learning_rate * rate for rate in factor]
            if name == "c":
                rates = list(values_of(method, "discriminator_learning_rate"))
            assert steps == pytest.approx([rate * decay * ratio for rate in rates], rel=0.01), name


@pytest.mark.parametrize("kernels", [fused.available()[0], fused.TORCH])
@every_method
def test_no_pass_is_made_that_is_not_declared(method: Method, kernels: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """``rows`` says what the equations need. Counted as they happen, the products are those, but for the first layer's
    input gradient and, in PyTorch, for a single output's outer product, which nobody computes."""
    monkeypatch.setenv(fused.SETTING, kernels)
    wide = stack(dataclasses.replace(method, hidden=96), members=[0])  # type: ignore[type-var]
    assert 0.9 <= count_flops(wide.update) / wide.method.flops(sizes_of(method), BATCH) <= 1.0


def inputs(
    method: Method, seed: int, rows: int, scale: float = 1.0
) -> tuple[NDArray[np.float32], NDArray[np.float32], Draws]:
    """Observations, goals and random numbers of one step of ``rows`` episodes."""
    random, sizes = np.random.default_rng(seed), sizes_of(method)
    observations, goals = (random.normal(size=(1, rows, size)) for size in (sizes.observation, sizes.goal))
    return (scale * observations).astype(np.float32), goals.astype(np.float32), Draws("Task", range(rows), seed)


@every_method
def test_act_is_deterministic_and_bounded(method: Method) -> None:
    kept = trained(stack(method), 3).policies()
    given = inputs(method, 5, 8, scale=100.0)
    for arrays in kept:
        policy = restore(method, sizes_of(method), arrays)
        actions = policy.act(*given)
        assert actions.shape == (1, 8, SIZES.action)
        assert actions.dtype == np.float32
        assert np.abs(actions).max() <= 1.0
        assert np.array_equal(actions, policy.act(*given))
        others = inputs(method, 4, 8)
        ordinary = policy.act(*others)
        assert not np.allclose(ordinary[:, 0], ordinary[:, 1])
        others[0][:, 0], others[1][:, 0] = given[0][:, 0], given[1][:, 0]
        assert np.array_equal(policy.act(others[0], others[1], given[2])[:, 0], actions[:, 0])


@every_method
def test_a_kept_policy_acts_bitwise_as_the_learner_did(method: Method) -> None:
    """Alone or in a stack: the kept policies are those of three stacks of one."""
    learner = trained(stack(method), 10)
    observations, goals, draws = inputs(method, 6, 4)
    kept = learner.policies()
    trained(learner, 1)  # what was kept is a copy
    for member, arrays in enumerate(kept):
        alone = trained(stack(method, [member]), 10)
        assert_equal(alone.policies()[0], arrays)
        states, wanted = torch.from_numpy(observations), torch.from_numpy(goals)
        if statistics := alone._replay.statistics:
            states, wanted = normalize(states, *statistics[:2]), normalize(wanted, *statistics[2:])
        with torch.no_grad():
            remembered = method.recall(alone.nets, *alone.remembered()) if method.remembers else None
            given = dataclasses.replace(draws, remembered=remembered)
            actions = method.sample_actions(alone.nets, states, wanted, given).clamp(-1.0, 1.0).numpy()
        assert np.array_equal(restore(method, sizes_of(method), arrays).act(observations, goals, draws), actions)
        assert all(array.dtype == np.float32 for array in arrays.values())
    with pytest.raises(UserError, match="as it is now"):
        restore(dataclasses.replace(method, hidden=17), sizes_of(method), kept[0])  # type: ignore[type-var]


def test_the_policy_step_takes_fresh_noise() -> None:
    """``initial_action="policy"`` changes the score's gradient, "dataset" draws no noise at all."""
    by_policy, by_data = SMORe(hidden=16, initial_action="policy"), SMORe(hidden=16)
    first, second = (trained(stack(method), 1).state()[0]["S/w0/mean"] for method in (by_policy, by_data))
    assert not np.allclose(first, second)


def test_restoring_a_state_keeps_the_tensors_in_place() -> None:
    """A captured update goes on with the tensors it was captured with."""
    learner = trained(stack(SMORe(hidden=16)), 3)

    def places() -> list[int]:
        moments = [each for m in learner._moments.values() for each in (m.mean, m.square, m._count)]
        return [tensor.data_ptr() for tensor in [learner.step, *moments, *leaves_in_place(learner)]]

    before, state = places(), saved(learner)
    trained(learner, 2)
    learner.load(state, 3)
    assert places() == before
    assert learner.state()[0].keys() == state[0].keys()
    for restored, kept in zip(learner.state(), state, strict=True):
        assert_equal(restored, kept)


def leaves_in_place(learner: Learner) -> list[torch.Tensor]:
    nets = learner.nets.values()
    return [net.flat for net in nets] + [net.target_flat for net in nets if net.target_flat is not None]
