"""A stack of runs of one method, trained together: one update is one call, for all members.

The members share nothing but the kernel launches. Losses are summed over members, so each member's gradient is its own;
Adam and the target updates are element-wise; every member draws from its own random stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.method import Method, stackable_knobs
from smore_sweep.stacked.experience import Experience
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Streams
from smore_sweep.task import Sizes
from smore_sweep.training.policy import policy_arrays

Arrays = dict[str, NDArray[np.float32]]

ADAM_BETAS = (0.9, 0.999)
ADAM_EPSILON = 1e-8


class Learner:
    """Networks, optimiser and random streams of a stack.

    Args:
        methods: the members' configurations, which may differ in the method's stackable knobs only.
        seeds: the members' seeds.
        sizes: the task's dimensions.
        replay: the members' datasets.
        batch_size: transitions per member and update.
        updates: length of the whole run, for schedules.
        device: where the stack trains.
        experience: room for the episodes that members collect, if they go on online.
    """

    def __init__(
        self,
        methods: Sequence[Method],
        seeds: Sequence[int],
        sizes: Sizes,
        replay: Replay,
        *,
        batch_size: int,
        updates: int,
        device: torch.device,
        experience: Experience | None = None,
    ) -> None:
        self.method = methods[0]
        self.members = len(methods)
        self.device = device
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        """Updates done."""
        self.experience = experience
        self._online = False
        self._replay = replay
        self._batch_size = batch_size
        self._updates = updates
        self._streams = Streams(seeds, self.step)
        self.knobs = knob_tensors(methods, device)
        self.nets = {name: Network(spec, name, seeds, device) for name, spec in self.method.networks(sizes).items()}
        rates = [{name: spec.learning_rate for name, spec in method.networks(sizes).items()} for method in methods]
        self._moments = {
            name: _Moments(net, [each[name] for each in rates], updates) for name, net in self.nets.items()
        }
        self._metrics: dict[str, torch.Tensor] = {}

    def sample(self) -> Batch:
        """Sample the next update's batch, the same however often it is called."""
        with torch.no_grad():
            if self._online:
                assert self.experience is not None
                return self.experience.batch(self._streams.uniform("online", 3, self._batch_size))
            return self.method.sample(self._replay, self._streams, self.knobs, self._batch_size)

    @torch.no_grad()
    def begin_online(self) -> None:
        """Begin the online phase: updates then learn from all that members have, and what they collect."""
        assert self.experience is not None
        self.method.begin_online(self.nets, self.experience, self._streams)
        self._online = True

    def update(self) -> None:
        """One gradient step of every network of every member; of those that learn, in the online phase."""
        self.step += 1
        for moments in self._moments.values():
            moments.turn(self.step)
        batch = self.sample()
        phase = self.method.online_losses if self._online else self.method.losses
        losses, info = phase(self.nets, batch, self.knobs)
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        decay = 0.5 * (1.0 + torch.cos(math.pi * ((self.step - 1) / self._updates)))
        for name, net in self.nets.items():
            if net.flat.grad is not None:  # else it stands still in this part of the run
                self._moments[name].step(self.step, decay if net.spec.cosine_decay else None)
            net.move_target(self.step)
        self._metrics = {name: value.detach() for name, value in {**losses, **info}.items()}

    def metrics(self) -> dict[str, NDArray[np.float32]]:
        """Return losses and diagnostics of the last update, ``[M]`` each."""
        return {name: value.float().cpu().numpy() for name, value in self._metrics.items()}

    def diverged(self) -> NDArray[np.bool_]:
        """Return which members hold a parameter that is not finite, ``[M]``."""
        finite = torch.ones(self.members, dtype=torch.bool, device=self.device)
        for net in self.nets.values():
            for leaf in net.leaves(torch.isfinite(net.flat)).values():
                finite &= net.by_member(leaf).flatten(1).all(1)
        return (~finite).cpu().numpy()

    def state(self) -> list[Arrays]:
        """Return each member's parameters, optimiser moments and collected episodes. With the number of updates done,
        a run needs nothing else to resume exactly, alone or in any stack."""
        members: list[Arrays] = [{} for _ in range(self.members)]
        for name, tensor, net in self._tensors():
            for member, piece in enumerate(net.by_member(tensor).cpu().numpy()):
                members[member][name] = piece.copy()
        for member, arrays in enumerate(self.experience.state() if self.experience else ()):
            members[member] |= arrays
        return members

    def policies(self) -> list[Arrays]:
        """Return what acting needs of each member, for :func:`smore_sweep.training.policy.restore`."""
        return policy_arrays(self.nets, self.method.acts_with, self._replay.statistics, self.remembered())

    @torch.no_grad()
    def remembered(self) -> list[torch.Tensor]:
        """Return observations and achieved goals that the method remembers, ``[M, n, .]`` each, or nothing.

        They are uniform over each member's transitions and depend on its seed and dataset alone; updates begin at 1."""
        if not self.method.remembers:
            return []
        streams = Streams(self._streams.seeds, torch.zeros_like(self.step))
        uniform = streams.uniform("remembered", 2, self.method.remembers)
        batch = self._replay.batch(self._replay.goals.own_goals(uniform))
        return [batch.observations, batch.achieved_goals]

    def load(self, members: Sequence[Arrays], step: int) -> None:
        """Restore the members' states (see :meth:`state`) after ``step`` updates, in place: a captured update goes on
        with the same tensors."""
        self.step.fill_(step)
        for moments in self._moments.values():
            moments.reset()
        for name, tensor, net in self._tensors():
            saved = torch.from_numpy(np.stack([member[name] for member in members]))
            net.by_member(tensor).copy_(saved)
        if self.experience:
            self._online = self.experience.load(members)

    def _tensors(self) -> list[tuple[str, torch.Tensor, Network]]:
        """List all trained tensors: name, tensor shaped as its leaf, and its network."""
        tensors = []
        for net_name, net in self.nets.items():
            moments = self._moments[net_name]
            buffers = {"": net.flat.detach(), "/mean": moments.mean, "/square": moments.square}
            if net.target_flat is not None:
                buffers["/target"] = net.target_flat
            for suffix, buffer in buffers.items():
                for leaf_name, leaf in net.leaves(buffer).items():
                    tensors.append((f"{net_name}/{leaf_name}{suffix}", leaf, net))
        return tensors


