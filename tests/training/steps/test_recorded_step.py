"""Recorded steps: the trainings of plain steps, whatever the model and its watchers do.

How near is near enough: a replay computes the same from the same numbers, but some sums in another
order, so float32 results differ in their last digits, relative 1e-7, and training carries that on.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import logging
import random
import re
import subprocess
import sys
import threading
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import Items, same_weights, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrizations
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, IterableDataset

from fmnistlab.callbacks import Callback
from fmnistlab.data.batch import Batch
from fmnistlab.errors import ConfigurationError, NonFiniteError
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
from fmnistlab.training.callbacks.run import Run
from fmnistlab.training.recipes.recipe import LossFunction, Recipe
from fmnistlab.training.steps import choice
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.layout import prepare_model
from fmnistlab.training.steps.recorded import step as recorded_step
from fmnistlab.training.steps.recorded.contract import objection
from fmnistlab.training.steps.recorded.step import RecordedStep
from fmnistlab.training.trainer import Trainer

Maker = Callable[[], nn.Module]
ADAM = Recipe(batch_size=8, epochs=3)
SGD = ADAM.replace(optimizer="sgd", momentum=0.9, learning_rate=0.05)


@pytest.fixture(autouse=True)
def _short_fits_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "RECORDING_PAYS", 1)


# --- two trainings side by side -------------------------------------------------------------------


def batches_of(count: int, size: int = 8, side: int = 28, seed: int = 0) -> list[Batch]:
    generator = torch.Generator().manual_seed(seed)
    return [
        Batch(
            torch.rand(size, 1, side, side, generator=generator),
            torch.randint(0, 10, (size,), generator=generator),
        )
        for _ in range(count)
    ]


def told(thing: TrainingStep | Trainer) -> str:
    """How steps are executed and, if as they are written, why."""
    because = thing.eager_because
    return str(thing.executed) if because is None else f"{thing.executed}: {because}"


class Trained(NamedTuple):
    model: nn.Module
    optimizer: torch.optim.Optimizer
    executed: str
    results: list[Tensor]


def train(
    kind: type[TrainingStep],
    make: Maker,
    recipe: Recipe = ADAM,
    batches: Sequence[Batch] | None = None,
    loss: Callable[[], LossFunction] | None = None,
) -> Trained:
    """Trains a new model; randomness begins the same for all. Results are losses, then logits."""
    batches = batches or batches_of(8)
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global one is meant
    model = make()
    prepare_model(model, Batch(*(part.clone() for part in batches[0])))
    optimizer = recipe.make_optimizer(model)
    schedule = recipe.make_schedule(optimizer, len(batches))
    step = kind(model, optimizer, loss() if loss else recipe.training_loss, schedule)
    with contextlib.closing(step):
        pairs = [step(Batch(*(part.clone() for part in batch))) for batch in batches]
        losses, logits = zip(*pairs, strict=True)
        return Trained(model, optimizer, told(step), [*losses, *logits])


def assert_same(one: Trained, other: Trained, *, exact: bool) -> None:
    """Results agree, and most weights: Adam makes a whole step of a gradient that is noise."""
    for mine, theirs in zip(one.results, other.results, strict=True):
        if exact:
            assert torch.equal(mine, theirs)
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    apart = torch.cat([((a - b).abs() > 1e-3).flatten() for a, b in pairs])
    assert apart.double().mean() < (1e-9 if exact else 0.05)


def compare(make: Maker, expected: str = "recorded", *arguments: Any, **options: Any) -> None:
    """A model is recorded or not, and is trained as it is written."""
    recorded = train(RecordedStep, make, *arguments, **options)
    assert re.search(expected, recorded.executed), recorded.executed
    plain = train(TrainingStep, make, *arguments, **options)
    assert_same(recorded, plain, exact=expected != "recorded")


class Free(nn.Module):
    """Two linear layers; a function tells how they are used."""

    recordable = True
    level = 1.0

    def __init__(self, function: Callable[..., Tensor] | None = None, **attributes: Any) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(784, 16), nn.Linear(16, 10)
        self.function = function
        for name, make in attributes.items():
            setattr(self, name, make())

    def forward(self, images: Tensor) -> Tensor:
        if self.function is not None:
            return self.function(self, images)
        return self.outer(self.inner(images.flatten(1)).relu())


def flat(*layers: nn.Module) -> nn.Module:
    """Layers over images, then a linear one over whatever comes out."""
    return nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(10))


class Lines(nn.Module):
    """Reads some lines of an image with a layer that gives its output and something else."""

    recordable = True

    def __init__(self, layer: nn.Module, features: int) -> None:
        super().__init__()
        self.layer, self.head = layer, nn.Linear(features, 10)

    def forward(self, images: Tensor) -> Tensor:
        lines = images[:, 0, ::4]
        attends = isinstance(self.layer, nn.MultiheadAttention)
        return self.head(self.layer(*[lines] * (3 if attends else 1))[0][:, -1])


class Embedded(nn.Module):
    recordable = True

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(256, 3, **options), nn.Linear(2352, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.table((images * 255).long().flatten(1)).flatten(1))


def frozen(model: nn.Module, *names: str) -> nn.Module:
    for name in names:
        model.get_parameter(name).requires_grad = False
    return model


RECORDED: dict[str, Maker] = {
    "linearnet": LinearNet,
    "cnn": CNN,
    "noisy": tiny_noisy,
    "in place": lambda: flat(
        *(nn.Conv2d(1, 8, 4, 4), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, bias=False)),
        *(nn.LeakyReLU(inplace=True), nn.BatchNorm2d(8), nn.Dropout(0.2, inplace=True)),
    ),
    "norms": lambda: flat(
        *(nn.Conv2d(1, 8, 4, 4), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True)),
        *(nn.LayerNorm([8, 7, 7]), nn.InstanceNorm2d(8, track_running_stats=True), nn.PReLU(8)),
        nn.RReLU(),
    ),
    "lstm": lambda: Lines(nn.LSTM(28, 12, 2, batch_first=True, dropout=0.2), 12),
    "gru": lambda: Lines(nn.GRU(28, 12, batch_first=True), 12),
    "attention": lambda: Lines(nn.MultiheadAttention(28, 2, 0.1, batch_first=True), 28),
    "transformer": lambda: flat(
        nn.Flatten(1, 2), nn.TransformerEncoderLayer(28, 2, 32, 0.1, batch_first=True)
    ),
    "embedding": lambda: Embedded(max_norm=0.5),
    "tied": lambda: Free(
        lambda m, x: m.outer(m.inner(x.flatten(1)) + m.inner(x.flip(3).flatten(1)))
    ),
    "frozen": lambda: frozen(tiny_noisy(), "0.weight", "1.bias"),
    "writes into its input": lambda: Free(lambda m, x: m.outer(m.inner(x.mul_(2).flatten(1)))),
    "clips its weights": lambda: Free(
        lambda m, x: m.outer(m.inner(x.flatten(1))) + m.inner.weight.data.mul_(0.9).sum() * 0
    ),
    "keeps in place": lambda: Free(
        lambda m, x: m.outer(m.inner(x.flatten(1)) + m.kept.mul_(0.5).add_(x.mean())),
        kept=lambda: torch.zeros(16),
    ),
    "checkpoint": lambda: Free(
        lambda m, x: m.outer(checkpoint(m.inner, x.flatten(1), use_reentrant=False))
    ),
    "sets attributes": lambda: Free(
        lambda m, x: m.outer(m.inner(setattr(m, "last", x) or x.flatten(1)))
    ),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_model_trains_as_it_is_written(name: str) -> None:
    for recipe in (ADAM, SGD.replace(learning_rate=0.01)):
        compare(RECORDED[name], "recorded", recipe)


RECIPES: dict[str, Recipe] = {
    "decay": ADAM.replace(weight_decay=0.1),
    "adamw": ADAM.replace(optimizer="adamw", weight_decay=0.1),
    "sgd": SGD.replace(weight_decay=0.01, momentum=0.0),
    "nesterov": ADAM.replace(
        optimizer=lambda p: torch.optim.SGD(p, 0.01, momentum=0.5, nesterov=True, fused=True)
    ),
    "maximize": ADAM.replace(optimizer=lambda p: torch.optim.Adam(p, fused=True, maximize=True)),
    "smoothing": ADAM.replace(label_smoothing=0.1),
    "cosine": ADAM.replace(schedule="cosine"),
    "one cycle": SGD.replace(schedule="one_cycle"),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_every_recipe_trains_as_plain_steps_do(recipe: Recipe) -> None:
    compare(Free, "recorded", recipe, batches_of(20))


class Focal(nn.Module):
    """A loss with a buffer, a number, and a memory that it changes in place."""

    recordable = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.linspace(0.5, 2, 10))
        self.center, self.gamma = torch.zeros(10), 2.0

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        logits = logits - self.center.mul_(0.5).add_(logits.detach().mean(0))
        loss = functional.cross_entropy(logits, labels, weight=self.weights, reduction="none")
        return ((1 - torch.exp(-loss)) ** self.gamma * loss).mean()


@pytest.mark.parametrize(
    "loss",
    [
        lambda: nn.CrossEntropyLoss(weight=torch.linspace(0.5, 2, 10), label_smoothing=0.1),
        lambda: functional.multi_margin_loss,
        Focal,
    ],
)
def test_a_loss_is_part_of_the_recording(loss: Callable[[], LossFunction]) -> None:
    compare(Free, loss=loss)


def test_labels_and_batches_of_any_shape_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = [Batch(images.transpose(2, 3), labels) for images, labels in batches_of(4)]
    one_hot = [Batch(x, functional.one_hot(y, 10).float()) for x, y in batches_of(4)]
    several = [batch for size in (8, 5, 3, 8) for batch in batches_of(2, size)]
    monkeypatch.setattr(recorded_step, "MOST_SHAPES", 2)
    for batches in (turned, one_hot, several):
        compare(CNN, "recorded", ADAM, batches)


layers_over_images = st.one_of(
    st.builds(
        lambda channels, kernel, stride, padding, bias: nn.LazyConv2d(
            channels, kernel, stride, padding, bias=bias
        ),
        *(st.sampled_from([1, 2, 8, 16]), st.integers(1, 4), st.sampled_from([1, 1, 1, 2])),
        *(st.integers(0, 2), st.booleans()),
    ),
    st.builds(nn.MaxPool2d, st.integers(1, 3)),
    st.builds(nn.AvgPool2d, st.integers(1, 3)),
    st.builds(nn.LazyBatchNorm2d),
    st.sampled_from([nn.ReLU, nn.LeakyReLU, nn.Tanh, nn.Dropout, nn.Dropout2d]).map(lambda k: k()),
)


@settings(max_examples=15)
@given(
    st.integers(7, 12),
    st.lists(layers_over_images, max_size=5),
    st.lists(st.integers(1, 20).map(nn.LazyLinear), max_size=2),
    st.sampled_from([ADAM, SGD.replace(learning_rate=0.01), RECIPES["decay"]]),
)
def test_any_stack_of_layers_trains_as_it_is_written(
    side: int, images: list[nn.Module], linear: list[nn.Module], recipe: Recipe
) -> None:
    """Weights are not compared: in some of these models most of them have no gradient but noise."""
    fitting: list[nn.Module] = []
    for layer in images:  # the ones that leave something of an image
        with contextlib.suppress(RuntimeError, ValueError), torch.no_grad():
            tried = copy.deepcopy(nn.Sequential(*fitting, layer))
            if min(tried(torch.rand(4, 1, side, side)).shape[2:]) > 1:
                fitting.append(layer)
    layers = [*fitting, nn.Flatten(), *linear, nn.LazyLinear(10)]
    one, other = (
        train(kind, lambda: nn.Sequential(*copy.deepcopy(layers)), recipe, batches_of(4, 4, side))
        for kind in (RecordedStep, TrainingStep)
    )
    assert one.executed == "recorded"
    for mine, theirs in zip(one.results, other.results, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


# --- the contract ---------------------------------------------------------------------------------


class Silent(nn.Linear):
    """Says nothing and does nothing of its own."""

    def __init__(self) -> None:
        super().__init__(784, 10)


class Unsaid(Free):
    def helper(self) -> None:
        """A method that the promise of `Free` does not cover."""


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
    optimizer.step = types.MethodType(lambda self, closure=None: step(closure), optimizer)
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
    """A loss that learns, if somebody tells the optimizer."""

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
    "the loss clipped does not": (Free, ADAM, lambda: clipped),
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
        lambda optimizer, *a: [p.grad.mul_(-1) for p in optimizer.param_groups[0]["params"]]
    ),
    "after steps": lambda m, o: o.register_step_post_hook(lambda *a: None),
    "all modules": lambda m, o: torch_module.register_module_forward_hook(lambda *a: None),
    "all optimizers": lambda m, o: register_optimizer_step_pre_hook(lambda *a: None),
}


@pytest.mark.parametrize("name", HOOKS)
def test_hooks_of_anybody_are_seen_as_long_as_they_are_there(name: str) -> None:
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


def free(function: Callable[[Any, Tensor], Tensor], **attributes: Any) -> Maker:
    return lambda: Free(lambda m, x: m.outer(function(m, x.flatten(1))), **attributes)


BROKEN: dict[str, tuple[str, Maker]] = {
    "random numbers": ("second time", free(lambda m, x: m.inner(x) * np.random.rand())),  # noqa: NPY002
    "an item": ("depends on the values", free(lambda m, x: m.inner(x) * x.mean().item())),
    "momentum=None": ("depends on", lambda: flat(nn.BatchNorm2d(1, momentum=None))),
    "a read array": ("second time", free(lambda m, x: m.inner(x) * float(x.numpy().mean()))),
    "a new constant": ("second time", free(lambda m, x: m.inner(x) * torch.tensor(2.0))),
    "a count": (
        "second time",
        free(lambda m, x: m.inner(x) * (setattr(m, "n", m.n + 1) or m.n), n=lambda: 0),
    ),
    "a buffer that is replaced": (
        "second time",
        free(
            lambda m, x: m.inner(x) + (m.register_buffer("b", m.b * 0.5 + x.mean()) or m.b),
            b=lambda: nn.Buffer(torch.zeros(16)),
        ),
    ),
    "a tensor that is kept": (
        "second time",
        free(
            lambda m, x: m.inner(x) + (setattr(m, "t", m.t + x[0, :16]) or m.t),
            t=lambda: torch.zeros(16),
        ),
    ),
    "a seed": (
        "something else",
        free(lambda m, x: functional.dropout(m.inner(x) + 0 * torch.manual_seed(3).initial_seed())),
    ),
    "checkpointed noise": (
        "something else",
        free(
            lambda m, x: checkpoint(
                lambda y: functional.dropout(m.inner(y)), x, use_reentrant=False
            )
        ),
    ),
    "a generator": (
        "generator of its own",
        free(
            lambda m, x: m.inner(x) + torch.rand(16, generator=m.g),
            g=lambda: torch.Generator().manual_seed(1),
        ),
    ),
    "an unused parameter": ("gets no gradient", free(lambda m, x: x[:, :16])),
    "complex numbers": ("complex", free(lambda m, x: m.inner(torch.fft.fft(x).real))),
    "weights as one vector": ("failed", free(lambda m, x: m.inner(x) * m.inner.weight.view(-1)[0])),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_promise_that_is_broken_is_noticed_and_leaves_no_trace(name: str) -> None:
    """The training has the bits of plain steps, so nothing of the recording remains."""
    expected, make = BROKEN[name]
    compare(make, f"eager: .*{expected}")


# --- fits with callbacks --------------------------------------------------------------------------


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
    """Keeps what everybody can see of a training, at every hook but `on_batch_end`."""

    def on_fit_start(self, run: Run) -> None:
        self.live = run.model.state_dict()  # taken once, as by whoever averages weights
        self.seen: list[dict[str, Tensor]] = []
        self.look(run)

    def look(self, run: Run, *facts: object) -> None:
        seen = {f"weight {name}": tensor for name, tensor in self.live.items()}
        for name, parameter in run.model.named_parameters():
            if parameter.grad is not None:
                assert parameter.grad.stride() == parameter.stride()
                seen[f"gradient {name}"] = parameter.grad
            seen |= {f"{key} {name}": v for key, v in run.optimizer.state[parameter].items()}
        self.seen.append(
            {name: tensor.clone() for name, tensor in seen.items() if tensor is not None}
        )

    on_epoch_start = on_epoch_end = on_fit_end = on_error = look


def probed(trainer: Trainer) -> list[dict[str, Tensor]]:
    return trainer._dispatch._callbacks[-1].seen  # type: ignore[attr-defined]


def assert_seen_alike(one: Trainer, other: Trainer) -> None:
    losses = [[record.loss for record in trainer.history] for trainer in (one, other)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    for mine, theirs in zip(probed(one), probed(other), strict=True):
        assert mine.keys() == theirs.keys()
        apart = [((mine[name] - theirs[name]).abs() > 1e-3).flatten() for name in mine]
        assert torch.cat(apart).double().mean() < 0.05


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


def test_a_fit_is_recorded_once_if_nothing_changes() -> None:
    calls: list[int] = []

    class Counted(Free):
        recordable = True

        def forward(self, images: Tensor) -> Tensor:
            calls.append(len(images))
            return super().forward(images)

    trainer = fit(Counted, ADAM, "recorded", data=tiny_set(19))  # batches of 8, 8 and 3
    assert trainer.executed == "recorded"
    # Two recordings and the plain step for each shape; before them the model is tried.
    assert (calls.count(8), calls.count(3)) == (3, 3)


def test_what_the_optimizer_holds_stays_the_same_tensors() -> None:
    found: list[list[tuple[int, int]]] = []

    def note(run: Run, *facts: object) -> None:
        state = [v for entries in run.optimizer.state.values() for v in entries.values()]
        found.append([(id(v), v.data_ptr()) for v in (*run.model.parameters(), *state)])

    recipe = ADAM.replace(epochs=4)
    assert told(fit(CNN, recipe, "auto", hook_listener("on_epoch_end", note))) == "recorded"
    assert found[0] == found[1] == found[3]


@pytest.mark.parametrize("way", ["auto", "eager"])
def test_results_that_a_callback_keeps_stay_as_they_were(way: str) -> None:
    kept: list[tuple[Tensor, ...]] = []
    copies: list[tuple[Tensor, ...]] = []

    def keep(run: Run, result: Any) -> None:
        kept.append((result.loss, result.logits, result.labels))
        copies.append(tuple(tensor.clone() for tensor in kept[-1]))

    fit(CNN, ADAM, way, hook_listener("on_batch_end", keep, uses_model=False))
    assert len(kept) == 9
    for results, before in zip(kept, copies, strict=True):
        assert all(map(torch.equal, results, before))
        assert not any(result.requires_grad for result in results)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_interrupted_fit_leaves_all_as_plain_steps_do(error: type[BaseException]) -> None:
    """The trainer then goes on, and what it does is seen alike."""
    trainers = []
    for way in ("auto", "eager"):

        def fail(run: Run, result: Any) -> None:
            if result.step == 5:
                raise error

        torch.manual_seed(0)
        listener = hook_listener("on_batch_end", fail, uses_model=False)
        trainer = Trainer(Adjustable(), ADAM, execution=way, callbacks=[listener, Probe()])
        with pytest.raises(error):
            trainer.fit(tiny_set(24))
        assert {int(entry["step"]) for entry in trainer.optimizer.state.values()} == {5}
        trainers.append(trainer)
    assert_seen_alike(*trainers)
    for trainer in trainers:
        trainer.fit(tiny_set(24), epochs=2)
    assert trainers[0].executed == "recorded"
    assert_seen_alike(*trainers)


def test_trainings_beside_each_other_do_not_disturb_each_other() -> None:
    """One within a hook of the other, in a thread of its own, with other threads of torch."""
    inner: list[Trainer] = []

    def train_another(run: Run, *facts: object) -> None:
        work = lambda: inner.append(fit(CNN, SGD, "recorded"))  # noqa: E731
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        copy.deepcopy(run.model)(torch.ones(2, 1, 28, 28)).sum().backward()

    outer = fit(CNN, ADAM, "recorded", hook_listener("on_epoch_end", train_another))
    assert same_weights(outer.model, fit(CNN, ADAM, "recorded").model)
    for trainer in inner:
        assert same_weights(trainer.model, inner[0].model)
    assert_seen_alike(inner[0], fit(CNN, SGD, "eager"))


@pytest.mark.parametrize("setting", ["float64 by default", "deterministic"])
def test_settings_of_torch_are_no_hindrance(setting: str) -> None:
    batches = batches_of(8)
    try:
        if setting == "deterministic":
            torch.use_deterministic_algorithms(True)
        else:
            torch.set_default_dtype(torch.float64)
        compare(lambda: CNN().float(), "recorded", ADAM, batches)
    finally:
        torch.use_deterministic_algorithms(False)
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("way", ["recorded", "eager"])
def test_a_weight_that_a_callback_spoils_is_found_before_it_is_saved(way: str) -> None:
    def spoil(run: Run, *facts: object) -> None:
        run.model.get_parameter("outer.bias").data[0] = torch.nan
        with pytest.raises(NonFiniteError, match=r"outer\.bias"):
            trainer.to_bytes()
        raise KeyError

    trainer = Trainer(Free(), ADAM, execution=way, callbacks=[hook_listener("on_epoch_end", spoil)])
    with pytest.raises(KeyError):
        trainer.fit(tiny_set(24))


def test_batches_of_a_loader_that_lie_in_parts_are_trained_as_they_are() -> None:
    def turned(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images, labels = zip(*pairs, strict=True)
        return torch.stack(images, -1).movedim(-1, 0), torch.stack(labels).to(torch.uint8)

    loader = DataLoader(Items(tiny_set(24)), batch_size=8, collate_fn=turned)
    ways = [fit(CNN, ADAM, way, data=loader) for way in ("auto", "eager")]
    assert_seen_alike(*ways)


class Streamed(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter(Items(tiny_set(24)))


# --- which way it went ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "way", "listener", "expected"),
    [
        (Free, "auto", None, "recorded"),
        (Free, "recorded", None, "recorded"),
        (Free, "eager", None, "eager: it was asked for"),
        (Unsaid, "auto", None, "eager: Unsaid does not say recordable = True"),
        (Free, "auto", True, "eager: Listener may look at the model after each step"),
        (Free, "auto", False, "recorded"),
    ],
)
def test_the_trainer_tells_which_way_it_went(
    make: Maker, way: str, listener: bool | None, expected: str
) -> None:
    listening = (
        []
        if listener is None
        else [hook_listener("on_batch_end", lambda *facts: None, uses_model=listener)]
    )
    assert told(fit(make, ADAM, way, *listening)) == expected


def test_short_epochs_are_not_recorded_unless_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.undo()
    assert told(fit(Free, ADAM, "auto")) == (
        "eager: an epoch has 3 steps, and recording pays from 200 on"
    )
    assert told(fit(Free, ADAM, "recorded")) == "recorded"
    monkeypatch.setattr(choice, "RECORDING_PAYS", 4)
    unsized = DataLoader(Streamed(), batch_size=8)  # without a length
    assert told(fit(Free, ADAM, "auto", data=tiny_set(26))) == "recorded"
    assert told(fit(Free, ADAM, "auto", data=unsized)) == "recorded"


@pytest.mark.parametrize("pays", [3, 4])
def test_several_fits_have_the_bits_of_one(pays: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many epochs each of them has, all are recorded or none."""
    monkeypatch.setattr(choice, "RECORDING_PAYS", pays)
    whole = fit(Adjustable, ADAM, "auto")
    parts = fit(Adjustable, ADAM.replace(epochs=1), "auto")
    parts.fit(tiny_set(24), epochs=1)
    saved = Trainer.load(parts.to_bytes(), model=copy.deepcopy(parts.model), device="cpu")
    saved.fit(tiny_set(24), epochs=1)
    assert same_weights(whole.model, saved.model)
    assert told(whole) == told(saved)
    assert told(whole).startswith("recorded" if pays == 3 else "eager")


