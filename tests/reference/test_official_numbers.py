"""Losses, gradients, Adam steps and slow targets against numbers from the official code (official/README.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from baselines.am import AM
from baselines.ddpg import DDPG
from baselines.gcsl import GCSL
from baselines.gofar import GoFAR
from baselines.wgcsl import WGCSL
from smore_sweep.method import Method
from smore_sweep.smore import SMORe
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch
from smore_sweep.task import Sizes
from smore_sweep.training.learner import knob_tensors
from tests.reference.wiring import discounted

Fixture = Mapping[str, NDArray[Any]]
SIZES = Sizes(observation=10, goal=3, action=4)
CPU = torch.device("cpu")
RTOL = 1e-5
TORCH_LAYERS = ("fc1", "fc2", "fc3")


def fixture(name: str) -> Fixture:
    with np.load(Path(__file__).with_name("official") / f"{name}.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def tensor(array: NDArray[Any]) -> torch.Tensor:
    """The array as the only member of a stack."""
    return torch.from_numpy(np.asarray(array, np.float32))[None]


def build(method: Method, names: Mapping[str, str], data: Fixture, *, stage: str, jax: bool) -> dict[str, Network]:
    """The method's networks at the parameters of a stage of the fixture; ``names`` maps ours to theirs."""
    epsilon = 1e-6 if jax else 1e-5  # flax's and PyTorch's
    nets = {}
    for name, spec in method.networks(SIZES).items():
        assert isinstance(spec, NetworkSpec)
        nets[name] = Network(replace(spec, layer_norm_epsilon=epsilon), name, [0], CPU)
    read = jax_leaves if jax else torch_leaves
    for name, theirs in names.items():
        net = nets[name]
        fill(net, net.flat, read(data, f"{stage}/{theirs}"))
        if net.target_flat is not None:
            slow = f"{stage}/target_{theirs}" if jax else f"{stage}/{theirs.replace('_network', '_target_network')}"
            fill(net, net.target_flat, read(data, slow))
    return nets


def fill(net: Network, flat: torch.Tensor, leaves: Mapping[str, NDArray[Any]]) -> None:
    with torch.no_grad():
        for leaf, values in net.leaves(flat).items():
            values.copy_(torch.from_numpy(leaves[leaf]).reshape(values.shape))


def jax_leaves(data: Fixture, prefix: str) -> dict[str, NDArray[Any]]:
    """Leaves by our names; twin critics are stacked."""
    if f"{prefix}/1/layer0/kernel" in data:
        twins = [jax_leaves(data, f"{prefix}/{copy}") for copy in (1, 2)]
        return {leaf: np.stack([twin[leaf] for twin in twins]) for leaf in twins[0]}
    leaves = {}
    for i in range(3):
        leaves[f"w{i}"], leaves[f"b{i}"] = data[f"{prefix}/layer{i}/kernel"], data[f"{prefix}/layer{i}/bias"]
        if f"{prefix}/ln{i}/scale" in data:
            leaves[f"scale{i}"], leaves[f"shift{i}"] = data[f"{prefix}/ln{i}/scale"], data[f"{prefix}/ln{i}/bias"]
    if f"{prefix}/log_stds" in data:
        leaves["log_std"] = data[f"{prefix}/log_stds"]
    return leaves


def torch_leaves(data: Fixture, prefix: str) -> dict[str, NDArray[Any]]:
    head = "action_out" if f"{prefix}/action_out.weight" in data else "q_out"
    layers = [0, 2, 4, 6] if f"{prefix}/0.weight" in data else [*TORCH_LAYERS, head]
    leaves = {}
    for i, layer in enumerate(layers):
        leaves[f"w{i}"], leaves[f"b{i}"] = data[f"{prefix}/{layer}.weight"].T, data[f"{prefix}/{layer}.bias"]
    return leaves


def assert_gradient(net: Network, gradient: torch.Tensor, expected: Mapping[str, NDArray[Any]]) -> None:
    largest = max(float(np.abs(values).max()) for values in expected.values())
    for leaf, values in net.leaves(gradient).items():
        theirs = torch.from_numpy(expected[leaf].copy()).reshape(values.shape)
        torch.testing.assert_close(values, theirs, rtol=0, atol=RTOL * largest)


def assert_parameters(net: Network, flat: torch.Tensor, expected: Mapping[str, NDArray[Any]]) -> None:
    for leaf, values in net.leaves(flat).items():
        theirs = torch.from_numpy(expected[leaf].copy()).reshape(values.shape)
        torch.testing.assert_close(values, theirs, rtol=0, atol=2e-6)


def adam_step(net: Network, gradient: torch.Tensor, learning_rate: float) -> torch.Tensor:
    """The parameters after the learner's optimiser takes one step."""
    flat = net.flat.detach().clone().requires_grad_()
    flat.grad = gradient
    torch.optim.Adam([flat], lr=learning_rate, betas=(0.9, 0.999), fused=True).step()
    return flat.detach()


