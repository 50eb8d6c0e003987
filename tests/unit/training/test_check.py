"""A mistake in a method of a user's own is one sentence, with its line, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from smore_sweep import Sizes, user_code
from smore_sweep.errors import DeclarationError
from smore_sweep.training.check import check_method
from tests.contract.best_of_noise import BestOfNoise

TD3BC = Path(__file__).parents[3] / "examples" / "wall" / "td3bc.py"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "mean(-1).sum(0),",
            "mean(),",
            "TD3BC.losses: 'critic' of its losses has shape [] in a stack of 3; it must be",
        ),
        ("mean(-1).sum(0),", "mean(-1),", "'critic' of its losses has shape [2, 3] in a stack of 3"),
        ("mean(-1).sum(0),", "mean(-1).sum(0) * torch.nan,", "'critic' is [nan, nan, nan] on a first batch of numbers"),
        ("mean(-1).sum(0),", "mean(-1).sum(0) * torch.rand(()),", "'critic' is another one if it is computed again"),
        ("mean(-1).sum(0),", "mean(-1).sum(0).mean().expand(3),", "'critic' of a member depends on another member"),
        ('"cloning": cloning.detach()', '"cloning": 1.0', "'cloning' of its info is a float, not a tensor [M]"),
        (
            "targets = (batch.rewards +",
            "targets = (batch.reward +",
            "TD3BC.losses: AttributeError: 'Batch' object has no attribute 'reward' (td3bc.py, line 67: targets = (",
        ),
        ("return losses, {", "return {**losses}, {", ""),
        ("return losses, {", "return [losses], {", "it returns a tuple; it must be (losses, info), two dictionaries"),
        ('"pi": spec(', '"policy": spec(', "there is no network 'pi', which acts; it has: Q, policy"),
        ("hidden = (self.hidden, self.hidden)", "hidden = (self.hidden, self.hide)", "TD3BC.networks: AttributeError"),
        ('streams.uniform("rho", 4, batch_size)', 'streams.uniform("rho", 1, batch_size)', "TD3BC.sample: "),
        ('"rho", 4, batch_size', '"rho", 4, batch', "TD3BC.sample: UnboundLocalError"),
        ("losses = {", "losses = {} and {", "TD3BC.losses: there is no loss"),
        (
            'actions = nets["pi"](states, goals).tanh()',
            'actions = nets["pi"].frozen(states, goals).tanh()',
            "TD3BC.losses: no loss trains 'pi', which acts; add its loss, or declare it with learning_rate=0",
        ),
    ],
)
def test_a_mistake(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = TD3BC.read_text()
    assert old in text
    file = tmp_path / "td3bc.py"
    file.write_text(text.replace(old, new))
    user_code.forget()
    kind = user_code.import_file(file).TD3BC
    if not said:
        check_method(kind(hidden=8), Sizes(3, 2, 2))
        return
    with pytest.raises(DeclarationError) as refusal:
        check_method(kind(hidden=8), Sizes(3, 2, 2))
    assert said in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_mistake_of_the_online_phase() -> None:
    from baselines.u2o import U2O

    class Coupled(U2O):
        def online_losses(self, nets, batch, knobs):  # type: ignore[no-untyped-def]
            losses, info = super().online_losses(nets, batch, knobs)
            return {name: loss.sum() for name, loss in losses.items()}, info

    class Lost(U2O):
        def begin_online(self, nets, experience, streams):  # type: ignore[no-untyped-def]
            nets["bride"].vector.zero_()

    class Restless(U2O):
        def explore(self, nets, observations, goals, draws):  # type: ignore[no-untyped-def]
            return torch.rand(1, observations.shape[1], 2)

    check_method(U2O(hidden=8, latent=2), Sizes(3, 2, 2))
    for kind, said in (
        (Coupled, "Coupled.online_losses: 'value' of its losses has shape [] in a stack of 3"),
        (Lost, "Lost.begin_online: KeyError: 'bride'"),
        (Restless, "Restless.explore: equal arguments yield other actions"),
    ):
        with pytest.raises(DeclarationError) as refusal:
            check_method(kind(hidden=8, latent=2), Sizes(3, 2, 2))
        assert said in str(refusal.value)


def test_losses_without_a_gradient() -> None:
    from baselines.gcsl import GCSL

    class Deaf(GCSL):  # a decorator would ask for knobs
        def losses(self, nets, batch, knobs):  # type: ignore[no-untyped-def]
            losses, info = super().losses(nets, batch, knobs)
            return {name: loss.detach() for name, loss in losses.items()}, info

    with pytest.raises(DeclarationError, match="no loss has a gradient; call a network"):
        check_method(Deaf(hidden=8), Sizes(3, 2, 2))


@pytest.mark.parametrize(
    ("acting", "said"),
    [
        (
            lambda nets, draws: nets["pi"].target(torch.zeros(1, 7, 7)),
            "sample_actions: AssertionError: this network was",
        ),
        (lambda nets, draws: nets["V"], "Acts.sample_actions: KeyError: 'V'"),
        (
            lambda nets, draws: draws.normal("z", 3),
            "actions have shape [1, 7, 3]; they must be [M, B, a], here [1, 7, 2]",
        ),
        (
            lambda nets, draws: torch.rand(1, 7, 2),
            "equal arguments yield other actions; take random numbers from draws",
        ),
        (lambda nets, draws: draws.normal("z", 2), ""),
    ],
)
def test_a_mistake_in_acting(acting: Callable[..., torch.Tensor], said: str) -> None:
    class Acts(BestOfNoise):
        def sample_actions(self, nets, observations, goals, draws):  # type: ignore[no-untyped-def]
            return acting(nets, draws)

    if not said:
        check_method(Acts(hidden=8), Sizes(3, 2, 2))
        return
    with pytest.raises(DeclarationError) as refusal:
        check_method(Acts(hidden=8), Sizes(3, 2, 2))
    assert said in str(refusal.value)


@pytest.mark.parametrize(("names", "said"), [((), "no network acts"), (("pi", "V"), "there is no network 'V', which")])
def test_a_mistake_in_the_acting_networks(names: tuple[str, ...], said: str) -> None:
    class Acts(BestOfNoise):
        @property
        def acts_with(self) -> tuple[str, ...]:
            return names

    with pytest.raises(DeclarationError, match=said):
        check_method(Acts(hidden=8), Sizes(3, 2, 2))
