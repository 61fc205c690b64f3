"""Fits of the trainer with a callback that keeps whatever can be seen of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tests.tiny import tiny_set
from tests.training.steps.recorded.two_trainings import Maker
from torch import Tensor, nn

from fmnistlab.callbacks import Callback
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


class Adjustable(nn.Module):
    """A model with a bit of everything that a callback may turn."""

    recordable = True
    level = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Conv2d(1, 4, 4, stride=4, bias=False)
        self.norm, self.activation, self.dropout = nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2)
        self.linear, self.head = nn.Linear(196, 16), nn.Linear(16, 10)
        self.settings, self.last, self.mask = {"strength": 1.0}, torch.tanh, torch.ones(16)
        type(self).level = 1.0

    def forward(self, images: Tensor) -> Tensor:
        features = self.activation(self.norm(self.image(images)))
        inside = self.last(self.dropout(self.linear(features.flatten(1)))) * self.mask
        return self.head(inside * self.settings["strength"] * self.level)


def hook_listener(hook: str, listen: Callable[..., None], *, uses_model: bool = True) -> Callback:
    """A callback with one hook."""
    members = {hook: lambda self, *facts: listen(*facts), "uses_model": uses_model}
    return type("Listener", (Callback,), members)()


def fit(make: Maker, recipe: Recipe, way: Any, *callbacks: Callback, data: Any = None) -> Trainer:
    torch.manual_seed(0)
    trainer = Trainer(
        make(), recipe, device="cpu", execution=way, seed=5, callbacks=[*callbacks, Probe()]
    )
    trainer.fit(tiny_set(24) if data is None else data)
    return trainer


class Probe(Callback):
    """Keeps all that can be seen of a training, at every hook but `on_batch_end`."""

    def on_fit_start(self, run: Run) -> None:
        self.live = run.model.state_dict()  # taken once, as by whoever averages weights
        self.seen: list[dict[str, Tensor]] = []
        self.look(run)

    def look(self, run: Run, *_: object) -> None:
        seen = {f"weight {name}": tensor for name, tensor in self.live.items()}
        for name, parameter in run.model.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.stride() == parameter.stride()
                seen[f"gradient {name}"] = parameter.grad
            seen |= {f"{key} {name}": v for key, v in run.optimizer.state[parameter].items()}
        self.seen.append(
            {name: tensor.clone() for name, tensor in seen.items() if tensor is not None}
        )

    on_epoch_start = on_epoch_end = look  # type: ignore[assignment] # it takes all of them
    on_fit_end = on_error = look  # type: ignore[assignment] # takes any hook


def probed(trainer: Trainer) -> list[dict[str, Tensor]]:
    probe = trainer._dispatch._callbacks[-1]
    assert isinstance(probe, Probe)
    return probe.seen


def assert_seen_alike(one: Trainer, other: Trainer) -> None:
    losses = [[record.loss for record in trainer.history] for trainer in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for mine, theirs in zip(probed(one), probed(other), strict=True):
        assert mine.keys() == theirs.keys()
        apart = [((mine[name] - theirs[name]).abs() > 1e-3).flatten() for name in mine]
        assert torch.cat(apart).double().mean() < 0.05
