"""The common frame of the methods that see images: encoders, two-headed critics, policies, crops and presets.

Networks are those of stable contrastive RL (Zheng et al., ICLR 2024), which the SMORe paper's Table 5 takes. A critic
is an inner product, ``f_i(s, a, g) = phi_i(e(s), a) . psi_i(e(g))`` for two heads ``i``, whose encoder ``e`` serves
states and goals. A value ``V(s, g)`` and the policy have encoders of their own, of the two images stacked as channels.
All hidden layers have LayerNorm and ReLU, from Xavier uniform with ReLU's gain; last layers start within 1e-12 of 0.
The policy is a Gaussian around the network's linear output with a fixed deviation of 0.15. It acts by its mean,
clipped.

Cloning sees random crops: half of the batches are moved by up to four pixels. State and goal move alike
(``crop="same"``, stable contrastive RL) or each on its own ("different", which GHIL-Glue argues for).

With ``encoder="none"`` the same methods learn from vectors, such as the tabletop's privileged state, which then take
the place of features.

Presets, which a sweep's scales name and no table mixes: :data:`SMALL` is the knobs' defaults, at batches of 128;
:data:`PAPER` is Table 5, at batches of 2,048.

Deviations from the released code (chongyi-zheng/stable_contrastive_rl, commit 83374b0): its last hidden layer has no
LayerNorm; its policy's last layer starts within 1e-3 of 0 (Table 5 says 1e-12); it holds 5% of the demonstrations out
from cloning.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import torch

from smore_sweep.errors import DeclarationError
from smore_sweep.method import Method, knob, method
from smore_sweep.stacked.encoder_spec import Convolution, EncoderSpec
from smore_sweep.stacked.images import random_crop
from smore_sweep.stacked.network_spec import NetworkSpec

if TYPE_CHECKING:
    from smore_sweep.stacked.networks import Network, Networks
    from smore_sweep.stacked.replay import Batch, Replay
    from smore_sweep.stacked.rng import Streams
    from smore_sweep.task import Sizes

    Specs = dict[str, NetworkSpec | EncoderSpec]
    Pass = Callable[..., torch.Tensor]

ENCODERS: Mapping[str, tuple[Convolution, ...]] = {
    "small": (Convolution(16, 8, 4, 2), Convolution(32, 4, 2, 1), Convolution(32, 3, 1, 1)),
    "paper": (Convolution(32, 8, 4, 2), Convolution(64, 4, 2, 1), Convolution(64, 3, 1, 1)),
}
SMALL: Mapping[str, Any] = {"encoder": "small", "hidden": 256, "hidden_layers": 2}
"""Preset ``image-small``."""
PAPER: Mapping[str, Any] = {"encoder": "paper", "hidden": 1024, "hidden_layers": 4}
"""Preset ``image-paper``: Table 5."""
REPRESENTATION = 16
"""Size of a representation."""
DEVIATION = 0.15
"""Standard deviation of a policy."""
COLD = 1e-12
"""Largest initial weight of a last layer."""
CROPPED = 0.5
"""Share of the batches that are cropped."""


@method
class ImageMethod(Method):
    """Shared knobs; the module's docstring explains them."""

    encoder: str = knob("convolutions of the encoders", default="small", choices=(*ENCODERS, "none"))
    crop: str = knob(
        "random crops of state and goal for cloning", default="same", choices=("same", "different", "none")
    )
    learning_rate: float = knob("Adam, all networks", default=3e-4, above=0.0, stackable=True)
    hidden: int = knob("width of a hidden layer (Table 5: 1024)", default=256, low=1)
    hidden_layers: int = knob("hidden layers (Table 5: 4)", default=2, low=1)
    normalize_inputs: bool = knob("normalise vectors by dataset statistics; images never are", default=False)

    def __post_init__(self) -> None:
        if self.encoder == "none" and "crop" in self.changed():
            raise DeclarationError(f"{self.name}: encoder = 'none' has no crop; only images have")
        if self.encoder != "none" and self.normalize_inputs:
            raise DeclarationError(f"{self.name}: normalize_inputs is for vectors; images are never normalised")

    @property
    def acts_with(self) -> tuple[str, ...]:
        return ("pi",) if self.encoder == "none" else ("pi_encoder", "pi")

    def act(self, nets: Networks, observations: torch.Tensor, goals: torch.Tensor) -> torch.Tensor:
        return policy(nets, observations, goals, frozen).clamp(-1.0, 1.0)

    def critic_networks(self, sizes: Sizes, target_rate: float) -> Specs:
        """Return the networks of :func:`scores`, with targets."""
        return {
            **self._encoder("encoder", sizes, 1, target_rate=target_rate),
            "phi": self._head(
                self._features(sizes, sizes.observation) + sizes.action,
                REPRESENTATION,
                copies=2,
                target_rate=target_rate,
            ),
            "psi": self._head(self._features(sizes, sizes.goal), REPRESENTATION, copies=2, target_rate=target_rate),
        }

    def value_networks(self, sizes: Sizes) -> Specs:
        """Return the networks of :func:`value`."""
        features = self._features(sizes, sizes.observation + sizes.goal)
        return {**self._encoder("V_encoder", sizes, 2), "V": self._head(features, 1)}

    def policy_networks(self, sizes: Sizes) -> Specs:
        """Return the networks of :func:`policy`."""
        features = self._features(sizes, sizes.observation + sizes.goal)
        return {**self._encoder("pi_encoder", sizes, 2), "pi": self._head(features, sizes.action)}

    def pass_rows(self, **rows: int) -> dict[str, int]:
        """Return the rows of the networks that this configuration has."""
        return {name: count for name, count in rows.items() if self.encoder != "none" or "encoder" not in name}

    def cropped(
        self, replay: Replay, streams: Streams, states: torch.Tensor, goals: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return states and goals ``[M, B, .]`` as cloning sees them."""
        if self.encoder == "none" or self.crop == "none":
            return states, goals
        chosen = streams.uniform("crop", 1, 1)[0] < CROPPED

        def moved(images: torch.Tensor, purpose: str) -> torch.Tensor:
            uniform = streams.uniform(purpose, 2, images.shape[1])
            return random_crop(images, replay.image, torch.where(chosen, uniform, 0.5))  # in the middle, nothing moves

        own = "crop goals" if self.crop == "different" else "crop states"
        return moved(states, "crop states"), moved(goals, own)

    def _features(self, sizes: Sizes, vector: int) -> int:
        """Return the number of features of an encoder's output, or of the vectors in its place."""
        if bool(sizes.image) != (self.encoder != "none"):
            needs = "needs images; for vectors take encoder = 'none'" if not sizes.image else "has no use for images"
            raise DeclarationError(f"{self.name}: encoder = {self.encoder!r} {needs}")
        if self.encoder == "none":
            return vector
        return EncoderSpec(sizes.image, ENCODERS[self.encoder], self.learning_rate).outputs

    def _encoder(self, name: str, sizes: Sizes, images: int, target_rate: float = 0.0) -> Specs:
        if self.encoder == "none":
            return {}
        layers = ENCODERS[self.encoder]
        return {name: EncoderSpec(sizes.image, layers, self.learning_rate, images=images, target_rate=target_rate)}

    def _head(self, inputs: int, outputs: int, copies: int = 1, target_rate: float = 0.0) -> NetworkSpec:
        return NetworkSpec(
            inputs,
            outputs,
            (self.hidden,) * self.hidden_layers,
            self.learning_rate,
            copies=copies,
            target_rate=target_rate,
            layer_norm=True,
            init="xavier_relu",
            last_scale=COLD / (math.sqrt(2.0) * math.sqrt(6.0 / (self.hidden + outputs))),
        )


def trained(net: Network, *inputs: torch.Tensor) -> torch.Tensor:
    """Pass inputs through the trained parameters."""
    return net(*inputs)


def frozen(net: Network, *inputs: torch.Tensor) -> torch.Tensor:
    """Pass inputs through the trained parameters, as constants."""
    return net.frozen(*inputs)


def target(net: Network, *inputs: torch.Tensor) -> torch.Tensor:
    """Pass inputs through the slow copy."""
    return net.target(*inputs)


def encoded(nets: Networks, name: str, of: Pass, *inputs: torch.Tensor) -> torch.Tensor:
    """Return an encoder's features ``[M, B, .]`` of images, or vectors side by side. ``of`` is one of the passes."""
    return of(nets[name], *inputs) if name in nets else torch.cat(inputs, -1)


def score(
    nets: Networks, states: torch.Tensor, actions: torch.Tensor, goals: torch.Tensor, of: Pass = trained
) -> torch.Tensor:
    """Return both heads' ``f(s, a, g)`` ``[2, M, B]``."""
    state_features, goal_features = (encoded(nets, "encoder", of, images) for images in (states, goals))
    return inner(of(nets["phi"], state_features, actions), of(nets["psi"], goal_features))


def inner(phi: torch.Tensor, psi: torch.Tensor) -> torch.Tensor:
    """Return the inner products of representations, over the last axis."""
    return (phi * psi).sum(-1)


def value(nets: Networks, states: torch.Tensor, goals: torch.Tensor, of: Pass = trained) -> torch.Tensor:
    """Return ``V(s, g)`` ``[M, B]``."""
    return of(nets["V"], encoded(nets, "V_encoder", of, states, goals))[..., 0]


def policy(nets: Networks, states: torch.Tensor, goals: torch.Tensor, of: Pass = trained) -> torch.Tensor:
    """Return the policy's means ``[M, B, a]``."""
    return of(nets["pi"], encoded(nets, "pi_encoder", of, states, goals))


def cloning_policy(nets: Networks, batch: Batch) -> torch.Tensor:
    """Return the policy's means ``[M, B, a]`` at the states and goals that cloning sees."""
    assert batch.policy_observations is not None
    assert batch.policy_goals is not None
    return policy(nets, batch.policy_observations, batch.policy_goals)


def log_prob(actions: torch.Tensor, means: torch.Tensor) -> torch.Tensor:
    """Return the policy's log density ``[M, B]`` of actions ``[M, B, a]``."""
    constant = actions.shape[-1] * (math.log(DEVIATION) + 0.5 * math.log(2.0 * math.pi))
    return -0.5 * ((actions - means) / DEVIATION).square().sum(-1) - constant
