"""Flow matching where the best velocity is known in closed form: a Gaussian target in one dimension."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smore_sweep.stacked.flow import flow_matching_loss, flow_noise, transport, velocity_network
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.rng import Streams

MEAN, DEVIATION = 1.5, 0.4
ROWS = 50_000


def gaussian(place: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
    """E[x_1 - x_0 | x_tau = place] for x_1 ~ N(MEAN, DEVIATION^2): regression of one Gaussian on another."""
    variance = (1 - time) ** 2 + (time * DEVIATION) ** 2
    covariance = time * DEVIATION**2 - (1 - time)
    return MEAN + covariance / variance * (place - time * MEAN)


def least_loss() -> float:
    """The variance of x_1 - x_0 given x_tau, averaged over tau."""
    time = (np.arange(10_000) + 0.5) / 10_000
    variance = (1 - time) ** 2 + (time * DEVIATION) ** 2
    covariance = time * DEVIATION**2 - (1 - time)
    return float((1 + DEVIATION**2 - covariance**2 / variance).mean())


def samples(members: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    streams = Streams(range(members), torch.tensor(1))
    data = MEAN + DEVIATION * streams.normal("data", ROWS, 1)
    return data, flow_noise(streams, "flow", ROWS, 1)


def test_noise_is_normal_and_time_uniform() -> None:
    noise = samples()[1]
    assert noise.shape == (2, ROWS, 2)
    start, time = noise[..., 0], noise[..., 1]
    assert start.mean(-1).tolist() == pytest.approx([0, 0], abs=0.02)
    assert start.std(-1).tolist() == pytest.approx([1, 1], abs=0.02)
    assert float(time.min()) >= 0
    assert float(time.max()) < 1
    assert time.mean(-1).tolist() == pytest.approx([0.5, 0.5], abs=0.01)
    together = torch.corrcoef(noise[0].T)
    assert abs(float(together[0, 1])) < 0.02


def test_the_loss_is_least_at_the_closed_form() -> None:
    """At another velocity it is larger by the square of the difference: the closed form is the mean velocity."""
    data, noise = samples()
    least = flow_matching_loss(gaussian, data, noise)
    assert least.tolist() == pytest.approx([least_loss()] * 2, rel=0.02)
    place = (1 - noise[..., 1:]) * noise[..., :1] + noise[..., 1:] * data
    for constant, slope in ((0.3, 0.0), (0.0, 0.3)):

        def other(
            place: torch.Tensor, time: torch.Tensor, constant: float = constant, slope: float = slope
        ) -> torch.Tensor:
            return gaussian(place, time) + constant + slope * time * place

        more = flow_matching_loss(other, data, noise)
        square = (constant + slope * noise[..., 1:] * place).square().mean((1, 2))
        assert (more - least).tolist() == pytest.approx(square.tolist(), rel=0.1)


def test_noise_is_carried_to_the_target() -> None:
    """The exact map of Gaussians in one dimension is x_0 -> mean + deviation x_0; Euler's error falls with its step."""
    start = torch.linspace(-2, 2, 9, dtype=torch.float64)[None, :, None]
    expected = MEAN + DEVIATION * start
    errors = [float((transport(gaussian, start, steps) - expected).abs().max()) for steps in (10, 20, 2000)]
    assert errors[0] > 1.7 * errors[1] > 0
    assert errors[2] < 2e-3


def test_steps_are_eulers() -> None:
    seen = []

    def velocity(place: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        seen.append(float(time[0, 0, 0]))
        return place + time

    end = transport(velocity, torch.ones(1, 2, 1), 4)
    expected = 1.0
    for step in range(4):
        expected += (expected + step / 4) / 4
    assert seen == [0.0, 0.25, 0.5, 0.75]
    assert end.flatten().tolist() == pytest.approx([expected] * 2)


def test_a_network_learns_the_closed_form() -> None:
    net = Network(velocity_network(0, 1, (16, 16), 1e-3), "v", [0], torch.device("cpu"))
    optimiser = torch.optim.Adam([net.flat], lr=1e-2)
    step = torch.tensor(0)
    streams = Streams([0], step)
    for _ in range(300):
        step += 1
        data = MEAN + DEVIATION * streams.normal("data", 256, 1)
        loss = flow_matching_loss(net, data, flow_noise(streams, "flow", 256, 1)).sum()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        ends = transport(net.frozen, torch.randn(1, 4000, 1, generator=torch.Generator().manual_seed(0)), 20)
    assert float(ends.mean()) == pytest.approx(MEAN, abs=0.1)
    assert float(ends.std()) == pytest.approx(DEVIATION, abs=0.1)