@pytest.mark.parametrize(
    ("make", "listeners", "reason"),
    [
        (Unsaid, [], "Unsaid does not say recordable = True"),
        (BROKEN["an item"][1], [], "aten._local_scalar_dense.default depends on the values"),
        (BROKEN["weights as one vector"][1], [], "recording it failed"),
        (
            Free,
            [
                hook_listener(
                    "on_epoch_end",
                    lambda run, record: run.optimizer.add_param_group(
                        {"params": nn.Parameter(torch.zeros(2))}
                    ),
                )
            ],
            "Adam has 2 parameter groups",
        ),
        (Free, [hook_listener("on_batch_end", lambda *facts: None)], "Listener may look"),
    ],
)
def test_what_cannot_be_recorded_as_asked_is_an_error_that_says_why(
    make: Maker, listeners: list[Callback], reason: str
) -> None:
    wanted = re.escape(f'execution="recorded" is not possible: {reason}')
    with pytest.raises(ConfigurationError, match=wanted):
        fit(make, ADAM, "recorded", *listeners)


def test_an_unexpected_error_is_told_once_and_the_models_own_is_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    trainer = fit(BROKEN["weights as one vector"][1], ADAM, "auto")
    assert told(trainer) == "eager: recording it failed"
    (warning,) = (r.getMessage() for r in caplog.records if r.name.endswith("recorded.step"))
    assert warning.startswith(
        "recording a step of Free failed unexpectedly (RuntimeError: view size"
    )
    caplog.clear()

    def refuse(model: Any, images: Tensor) -> Tensor:
        if model.training:
            raise ZeroDivisionError("my own")
        return model.outer(model.inner(images.flatten(1)))

    with pytest.raises(ZeroDivisionError, match="my own"):
        fit(lambda: Free(refuse), ADAM, "auto")
    assert not caplog.records


def test_the_engine_is_not_imported_before_it_is_needed() -> None:
    code = "import fmnistlab.training.trainer, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "fmnistlab.training.steps.eager" in done.stdout.split()
    assert "fmnistlab.training.steps.recorded" not in done.stdout