# --- SMORe's release ---


def smore_batch(data: Fixture) -> Batch:
    """rho followed by q. Their observations hold the goal."""

    def both(name: str) -> torch.Tensor:
        return tensor(np.concatenate([data[f"batch/rho/{name}"], data[f"batch/q/{name}"]]))

    states, next_states = both("observations"), both("next_observations")
    return Batch(
        observations=states[..., :10],
        actions=both("actions"),
        next_observations=next_states[..., :10],
        goals=states[..., 10:],
        achieved_goals=both("achieved_goals"),
        rewards=torch.zeros(1, 128),
    )


@pytest.mark.parametrize(
    ("name", "variant", "discount"),
    [
        ("smore", "release", 0.99),
        ("smore_stable", "release_stable", 0.99),
        ("smore_stable_discount0.5", "release_stable", 0.5),
    ],
)
def test_smore_release(name: str, variant: str, discount: float) -> None:
    """The official update takes M's step first, and its critic and policy see the new M: ours see the same M after that
    step is done by hand (the documented lag of one optimiser step)."""
    data = fixture(name)
    method = SMORe(variant=variant, discount=discount, hidden=32, expectile=0.8, temperature=3.0)
    nets = build(method, {"S": "critic", "pi": "actor"}, data, stage="before", jax=True)
    fill(nets["M"], nets["M"].flat, jax_leaves(data, "before/value"))
    knobs = {name: torch.tensor([[getattr(method, name)]]) for name in ("beta", "expectile", "temperature")}
    knobs |= discounted(discount, 1)

    old, _ = method.losses(nets, smore_batch(data), knobs)
    np.testing.assert_allclose(old["value"].item(), data["info1/value_loss"], rtol=RTOL)
    (to_value,) = torch.autograd.grad(old["value"].sum(), nets["M"].flat)
    assert_gradient(nets["M"], to_value, first_gradient(data, "value"))
    assert_parameters(nets["M"], adam_step(nets["M"], to_value, 3e-4), jax_leaves(data, "after1/value"))

    fill(nets["M"], nets["M"].flat, jax_leaves(data, "after1/value"))
    new, _ = method.losses(nets, smore_batch(data), knobs)
    np.testing.assert_allclose(new["score"].item(), data["info1/critic_loss"], rtol=RTOL)
    np.testing.assert_allclose(new["policy"].item(), data["info1/actor_loss"], rtol=RTOL)
    to_score, to_policy = torch.autograd.grad(
        new["score"].sum() + new["policy"].sum(), [nets["S"].flat, nets["pi"].flat]
    )
    assert_gradient(nets["S"], to_score, first_gradient(data, "critic"))
    assert_gradient(nets["pi"], to_policy, first_gradient(data, "actor"))
    assert_parameters(nets["pi"], adam_step(nets["pi"], to_policy, 3e-4), jax_leaves(data, "after1/actor"))
    stepped = adam_step(nets["S"], to_score, 3e-4)
    assert_parameters(nets["S"], stepped, jax_leaves(data, "after1/critic"))
    with torch.no_grad():
        nets["S"].flat.copy_(stepped)
    nets["S"].move_target(torch.tensor(1))
    assert nets["S"].target_flat is not None
    assert_parameters(nets["S"], nets["S"].target_flat, jax_leaves(data, "after1/target_critic"))


def first_gradient(data: Fixture, net: str) -> dict[str, NDArray[Any]]:
    return {leaf: values / np.float32(0.1) for leaf, values in jax_leaves(data, f"after1/opt/{net}/mu").items()}


# --- GoFAR's repository ---


def gofar_batch(data: Fixture) -> Batch:
    inputs, next_inputs = tensor(data["batch/inputs"]), tensor(data["batch/inputs_next"])
    return Batch(
        observations=inputs[..., :10],
        actions=tensor(data["batch/actions"]),
        next_observations=next_inputs[..., :10],
        goals=inputs[..., 10:],
        achieved_goals=inputs[..., 10:],
        rewards=tensor(data["batch/reward"])[..., 0],
    )


def assert_official(
    method: Method, names: Mapping[str, str], data: Fixture, losses: Mapping[str, str], batch: Batch
) -> dict[str, torch.Tensor]:
    """Losses, gradients, one Adam step and one soft step of the targets. ``losses`` maps our names to theirs."""
    nets = build(method, names, data, stage="before", jax=False)
    ours, info = method.losses(nets, batch, knob_tensors([method], CPU))
    for name, theirs in losses.items():
        np.testing.assert_allclose(ours[name].item(), data[theirs], rtol=RTOL)
    gradients = torch.autograd.grad(torch.stack([ours[name] for name in losses]).sum(), [nets[n].flat for n in names])
    for (name, theirs), gradient in zip(names.items(), gradients, strict=True):
        net = nets[name]
        assert_gradient(net, gradient, torch_leaves(data, f"grad/{theirs}"))
        stepped = adam_step(net, gradient, net.spec.learning_rate)
        assert_parameters(net, stepped, torch_leaves(data, f"after1/{theirs}"))
        if net.target_flat is not None:
            with torch.no_grad():
                net.flat.copy_(stepped)
            net.move_target(torch.tensor(net.spec.target_period))
            slow = theirs.replace("_network", "_target_network")
            assert_parameters(net, net.target_flat, torch_leaves(data, f"after_soft/{slow}"))
    return info


