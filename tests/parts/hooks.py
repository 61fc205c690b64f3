"""Hooks of torch: on optimizers, on gradients, on modules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from tests.parts.row import ADAM, Row, Watcher, perceptron
from torch import nn
from torch.nn.utils import clip_grad_norm_


def clip(optimizer: Any, args: Any, kwargs: Any) -> None:
    """How gradients are clipped without a line in the loop."""
    clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], 0.1)


def clipping_adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    optimizer = torch.optim.Adam(parameters)
    optimizer.register_step_pre_hook(clip)
    return optimizer


class ClipsFromStart(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        optimizer.register_step_pre_hook(clip)


class ClipsFromSecondEpoch(Watcher):
    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            optimizer.register_step_pre_hook(clip)


class ClipsOneEpoch(Watcher):
    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 1:
            self.handle = optimizer.register_step_pre_hook(clip)
        if epoch == 2:
            self.handle.remove()


class CountsSteps(Watcher):
    """Notes in a post-hook how far the weights are from zero."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        def note(optimizer: Any, args: Any, kwargs: Any) -> None:
            self.found.append(optimizer.param_groups[0]["params"][0].norm())

        optimizer.register_step_post_hook(note)


class ClampsAfterStep(Watcher):
    """Keeps the weights small, in a post-hook from epoch 2."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            optimizer.register_step_post_hook(self.clamp)

    @torch.no_grad()
    def clamp(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.clamp_(-0.02, 0.02)


class TensorHook(Watcher):
    """Halves the gradient of the first weight from epoch 2."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            model[1].weight.register_hook(lambda gradient: gradient / 2)


class AccumulateHook(Watcher):
    """Notes each gradient as soon as it is there."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            hook = model[1].weight.register_post_accumulate_grad_hook
            hook(lambda parameter: self.found.append(parameter.grad.norm()))


def hooked_before() -> nn.Module:
    model = perceptron()
    model.get_parameter("3.weight").register_hook(lambda gradient: gradient * 3)
    return model


class ForwardHook(Watcher):
    """Doubles the output of a layer and notes what came in."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:

            def double(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
                self.found.append(args[0].mean())
                return output * 2

            model[1].register_forward_hook(double)


class ForwardPreHook(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        model[3].register_forward_pre_hook(lambda module, args: (args[0].clamp(max=1),))


class BackwardHook(Watcher):
    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            model[3].register_full_backward_hook(
                lambda module, inner, outer: self.found.append(outer[0].norm())
            )


class GlobalHook(Watcher):
    """A hook on all modules there are, for one epoch."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            self.handle = nn.modules.module.register_module_forward_hook(
                lambda module, args, output: output * 0.9
            )

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            self.handle.remove()


ROWS = [
    Row(
        part="clipping: a step pre-hook that the optimizer came with",
        recipe=ADAM.replace(optimizer=clipping_adam),
    ),
    Row(part="clipping: a step pre-hook set in `on_fit_start`", watcher=ClipsFromStart),
    Row(part="clipping: a step pre-hook set in epoch 2", watcher=ClipsFromSecondEpoch),
    Row(part="clipping: a step pre-hook removed in epoch 2", watcher=ClipsOneEpoch),
    Row(part="a step post-hook that looks", watcher=CountsSteps),
    Row(part="a step post-hook that changes weights", watcher=ClampsAfterStep),
    Row(part="a tensor's gradient hook set in epoch 2", watcher=TensorHook),
    Row(part="a tensor's gradient hook set before the fit", make=hooked_before),
    Row(part="`register_post_accumulate_grad_hook`", watcher=AccumulateHook),
    Row(part="a module's forward hook", watcher=ForwardHook),
    Row(part="a module's forward pre-hook", watcher=ForwardPreHook),
    Row(part="a module's full backward hook", watcher=BackwardHook),
    Row(part="a hook on all modules", watcher=GlobalHook),
]
