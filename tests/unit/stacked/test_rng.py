"""Counter-based random numbers: right values, right keys, right distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from smore_sweep.seeding import key
from smore_sweep.stacked.rng import Draws, Streams, splitmix

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def reference(state: int) -> int:
    """SplitMix64's output function in unsigned Python integers."""
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def streams(seeds: list[int], step: int = 1) -> Streams:
    return Streams(seeds, torch.tensor(step))


def test_splitmix_gives_the_published_numbers_of_seed_0() -> None:
    states = torch.tensor([signed(GOLDEN * i & MASK) for i in (1, 2, 3)])
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [value & MASK for value in splitmix(states).tolist()] == published


def test_splitmix_equals_the_integer_implementation() -> None:
    states = [0, 1, MASK, 1 << 63, (1 << 63) - 1, *(key("state", i) & MASK for i in range(1000))]
    got = splitmix(torch.tensor([signed(state) for state in states])).tolist()
    assert [value & MASK for value in got] == [reference(state) for state in states]


def test_uniform_is_the_top_24_bits_at_the_counter() -> None:
    drawn = streams([7], step=5).uniform("rho", 2, 3)
    start = key(7, "rho") & MASK
    words = [reference((start + GOLDEN * (5 * 6 + place)) & MASK) for place in range(1, 7)]
    assert drawn.flatten().tolist() == [(word >> 40) / 2**24 for word in words]


def test_steps_and_places_wrap_around_64_bits() -> None:
    step = 1 << 40
    drawn = streams([7], step).uniform("rho", 1, 2)
    words = [reference(((key(7, "rho") & MASK) + GOLDEN * (step * 2 + place)) & MASK) for place in (1, 2)]
    assert drawn.flatten().tolist() == [(word >> 40) / 2**24 for word in words]


@pytest.mark.parametrize("seeds", [[5], [5, 1, 2], [1, 5, 2], [1, 2, 5], [5, 5]])
def test_a_member_draws_the_same_numbers_in_any_stack_and_slot(seeds: list[int]) -> None:
    alone, together, slot = streams([5]), streams(seeds), seeds.index(5)
    assert torch.equal(together.uniform("q", 3, 4, 2)[:, slot], alone.uniform("q", 3, 4, 2)[:, 0])
    assert torch.equal(together.normal("q", 4, 2)[slot], alone.normal("q", 4, 2)[0])


def test_purposes_seeds_and_steps_differ() -> None:
    drawn = [
        streams([seed], step).uniform(purpose, 1, 64) for purpose in ("rho", "q") for seed in (0, 1) for step in (1, 2)
    ]
    numbers = torch.cat(drawn).flatten()
    assert len(set(numbers.tolist())) > 0.99 * numbers.numel()


def test_step_is_read_at_every_draw_and_consecutive_steps_do_not_repeat() -> None:
    step = torch.tensor(0)
    source = Streams([3, 4], step)
    drawn = []
    for _ in range(50):
        step += 1
        drawn.append(source.uniform("rho", 4, 16))
    for member in range(2):
        numbers = torch.stack(drawn)[:, :, member].flatten()
        # 3,200 draws of 2^24 values: 0.3 coincidences are expected, a repeated step would give 64.
        assert numbers.numel() - len(set(numbers.tolist())) < 5


def test_uniforms_have_the_right_moments() -> None:
    numbers = streams([0, 1], step=9).uniform("moments", 2, 50_000).double()
    assert numbers.shape == (2, 2, 50_000)
    assert 0.0 <= numbers.min() < 1e-4
    assert 1.0 - 1e-4 < numbers.max() < 1.0
    deviation = math.sqrt(1 / 12 / numbers.numel())
    assert numbers.mean() == pytest.approx(0.5, abs=5 * deviation)
    assert numbers.var() == pytest.approx(1 / 12, rel=0.01)
    halves = numbers - 0.5
    assert (12 * halves[..., 1:] * halves[..., :-1]).mean() == pytest.approx(0.0, abs=5 / math.sqrt(numbers.numel()))
    assert (12 * halves[0] * halves[1]).mean() == pytest.approx(0.0, abs=5 / math.sqrt(numbers[0].numel()))


def test_the_largest_uniform_stays_below_one() -> None:
    # All 24 bits set: 1 - 2^-24 is a float32, and multiplied by a count it stays below the count.
    largest = torch.tensor((2**24 - 1) * 2.0**-24)
    assert largest < 1.0
    counts = torch.arange(1, 100_001)
    assert ((largest * counts).long() < counts).all()


def test_normals_have_the_right_moments() -> None:
    numbers = streams([0, 1], step=9).normal("moments", 50_000, 2).double()
    assert numbers.shape == (2, 50_000, 2)
    assert torch.isfinite(numbers).all()
    count = numbers.numel()
    assert numbers.mean() == pytest.approx(0.0, abs=5 / math.sqrt(count))
    assert numbers.var() == pytest.approx(1.0, abs=5 * math.sqrt(2 / count))
    assert numbers.pow(4).mean() == pytest.approx(3.0, abs=5 * math.sqrt(96 / count))


def test_a_draw_for_acting_is_box_muller_at_the_counter() -> None:
    drawn = Draws("Task", [4, 9], step=7).normal("proposals", 3, 2)
    assert drawn.shape == (1, 2, 3, 2)
    start = key("acting", "Task", 9, 7, "proposals") & MASK
    first, second = (reference((start + GOLDEN * (2 * 4 + place)) & MASK) >> 40 for place in (1, 2))
    expected = math.sqrt(-2 * math.log1p(-first / 2**24)) * math.cos(2 * math.pi * second / 2**24)
    assert drawn[0, 1, 2, 0].item() == pytest.approx(expected, rel=1e-5)  # the fifth number


def test_draws_depend_on_their_key_alone() -> None:
    def draw(task: str = "A", episodes: Sequence[int] = (5,), step: int = 3, purpose: str = "z") -> torch.Tensor:
        return Draws(task, episodes, step).normal(purpose, 32, 5)

    for episodes in ([1, 5], [5, 1, 2, 3], range(4, 8)):
        assert torch.equal(draw(episodes=episodes)[0, list(episodes).index(5)], draw()[0, 0])
    for fewer in (1, 2, 7, 9):
        assert torch.equal(Draws("A", [5], 3).normal("z", fewer, 5), draw()[:, :, :fewer])
    others = [draw(task="B"), draw(episodes=[6]), draw(step=4), draw(purpose="y")]
    numbers = torch.cat([draw(), *others]).flatten()
    assert len(set(numbers.tolist())) == numbers.numel()
    correlations = torch.corrcoef(torch.cat([draw(), *others]).flatten(1)) - torch.eye(5)
    assert correlations.abs().max() < 5 / math.sqrt(160)


def test_draws_have_the_right_moments() -> None:
    numbers = torch.cat([Draws("A", range(4), step).normal("z", 1000) for step in range(50)]).double()
    count = numbers.numel()
    assert numbers.mean() == pytest.approx(0.0, abs=5 / math.sqrt(count))
    assert numbers.var() == pytest.approx(1.0, abs=5 * math.sqrt(2 / count))
    assert numbers.pow(4).mean() == pytest.approx(3.0, abs=5 * math.sqrt(96 / count))
    for one, other in (
        (numbers[1:], numbers[:-1]),
        (numbers[:, 1:], numbers[:, :-1]),
        (numbers[..., 1:], numbers[..., :-1]),
    ):
        assert (one * other).mean() == pytest.approx(0.0, abs=5 / math.sqrt(count))
