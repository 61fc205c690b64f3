"""Parameter groups, freezing and learning rates: what people change while they train."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from tests.parts.row import ADAM, SGD, Row, Watcher, perceptron
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, OneCycleLR, ReduceLROnPlateau


def frozen_first() -> nn.Module:
    """The first layer does not learn, so it is not in the optimizer."""
    model = perceptron()
    model.get_submodule("1").requires_grad_(False)
    return model


class AddsGroup(Watcher):
    """Unfreezes the first layer in epoch 2."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            model[1].requires_grad_(True)
            group = {"params": list(model[1].parameters()), "lr": 1e-4}
            optimizer.add_param_group(group)


class SplitsGroup(Watcher):
    """Gives the biases a group of their own, with another rate, in epoch 2."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            group = optimizer.param_groups[0]
            biases = [p for p in group["params"] if p.ndim == 1]
            group["params"] = [p for p in group["params"] if p.ndim > 1]
            optimizer.param_groups.append({**group, "params": biases, "lr": 0.01})


class RemovesGroup(Watcher):
    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            for parameter in optimizer.param_groups.pop()["params"]:
                del optimizer.state[parameter]


class Freezes(Watcher):
    """Freezes the first layer in epoch 2 and lets it learn again in epoch 3."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        model[1].requires_grad_(epoch != 2)


class FreezesWithinEpoch(Watcher):
    """Freezes the first layer after the seventh batch."""

    batches = 0

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.batches += 1
        model[1].requires_grad_(self.batches < 7)


class ChangesSettings(Watcher):
    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        for group in optimizer.param_groups:
            group["lr"] /= 2
            group["betas"] = (0.8, 0.99)
            group["weight_decay"] = 0.01


class OwnSchedule(Watcher):
    """A schedule of torch, stepped after each batch in a callback."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        self.schedule = LambdaLR(optimizer, lambda step: 1 / (1 + step))

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.schedule.step()


class Plateau(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        self.schedule = ReduceLROnPlateau(optimizer, patience=0)

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        self.schedule.step(1.0)


class Rewinds(Watcher):
    """Puts weights and optimizer back to where they were after the first epoch."""

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 1:
            self.kept = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
        if epoch == 2:
            model.load_state_dict(self.kept[0])
            optimizer.load_state_dict(self.kept[1])


def two_rates(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    first, *others = parameters
    groups = [{"params": [first], "lr": 0.1}, {"params": others, "lr": 0.02}]
    return torch.optim.SGD(groups, lr=0.05, momentum=0.9)


def one_cycle(optimizer: Any, steps: int) -> OneCycleLR:
    """Each group's own rate is the peak."""
    rates = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(optimizer, rates, total_steps=steps, cycle_momentum=False)


def cosine(optimizer: Any, steps: int) -> CosineAnnealingLR:
    return CosineAnnealingLR(optimizer, T_max=steps)


ROWS = [
    Row(
        part="unfreezing by `add_param_group`, Adam",
        make=frozen_first,
        watcher=AddsGroup,
        saved=True,
    ),
    Row(
        part="unfreezing by `add_param_group`, SGD",
        make=frozen_first,
        watcher=AddsGroup,
        recipe=SGD,
        saved=True,
    ),
    Row(part="a parameter group split in a callback", watcher=SplitsGroup, saved=True),
    Row(
        part="a parameter group removed in a callback",
        watcher=RemovesGroup,
        recipe=ADAM.replace(optimizer=two_rates),
    ),
    Row(part="a freezing schedule by `requires_grad_`", watcher=Freezes, saved=True),
    Row(part="a layer frozen in the middle of an epoch", watcher=FreezesWithinEpoch),
    Row(part="rates, betas and decay changed in a callback", watcher=ChangesSettings),
    Row(part="`LambdaLR` stepped in a callback", watcher=OwnSchedule),
    Row(part="`ReduceLROnPlateau` in a callback", watcher=Plateau),
    Row(part="`load_state_dict` of model and optimizer in a callback", watcher=Rewinds),
    Row(
        part='`schedule="one_cycle"`',
        recipe=ADAM.replace(schedule="one_cycle"),
        schedule=one_cycle,
        recordable=True,
    ),
    Row(
        part='`schedule="one_cycle"` over two rates of one\'s own',
        recipe=ADAM.replace(schedule="one_cycle", optimizer=two_rates),
        schedule=one_cycle,
    ),
    Row(
        part='`schedule="cosine"` over two rates of one\'s own',
        recipe=ADAM.replace(schedule="cosine", optimizer=two_rates),
        schedule=cosine,
    ),
]
