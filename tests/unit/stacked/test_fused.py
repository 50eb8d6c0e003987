"""The fused passes against float64 and against PyTorch's kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest
import torch

from smore_sweep.errors import UserError
from smore_sweep.stacked import fused
from smore_sweep.stacked.network_spec import NetworkSpec
from smore_sweep.stacked.networks import Network

CPU = torch.device("cpu")
RATE = 1e-3  # nothing is optimised here
VECTORS = [name for name in fused.available() if name != fused.TORCH]
pytestmark = pytest.mark.skipif(not VECTORS, reason="this machine has no fused kernels")

# Sizes that fill tiles, panels and blocks, and sizes that leave remainders of each.
SHAPES = {
    "paper": (70, 7, (256, 256), 512),
    "laptop": (13, 1, (128, 128), 256),
    "narrow": (13, 4, (16, 12), 12),
    "uneven": (33, 20, (128, 100), 65),
    "wide outputs": (5, 64, (30,), 130),
    "single row": (6, 2, (17, 33, 40), 1),
    "deep": (40, 5, (64, 64, 64, 64), 300),
}
KINDS: dict[str, dict[str, object]] = {
    "relu": {},
    "tanh": {"activation": "tanh"},
    "layer norm": {"layer_norm": True},
    "layer norm, tanh": {"layer_norm": True, "activation": "tanh"},
    "gelu": {"activation": "gelu"},
    "gelu, layer norm": {
        "activation": "gelu",
        "layer_norm": True,
        "layer_norm_after": True,
        "layer_norm_epsilon": 1e-6,
    },
    "twin": {"copies": 2, "target_rate": 0.1},
    "policy": {"log_std": 3},
}


def spec(shape: str, kind: str) -> tuple[NetworkSpec, int]:
    inputs, outputs, hidden, rows = SHAPES[shape]
    return NetworkSpec(inputs, outputs, hidden, RATE, **KINDS[kind]), rows  # type: ignore[arg-type]


def numbers(
    declared: NetworkSpec, rows: int, seeds: list[int], dtype: torch.dtype = torch.float32
) -> dict[str, torch.Tensor]:
    """Outputs, and gradients of every leaf and of both inputs, ``[M, ...]``; the data depend on the seeds alone."""
    torch.set_default_dtype(torch.float32)
    single = Network(declared, "net", seeds, CPU)
    torch.set_default_dtype(dtype)
    try:
        net = Network(declared, "net", seeds, CPU)
    finally:
        torch.set_default_dtype(torch.float32)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    with torch.no_grad():
        for name, leaf in net.leaves(net.flat.detach()).items():
            noise = torch.stack([torch.randn(net.by_member(leaf).shape[1:], generator=g) for g in generators])
            net.by_member(leaf).copy_(single.by_member(single.leaves(single.flat)[name]) + 0.1 * noise)

    def normal(*shape: int) -> torch.Tensor:
        return torch.stack([torch.randn(*shape, generator=g) for g in generators]).to(dtype)

    first = declared.inputs // 3
    inputs = [normal(rows, declared.inputs - first).requires_grad_(), normal(rows, first).requires_grad_()]
    outputs = net(*inputs)
    weights = normal(rows, declared.outputs)
    loss = (outputs * weights).mean(-2).sum()
    flat, *to_inputs = torch.autograd.grad(loss, [net.flat, *inputs])
    leaves = {name: net.by_member(leaf) for name, leaf in net.leaves(flat).items() if name != "log_std"}
    by_member = outputs.detach().transpose(0, 1) if declared.copies > 1 else outputs.detach()
    return {"outputs": by_member, **leaves, "first input": to_inputs[0], "second input": to_inputs[1]}


def errors(got: Mapping[str, torch.Tensor], exact: Mapping[str, torch.Tensor]) -> dict[str, float]:
    return {name: float((got[name] - exact[name]).norm() / exact[name].norm()) for name in exact}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_are_as_exact_as_pytorchs(shape: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every output and gradient against float64. The second bound holds where PyTorch's own error is large, because a
    unit lies at ReLU's bend."""
    declared, rows = spec(shape, kind)
    exact = numbers(declared, rows, [4, 0, 9], torch.float64)
    by_kernels = {}
    for name in fused.available():
        monkeypatch.setenv(fused.SETTING, name)
        by_kernels[name] = errors(numbers(declared, rows, [4, 0, 9]), exact)
    ours, theirs = by_kernels[VECTORS[0]], by_kernels[fused.TORCH]
    luck = 6e-7 if kind.startswith("gelu") else 5e-7  # of few rows; GELU's values and slopes have both signs
    assert max(ours.values()) < max(1.25 * max(theirs.values()), luck)
    assert all(error < 2e-6 for error in ours.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_numbers_depend_neither_on_the_stack_nor_on_the_vectors(
    shape: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared, rows = spec(shape, kind)
    results = []
    for name in VECTORS:
        monkeypatch.setenv(fused.SETTING, name)
        results.append(numbers(declared, rows, [4, 0, 9]))
        alone = numbers(declared, rows, [9])
        for entry, values in results[-1].items():
            assert torch.equal(values[2:], alone[entry]), entry
    for other in results[1:]:
        for entry, values in results[0].items():
            assert torch.equal(values, other[entry]), entry


def test_inputs_may_be_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fused.SETTING, VECTORS[0])
    net = Network(NetworkSpec(5, 2, (16,), RATE), "net", [1, 2], CPU)
    batch = torch.randn(2, 9, 12, generator=torch.Generator().manual_seed(0))
    slices = [batch[:, 4:, 3:6], batch.transpose(1, 2)[:, 2:7, 1:3]]
    assert torch.equal(net.frozen(*slices), net.frozen(*(x.contiguous() for x in slices)))


@pytest.mark.parametrize("shapes", [[(2, 9, 4)], [(2, 9, 4), (2, 9, 2)], [(1, 9, 5)], [(2, 9, 3), (2, 8, 2)]])
@pytest.mark.parametrize("kernels", [VECTORS[0], fused.TORCH])
def test_inputs_of_other_sizes_are_refused(
    shapes: list[tuple[int, int, int]], kernels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fused.SETTING, kernels)
    net = Network(NetworkSpec(5, 2, (16,), RATE), "net", [1, 2], CPU)
    for call in (net, net.frozen):
        with pytest.raises(RuntimeError):
            call(*map(torch.zeros, shapes))


@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("kind", ["relu", "tanh", "layer norm", "gelu", "gelu, layer norm"])
def test_a_nan_stays_one(kind: str, vectors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fused.SETTING, vectors)
    net = Network(spec("laptop", kind)[0], "net", [1, 2], CPU)
    x = torch.randn(2, 7, 13, generator=torch.Generator().manual_seed(0))
    x[1, 3, 0] = torch.nan
    outputs = net(x)
    assert outputs.isnan().flatten(1).sum(1).tolist() == [0, 1]
    (gradient,) = torch.autograd.grad(outputs.sum(), net.flat)
    assert net.leaves(gradient)["w0"].isnan().flatten(1).any(1).tolist() == [False, True]


@pytest.mark.parametrize("vectors", VECTORS)
def test_tanh_is_exact_to_two_units(vectors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fused.SETTING, vectors)
    net = Network(NetworkSpec(1, 1, (1,), RATE, activation="tanh"), "net", [0], CPU)
    with torch.no_grad():
        for name, leaf in net.leaves(net.flat.detach()).items():
            leaf.fill_(float(name.startswith("w")))
    x = torch.cat([torch.linspace(-12, 12, 40_001), torch.logspace(-30, 2, 2_000), torch.tensor([1e30])])
    exact = x.double().tanh()
    got = net.frozen(x[None, :, None])[0, :, 0].double()
    assert float(((got - exact).abs() / exact.abs().clamp_min(1e-38)).max()) < 2.5e-7


@pytest.mark.parametrize("vectors", VECTORS)
def test_gelu_and_its_slope_are_exact(vectors: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the tail, too, where 1 + tanh would cancel."""
    monkeypatch.setenv(fused.SETTING, vectors)
    net = Network(NetworkSpec(1, 1, (1,), RATE, activation="gelu"), "net", [0], CPU)
    with torch.no_grad():
        for name, leaf in net.leaves(net.flat.detach()).items():
            leaf.fill_(float(name.startswith("w")))
    x = torch.cat([torch.linspace(-5, 12, 40_001), torch.logspace(-30, 18, 2_000), -torch.logspace(1, 18, 50)])
    x = x[None, :, None].requires_grad_()
    exact = x.detach().double().requires_grad_()
    values = torch.nn.functional.gelu(exact, approximate="tanh")
    (slopes,) = torch.autograd.grad(values.sum(), exact)
    got = net(x)
    (got_slopes,) = torch.autograd.grad(got.sum(), x)
    got, values = got.detach(), values.detach()
    assert float(((got - values).abs() / (1e-30 + values.abs()))[values.abs() > 1e-6].max()) < 5e-6
    assert float((got - values).abs()[values.abs() <= 1e-6].max()) < 1e-7
    assert float((got_slopes - slopes).abs().max()) < 3e-7


@pytest.mark.parametrize(
    "unusual",
    [
        NetworkSpec(3, 1, (4,) * 20, RATE),
        NetworkSpec(3, 1, (4,), RATE, activation="gelu", layer_norm=True),
        NetworkSpec(3, 1, (4,), RATE, layer_norm=True, layer_norm_after=True),
    ],
    ids=["deep", "layer norm before gelu", "layer norm after relu"],
)
def test_an_unusual_network_falls_back(unusual: NetworkSpec) -> None:
    net = Network(unusual, "net", [0], CPU)
    x = torch.ones(1, 2, 3, requires_grad=True)
    net(x).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fused.SETTING, raising=False)
    assert (fused.chosen(), fused.path(), fused.why_not()) == (VECTORS[0], "fused", None)
    monkeypatch.setenv(fused.SETTING, "torch")
    assert (fused.kernels(), fused.path()) == (None, "torch")
    assert "SMORE_SWEEP_KERNELS=torch" in str(fused.why_not())
    monkeypatch.setenv(fused.SETTING, "fast")
    with pytest.raises(UserError, match="SMORE_SWEEP_KERNELS = 'fast' is not valid; it must be one of avx512, avx2"):
        fused.chosen()


@pytest.mark.parametrize("lacking", ["EXTENSION_SUFFIXES = ['.none']", "_LAYOUT = 1"])
def test_without_the_library_pytorch_is_used_and_it_is_said(lacking: str) -> None:
    """In a process of its own, which finds no library, or one that was built from other code."""
    code = (
        "from pathlib import Path\n"
        "from smore_sweep.stacked import fused\n"
        f"fused.{lacking}\n"
        "print(fused.path(), fused.available(), fused.why_not())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != fused.SETTING}
    said = subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True, text=True)
    assert said.stdout.startswith("torch ('torch',) training without the fused kernels takes up to twice as long")
    assert "not built" in said.stdout
