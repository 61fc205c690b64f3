"""Recorded steps: what a callback sees and changes is as in plain steps."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.training.steps.recorded.probed_fits import (
    Adjustable,
    assert_seen_alike,
    fit,
    hook_listener,
)
from tests.training.steps.recorded.two_trainings import ADAM, SGD
from torch import nn

from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("short_fits_are_recorded")


def inside(change: Callable[[Adjustable], object]) -> Callable[..., object]:
    return lambda model, optimizer: torch.no_grad()(change)(model)


def put(name: str, *values: Callable[[], object]) -> Callable[..., object]:
    """Sets an attribute, perhaps several times: the last value may lie where the first one lay."""

    def change(model: nn.Module, optimizer: object) -> None:
        path, _, last = name.rpartition(".")
        for value in values:
            setattr(model.get_submodule(path), last, value())

    return change


def thaw(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    added = nn.Linear(16, 16)
    model.last = added  # as a module it gets the name of the function
    optimizer.add_param_group({"params": added.parameters()})


def load(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    optimizer.param_groups[0]["lr"] *= 5


def look(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    """As whoever draws what a model looks at; changes nothing that lasts but gradients."""
    model.zero_grad()
    copy.deepcopy(model).eval()(torch.ones(4, 1, 28, 28)).sum().backward()


CHANGES: dict[str, Callable[[Any, Any], object]] = {
    "freezes": lambda m, o: m.linear.requires_grad_(False),
    "freezes and forgets": lambda m, o: (m.linear.requires_grad_(False), o.state.clear()),
    "adds a group": thaw,
    "switches a layer off": lambda m, o: (m.norm.eval(), m.dropout.eval()),
    "replaces data": lambda m, o: setattr(m.linear.weight, "data", m.linear.weight.data * 0.5),
    "loads weights": lambda m, o: m.load_state_dict({k: v / 2 for k, v in m.state_dict().items()}),
    "writes in place": inside(lambda m: [p.mul_(0.5) for p in m.parameters()]),
    "replaces a parameter": lambda m, o: setattr(
        m.linear, "weight", nn.Parameter(torch.ones(16, 196))
    ),
    "replaces statistics": lambda m, o: setattr(m.norm.eval(), "running_mean", torch.ones(4)),
    "replaces a layer": put("activation", nn.Tanh),
    "replaces a layer twice": put("activation", nn.Tanh, nn.Sigmoid),
    "replaces a function": put("last", lambda: torch.relu),
    "replaces a tensor twice": put("mask", lambda: torch.ones(16), lambda: torch.full((16,), 2.0)),
    "patches a layer": lambda m, o: setattr(m.activation, "forward", torch.tanh),
    "hooks a layer": lambda m, o: m.linear.register_forward_hook(lambda *a: a[-1] * 2),
    "hooks a parameter": lambda m, o: m.linear.weight.register_hook(lambda g: -g),
    "hooks the optimizer": lambda m, o: o.register_step_pre_hook(
        lambda *a: nn.utils.clip_grad_value_(m.parameters(), 1e-3)
    ),
    "sets a number in a dictionary": lambda m, o: m.settings.update(strength=3.0),
    "sets a number of its class": lambda m, o: setattr(type(m), "level", 3.0),
    "sets dropout": put("dropout.p", lambda: 0.9),
    "sets the rate": lambda m, o: o.param_groups[0].update(lr=0.01),
    "sets the decay": lambda m, o: o.param_groups[0].update(weight_decay=0.5),
    "sets the momentum": lambda m, o: o.param_groups[0].update(momentum=0.1, betas=(0.5, 0.6)),
    "loads the optimizer": load,
    "forgets the state": lambda m, o: o.state.clear(),
    "fills the state": lambda m, o: [
        v.fill_(0.1) for s in o.state.values() for v in s.values() if v.ndim
    ],
    "moves to channels first": lambda m, o: m.to(memory_format=torch.contiguous_format),
    "looks": look,
}


@functools.cache
def fit_with(name: str | None, hook: str, recipe: Recipe, way: str) -> Trainer:
    def change(run: Run, *facts: object) -> None:
        if name is not None and run.epoch == 2:
            CHANGES[name](run.model, run.optimizer)

    return fit(Adjustable, recipe, way, hook_listener(hook, change))


@pytest.mark.parametrize("name", CHANGES)
def test_what_a_callback_sees_and_changes_is_as_in_plain_steps(name: str) -> None:
    """Weights, gradients and state at every hook, and what comes of a change."""
    counts = []
    for hook, recipe in (("on_epoch_end", ADAM), ("on_epoch_start", SGD)):
        recorded, plain = (fit_with(name, hook, recipe, way) for way in ("auto", "eager"))
        assert_seen_alike(recorded, plain)
        untouched = [fit_with(None, hook, recipe, way) for way in ("auto", "eager")]
        assert untouched[0].executed == "recorded"
        losses = ([record.loss for record in fit.history] for fit in (plain, untouched[1]))
        counts.append(next(losses) != next(losses))
    assert any(counts) or name == "looks"