def knob_tensors(methods: Sequence[Method], device: torch.device) -> dict[str, torch.Tensor]:
    """Return the members' stackable knobs, ``[M, 1]`` each, for the methods' ``sample`` and ``losses``.

    A discount comes with two numbers that float32 could not compute from it, or not alike in all stacks:
    ``effective_horizon``, ``1 / (1 - discount)``, and ``log_discount``.
    """
    columns: dict[str, list[float]] = {
        name: [float(getattr(method, name)) for method in methods] for name in stackable_knobs(type(methods[0]))
    }
    if "discount" in columns:
        columns["effective_horizon"] = [1.0 / (1.0 - discount) for discount in columns["discount"]]
        columns["log_discount"] = [math.log(discount) if discount else -math.inf for discount in columns["discount"]]
    return {name: torch.tensor(column, device=device)[:, None] for name, column in columns.items()}


class _Moments:
    """Adam's moments of one network, and its steps. Members may differ in their learning rate."""

    def __init__(self, net: Network, rates: Sequence[float], updates: int) -> None:
        self.mean, self.square = torch.zeros_like(net.flat), torch.zeros_like(net.flat)
        self._net = net
        self._count = torch.tensor(0.0, device=net.flat.device)
        self._rates = {rate: torch.tensor(rate, device=net.flat.device) for rate in rates}
        self._members = {rate: [m for m, each in enumerate(rates) if each == rate] for rate in self._rates}
        self._before, self._last = round(net.spec.begins * updates), round(net.spec.ends * updates)

    def reset(self) -> None:
        """Set the moments to zero."""
        self.mean.zero_()
        self.square.zero_()

    def turn(self, update: torch.Tensor) -> None:
        """On a CPU, say whether the network trains in this ``update``."""
        if self._net.spec.takes_turns and update.device.type == "cpu":
            self._net.trains = self._before < int(update) <= self._last

    @torch.no_grad()
    def step(self, update: torch.Tensor, decay: torch.Tensor | None) -> None:
        """Take the step of this ``update`` at the members' learning rates, times ``decay``, and forget the gradient."""
        net = self._net
        assert net.flat.grad is not None
        if net.spec.takes_turns:
            moves = ((update > self._before) & (update <= self._last)).to(net.flat.dtype)
            net.flat.grad *= moves
            decay = moves if decay is None else moves * decay
        buffers = [net.flat.detach(), net.flat.grad, self.mean, self.square]
        self._count.copy_((update - self._before).clamp(min=1))
        for rate, members in self._members.items():
            parts = [list(self._of(buffer, members)) for buffer in buffers]
            parameters, gradients, means, squares = parts
            torch._fused_adam_(
                parameters,
                gradients,
                means,
                squares,
                [],
                [self._count] * len(parameters),
                lr=self._rates[rate] if decay is None else self._rates[rate] * decay,
                beta1=ADAM_BETAS[0],
                beta2=ADAM_BETAS[1],
                weight_decay=0.0,
                eps=ADAM_EPSILON,
                amsgrad=False,
                maximize=False,
            )
        net.flat.grad = None

    def _of(self, buffer: torch.Tensor, members: Sequence[int]) -> Iterator[torch.Tensor]:
        """The parts of a flat buffer that belong to these members, whole if these are all."""
        if len(members) == self._net.members:
            yield buffer
            return
        rows = buffer.view(self._net.stack, -1)
        for copy in range(self._net.spec.copies):
            yield from (rows[copy * self._net.members + member] for member in members)
