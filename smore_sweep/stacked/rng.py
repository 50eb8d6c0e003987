"""Counter-based random numbers: one stream per member, keyed by (seed, purpose, step), and for acting one per episode.

A draw is a pure function of its key and its position. A run therefore draws the same numbers alone or in a stack, on
any device and after a resume, and no generator state has to be saved. The function is SplitMix64 (Steele, Lea and
Flood, OOPSLA 2014), evaluated at a counter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from smore_sweep.seeding import key

_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB


def _signed(value: int) -> int:
    value &= (1 << 64) - 1
    return value - (1 << 64) if value >> 63 else value


def _shift(bits: torch.Tensor, by: int) -> torch.Tensor:
    """Logical right shift of signed 64-bit integers."""
    return (bits >> by) & ((1 << (64 - by)) - 1)


def splitmix(state: torch.Tensor) -> torch.Tensor:
    """Apply SplitMix64's output function to int64 states, element by element."""
    z = (state ^ _shift(state, 30)) * _signed(_MIX_1)
    z = (z ^ _shift(z, 27)) * _signed(_MIX_2)
    return z ^ _shift(z, 31)


def _uniform(bits: torch.Tensor) -> torch.Tensor:
    """Map random int64 numbers to float32 ones in [0, 1)."""
    return _shift(bits, 40).to(torch.float32) * 2.0**-24


def _box_muller(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Map pairs of uniform numbers to standard normal ones."""
    return torch.sqrt(-2.0 * torch.log1p(-first)) * torch.cos(2.0 * math.pi * second)


class Streams:
    """The random streams of a stack's members.

    Args:
        seeds: the members' seeds.
        step: number of the update, a 0-d int64 tensor that the owner advances in place.
    """

    def __init__(self, seeds: Sequence[int], step: torch.Tensor) -> None:
        self.seeds = tuple(seeds)
        self.step = step
        self._keys: dict[str, torch.Tensor] = {}
        self._offsets: dict[int, torch.Tensor] = {}

    def uniform(self, purpose: str, draws: int, *shape: int) -> torch.Tensor:
        """Draw uniform float32 numbers in [0, 1): ``[draws, M, *shape]``."""
        count = draws * math.prod(shape)
        if purpose not in self._keys:
            keys = [key(seed, purpose) for seed in self.seeds]
            self._keys[purpose] = torch.tensor(keys, device=self.step.device)
        if count not in self._offsets:
            positions = torch.arange(1, count + 1, device=self.step.device)
            self._offsets[count] = positions * _signed(_GOLDEN)
        start = self.step * _signed(_GOLDEN * count)
        bits = splitmix(self._keys[purpose][:, None] + start + self._offsets[count])
        return _uniform(bits).view(len(self.seeds), draws, *shape).movedim(1, 0)

    def normal(self, purpose: str, *shape: int) -> torch.Tensor:
        """Draw standard normal float32 numbers ``[M, *shape]`` (Box-Muller)."""
        return _box_muller(*self.uniform(purpose, 2, *shape))


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step of evaluation episodes, keyed by (task, episode, step, purpose), and what a method
    remembers.

    Methods, seeds and values of a knob share the numbers. The first ones of a purpose are the same however many are
    drawn.

    Attributes:
        task: name of the task.
        episodes: number of each row's episode, ``B`` in all.
        step: number of the step, from 0.
        remembered: what the policy has of its remembered states, ``[1, n, .]``, if its method remembers any.
        memory: what a method keeps from step to step of these episodes, by step.
    """

    task: str
    episodes: Sequence[int]
    step: int
    remembered: torch.Tensor | None = None
    memory: dict[int, torch.Tensor] = field(default_factory=dict)

    def normal(self, purpose: str, *shape: int) -> torch.Tensor:
        """Draw standard normal float32 numbers ``[1, B, *shape]`` (Box-Muller)."""
        keys = torch.tensor([key("acting", self.task, episode, self.step, purpose) for episode in self.episodes])
        pairs = 2 * torch.arange(math.prod(shape)) + torch.tensor([[[1]], [[2]]])  # [2, 1, count]
        first, second = _uniform(splitmix(keys[:, None] + pairs * _signed(_GOLDEN)))
        return _box_muller(first, second).view(1, len(self.episodes), *shape)