@pytest.mark.parametrize(("name", "divergence"), [("gofar_chi", "chi_square"), ("gofar_kl", "kl")])
def test_gofar(name: str, divergence: str) -> None:
    data = fixture(name)
    method = GoFAR(divergence=divergence, reward="binary", hidden=32, hidden_layers=3)
    initial = tensor(data["batch/inputs_initial"])[..., :10]
    batch = gofar_batch(data)
    batch = Batch(**{**vars(batch), "initial_observations": initial, "noise": torch.zeros(1, 64)})
    assert_official(
        method,
        {"V": "value_network", "pi": "actor_network"},
        data,
        {"value": "out/value_loss", "policy": "out/actor_loss"},
        batch,
    )


def test_gofar_discriminator() -> None:
    data = fixture("gofar_discriminator")
    method = GoFAR(hidden=32, hidden_layers=3)
    (alpha,), pairs = tensor(data["batch/alpha"])[..., 0], tensor(data["batch/neg_pairs"])
    batch = Batch(
        observations=torch.zeros(1, 64, 10),
        actions=torch.zeros(1, 64, 4),
        next_observations=torch.zeros(1, 64, 10),
        goals=pairs[..., 3:],
        achieved_goals=pairs[..., :3],
        rewards=torch.zeros(1, 64),
        initial_observations=torch.zeros(1, 64, 10),
        noise=alpha[None],
    )
    nets = build(method, {}, data, stage="before", jax=False)
    fill(nets["c"], nets["c"].flat, torch_leaves(data, "before/discriminator"))
    losses, _ = method.losses(nets, batch, knob_tensors([method], CPU))
    np.testing.assert_allclose(losses["discriminator"].item(), data["out/gail_loss"] + data["out/grad_pen"], rtol=RTOL)
    (gradient,) = torch.autograd.grad(losses["discriminator"].sum(), nets["c"].flat)
    assert_gradient(nets["c"], gradient, torch_leaves(data, "grad/discriminator"))
    stepped = adam_step(nets["c"], gradient, 5e-4)
    assert_parameters(nets["c"], stepped, torch_leaves(data, "after1/discriminator"))


def test_gcsl() -> None:
    data = fixture("gcsl")
    assert_official(
        GCSL(hidden=32, hidden_layers=3),
        {"pi": "actor_network"},
        data,
        {"policy": "out/actor_loss"},
        gofar_batch(data),
    )


def test_wgcsl_of_gofars_code() -> None:
    data = fixture("wgcsl")
    batch = gofar_batch(data)
    batch = Batch(**{**vars(batch), "offsets": tensor(data["out/offset"]).long(), "step": torch.tensor(1)})
    assert_official(
        WGCSL(variant="gofar_code", hidden=32, hidden_layers=3, learning_rate=5e-4, discount=0.98),
        {"Q": "critic_network", "pi": "actor_network"},
        data,
        {"critic": "out/critic_loss", "policy": "out/actor_loss"},
        batch,
    )


def test_ddpg() -> None:
    data = fixture("ddpg")
    method = DDPG(hidden=32, hidden_layers=3, discount=0.98, learning_rate=1e-3)
    assert_official(
        method,
        {"Q": "critic_network", "pi": "actor_network"},
        data,
        {"critic": "out/critic_loss", "policy": "out/actor_loss"},
        gofar_batch(data),
    )


def test_actionable_models_of_gofars_code() -> None:
    data = fixture("actionable_model")
    proposals = tensor(data["batch/random_actions"]).view(1, 64, 10, 4)
    drawn = torch.nn.functional.one_hot(tensor(data["batch/sampled_random_actions"]).long(), 10)
    luck = torch.where(drawn == 1, 1.0 - 1e-7, 1e-30)  # Gumbel noise of 16 against -4: the official draw
    own_goals = tensor(data["batch/inputs_next"])[..., 10:]
    batch = gofar_batch(data).with_noise(torch.cat([proposals, luck[..., None]], -1))
    batch = Batch(**{**vars(batch), "bootstrap_goals": own_goals})
    assert_official(
        AM(hidden=32, hidden_layers=3, discount=0.98, learning_rate=1e-3),
        {"Q": "critic_network", "pi": "actor_network"},
        data,
        {"critic": "out/critic_loss", "policy": "out/actor_loss"},
        batch,
    )
