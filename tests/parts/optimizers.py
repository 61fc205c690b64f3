"""Optimizers: torch's own, those of other packages, and those that people write themselves."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from tests.parts.row import ADAM, SGD, Closure, Row, Watcher
from tests.parts.weights import dropping
from torch import Tensor, nn


def own(make: Callable[..., Any], **settings: Any) -> Any:
    """A recipe with an optimizer made by a function."""
    return ADAM.replace(optimizer=functools.partial(make, **settings))


def from_package(package: str, name: str, **settings: Any) -> Any:
    """A recipe with an optimizer of a package that is imported when it is needed."""

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        module = __import__(package)
        made: torch.optim.Optimizer = getattr(module, name)(parameters, **settings)
        return made

    return ADAM.replace(optimizer=make)


def step_with_closure(optimizer: Any, closure: Closure) -> None:
    optimizer.step(closure)


def step_after_closure(optimizer: Any, closure: Closure) -> None:
    """How sharpness-aware optimizers are used."""
    closure()
    optimizer.step(closure)


class Sharpness(torch.optim.Optimizer):
    """Sharpness-aware minimization (Foret et al. 2021) as most people write it."""

    def __init__(self, parameters: Iterable[nn.Parameter], rho: float = 0.05) -> None:
        super().__init__(parameters, {"rho": rho})
        self.base = torch.optim.SGD(self.param_groups, lr=0.05, momentum=0.9)
        self.param_groups = self.base.param_groups

    def learned(self) -> list[Tensor]:
        return [p for g in self.param_groups for p in g["params"] if p.grad is not None]

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        assert closure is not None, "a sharpness-aware step needs a closure"
        closure = torch.enable_grad()(closure)
        norm = torch.stack([cast("Tensor", p.grad).norm() for p in self.learned()]).norm()
        for p in self.learned():
            self.state[p]["before"] = p.clone()
            p.add_(p.grad * (self.param_groups[0]["rho"] / (norm + 1e-12)))
        closure()
        for p in self.learned():
            p.copy_(self.state[p]["before"])
        self.base.step()


class Accumulating(torch.optim.SGD):
    """Adds up the gradients of two batches before it makes a step."""

    calls = 0

    def zero_grad(self, set_to_none: bool = True) -> None:
        if self.calls % 2 == 0:
            super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        if self.calls % 2 == 0:
            super().step(closure)


def lookahead(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    from pytorch_optimizer import Lookahead

    made: torch.optim.Optimizer = Lookahead(torch.optim.AdamW(parameters), k=2)
    return made


class ClearsState(Watcher):
    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch == 2:
            optimizer.state.clear()


class ScheduleFree(Watcher):
    """The calls that its instructions ask for: train() before training, eval() after."""

    def on_epoch_start(self, model: Any, optimizer: Any, epoch: int) -> None:
        optimizer.train()

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        optimizer.eval()


class KeepsIdentity(Watcher):
    """Notes whether the tensors of the optimizer's state stay the same objects."""

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        now = [entry["exp_avg"] for entry in optimizer.state.values()]
        before = self.found[0] if self.found else now
        self.found.append(now)
        self.found.append(all(one is other for one, other in zip(before, now, strict=True)))


PACKAGE = "pytorch_optimizer"

ROWS = [
    Row(part='`optimizer="adam"`', saved=True, recordable=True),
    Row(
        part='`optimizer="adamw"`',
        recipe=ADAM.replace(optimizer="adamw", weight_decay=0.1),
        saved=True,
        recordable=True,
    ),
    Row(part='`optimizer="sgd"` with momentum', recipe=SGD, saved=True, recordable=True),
    Row(
        part="`torch.optim.SGD`, Nesterov",
        recipe=own(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True),
        saved=True,
    ),
    Row(part="`torch.optim.Adam`, AMSGrad", recipe=own(torch.optim.Adam, amsgrad=True), saved=True),
    Row(part="`torch.optim.RMSprop`", recipe=own(torch.optim.RMSprop), saved=True),
    Row(part="`torch.optim.Adafactor`", recipe=own(torch.optim.Adafactor), saved=True),
    Row(
        part="`torch.optim.LBFGS`",
        make=dropping,
        recipe=own(torch.optim.LBFGS, lr=0.1, max_iter=3),
        update=step_with_closure,
        saved=True,
    ),
    Row(
        part="schedulefree: `AdamWScheduleFree` with `train()`, `eval()`",
        recipe=from_package("schedulefree", "AdamWScheduleFree", lr=0.01),
        watcher=ScheduleFree,
        saved=True,
        needs=("schedulefree",),
    ),
    Row(
        part="prodigyopt: `Prodigy`",
        recipe=from_package("prodigyopt", "Prodigy"),
        saved=True,
        needs=("prodigyopt",),
    ),
    Row(
        part="lion-pytorch: `Lion`",
        recipe=from_package("lion_pytorch", "Lion"),
        saved=True,
        needs=("lion_pytorch",),
    ),
    Row(
        part="adan-pytorch: `Adan`",
        recipe=from_package("adan_pytorch", "Adan"),
        saved=True,
        needs=("adan_pytorch",),
    ),
    *(
        Row(
            part=f"pytorch-optimizer: `{name}`",
            recipe=from_package(PACKAGE, name, **settings),
            saved=True,
            needs=(PACKAGE,),
        )
        for name, settings in {
            "SOAP": {"precondition_frequency": 2},
            "Shampoo": {},
            "AdaBelief": {},
            "Ranger": {},
        }.items()
    ),
    Row(
        part="pytorch-optimizer: `Lookahead` around AdamW",
        recipe=ADAM.replace(optimizer=lookahead),
        saved=True,
        needs=(PACKAGE,),
    ),
    Row(
        part="pytorch-optimizer: `SAM`",
        make=dropping,
        recipe=from_package(PACKAGE, "SAM", base_optimizer=torch.optim.SGD, lr=0.05, momentum=0.9),
        update=step_after_closure,
        saved=True,
        needs=(PACKAGE,),
    ),
    Row(
        part="a sharpness-aware optimizer of one's own",
        make=dropping,
        recipe=own(Sharpness),
        update=step_after_closure,
    ),
    Row(part="an optimizer that accumulates gradients", recipe=own(Accumulating, lr=0.05)),
    Row(part="`optimizer.state.clear()` in a callback", watcher=ClearsState),
    Row(part="tensors of `optimizer.state` keep their identity", watcher=KeepsIdentity),
]
