"""Actionable Models' draws and losses against their equations."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from baselines.am import AM, PROPOSALS, softmax_draw
from smore_sweep.stacked.rng import Streams
from tests.reference.wiring import MEMBERS, Reference, batch, discounted, networks
from tests.unit.stacked.world import MEMBERS as EXPERTS
from tests.unit.stacked.world import T, replay


def test_softmax_draw_has_the_softmax_as_its_frequencies() -> None:
    draws = 200_000
    logits = torch.tensor([[-1.0, 0.0, 2.0, 0.5], [3.0, 3.0, -50.0, 3.0]])
    uniform = torch.rand(2, draws, 4, generator=torch.Generator().manual_seed(0))
    chosen = softmax_draw(logits[:, None].expand(-1, draws, -1), uniform)
    for row in range(2):
        p = np.exp(logits[row].numpy()) / np.exp(logits[row].numpy()).sum()
        frequencies = np.bincount(chosen[row].numpy(), minlength=4) / draws
        assert (np.abs(frequencies - p) <= 4 * np.sqrt(p * (1 - p) / draws) + 1e-9).all()


def test_softmax_draw_by_hand() -> None:
    # Equal logits: the largest uniform number wins. Gumbel noise of float32 numbers lies within -3 and 17: a lead of
    # 100 cannot be made up for. A uniform number of 0 is out of the draw, whatever its logit.
    uniform = torch.tensor([[0.2, 0.9, 0.4], [0.2, 0.9, 0.4], [0.0, 1e-7, 1e-7]])
    logits = torch.tensor([[0.0, 0.0, 0.0], [100.0, 0.0, 0.0], [80.0, -1e4, -2e4]])
    assert softmax_draw(logits, uniform).tolist() == [1, 0, 1]


ROWS = 9  # odd: the larger half is chained


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("variant", ["release", "paper"])
def test_the_networks_minimise_the_equations(variant: str) -> None:
    discount, (low, high) = (0.6, (-2.5, 0.0)) if variant == "release" else (0.9, (0.0, 1.0))
    method = AM(hidden=12, discount=discount, variant=variant)
    nets, data = networks(method), batch(ROWS)
    with torch.no_grad():  # values in the midst of their range, so that not every target is clipped
        for buffer in (nets["Q"].flat, nets["Q"].target_flat):
            assert buffer is not None
            nets["Q"].leaves(buffer)["b2"].add_(-2.0 if variant == "release" else 0.5)
    random = torch.Generator().manual_seed(3)
    proposals = 2 * torch.rand(MEMBERS, ROWS, PROPOSALS, 3, generator=random) - 1
    luck = torch.rand(MEMBERS, ROWS, PROPOSALS, 1, generator=random)
    last = torch.rand(MEMBERS, ROWS, generator=random) < 0.5
    data = dataclasses.replace(data.with_noise(torch.cat([proposals, luck], -1)), last=last)
    own_goals = torch.randn(data.goals.shape, generator=random) if variant == "release" else data.goals
    if variant == "release":
        data = dataclasses.replace(data, bootstrap_goals=own_goals)
    got, _ = method.losses(nets, data, discounted(discount))

    net = Reference(nets)
    s, s2, g, a = data.observations, data.next_observations, data.goals, data.actions
    on_data = net("Q", s, g, a)[..., 0]
    then = discount * net.target("Q", s2, own_goals, torch.tanh(net.target("pi", s2, own_goals)))[..., 0]
    y = torch.empty(MEMBERS, ROWS)
    kinds = set()
    for m, b in np.ndindex(MEMBERS, ROWS):
        chained, at_goal = b >= ROWS // 2, float(data.rewards[m, b]) == 0.0
        own = float(on_data[m, b].detach())
        if variant == "release":
            y[m, b] = (own if chained else float(data.rewards[m, b])) + float(then[m, b])
        else:
            y[m, b] = 1.0 if at_goal else own if chained and last[m, b] else float(then[m, b])
        kinds.add((chained, at_goal, bool(last[m, b])))
    assert len(kinds) == 8
    assert ((y[:, ROWS // 2 :] > low) & (y[:, ROWS // 2 :] < high)).any()
    assert ((y < low) | (y > high)).any()
    # Of each state's proposals, the one with the largest Q + Gumbel noise.
    negatives = torch.empty(MEMBERS, ROWS, 3)
    chosen = set()
    for m, b in np.ndindex(MEMBERS, ROWS):
        scores = [
            net("Q", *(x.expand(MEMBERS, 1, -1) for x in (s[m, b], g[m, b], p)))[m, 0, 0] for p in proposals[m, b]
        ]
        gumbel = -np.log(-np.log(luck[m, b, :, 0].numpy()))
        best = int(np.argmax(np.array([float(score.detach()) for score in scores]) + gumbel))
        negatives[m, b] = proposals[m, b, best]
        chosen.add(best)
    assert len(chosen) > 3
    error = ((y.clamp(low, high) - on_data) ** 2).mean(-1)
    unseen = net("Q", s, g, negatives)[..., 0]
    expected = {
        "critic": error + unseen.mean(-1) if variant == "release" else 0.5 * error + 0.5 * (unseen**2).mean(-1),
        "policy": -net.constant("Q", s, g, torch.tanh(net("pi", s, g)))[..., 0].mean(-1),
    }
    net.assert_minimised(got, expected)


def test_the_second_half_exchanges_its_goals_within_each_member() -> None:
    world, streams, rows = replay(), Streams([0, 1, 2], torch.tensor(4)), 60
    ones = torch.ones(len(EXPERTS), 1)
    unchained = world.batch(world.goals.future_goals(streams.uniform("rho", 4, rows), ones))
    chained = AM().sample(world, streams, {"her_ratio": ones}, rows)
    half = rows // 2
    for same in ("observations", "actions", "next_observations"):
        assert torch.equal(getattr(chained, same), getattr(unchained, same))
    assert torch.equal(chained.goals[:, :half], unchained.goals[:, :half])
    assert torch.equal(chained.rewards[:, :half], unchained.rewards[:, :half])
    before, after = unchained.goals[:, half:, 0], chained.goals[:, half:, 0]
    assert torch.equal(before.sort(-1).values, after.sort(-1).values)
    assert ((before != after).float().mean(-1) > 0.5).all()
    assert chained.last is None
    assert chained.bootstrap_goals is not None
    assert torch.equal(chained.bootstrap_goals, unchained.goals)


def test_the_papers_variant_knows_the_last_transitions() -> None:
    world, streams, rows = replay(), Streams([0, 1, 2], torch.tensor(4)), 60
    ones = torch.ones(len(EXPERTS), 1)
    drawn = world.goals.future_goals(streams.uniform("rho", 4, rows), ones)
    last = AM(variant="paper").sample(world, streams, {"her_ratio": ones}, rows).last
    assert last is not None
    assert torch.equal(last, drawn.time == T - 1)
    assert last.any()


def test_proposals_are_uniform_in_the_box() -> None:
    streams = Streams([0, 1, 2], torch.tensor(4))
    drawn = AM().sample(replay(), streams, {"her_ratio": torch.ones(len(EXPERTS), 1)}, 400)
    assert drawn.noise is not None
    assert drawn.noise.shape == (len(EXPERTS), 400, PROPOSALS, 2)
    for values, low in ((drawn.noise[..., 0], -1.0), (drawn.noise[..., 1], 0.0)):
        assert low <= float(values.min()) < low + 0.01
        assert 0.99 < float(values.max()) < 1.0
        assert float(values.mean()) == pytest.approx((low + 1) / 2, abs=0.03)
    both = torch.corrcoef(torch.stack([drawn.noise[..., 0].flatten(), drawn.noise[..., 1].flatten()]))
    assert abs(float(both[0, 1])) < 0.05
