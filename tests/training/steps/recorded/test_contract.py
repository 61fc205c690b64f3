"""What the contract of recorded steps does not cover is refused by name."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from tests.training.steps.recorded.recordable_models import Free, Unsaid, flat
from tests.training.steps.recorded.two_trainings import ADAM, SGD, Maker, train
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrizations
from torch.optim.optimizer import register_optimizer_step_pre_hook

from fmnistlab.models.cnn import CNN
from fmnistlab.training.recipes.recipe import LossFunction, Recipe
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.recorded.contract import objection


class Silent(nn.Linear):
    """Says nothing and does nothing of its own."""

    def __init__(self) -> None:
        super().__init__(784, 10)


class Patched(nn.Conv2d):
    def _conv_forward(self, *arguments: Any) -> Tensor:
        return super()._conv_forward(*arguments) * 2


def changed(change: Callable[[Any], object], make: Maker = Free) -> Maker:
    def changed_model() -> nn.Module:
        model = make()
        change(model)
        return model

    return changed_model


class Fancy(nn.Parameter):
    pass


def clipped(parameters: Any) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(parameters, fused=True)
    step = optimizer.step
    own = types.MethodType(lambda self, closure=None: step(closure), optimizer)
    optimizer.step = own  # type: ignore[method-assign] # as wrappers do
    return optimizer


def adam(**options: Any) -> Recipe:
    return ADAM.replace(optimizer=lambda p: torch.optim.Adam(p, **{"fused": True, **options}))


@functools.wraps(functional.cross_entropy)
def pretender(logits: Tensor, labels: Tensor) -> Tensor:
    return functional.cross_entropy(logits, labels) * 2


def hooked_loss() -> nn.Module:
    loss = nn.CrossEntropyLoss()
    loss.register_forward_hook(lambda *arguments: arguments[-1] * 2)
    return loss


def set_weight(kind: Callable[[Tensor], nn.Parameter]) -> Callable[[Any], None]:
    def change(model: Free) -> None:
        model.inner.weight = kind(model.inner.weight.detach())

    return change


class Scaled(nn.Module):
    """A loss that learns, if the optimizer is given its parameter."""

    recordable = True

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits * self.scale, labels)


REFUSED: dict[str, tuple[Maker, Recipe, Callable[[], LossFunction] | None]] = {
    # modules
    "Unsaid does not say recordable = True": (Unsaid, ADAM, None),
    "Patched does not": (lambda: flat(Patched(1, 2, 3)), ADAM, None),
    "ParametrizedLinear does not": (
        changed(lambda m: parametrizations.weight_norm(m.inner)),
        ADAM,
        None,
    ),
    "the method forward of Linear was replaced": (
        changed(lambda m: setattr(m.inner, "forward", torch.relu)),
        ADAM,
        None,
    ),
    "Linear is compiled": (changed(lambda m: m.inner.compile(backend="eager")), ADAM, None),
    # losses
    "the loss clipped does not": (Free, ADAM, lambda: cast("LossFunction", clipped)),
    "the loss cross_entropy does not": (Free, ADAM, lambda: pretender),
    "Unsaid does not": (Free, ADAM, lambda: nn.Sequential(Unsaid())),
    "CrossEntropyLoss has hooks": (Free, ADAM, hooked_loss),
    # tensors
    "a tensor is of the class Fancy": (changed(set_weight(Fancy)), ADAM, None),
    "inner.weight is not an ordinary float32 parameter": (
        changed(set_weight(lambda w: nn.Parameter(w.double()))),
        ADAM,
        None,
    ),
    "weight is not an ordinary float32 parameter without gaps": (
        changed(set_weight(lambda w: nn.Parameter(w.repeat(1, 2)[:, ::2]))),
        SGD,
        None,
    ),
    "share memory": (
        changed(lambda m: setattr(m, "seen", m.inner.weight.detach()[1:])),
        ADAM,
        None,
    ),
    "those of model and loss that learn": (Free, ADAM, Scaled),
    # optimizers
    "RMSprop is not torch's Adam": (Free, ADAM.replace(optimizer=torch.optim.RMSprop), None),
    "the step method of Adam was replaced": (Free, ADAM.replace(optimizer=clipped), None),
    "step method of Adam": (Free, ADAM.replace(optimizer=clipped, schedule="cosine"), None),
    "Adam has 2 parameter groups": (
        Free,
        ADAM.replace(
            optimizer=lambda p: torch.optim.Adam([{"params": [q]} for q in [*p][:2]], fused=True)
        ),
        None,
    ),
    "fused=None": (Free, adam(fused=None), None),
    "amsgrad=True": (Free, adam(amsgrad=True), None),
    "decoupled_weight_decay=True": (Free, adam(decoupled_weight_decay=True), None),
    "a tensor as learning rate": (Free, adam(lr=torch.tensor(0.1)), None),
    "dampening=0.5": (
        Free,
        ADAM.replace(
            optimizer=lambda p: torch.optim.SGD(p, momentum=0.9, dampening=0.5, fused=True)
        ),
        None,
    ),
}


def why_not(
    model: nn.Module, recipe: Recipe = ADAM, loss: LossFunction | None = None
) -> str | None:
    optimizer = recipe.make_optimizer(model)
    recipe.make_schedule(optimizer, 5)
    return objection(model, optimizer, loss or recipe.training_loss)


@pytest.mark.parametrize("reason", REFUSED)
def test_what_the_contract_does_not_cover_is_refused_by_name(reason: str) -> None:
    make, recipe, loss = REFUSED[reason]
    assert reason in (why_not(make(), recipe, loss() if loss else None) or "")


def test_what_the_contract_covers_is_not_refused() -> None:
    for model in (Free(), CNN(), nn.Sequential(Silent()), type("Again", (Free,), {"a": 1})()):
        assert why_not(model) is None
        assert why_not(model, ADAM.replace(schedule="cosine")) is None


def test_parameters_that_have_made_different_numbers_of_steps_are_refused() -> None:
    model, optimizer, _, _ = train(TrainingStep, Free, ADAM)
    assert objection(model, optimizer, functional.cross_entropy) is None
    optimizer.state.pop(model.get_parameter("inner.bias"))
    reason = objection(model, optimizer, functional.cross_entropy)
    assert reason == "parameters have made different numbers of steps"


HOOKS: dict[str, Callable[[Free, torch.optim.Optimizer], Any]] = {
    "forward": lambda m, o: m.inner.register_forward_hook(lambda *a: a[-1] * 2),
    "before forward": lambda m, o: m.register_forward_pre_hook(lambda *a: None),
    "backward": lambda m, o: m.inner.register_full_backward_hook(lambda *a: None),
    "before backward": lambda m, o: m.inner.register_full_backward_pre_hook(lambda *a: None),
    "parameter": lambda m, o: m.inner.weight.register_hook(lambda g: g * 2),
    "accumulated": lambda m, o: m.inner.bias.register_post_accumulate_grad_hook(
        lambda p: p.grad.neg_()
    ),
    "before steps": lambda m, o: o.register_step_pre_hook(
        lambda optimizer, *a: nn.utils.clip_grad_value_(optimizer.param_groups[0]["params"], 1)
    ),
    "after steps": lambda m, o: o.register_step_post_hook(lambda *a: None),
    "all modules": lambda m, o: torch_module.register_module_forward_hook(lambda *a: None),
    "all optimizers": lambda m, o: register_optimizer_step_pre_hook(lambda *a: None),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_of_any_kind_are_seen_as_long_as_they_are_there(name: str) -> None:
    model = Free()
    optimizer = ADAM.make_optimizer(model)
    handle = HOOKS[name](model, optimizer)
    try:
        assert "hooks" in (objection(model, optimizer, functional.cross_entropy) or "")
    finally:
        handle.remove()
    assert objection(model, optimizer, functional.cross_entropy) is None


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (lambda: torch.autocast("cpu", dtype=torch.bfloat16), "autocast"),
        (torch.autograd.detect_anomaly, "anomaly detection"),
        (lambda: torch.device("cpu"), "watched"),
        (torch.no_grad, "gradients are switched off"),
    ],
)
def test_an_unusual_environment_is_seen(mode: Callable[[], Any], reason: str) -> None:
    with mode():
        assert reason in (why_not(Free()) or "")
