"""A stack of runs of one method, trained together: one update is one call, for all members.

The members share nothing but the kernel launches. Losses are summed over members, so each member's gradient is its own;
Adam and the target updates are element-wise; every member draws from its own random stream.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from smore_sweep.method import Method, stackable_knobs
from smore_sweep.stacked.networks import Network
from smore_sweep.stacked.replay import Batch, Replay
from smore_sweep.stacked.rng import Streams
from smore_sweep.tasks import Sizes
from smore_sweep.training.policy import Policy

Arrays = dict[str, NDArray[np.float32]]

ADAM_BETAS = (0.9, 0.999)


class Learner:
    """Networks, optimiser and random streams of a stack.

    Args:
        methods: the members' configurations, which may differ in the method's stackable knobs only.
        seeds: the members' seeds.
        sizes: the task's dimensions.
        replay: the members' datasets.
        batch_size: transitions per member and update.
        updates: length of the whole run, for the cosine decay.
        device: where the stack trains.
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
    ) -> None:
        self.method = methods[0]
        self.members = len(methods)
        self.device = device
        self.step = torch.zeros((), dtype=torch.int64, device=device)
        """Updates done."""
        self._replay = replay
        self._batch_size = batch_size
        self._updates = updates
        self._streams = Streams(seeds, self.step)
        self.knobs = {
            name: torch.tensor([[float(getattr(method, name))] for method in methods], device=device)
            for name in stackable_knobs(type(self.method))
        }
        self.nets = {name: Network(spec, name, seeds, device) for name, spec in self.method.networks(sizes).items()}
        self.policy = Policy(self.method, self.nets, replay.statistics)
        self._optimizer = torch.optim.Adam(
            [
                {
                    "params": [net.flat],
                    "lr": torch.tensor(net.spec.learning_rate, device=device),
                    "net": net,
                }
                for net in self.nets.values()
            ],
            betas=ADAM_BETAS,
            fused=True,
            capturable=device.type == "cuda",
        )
        self._optimizer._warned_capturable_if_run_uncaptured = True  # eager updates are as good
        for net in self.nets.values():
            self._optimizer.state[net.flat] = {
                "step": torch.zeros((), device=device),
                "exp_avg": torch.zeros_like(net.flat),
                "exp_avg_sq": torch.zeros_like(net.flat),
            }
        self._metrics: dict[str, torch.Tensor] = {}

    def sample(self) -> Batch:
        """Sample the next update's batch, the same however often it is called."""
        with torch.no_grad():
            return self.method.sample(self._replay, self._streams, self.knobs, self._batch_size)

    def update(self) -> None:
        """One gradient step of every network of every member."""
        self.step += 1
        batch = self.sample()
        losses, info = self.method.losses(self.nets, batch, self.knobs)
        self._optimizer.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        self._decay_learning_rates()
        self._optimizer.step()
        for net in self.nets.values():
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
        """Return each member's parameters and optimiser moments. With the number of updates done, a run needs nothing
        else to resume exactly, alone or in any stack."""
        members: list[Arrays] = [{} for _ in range(self.members)]
        for name, tensor, net in self._tensors():
            for member, piece in enumerate(net.by_member(tensor).cpu().numpy()):
                members[member][name] = piece.copy()
        return members

    def load(self, members: Sequence[Arrays], step: int) -> None:
        """Restore the members' states (see :meth:`state`) after ``step`` updates, in place: a captured update goes on
        with the same tensors."""
        self.step.fill_(step)
        for net in self.nets.values():
            self._optimizer.state[net.flat]["step"].fill_(step)
        for name, tensor, net in self._tensors():
            saved = torch.from_numpy(np.stack([member[name] for member in members]))
            net.by_member(tensor).copy_(saved)

    def _tensors(self) -> list[tuple[str, torch.Tensor, Network]]:
        """List all trained tensors: name, tensor shaped as its leaf, and its network."""
        tensors = []
        for net_name, net in self.nets.items():
            moments = self._optimizer.state[net.flat]
            buffers = {"": net.flat.detach(), "/mean": moments["exp_avg"], "/square": moments["exp_avg_sq"]}
            if net.target_flat is not None:
                buffers["/target"] = net.target_flat
            for suffix, buffer in buffers.items():
                for leaf_name, leaf in net.leaves(buffer).items():
                    tensors.append((f"{net_name}/{leaf_name}{suffix}", leaf, net))
        return tensors

    def _decay_learning_rates(self) -> None:
        """Apply the cosine decay to 0 over the run to the networks that declare it."""
        for group in self._optimizer.param_groups:
            spec = group["net"].spec
            if spec.cosine_decay:
                share = (self.step - 1) / self._updates
                group["lr"].copy_(0.5 * spec.learning_rate * (1.0 + torch.cos(math.pi * share)))
