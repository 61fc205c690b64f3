"""Replayed training steps: the results of the plain steps, whatever the model and its watchers do.

How near is near enough: a replay takes the same numbers in the same operations, but some sums in
another order, so float32 results differ in their last digits, relative 1e-7, and a step of training
carries that on. Where no sum changes, the bits are compared.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import hashlib
import logging
import math
import random
import subprocess
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from fmnistlab.training.graph import recording
from fmnistlab.training.graph.cpu_graph import CpuGraph
from fmnistlab.training.graph.obstacles import check_model
from fmnistlab.training.graph.purity import check_code
from fmnistlab.training.graph.recording import NotRepeatable
from fmnistlab.training.graph_step import GraphStep
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import Items, same_weights, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.functional import cross_entropy
from torch.nn.modules import module as torch_module
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab.data.batch import Batch
from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
from fmnistlab.training import graph_step
from fmnistlab.training.callbacks import Callback
from fmnistlab.training.epoch_record import EpochRecord
from fmnistlab.training.memory_layout import prepare_model
from fmnistlab.training.recipe import LossFunction, Recipe
from fmnistlab.training.run import BatchResult, Run
from fmnistlab.training.step import TrainingStep
from fmnistlab.training.trainer import Trainer

Maker = Callable[[], nn.Module]
ADAM = Recipe(batch_size=8, epochs=3)
SGD = Recipe(batch_size=8, epochs=3, optimizer="sgd", momentum=0.9, learning_rate=0.05)


@pytest.fixture
def code_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out the reading of code, which comes first, so that what follows is seen at work."""
    monkeypatch.setattr(graph_step, "check_code", lambda model, loss: lambda: True)


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


class Trained(NamedTuple):
    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: TrainingStep
    losses: list[Tensor]
    logits: list[Tensor]


def train(
    kind: type[TrainingStep],
    make: Maker,
    recipe: Recipe,
    batches: Sequence[Batch],
    *,
    loss: LossFunction | None = None,
    by_columns: bool = False,
) -> Trained:
    """Trains a new model with steps of a kind; randomness begins the same for all."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the global one is meant
    model = make()
    prepare_model(model, Batch(*(part.clone() for part in batches[0])))
    if by_columns:
        for module in model.modules():
            if type(module) is nn.Linear:
                module.weight.data = module.weight.data.t().contiguous().t()
    optimizer = recipe.make_optimizer(model)
    schedule = recipe.make_schedule(optimizer, len(batches))
    step = kind(model, optimizer, loss or recipe.training_loss, schedule)
    torch.manual_seed(1)
    with contextlib.closing(step):
        results = [step(Batch(*(part.clone() for part in batch))) for batch in batches]
    return Trained(model, optimizer, step, *([*parts] for parts in zip(*results, strict=True)))


def is_graph(trained: Trained) -> bool:
    assert isinstance(trained.step, GraphStep)
    return not trained.step._plain


def optimizer_state(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [
        entry
        for group in optimizer.param_groups
        for parameter in group["params"]
        for _, entry in sorted(optimizer.state[parameter].items())
        if isinstance(entry, Tensor)
    ]


def assert_same_bits(one: Trained, other: Trained) -> None:
    assert all(map(torch.equal, one.losses, other.losses))
    assert all(map(torch.equal, one.logits, other.logits))
    assert same_weights(one.model, other.model)
    states = optimizer_state(one.optimizer), optimizer_state(other.optimizer)
    assert len(states[0]) == len(states[1])
    assert all(map(torch.equal, *states))


def assert_same_numbers(one: nn.Module, other: nn.Module) -> None:
    """At least 19 of 20 numbers agree to 1e-3, a step of Adam, and whole numbers all.

    Not all of them: Adam makes a step of the learning rate of a gradient that should be zero, such
    as that of a bias before batch normalisation, however small its rounding error is.
    """
    ones, others = one.state_dict(), other.state_dict()
    assert ones.keys() == others.keys()
    apart = []
    for name, tensor in ones.items():
        if tensor.is_floating_point():
            apart.append((tensor - others[name]).abs().flatten() > 1e-3)
        else:
            assert torch.equal(tensor, others[name]), name
    assert torch.cat(apart).double().mean() < 0.05


def assert_same_training(one: Trained, other: Trained) -> None:
    """Losses agree to 1e-4 and logits to 1e-3; see `assert_same_numbers` for the weights."""
    assert_same_results(one, other)
    assert_same_numbers(one.model, other.model)


def assert_same_results(one: Trained, other: Trained) -> None:
    losses = torch.stack(one.losses), torch.stack(other.losses)
    torch.testing.assert_close(*losses, rtol=1e-4, atol=1e-4)
    for mine, theirs in zip(one.logits, other.logits, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-3, atol=1e-3)


def compare(
    make: Maker,
    recipe: Recipe = ADAM,
    batches: Sequence[Batch] | None = None,
    *,
    loss: Callable[[], LossFunction] | None = None,
    exact: bool = False,
    by_columns: bool = False,
) -> Trained:
    """Trains twice, by replays and plainly, and returns the former."""
    batches = batches or batches_of(12)
    # Layouts only differ while steps are replayed, so the plain model takes the replayed one's.
    graph = train(GraphStep, make, recipe, batches, loss=loss and loss())
    plain = train(TrainingStep, make, recipe, batches, loss=loss and loss(), by_columns=by_columns)
    (assert_same_bits if exact else assert_same_training)(graph, plain)
    return graph


# --- models ---------------------------------------------------------------------------------------


class Forward(nn.Module):
    """Two linear layers; a function tells how they are used."""

    def __init__(
        self, forward: Callable[[Forward, Tensor], Tensor], **attributes: Callable[[], object]
    ) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(784, 16), nn.Linear(16, 10)
        self.function = forward
        for name, make in attributes.items():
            setattr(self, name, make())

    def forward(self, images: Tensor) -> Tensor:
        return self.function(self, images)


def made(forward: Callable[[Forward, Tensor], Tensor], **attributes: Callable[[], object]) -> Maker:
    return lambda: Forward(forward, **attributes)


def flat_and_linear(*layers: nn.Module) -> nn.Module:
    """Layers over images, then a linear one over whatever comes out."""
    images = nn.Sequential(*layers).eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        features = images(torch.rand(2, 1, 28, 28)).flatten(1).shape[1]
    return nn.Sequential(*images, nn.Flatten(), nn.Linear(features, 10)).train()


class Scale(nn.Module):
    """A number for each channel to multiply with and one to add."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.rand(channels, 1, 1))
        self.shift = nn.Parameter(torch.rand(1, channels, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return images * self.factor + self.shift


def without_products() -> nn.Module:
    return nn.Sequential(
        *(nn.BatchNorm2d(1), Scale(3), nn.Dropout(0.3), nn.BatchNorm2d(3), nn.LeakyReLU()),
        *(nn.MaxPool2d(2), nn.Dropout2d(0.2), nn.AdaptiveAvgPool2d((2, 2)), nn.Flatten()),
    )


def without_bias() -> nn.Module:
    return nn.Sequential(
        *(nn.Flatten(), nn.Linear(784, 20, bias=False), nn.BatchNorm1d(20), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(20, 16, bias=False), nn.Linear(16, 10, bias=False)),
    )


def without_products_of_images() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 7, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
        *(nn.Conv2d(8, 8, 3, groups=4, bias=False), nn.MaxPool2d(2), nn.Flatten()),
        nn.Linear(200, 10, bias=False),
    )


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = nn.BatchNorm2d(channels)
        self.two = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return torch.relu(images + self.two(self.norm(self.one(images)).relu_()))


class Tied(nn.Module):
    """An autoencoder whose two layers have the same weights, and a head."""

    def __init__(self, tie: Callable[[Tied], object]) -> None:
        super().__init__()
        self.encoder = nn.Linear(784, 16, bias=False)
        self.decoder = nn.Linear(16, 784, bias=False)
        self.again = nn.Linear(784, 16, bias=False)
        self.head = nn.Linear(16, 10)
        tie(self)

    def forward(self, images: Tensor) -> Tensor:
        coded = self.encoder(images.flatten(1))
        return self.head(self.again(self.decoder(coded).relu() * 0.1 + images.flatten(1)))


def tie_parameter(model: Tied) -> None:
    model.again.weight = model.encoder.weight


def tie_memory(model: Tied) -> None:
    model.decoder.weight.data = model.encoder.weight.data.t()


class Recurrent(nn.Module):
    """Reads some lines of an image, one after the other."""

    def __init__(self, kind: type[nn.RNNBase], **options: Any) -> None:
        super().__init__()
        self.lines: nn.Module = kind(28, 12, batch_first=True, **options)
        self.head = nn.Linear(12, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.lines(images[:, 0, ::7])[0][:, -1])


class Attentive(nn.Module):
    """A transformer over the lines of an image."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.lines = nn.Linear(28, 16)
        self.place = nn.Parameter(torch.zeros(28, 16))
        layer = nn.TransformerEncoderLayer(16, 2, 32, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False)
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder(self.lines(images[:, 0]) + self.place).mean(1))


class Embedded(nn.Module):
    """Looks up each pixel's color in a table."""

    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        self.table, self.head = nn.Embedding(256, 3, sparse=sparse), nn.Linear(2352, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.table((images * 255).long().flatten(1)).flatten(1))


class Double(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(2704, 10)).double()

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images.double()).float()


def frozen(model: nn.Module, *names: str) -> nn.Module:
    for name, parameter in model.named_parameters():
        parameter.requires_grad = name not in names
    return model


MODELS: dict[str, Maker] = {
    "linearnet": LinearNet,
    "cnn": CNN,
    "noisy": tiny_noisy,
    "strided": lambda: flat_and_linear(nn.Conv2d(1, 8, 5, stride=3), nn.ReLU()),
    "dilated": lambda: flat_and_linear(nn.Conv2d(1, 8, 3, dilation=2, padding=2), nn.MaxPool2d(3)),
    "grouped": lambda: flat_and_linear(
        *(nn.Conv2d(1, 8, 3), nn.MaxPool2d(4), nn.Conv2d(8, 16, 3, groups=4), nn.ReLU())
    ),
    "one by one": lambda: flat_and_linear(
        *(nn.Conv2d(1, 64, 1), nn.MaxPool2d(4), nn.Conv2d(64, 16, 1), nn.MaxPool2d(2))
    ),
    "without bias": lambda: flat_and_linear(
        *(nn.Conv2d(1, 16, 3, bias=False), nn.MaxPool2d(4), nn.Conv2d(16, 8, 3, bias=False))
    ),
    "odd": lambda: flat_and_linear(
        *(nn.Conv2d(1, 16, 2), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 16, 3, padding=1), nn.MaxPool2d(2), nn.LeakyReLU()),
    ),
    "in place": lambda: flat_and_linear(
        *(nn.Conv2d(1, 8, 4, 4), nn.ReLU(inplace=True), nn.Conv2d(8, 8, 3, bias=False)),
        *(nn.LeakyReLU(inplace=True), nn.BatchNorm2d(8), nn.Dropout(0.2, inplace=True)),
    ),
    "residual": lambda: flat_and_linear(nn.Conv2d(1, 16, 4, 4), Residual(16), Residual(16)),
    "padded by mirrors": lambda: flat_and_linear(
        nn.Conv2d(1, 8, 3, padding=1, padding_mode="reflect"), nn.MaxPool2d(4)
    ),
    "turned": lambda: flat_and_linear(nn.Conv2d(1, 8, 4, 4), nn.ConvTranspose2d(8, 4, 2, stride=2)),
    "norms": lambda: flat_and_linear(
        *(nn.Conv2d(1, 8, 4, 4), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True)),
        *(nn.LayerNorm([8, 7, 7]), nn.InstanceNorm2d(8, track_running_stats=True), nn.PReLU(8)),
    ),
    "soft": lambda: flat_and_linear(
        nn.Conv2d(1, 4, 4, 4), nn.GELU(), nn.SiLU(), nn.Softplus(), nn.ELU(), nn.AlphaDropout(0.2)
    ),
    "tied": lambda: Tied(tie_parameter),
    "frozen": lambda: frozen(tiny_noisy(), "0.weight", "1.bias"),
    "frozen convolution": lambda: frozen(CNN(), "layers.3.weight", "layers.3.bias"),
}
"""Models that are replayed."""

RARE: dict[str, Maker] = {
    "gru": lambda: Recurrent(nn.GRU, num_layers=2, dropout=0.2, bidirectional=False),
    "rnn": lambda: Recurrent(nn.RNN),
    "transformer": lambda: Attentive(0.1),
    "transformer without dropout": lambda: Attentive(0.0),
    "embedding": Embedded,
    "weight norm": lambda: flat_and_linear(
        nn.Flatten(), parametrizations.weight_norm(nn.Linear(784, 16))
    ),
    "spectral norm": lambda: flat_and_linear(
        nn.Flatten(), parametrizations.spectral_norm(nn.Linear(784, 16))
    ),
    "double": Double,
}
"""Models that could be replayed."""


# --- the same results -----------------------------------------------------------------------------

RECIPES: dict[str, Recipe] = {
    "adam": ADAM,
    "adam with decay": ADAM.replace(weight_decay=0.1),
    "adamw": ADAM.replace(optimizer="adamw", weight_decay=0.1),
    "sgd": SGD.replace(weight_decay=0.01),
    "smoothing": ADAM.replace(label_smoothing=0.1),
    "cosine": ADAM.replace(schedule="cosine"),
    "one cycle": SGD.replace(schedule="one_cycle"),
    "unfused": ADAM.replace(optimizer=torch.optim.Adam),
    "amsgrad": ADAM.replace(optimizer=lambda p: torch.optim.AdamW(p, fused=True, amsgrad=True)),
    "rmsprop": ADAM.replace(optimizer=lambda p: torch.optim.RMSprop(p, momentum=0.5)),
    "rprop": ADAM.replace(optimizer=torch.optim.Rprop),
}


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_fifty_steps_without_products_have_the_bits_of_plain_steps(recipe: Recipe) -> None:
    loss: LossFunction = cross_entropy if not recipe.label_smoothing else recipe.training_loss
    assert is_graph(
        compare(without_products, recipe, batches_of(50), loss=lambda: loss, exact=True)
    )


@pytest.mark.parametrize("make", [without_bias, without_products_of_images])
@pytest.mark.parametrize("recipe", [ADAM, SGD], ids=["adam", "sgd"])
def test_fifty_steps_have_the_bits_of_plain_steps_with_the_same_layout(
    make: Maker, recipe: Recipe
) -> None:
    """Linear weights lie by columns in a graph with Adam; products round by layout."""
    by_columns = recipe is ADAM
    graph = compare(make, recipe, batches_of(50), exact=True, by_columns=by_columns)
    assert is_graph(graph)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_fifty_steps_are_those_of_the_plain_step(recipe: Recipe) -> None:
    assert is_graph(compare(tiny_noisy, recipe, batches_of(50)))


@pytest.mark.parametrize("name", MODELS)
def test_a_replayed_model_trains_as_it_is_written(name: str) -> None:
    for recipe in (ADAM, SGD.replace(learning_rate=0.01)):
        assert is_graph(compare(MODELS[name], recipe, batches_of(20)))


@pytest.mark.parametrize("name", RARE)
@pytest.mark.usefixtures("code_unread")
def test_a_rare_model_trains_as_it_is_written(name: str) -> None:
    for recipe in (ADAM, SGD.replace(learning_rate=0.01)):
        assert is_graph(compare(RARE[name], recipe))


image_layers = st.one_of(
    st.tuples(
        st.just("convolution"),
        st.sampled_from([1, 2, 8, 16]),  # channels
        st.integers(1, 4),  # kernel
        st.sampled_from([1, 1, 1, 2]),  # stride
        st.integers(0, 2),  # padding
        st.booleans(),  # groups
        st.booleans(),  # bias
    ),
    st.tuples(st.just("residual")),
    st.tuples(st.sampled_from(["max", "average"]), st.integers(1, 3)),
    st.tuples(st.just("layer"), st.sampled_from(["relu", "leaky", "tanh", "dropout", "channels"])),
    st.tuples(st.just("norm"), st.booleans()),
)
"""One layer over images; where it does not fit, it is left out."""

flat_layers = st.one_of(
    st.tuples(st.just("linear"), st.integers(1, 20), st.booleans()),
    st.tuples(st.just("layer"), st.sampled_from(["relu", "tanh", "dropout"])),
)

SIMPLE: dict[str, Maker] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "dropout": lambda: nn.Dropout(0.3),
    "channels": lambda: nn.Dropout2d(0.2),
}


def stacked(side: int, images: list[Any], flat: list[Any]) -> nn.Module:
    """Builds a model of random layers for images of a size."""
    layers: list[nn.Module] = []
    channels, size = 1, side
    for kind, *options in images:
        match kind:
            case "convolution":
                outputs, kernel, stride, padding, grouped, bias = options
                if size + 2 * padding < kernel:
                    continue
                groups = 2 if grouped and channels % 2 == outputs % 2 == 0 else 1
                layers.append(
                    nn.Conv2d(
                        *(channels, outputs, kernel, stride, padding), groups=groups, bias=bias
                    )
                )
                channels, size = outputs, (size + 2 * padding - kernel) // stride + 1
            case "residual":
                layers.append(Residual(channels))
            case "max" | "average":
                if size < options[0]:
                    continue
                layers.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(options[0]))
                size //= options[0]
            case "norm":
                layers.append(nn.BatchNorm2d(channels) if options[0] else nn.GroupNorm(1, channels))
            case _:
                layers.append(SIMPLE[options[0]]())
    layers.append(nn.Flatten())
    features = channels * size**2
    for kind, *options in flat:
        if kind == "linear":
            layers.append(nn.Linear(features, options[0], bias=options[1]))
            features = options[0]
        else:
            layers.append(SIMPLE[options[0]]())
    return nn.Sequential(*layers, nn.Linear(features, 10))


@settings(max_examples=15)
@given(
    st.integers(3, 9),
    st.lists(image_layers, max_size=5),
    st.lists(flat_layers, max_size=3),
    st.sampled_from([ADAM, SGD.replace(learning_rate=0.01), ADAM.replace(weight_decay=0.1)]),
)
def test_any_stack_of_layers_trains_as_it_is_written(
    side: int, images: list[Any], flat: list[Any], recipe: Recipe
) -> None:
    """Weights are not compared: in some of these models most of them have no gradient but noise."""
    batches = batches_of(4, size=4, side=side)
    graph, plain = (
        train(kind, lambda: stacked(side, images, flat), recipe, batches)
        for kind in (GraphStep, TrainingStep)
    )
    assert is_graph(graph)
    assert_same_results(graph, plain)


WEIGHTS = torch.linspace(0.5, 2, 10)


class Focal(nn.Module):
    """A loss with a buffer and a number."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", WEIGHTS.clone())
        self.gamma = 2.0

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = cross_entropy(logits, labels, weight=self.weights, reduction="none")
        return ((1 - torch.exp(-loss)) ** self.gamma * loss).mean()


@pytest.mark.parametrize(
    "loss",
    [
        lambda: lambda logits, labels: cross_entropy(logits, labels, weight=WEIGHTS),
        lambda: nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
        lambda: functional.multi_margin_loss,
        lambda: (
            lambda logits, labels: (logits.logsumexp(1) - logits[:, 0] * labels).square().mean()
        ),
        Focal,
    ],
    ids=["weighted", "module", "margin", "own", "focal"],
)
@pytest.mark.parametrize("make", [LinearNet, CNN])
@pytest.mark.usefixtures("code_unread")
def test_a_loss_of_ones_own_is_part_of_the_replay(
    make: Maker, loss: Callable[[], LossFunction]
) -> None:
    assert is_graph(compare(make, loss=loss))


def test_one_hot_labels_are_learned_likewise() -> None:
    batches = [
        Batch(images, functional.one_hot(labels, 10).float()) for images, labels in batches_of(10)
    ]
    assert is_graph(compare(CNN, batches=batches))


def two_groups(parameters: Any) -> torch.optim.Optimizer:
    matrices, others = [], []
    for parameter in parameters:
        (matrices if parameter.ndim > 1 else others).append(parameter)
    return torch.optim.AdamW(
        [{"params": others, "weight_decay": 0.0}, {"params": matrices, "lr": 3e-3}], fused=True
    )


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_groups_of_parameters_keep_their_settings(schedule: str) -> None:
    recipe = ADAM.replace(optimizer=two_groups, schedule=schedule)
    graph = compare(CNN, recipe)
    assert is_graph(graph)
    assert [group["weight_decay"] for group in graph.optimizer.param_groups] == [0.0, 0.01]


class Centered(nn.Module):
    """A loss that remembers, in place, what it has seen."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("center", torch.zeros(10))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        self.center.mul_(0.5).add_(logits.detach().mean(0))
        return cross_entropy(logits - self.center, labels)


def test_a_loss_that_remembers_sees_each_batch_once() -> None:
    compare(LinearNet, loss=Centered)


@pytest.mark.usefixtures("code_unread")
def test_a_parameter_of_the_loss_learns_too() -> None:
    class Tempered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.temperature = nn.Parameter(torch.ones(()))

        def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
            return cross_entropy(logits / self.temperature, labels)

    losses: list[Tempered] = []

    def loss() -> LossFunction:
        losses.append(Tempered())
        return losses[-1]

    def both(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.Adam([*parameters, losses[-1].temperature], 0.01, fused=True)

    assert is_graph(compare(LinearNet, ADAM.replace(optimizer=both), loss=loss))
    assert losses[0].temperature.item() == pytest.approx(losses[1].temperature.item(), abs=1e-4)
    assert losses[0].temperature.item() != 1


class Kept(torch.optim.Optimizer):
    """Keeps the last gradient without a copy, as it may: each step has a new one."""

    def __init__(self, parameters: Any) -> None:
        super().__init__(parameters, {"lr": 0.05})

    @torch.no_grad()
    def step(self, closure: object = None) -> None:
        for group in self.param_groups:
            for parameter in group["params"]:
                last = self.state[parameter].get("last", parameter.grad)
                parameter.sub_(group["lr"] * (2 * parameter.grad - last))
                self.state[parameter]["last"] = parameter.grad


def test_an_optimizer_may_keep_a_gradient() -> None:
    compare(LinearNet, ADAM.replace(optimizer=Kept))


# --- whatever a model does ------------------------------------------------------------------------


def hidden(model: Forward, images: Tensor) -> Tensor:
    return model.inner(images.flatten(1))


def use_random(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * (1 + random.random()))


def use_numpy(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * (1 + np.random.rand()))  # noqa: NPY002


def toss_a_coin(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    return model.outer(inside * 2 if model.generator.random() < 0.5 else inside)


def draw_from_own_generator(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    return model.outer(inside * torch.rand(inside.shape, generator=model.generator))


def seed_itself(model: Forward, images: Tensor) -> Tensor:
    torch.manual_seed(3)
    return model.outer(functional.dropout(hidden(model, images), 0.5))


def compute_again(model: Forward, images: Tensor) -> Tensor:
    inside = checkpoint(
        lambda x: functional.dropout(model.inner(x.flatten(1)), 0.5), images, use_reentrant=False
    )
    return model.outer(inside)


def count(model: Forward, images: Tensor) -> Tensor:
    model.calls += 1
    return model.outer(hidden(model, images) * (1 + 0.1 * model.calls))


def count_in_a_list(model: Forward, images: Tensor) -> Tensor:
    model.seen.append(len(images))
    return model.outer(hidden(model, images) * (1 + 0.1 * len(model.seen)))


def count_in_secret(model: Forward, images: Tensor) -> Tensor:
    """The number only matters later, so that two recordings have the same operations."""
    model.calls += 1
    return model.outer(hidden(model, images) * (1 + model.calls // 9))


def count_elsewhere(model: Forward, images: Tensor) -> Tensor:
    model.notes.calls += 1
    return model.outer(hidden(model, images) * (1 + model.notes.calls // 9))


def keep_a_tensor(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    model.average = model.average * 0.5 + inside.detach().mean(0).tanh()
    return model.outer(inside * (1 + 0.1 * model.average))


def keep_in_place(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    model.average.mul_(0.5).add_(inside.detach().mean(0).tanh())
    return model.outer(inside * (1 + 0.1 * model.average))


def keep_features(model: Forward, images: Tensor) -> Tensor:
    model.features = hidden(model, images)
    return model.outer(model.features)


def make_a_tensor(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) + torch.tensor([0.5] * 16))


def look_at_a_number(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * images.mean().item())


def look_and_be_glad_if_not(model: Forward, images: Tensor) -> Tensor:
    factor = 3.0
    with contextlib.suppress(Exception):
        factor = images.mean().item()
    return model.outer(hidden(model, images) * factor)


def look_by_list(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * sum(images[:, 0, 0, 0].tolist()))


def look_by_numpy(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * float(images.numpy().mean()))


def mirror(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    return model.outer(inside + functional.linear(images.flatten(1), model.mirrored))


def with_mirror() -> nn.Module:
    model = Forward(mirror)
    model.register_buffer("mirrored", model.inner.weight.data)
    return model


def look_by_array(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * float(np.asarray(images[0]).max() > 0.9995))


def choose_by_mask(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    return model.outer(inside) + inside[inside > 0].mean()


def choose_by_places(model: Forward, images: Tensor) -> Tensor:
    places = (images.flatten(1).mean(1) > 0.5).nonzero()[:, 0]
    return model.outer(hidden(model, images).index_add(0, places, torch.ones(len(places), 16)))


def write_into_images(model: Forward, images: Tensor) -> Tensor:
    images.sub_(0.5).mul_(2)
    return model.outer(hidden(model, images))


def shrink_own_weights(model: Forward, images: Tensor) -> Tensor:
    model.inner.weight.data.mul_(0.99)
    return model.outer(hidden(model, images))


def shrink_own_weights_by_a_view(model: Forward, images: Tensor) -> Tensor:
    model.inner.weight.detach().mul_(0.99)
    return model.outer(hidden(model, images))


AVERAGE = torch.zeros(16)


def keep_in_a_list(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    model.averages[0].mul_(0.5).add_(inside.detach().mean(0).tanh())
    return model.outer(inside * (1 + 0.1 * model.averages[0]))


def keep_outside(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    AVERAGE.mul_(0.5).add_(inside.detach().mean(0).tanh())
    return model.outer(inside * (1 + 0.1 * AVERAGE))


def beginning_outside() -> nn.Module:
    AVERAGE.zero_()
    return Forward(keep_outside)


def turn_in_place(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    square = (inside.t() @ (inside + 1)).clone()
    square.t_()
    return model.outer(inside @ square * 0.01)


def lengthen_in_place(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images).clone()
    inside.unsqueeze_(1)
    return model.outer((inside * 2).squeeze(1))


def random_slope(model: Forward, images: Tensor) -> Tensor:
    return model.outer(functional.rrelu(hidden(model, images), training=True))


def spectrum(model: Forward, images: Tensor) -> Tensor:
    waves = torch.fft.fft(hidden(model, images))
    return model.outer((waves * waves.conj()).real * 0.01)


def filtered(model: Forward, images: Tensor) -> Tensor:
    waves = torch.fft.rfft(hidden(model, images)) * torch.view_as_complex(model.filter)
    return model.outer(torch.fft.irfft(waves, n=16))


def pairs_of_pixels(model: Forward, images: Tensor) -> Tensor:
    pairs = torch.view_as_complex(images.reshape(len(images), 392, 2)) * (1 + 1j)
    return model.outer(model.inner(torch.view_as_real(pairs).flatten(1)))


def bits_of_pixels(model: Forward, images: Tensor) -> Tensor:
    return model.outer(model.inner((images.view(torch.int32) & 0xFF).flatten(1) / 255))


def rounded(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    return model.outer(inside + torch.div(inside.detach() * 5, 1, rounding_mode="floor"))


def ramp(model: Forward, images: Tensor) -> Tensor:
    return model.outer(hidden(model, images) * torch.linspace(images.mean(), images.std(), 16))


def fresh_statistics(model: Forward, images: Tensor) -> Tensor:
    mean, variance = torch.zeros(16), torch.ones(16)
    inside = functional.batch_norm(hidden(model, images), mean, variance, training=True)
    return model.outer(inside * (1 + mean.clone()))


def penalty(model: Forward, images: Tensor) -> Tensor:
    """A gradient inside the forward pass, with a gradient of its own."""
    inside = hidden(model, images)
    if model.training:
        (slope,) = torch.autograd.grad(inside.tanh().sum(), inside, create_graph=True)
        inside = inside * slope
    return model.outer(inside)


def hooked_inside(model: Forward, images: Tensor) -> Tensor:
    inside = hidden(model, images)
    if model.training:
        inside.register_hook(lambda gradient: gradient * 0.5)
    return model.outer(inside)


def half_precision_inside(model: Forward, images: Tensor) -> Tensor:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = hidden(model, images)
    return model.outer(inside.float())


def without_gradient_inside(model: Forward, images: Tensor) -> Tensor:
    with torch.no_grad():
        scale = hidden(model, images).std(0)
    return model.outer(hidden(model, images) / (1 + scale))


class OwnGradient(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        context.save_for_backward(x)
        return x.sign()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        (x,) = context.saved_tensors
        return gradient * (x.abs() < 1)


def own_gradient(model: Forward, images: Tensor) -> Tensor:
    return model.outer(OwnGradient.apply(hidden(model, images)))


REPLAYED: dict[str, Maker] = {
    "writes into its images": made(write_into_images),
    "takes a gradient": made(penalty),
    "hooks a tensor": made(hooked_inside),
    "is half precise inside": made(half_precision_inside),
    "learns nothing inside": made(without_gradient_inside),
    "has a gradient of its own": made(own_gradient),
    "lengthens a tensor in place": made(lengthen_in_place),
}


@pytest.mark.parametrize("name", REPLAYED)
@pytest.mark.usefixtures("code_unread")
def test_a_model_may_do_unusual_things_and_be_replayed(name: str) -> None:
    for recipe in (ADAM, SGD):
        assert is_graph(compare(REPLAYED[name], recipe))


class Notes:
    calls = 0


def with_buffer() -> nn.Module:
    model = Forward(keep_a_tensor)
    model.register_buffer("average", torch.zeros(16))
    return model


UNUSUAL: dict[str, Maker] = {
    **REPLAYED,
    "a coin of its own": made(toss_a_coin, generator=lambda: random.Random(0)),
    "its own generator": made(
        draw_from_own_generator, generator=lambda: torch.Generator().manual_seed(0)
    ),
    "seeds itself": made(seed_itself),
    "computes again": made(compute_again),
    "counts elsewhere": made(count_elsewhere, notes=Notes),
    "keeps in place": made(keep_in_place, average=lambda: torch.zeros(16)),
    "keeps in a list": made(keep_in_a_list, averages=lambda: [torch.zeros(16)]),
    "keeps outside": beginning_outside,
    "swallows errors": made(look_and_be_glad_if_not),
    "looks by list": made(look_by_list),
    "looks by numpy": made(look_by_numpy),
    "looks by array": made(look_by_array),
    "shrinks its weights": made(shrink_own_weights),
    "shrinks its weights by a view": made(shrink_own_weights_by_a_view),
    "turns in place": made(turn_in_place),
    "random slope": made(random_slope),
    "spectrum": made(spectrum),
    "filter": made(filtered, filter=lambda: nn.Parameter(torch.randn(9, 2))),
    "pairs of pixels": made(pairs_of_pixels),
    "bits of pixels": made(bits_of_pixels),
    "rounds": made(rounded),
    "ramp": made(ramp),
    "fresh statistics": made(fresh_statistics),
    "ties memory": lambda: Tied(tie_memory),
    "mirrors a parameter": with_mirror,
    "counts": made(count, calls=int),
    "counts in secret": made(count_in_secret, calls=int),
    "counts in a list": made(count_in_a_list, seen=list),
    "keeps a tensor": made(keep_a_tensor, average=lambda: torch.zeros(16)),
    "keeps features": made(keep_features),
    "keeps a buffer": with_buffer,
    "numpy": made(use_numpy),
    "makes a tensor": made(make_a_tensor),
    "looks at a number": made(look_at_a_number),
    "chooses by a mask": made(choose_by_mask),
    "chooses by places": made(choose_by_places),
}
"""What looks the same twice, but is not the same for other images, or leaves something behind."""


@pytest.mark.parametrize("name", UNUSUAL)
def test_whatever_a_model_does_it_trains_as_it_is_written(name: str) -> None:
    """Replayed or not: that is for the package to know."""
    for recipe in (ADAM, SGD):
        compare(UNUSUAL[name], recipe)


# --- reading code ---------------------------------------------------------------------------------

SCALE, TOTALS = 0.5, [0.0]


class Base(nn.Module):
    """What all models below have: layers, numbers, and things to stumble over."""

    power = 2

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.blocks = nn.ModuleList([nn.Linear(10, 10) for _ in range(2)])
        self.sizes, self.scale, self.seen, self.notes = (2, 5), 0.5, [1], {"a": 1}
        self.generator, self.helper = random.Random(0), Notes()

    def logits(self, images: Tensor) -> Tensor:
        return self.layer(images.flatten(1))

    @staticmethod
    def halved(x: Tensor) -> Tensor:
        return x / 2

    @property
    def doubled(self) -> float:
        return self.scale * 2

    def print_it(self, x: Tensor) -> Tensor:
        print(x)
        return x


class Loops(Base):
    def forward(self, images: Tensor) -> Tensor:
        x: Tensor = self.logits(images)
        parts = [block(x).relu() for block in self.blocks if block is not self.layer]
        for number, part in enumerate(parts):
            x = x + part * number if number < len(parts) else x
        while x.shape[1] > 10:
            x = x[:, :10]
        return torch.stack([x, sum(parts)]).mean(0)


class Raises(Base):
    def forward(self, images: Tensor) -> Tensor:
        x = self.logits(images)
        if x.ndim != 2 or not x.is_floating_point():
            raise ValueError(f"{x.shape} is odd")
        return x


class Numbers(Base):
    def forward(self, images: Tensor, scale: float = 2.0) -> Tensor:
        x = self.halved(self.logits(images)) * SCALE * self.scale * math.sqrt(self.sizes[0])
        x = x**self.power + self.doubled * scale + self.notes["a"] + self.seen[0]
        return functional.log_softmax(x, dim=-1) if self.training else x.clamp(min=0)


class Inherits(Numbers):
    def forward(self, images: Tensor) -> Tensor:
        def inner(x: Tensor) -> Tensor:
            return torch.sigmoid(x) + SCALE

        return inner(super().forward(images))


class Prints(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.print_it(self.logits(images))


class Counts(Base):
    def forward(self, images: Tensor) -> Tensor:
        self.power += 1
        return self.logits(images)


class CountsByName(Base):
    def forward(self, images: Tensor) -> Tensor:
        self.__setattr__("power", self.power + 1)
        return self.logits(images)


class WritesItem(Base):
    def forward(self, images: Tensor) -> Tensor:
        self.notes["a"] = len(images)
        return self.logits(images)


class Appends(Base):
    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(1)
        return self.logits(images)


class Tosses(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * self.generator.random()


class Helps(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * self.helper.calls


class Tries(Base):
    def forward(self, images: Tensor) -> Tensor:
        try:
            return self.logits(images)
        except RuntimeError:
            return images


class Opens(Base):
    def forward(self, images: Tensor) -> Tensor:
        with torch.no_grad():
            return self.logits(images)


class Imports(Base):
    def forward(self, images: Tensor) -> Tensor:
        import time

        return self.logits(images) * time.time()


class TakesListFromOutside(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * TOTALS[0]


class TakesModuleFromOutside(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * random.random()


class Seeds(Base):
    def forward(self, images: Tensor) -> Tensor:
        torch.manual_seed(1)
        return self.logits(images)


class Looks(Base):
    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * images.numpy().mean()


class Data(Base):
    def forward(self, images: Tensor) -> Tensor:
        self.layer.weight.data.mul_(0.9)
        return self.logits(images)


class Yields(Base):
    def parts(self, images: Tensor) -> Iterator[Tensor]:
        yield self.logits(images)

    def forward(self, images: Tensor) -> Tensor:
        return sum(self.parts(images))


class Decorated(Base):
    @functools.cache  # noqa: B019 - what it does is the point
    def remembered(self, number: int) -> int:
        return number + 1

    def forward(self, images: Tensor) -> Tensor:
        return self.logits(images) * self.remembered(2)


class OwnCall(Base):
    def __call__(self, images: Tensor) -> Tensor:
        return self.logits(images) * 2


def loss_with_default(logits: Tensor, labels: Tensor, seen: list[int] = []) -> Tensor:  # noqa: B006
    return cross_entropy(logits, labels) * len(seen)


def plain_loss(logits: Tensor, labels: Tensor) -> Tensor:
    return cross_entropy(logits, labels) * SCALE


@pytest.mark.parametrize(
    "kind",
    [
        *(Loops, Numbers, Inherits),
        Raises,
    ],
)
@pytest.mark.parametrize("loss", [cross_entropy, plain_loss, nn.CrossEntropyLoss(), Focal()])
def test_code_that_only_computes_is_known_to(kind: type[nn.Module], loss: LossFunction) -> None:
    assert check_code(kind(), loss)()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Prints, "print_it uses print"),
        (Counts, "keeps something"),
        (CountsByName, "__setattr__"),
        (WritesItem, "keeps something"),
        (Appends, r"\.append"),
        (Tosses, "generator"),
        (Helps, "calls"),
        (Tries, "statement of kind try"),
        (Opens, "statement of kind with"),
        (Imports, "statement of kind import"),
        (TakesListFromOutside, "TOTALS"),
        (TakesModuleFromOutside, "random"),
        (Seeds, "manual_seed"),
        (Looks, "numpy"),
        (Data, r"\.data"),
        (Yields, "statement of kind yield"),
        (Decorated, "remembered"),
        (OwnCall, "was replaced"),
    ],
)
def test_code_that_may_do_more_is_refused(kind: type[nn.Module], reason: str) -> None:
    with pytest.raises(NotRepeatable, match=reason):
        check_code(kind(), cross_entropy)
    with pytest.raises(NotRepeatable, match=reason):
        check_code(nn.Sequential(nn.Identity(), kind()), cross_entropy)


@pytest.mark.parametrize(
    ("loss", "reason"),
    [
        (loss_with_default, "default"),
        (lambda logits, labels: logits.sum(), "plain function|source"),
        (functools.partial(cross_entropy, label_smoothing=0.1), "nobody knows"),
        (Kept, "nobody knows"),
    ],
)
def test_a_loss_that_may_do_more_is_refused(loss: LossFunction, reason: str) -> None:
    with pytest.raises(NotRepeatable, match=reason):
        check_code(Loops(), loss)


def test_numbers_from_outside_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    unchanged = check_code(Numbers(), plain_loss)
    assert unchanged()
    monkeypatch.setitem(globals(), "SCALE", 0.25)
    assert not unchanged()


# --- falling back ---------------------------------------------------------------------------------

TURNED_DOWN = {
    "looks at a number": "depends on the values of a tensor",
    "chooses by a mask": "depends on the values of a tensor",
    "chooses by places": "depends on the values of a tensor",
    "random": "draws random numbers from Python or numpy",
    "numpy": "draws random numbers from Python or numpy",
    "counts": "not the same the second time",
    "counts in a list": "not the same the second time",
    "counts in secret": "changes its attribute calls",
    "keeps a tensor": "not the same the second time",
    "keeps features": "changes its attribute features",
    "makes a tensor": "not the same the second time",
}


@pytest.mark.parametrize("name", TURNED_DOWN)
@pytest.mark.usefixtures("code_unread")
def test_a_model_that_cannot_be_replayed_is_turned_down_in_the_log(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make = UNUSUAL.get(name, made(use_random))  # whose numbers the checks of types use up as well
    with caplog.at_level(logging.DEBUG, "fmnistlab"):
        assert not is_graph(train(GraphStep, make, ADAM, batches_of(3)))
    (line,) = [text for text in caplog.messages if text.startswith("plain training steps: ")]
    assert TURNED_DOWN[name] in line


@pytest.mark.parametrize(
    "name", ["looks at a number", "chooses by a mask", "chooses by places", "makes a tensor"]
)
@pytest.mark.usefixtures("code_unread")
def test_a_model_that_is_turned_down_has_the_bits_of_plain_steps(name: str) -> None:
    for recipe in (ADAM, SGD):
        assert not is_graph(compare(UNUSUAL[name], recipe, exact=True))


def hooked(model: nn.Module, how: str) -> nn.Module:
    layer = model.get_submodule("outer")
    weight = model.get_parameter("inner.weight")
    match how:
        case "forward":
            layer.register_forward_hook(lambda *arguments: arguments[-1] * 2)
        case "before forward":
            layer.register_forward_pre_hook(lambda module, inputs: (inputs[0] * 2,))
        case "backward":
            layer.register_full_backward_hook(lambda module, inner, outer: None)
        case "before backward":
            layer.register_full_backward_pre_hook(lambda module, outer: (outer[0] * 2,))
        case "parameter":
            weight.register_hook(lambda gradient: gradient * 2)
        case "accumulated":

            def halve(parameter: Tensor) -> None:
                parameter.grad.mul_(0.5)

            weight.register_post_accumulate_grad_hook(halve)
    return model


@pytest.mark.parametrize(
    "how",
    ["forward", "before forward", "backward", "before backward", "parameter", "accumulated"],
)
def test_a_model_with_hooks_is_run_as_it_is(how: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def make() -> nn.Module:
        return hooked(Forward(lambda model, images: model.outer(hidden(model, images))), how)

    assert not is_graph(compare(make, exact=True))
    assert "hooks" in caplog.text


GLOBAL_HOOKS: dict[str, Callable[[], Any]] = {
    "forward": lambda: torch_module.register_module_forward_hook(lambda *_: None),
    "before forward": lambda: torch_module.register_module_forward_pre_hook(lambda *_: None),
    "backward": lambda: torch_module.register_module_full_backward_hook(lambda *_: None),
    "before backward": lambda: torch_module.register_module_full_backward_pre_hook(lambda *_: None),
}


@pytest.mark.parametrize("how", GLOBAL_HOOKS)
def test_hooks_for_all_modules_are_respected(how: str) -> None:
    handle = GLOBAL_HOOKS[how]()
    try:
        with pytest.raises(NotRepeatable, match="hooks for all modules"):
            check_model(LinearNet())
    finally:
        handle.remove()
    check_model(LinearNet())


@contextlib.contextmanager
def watched() -> Iterator[None]:
    with recording._Recorder(recording.Memory()):
        yield


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (lambda: torch.autocast("cpu", dtype=torch.bfloat16), "autocast"),
        (lambda: torch.device("cpu"), "somebody else watches"),
        (watched, "somebody else watches"),
    ],
    ids=["autocast", "device", "recorder"],
)
def test_unusual_modes_are_respected(mode: Callable[[], Any], reason: str) -> None:
    with mode(), pytest.raises(NotRepeatable, match=reason):
        check_model(LinearNet())
    check_model(LinearNet())


@pytest.mark.filterwarnings("ignore:Anomaly Detection")
def test_anomaly_detection_is_respected() -> None:
    with torch.autograd.detect_anomaly(), pytest.raises(NotRepeatable, match="anomaly"):
        check_model(LinearNet())


def test_training_under_autocast_is_that_of_the_plain_step() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not is_graph(compare(LinearNet, exact=True))


class Fancy(nn.Parameter):
    pass


def with_fancy_parameter() -> nn.Module:
    model = nn.Linear(3, 3)
    model.weight = Fancy(model.weight.detach())
    return model


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: nn.DataParallel(LinearNet()), "distributed"),
        (lambda: torch.compile(LinearNet()), "torch.compile"),
        (lambda: nn.Sequential(torch.compile(LinearNet())), "torch.compile"),
        (with_fancy_parameter, "parameter weight is of an unusual kind"),
    ],
)
def test_wrapped_models_and_unusual_parameters_are_turned_down(make: Any, reason: str) -> None:
    with pytest.raises(NotRepeatable, match=reason):
        check_model(make())


def test_a_sparse_gradient_is_left_to_the_plain_step() -> None:
    recipe = ADAM.replace(optimizer=lambda p: torch.optim.SGD(p, 0.1))
    assert not is_graph(compare(lambda: Embedded(sparse=True), recipe, exact=True))


@pytest.mark.usefixtures("code_unread")
def test_a_parameter_without_gradient_is_left_to_the_plain_step(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    def make() -> nn.Module:
        model = Forward(lambda model, images: model.outer(hidden(model, images)))
        model.unused = nn.Linear(3, 3)
        return model

    assert not is_graph(compare(make))
    assert "a parameter gets no gradient" in caplog.text


def test_a_large_step_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setattr(recording, "LARGEST_STEP", 10_000)
    assert not is_graph(compare(CNN, exact=True))
    assert "it is large" in caplog.text


class OwnError(Exception):
    pass


def test_an_error_in_the_model_is_the_models_own() -> None:
    def fail(model: Forward, images: Tensor) -> Tensor:
        if model.training:
            raise OwnError("no more")
        return model.outer(hidden(model, images))

    with pytest.raises(OwnError, match="no more"):
        train(GraphStep, made(fail), ADAM, batches_of(1))


def test_an_error_for_some_shapes_is_the_models_own() -> None:
    """Batch normalisation cannot learn from one image; the steps before stay as they were."""
    model, *_ = train(GraphStep, tiny_noisy, ADAM, batches_of(2))
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        train(GraphStep, without_bias, ADAM, [*batches_of(2), *batches_of(1, size=1)])
    assert all(parameter.is_contiguous() or parameter.ndim == 4 for parameter in model.parameters())


@pytest.mark.parametrize("recipe", [ADAM, SGD], ids=["adam", "sgd"])
@pytest.mark.usefixtures("code_unread")
def test_a_shape_that_cannot_be_replayed_ends_all_replays_without_a_trace(recipe: Recipe) -> None:
    def moody(model: Forward, images: Tensor) -> Tensor:
        inside = hidden(model, images)
        return model.outer(inside * images.mean().item() if len(images) == 5 else inside)

    batches = [*batches_of(4), *batches_of(2, size=5), *batches_of(4, seed=1)]
    assert not is_graph(compare(made(moody), recipe, batches))


# --- state ----------------------------------------------------------------------------------------


def test_recording_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that a step may change is as it was when the first replay begins."""
    torch.manual_seed(0)
    model = tiny_noisy()
    (batch,) = batches_of(1)
    prepare_model(model, batch)
    model[4].eval()
    optimizer = ADAM.make_optimizer(model)
    before = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    images, labels = (part.clone() for part in batch)
    states = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002

    def stop(self: CpuGraph, *inputs: Tensor) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(CpuGraph, "replay", stop)
    step = GraphStep(model, optimizer, cross_entropy, None)
    with pytest.raises(KeyboardInterrupt):
        step(batch)
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in model.state_dict().items())
    assert [module.training for module in model.modules()] == before[1]
    assert torch.equal(torch.get_rng_state(), states[0])
    assert repr(np.random.get_state()) == states[1]  # noqa: NPY002
    assert torch.equal(batch.images, images)
    assert torch.equal(batch.labels, labels)
    assert all(state["step"] == 0 for state in optimizer.state.values())
    assert not any(state["exp_avg"].any() for state in optimizer.state.values())
    step.close()
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.usefixtures("code_unread")
def test_every_step_is_a_replay_and_the_model_runs_twice_for_each_shape(count: int) -> None:
    calls: list[int] = []

    def note(model: Forward, images: Tensor) -> Tensor:
        calls.append(len(images))
        return model.outer(hidden(model, images))

    batches = [batch for size in range(2, 2 + count) for batch in batches_of(3, size=size)]
    assert is_graph(train(GraphStep, made(note), ADAM, batches))
    # One call prepares the model; the others record each shape, and not one is for a step.
    assert len({calls[1:].count(size) for size in range(2, 2 + count)}) == 1
    assert calls[1:].count(2) in (2, 3)


@pytest.mark.parametrize("recipe", [ADAM, SGD], ids=["adam", "sgd"])
def test_more_shapes_than_are_kept_are_recorded_again(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graph_step, "MOST_SHAPES", 3)
    sizes = [2, 3, 4, 5, 6, 2, 3, 6, 5, 4, 2, 7, 7, 3]
    batches = [batches_of(1, size=size, seed=n)[0] for n, size in enumerate(sizes)]
    kept: list[int] = []

    class Counting(GraphStep):
        def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
            result = super().__call__(batch)
            kept.append(len(self._recorded))
            return result

    graph = train(Counting, tiny_noisy, recipe, batches)
    assert is_graph(graph)
    assert max(kept) == 3
    assert_same_training(graph, train(TrainingStep, tiny_noisy, recipe, batches))


def test_a_closed_step_lets_go_of_its_recordings() -> None:
    torch.manual_seed(0)
    model = LinearNet()
    step = GraphStep(model, ADAM.make_optimizer(model), cross_entropy, None)
    for size in (2, 3):
        step(batches_of(1, size=size)[0])
    graphs = [weakref.ref(graph) for graph in step._recorded.values()]
    assert len(graphs) == 2
    step.close()
    assert [graph() for graph in graphs] == [None, None]
    step(batches_of(1)[0])  # and it may go on
    assert len(step._recorded) == 1
    step.close()


def hook_listener(hook: str, action: Callable[..., None]) -> Callback:
    """A callback with one hook."""
    kind = type("Listening", (Callback,), {hook: lambda self, *arguments: action(*arguments)})
    return kind()


def fit(
    make: Maker,
    recipe: Recipe,
    execution: str = "graph",
    callbacks: Sequence[Callback] = (),
    data: Any = None,
) -> Trainer:
    torch.manual_seed(0)
    trainer = Trainer(
        make(), recipe, device="cpu", execution=execution, seed=5, callbacks=callbacks
    )
    trainer.fit(tiny_set(24) if data is None else data)
    return trainer


@pytest.mark.parametrize("recipe", [ADAM, SGD], ids=["adam", "sgd"])
@pytest.mark.parametrize("make", [LinearNet, CNN, tiny_noisy])
def test_after_a_fit_all_is_as_anybody_would_expect(make: Maker, recipe: Recipe) -> None:
    last: dict[str, Tensor] = {}

    def keep(run: Run, result: BatchResult) -> None:
        last.update((name, p.grad.clone()) for name, p in run.model.named_parameters())

    graph = fit(make, recipe, callbacks=[hook_listener("on_batch_end", keep)])
    plain = fit(make, recipe, "eager")
    assert graph.optimizer is not None
    assert plain.optimizer is not None
    tensors = [*graph.model.parameters(), *optimizer_state(graph.optimizer)]
    tensors += [parameter.grad for parameter in graph.model.parameters()]
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == len(tensors)
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
    pairs = zip(graph.model.named_parameters(), plain.model.parameters(), strict=True)
    for (name, parameter), theirs in pairs:
        assert parameter.stride() == theirs.stride()
        assert parameter.is_leaf
        assert torch.equal(parameter.grad, last[name])
        state, their_state = graph.optimizer.state[parameter], plain.optimizer.state[theirs]
        assert state.keys() == their_state.keys()
        if "step" in state:
            assert state["step"] == their_state["step"] == 9
            assert state["exp_avg"].stride() == theirs.stride()
    states = graph.optimizer.state_dict(), plain.optimizer.state_dict()
    assert states[0].keys() == states[1].keys()
    assert states[0]["param_groups"] == states[1]["param_groups"]
    assert [r.count for r in graph.history] == [24] * 3


def test_an_interrupted_fit_leaves_all_as_anybody_would_expect() -> None:
    def interrupt(run: Run, result: BatchResult) -> None:
        if result.step == 4:
            raise KeyboardInterrupt

    torch.manual_seed(0)
    trainer = Trainer(CNN(), ADAM, callbacks=[hook_listener("on_batch_end", interrupt)])
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(tiny_set(43))
    assert trainer.optimizer is not None
    tensors = [*trainer.model.parameters(), *optimizer_state(trainer.optimizer)]
    assert all(tensor.untyped_storage().nbytes() == tensor.nbytes for tensor in tensors)
    assert {state["step"].item() for state in trainer.optimizer.state.values()} == {4}


@pytest.mark.parametrize("make", [LinearNet, CNN, tiny_noisy])
def test_gradients_after_a_batch_are_those_of_its_step(make: Maker) -> None:
    kept: dict[str, list[list[Tensor]]] = {}

    def keeper(name: str) -> Callback:
        def keep(run: Run, result: BatchResult) -> None:
            kept.setdefault(name, []).append([p.grad.clone() for p in run.model.parameters()])

        return hook_listener("on_batch_end", keep)

    for execution in ("graph", "eager"):
        fit(make, ADAM.replace(epochs=1), execution, [keeper(execution)])
    for mine, theirs in zip(kept["graph"], kept["eager"], strict=True):
        for gradient, other in zip(mine, theirs, strict=True):
            # Of the size of the largest: a gradient that should be zero is noise.
            scale = max(float(part.abs().max()) for part in theirs)
            torch.testing.assert_close(gradient, other, rtol=1e-3, atol=1e-4 * scale)


def test_results_that_a_callback_keeps_stay_as_they_were() -> None:
    kept: list[tuple[Tensor, ...]] = []
    copies: list[tuple[Tensor, ...]] = []

    def keep(run: Run, result: BatchResult) -> None:
        kept.append((result.loss, result.logits, result.labels))
        copies.append(tuple(tensor.clone() for tensor in kept[-1]))
        assert not result.logits.requires_grad

    fit(CNN, ADAM, callbacks=[hook_listener("on_batch_end", keep)])
    assert len(kept) == 9
    for results, before in zip(kept, copies, strict=True):
        assert all(map(torch.equal, results, before))
    places = [tensor.data_ptr() for results in kept for tensor in results]
    assert len({*places}) == len(places)


def test_copies_made_by_callbacks_are_whole() -> None:
    copies: list[nn.Module] = []
    states: list[dict[str, Tensor]] = []
    saved: list[dict[str, Any]] = []

    def keep(run: Run, record: EpochRecord) -> None:
        copies.append(copy.deepcopy(run.model))
        states.append({name: tensor.clone() for name, tensor in run.model.state_dict().items()})
        saved.append(copy.deepcopy(run.optimizer.state_dict()))

    trainer = fit(CNN, ADAM, callbacks=[hook_listener("on_epoch_end", keep)])
    assert trainer.optimizer is not None
    assert same_weights(copies[-1], trainer.model)
    assert not same_weights(copies[0], trainer.model)
    for model, state in zip(copies, states, strict=True):
        assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    for number, state in trainer.optimizer.state_dict()["state"].items():
        for name, tensor in state.items():
            assert torch.equal(saved[-1]["state"][number][name], tensor)


# --- callbacks that meddle ------------------------------------------------------------------------


class Adjustable(nn.Module):
    """A model with a bit of everything that a callback may turn."""

    level = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Conv2d(1, 4, 4, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.activation: nn.Module = nn.ReLU()
        self.dropout = nn.Dropout(0.2)
        self.linear, self.head = nn.Linear(196, 16), nn.Linear(16, 10)
        self.strength = 1.0
        type(self).level = 1.0

    def forward(self, images: Tensor) -> Tensor:
        features = self.activation(self.norm(self.image(images)))
        inside = self.dropout(self.linear(features.flatten(1)))
        return self.head(inside * self.strength * self.level)


Change = Callable[[Adjustable, torch.optim.Optimizer], object]


def halve_data(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.linear.weight.data = model.linear.weight.data * 0.5


def halve_state(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    state = model.state_dict()
    model.load_state_dict({name: tensor / 2 for name, tensor in state.items()})


def halve_in_place(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)


def replace_parameter(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    """The optimizer still holds the old one, so the new one does not learn."""
    model.linear.weight = nn.Parameter(model.linear.weight.detach() * 0.5)


def load_optimizer(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    state = copy.deepcopy(optimizer.state_dict())
    for entries in state["state"].values():
        for name in entries:
            if entries[name] is not None and name != "step":
                entries[name] = torch.ones_like(entries[name])
    optimizer.load_state_dict(state)


def replace_optimizer_state(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    for state in optimizer.state.values():
        for name, entry in state.items():
            if entry is not None and name != "step":
                state[name] = torch.ones_like(entry)


def fill_optimizer_state(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    for entry in optimizer_state(optimizer):
        if entry.ndim:
            entry.fill_(1)


def set_rate(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["lr"] *= 5


def set_decay(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    optimizer.param_groups[0]["weight_decay"] = 5.0


def look_for_gradients(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    """As a callback does that draws what the model looks at."""
    model.zero_grad()
    with torch.random.fork_rng(devices=[]):
        model(torch.ones(4, 1, 28, 28)).sum().backward()


def replace_statistics(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.norm.running_mean = torch.ones(4)
    model.norm.eval()


def patch_forward(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.activation.forward = types.MethodType(  # type: ignore[method-assign]
        lambda module, x: torch.tanh(x) * 3, model.activation
    )


def replace_activation(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.activation = nn.Tanh()


def attribute(name: str, value: object) -> Change:
    def change(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
        path, _, last = name.rpartition(".")
        setattr(model.get_submodule(path), last, value)

    return change


def set_level(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    type(model).level = 3.0


def hook_parameter(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.linear.weight.register_hook(lambda gradient: -gradient)


def hook_accumulated(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    def turn(parameter: Tensor) -> None:
        parameter.grad.neg_()

    model.linear.weight.register_post_accumulate_grad_hook(turn)


def hook_forward(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.linear.register_forward_hook(lambda module, inputs, output: output * 2)


def freeze(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.linear.requires_grad_(False)


def statistics_only(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.norm.eval()


def rename_mode(model: Adjustable, optimizer: torch.optim.Optimizer) -> None:
    model.dropout.eval()


CHANGES: dict[str, Change] = {
    "freezes a layer": freeze,
    "switches a norm to eval": statistics_only,
    "switches dropout off": rename_mode,
    "replaces data": halve_data,
    "loads weights": halve_state,
    "writes in place": halve_in_place,
    "replaces a parameter": replace_parameter,
    "replaces statistics": replace_statistics,
    "replaces a layer": replace_activation,
    "patches a layer": patch_forward,
    "hooks a layer": hook_forward,
    "hooks a parameter": hook_parameter,
    "hooks a gradient": hook_accumulated,
    "sets a number of its own": attribute("strength", 3.0),
    "sets a number of its class": set_level,
    "sets dropout": attribute("dropout.p", 0.9),
    "sets an epsilon": attribute("norm.eps", 5.0),
    "sets the rate": set_rate,
    "sets the decay": set_decay,
    "loads the optimizer": load_optimizer,
    "replaces the optimizer's state": replace_optimizer_state,
    "fills the optimizer's state": fill_optimizer_state,
    "looks for gradients": look_for_gradients,
}
HARMLESS = {"looks for gradients"}


WITHIN = {"switches a norm to eval", "switches dropout off", "replaces statistics"}
"""What the trainer puts back before the next epoch."""


@functools.cache
def meddled(name: str | None, hook: str, recipe: Recipe, execution: str) -> Trained:
    """Trains; the change is made once, after the first epoch or in the middle of the second."""
    losses: list[Tensor] = []
    logits: list[Tensor] = []

    def listen(run: Run, result: BatchResult) -> None:
        losses.append(result.loss)
        logits.append(result.logits)

    def meddle(run: Run, *facts: object) -> None:
        if name is not None and run.step == {"on_epoch_end": 3, "on_batch_end": 4}[hook]:
            assert isinstance(run.model, Adjustable)
            CHANGES[name](run.model, run.optimizer)

    listeners = [hook_listener("on_batch_end", listen), hook_listener(hook, meddle)]
    trainer = fit(Adjustable, recipe, execution, listeners, tiny_set(24))
    assert trainer.optimizer is not None
    return Trained(trainer.model, trainer.optimizer, None, losses, logits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("recipe", "hook"),
    [(ADAM, "on_batch_end"), (SGD, "on_epoch_end")],
    ids=["adam", "sgd"],
)
@pytest.mark.parametrize(
    "name",
    CHANGES,
)
def test_a_callback_that_changes_something_is_heeded(name: str, recipe: Recipe, hook: str) -> None:
    if hook == "on_epoch_end" and name in WITHIN:
        pytest.skip("the trainer puts all modes back before the next epoch")
    graph, plain = (meddled(name, hook, recipe, way) for way in ("graph", "eager"))
    assert_same_training(graph, plain)
    for mine, theirs in zip(
        optimizer_state(graph.optimizer), optimizer_state(plain.optimizer), strict=True
    ):
        assert mine.shape == theirs.shape
        assert (mine - theirs).abs().max() < 0.1
    if name not in HARMLESS:
        untouched = meddled(None, hook, recipe, "eager")
        assert not torch.allclose(torch.stack(plain.losses), torch.stack(untouched.losses))


def test_a_hook_for_all_modules_between_epochs_is_heeded() -> None:
    handles: list[Any] = []

    def add(run: Run, record: EpochRecord) -> None:
        def double(module: nn.Module, inputs: object, output: Tensor) -> Tensor | None:
            return output * 2 if isinstance(module, nn.ReLU) else None

        handles.append(torch_module.register_module_forward_hook(double))

    losses = []
    for execution in ("graph", "eager"):
        listener = hook_listener("on_epoch_end", add)
        try:
            losses.append(fit(Adjustable, ADAM, execution, [listener]).history[-1].loss)
        finally:
            while handles:
                handles.pop().remove()
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_a_loss_that_a_callback_turns_is_heeded() -> None:
    losses = []
    for execution in ("graph", "eager"):
        focal = Focal()

        def turn(run: Run, record: EpochRecord, focal: Focal = focal) -> None:
            focal.gamma = 0.0

        recipe = ADAM.replace(loss=focal)
        listener = hook_listener("on_epoch_end", turn)
        losses.append(fit(Adjustable, recipe, execution, [listener]).history[-1].loss)
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_gradients_come_back_after_a_callback_has_taken_them_away() -> None:
    seen: list[bool] = []

    def look(run: Run, result: BatchResult) -> None:
        seen.append(all(p.grad is not None for p in run.model.parameters()))
        run.optimizer.zero_grad()

    fit(LinearNet, ADAM, callbacks=[hook_listener("on_batch_end", look)])
    assert all(seen)


@pytest.mark.parametrize("recipe", [ADAM, SGD], ids=["adam", "sgd"])
def test_modes_that_come_and_go_are_heeded(recipe: Recipe) -> None:
    def toggle(run: Run, result: BatchResult) -> None:
        run.model.get_submodule("1").train(result.step % 3 > 0)
        run.model.get_submodule("4").train(result.step % 2 > 0)

    listener = hook_listener("on_batch_end", toggle)
    graph, plain = (fit(tiny_noisy, recipe, way, [listener]) for way in ("graph", "eager"))
    assert_same_numbers(graph.model, plain.model)
    assert [r.loss for r in graph.history] == pytest.approx(
        [r.loss for r in plain.history], rel=1e-4
    )


# --- data -----------------------------------------------------------------------------------------


def ragged(sizes: Sequence[int]) -> DataLoader[Any]:
    starts = np.cumsum([0, *sizes])
    sampler = [[*range(start, stop)] for start, stop in pairwise(starts)]
    return DataLoader(Items(tiny_set(int(starts[-1]))), batch_sampler=sampler)


def collated(collate: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> DataLoader[Any]:
    def join(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images, labels = zip(*pairs, strict=True)
        return collate(torch.stack(images), torch.stack(labels))

    return DataLoader(Items(tiny_set(40)), batch_size=8, collate_fn=join)


def from_one_table(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Images and one-hot labels as two views of one memory."""
    table = torch.cat([images.flatten(1), functional.one_hot(labels, 10).float()], 1)
    return table[:, :784].view(-1, 1, 28, 28), table[:, 784:]


DATA: dict[str, Callable[[], Any]] = {
    "even": lambda: tiny_set(40),
    "a shorter last batch": lambda: tiny_set(43),
    "a longer last batch": lambda: tiny_set(41),
    "many batches and a longer last one": lambda: tiny_set(8 * 33 + 1),
    "one short batch": lambda: tiny_set(5),
    "items": lambda: Items(tiny_set(43)),
    "many shapes": lambda: ragged([2, 3, 4, 2, 5, 3]),
    "turned images": lambda: collated(lambda images, labels: (images.transpose(2, 3), labels)),
    "channels last": lambda: collated(
        lambda images, labels: (images.to(memory_format=torch.channels_last), labels)
    ),
    "gaps": lambda: collated(
        lambda images, labels: (images.repeat(1, 2, 1, 1)[:, 1:], labels.repeat_interleave(2)[::2])
    ),
    "one image for all": lambda: collated(
        lambda images, labels: (images[:1].expand(len(images), 1, 28, 28), labels)
    ),
    "one table": lambda: collated(from_one_table),
    "int32 labels": lambda: collated(lambda images, labels: (images, labels.int())),
    "uint8 labels": lambda: collated(lambda images, labels: (images, labels.to(torch.uint8))),
    "double images": lambda: collated(lambda images, labels: (images.double(), labels)),
    "uint8 images": lambda: TensorDataset(*tiny_set(43).tensors),
    "one-hot labels": lambda: collated(
        lambda images, labels: (images, functional.one_hot(labels, 10).double())
    ),
}


@pytest.mark.parametrize("name", DATA)
def test_data_of_any_shape_trains_as_plain_steps_do(name: str) -> None:
    graph, plain = (fit(tiny_noisy, ADAM, way, data=DATA[name]()) for way in ("graph", "eager"))
    assert_same_numbers(graph.model, plain.model)
    assert [r.loss for r in graph.history] == pytest.approx(
        [r.loss for r in plain.history], rel=1e-4
    )


@pytest.mark.parametrize(
    ("make", "recipe"), [(LinearNet, ADAM), (CNN, ADAM), (tiny_noisy, ADAM), (tiny_noisy, SGD)]
)
def test_several_fits_have_the_bits_of_one(make: Maker, recipe: Recipe) -> None:
    long = fit(make, recipe)
    short = fit(make, recipe.replace(epochs=1))
    short.recipe = recipe
    for _ in range(2):
        short.fit(tiny_set(24), epochs=1)
    assert same_weights(long.model, short.model)
    assert [r.loss for r in long.history] == [r.loss for r in short.history]


@pytest.mark.parametrize(
    ("make", "recipe"), [(LinearNet, ADAM), (CNN, ADAM), (tiny_noisy, ADAM), (tiny_noisy, SGD)]
)
def test_a_saved_training_goes_on_with_the_same_bits(
    make: Maker, recipe: Recipe, tmp_path: Path
) -> None:
    """Saved between two epochs, in the middle of a fit and after one."""
    path = tmp_path / "middle.safetensors"
    trainers: list[Trainer] = []

    def save(run: Run, record: EpochRecord) -> None:
        if record.epoch == 1:
            trainers[0].save(path)

    torch.manual_seed(0)
    trainers.append(
        Trainer(
            make(), recipe, device="cpu", seed=5, callbacks=[hook_listener("on_epoch_end", save)]
        )
    )
    (whole,) = trainers
    whole.fit(tiny_set(24))
    resumed = Trainer.load(path, model=make(), device="cpu")
    resumed.fit(tiny_set(24), epochs=1)
    resumed.save(tmp_path / "end.safetensors")
    again = Trainer.load(tmp_path / "end.safetensors", model=make(), device="cpu")
    again.fit(tiny_set(24), epochs=1)
    assert same_weights(whole.model, again.model)
    assert [r.loss for r in whole.history] == [r.loss for r in again.history]
    assert whole.optimizer is not None
    assert again.optimizer is not None
    states = optimizer_state(whole.optimizer), optimizer_state(again.optimizer)
    assert all(map(torch.equal, *states))


@pytest.mark.parametrize(
    ("make", "recipe"), [(LinearNet, ADAM), (CNN, ADAM), (tiny_noisy, ADAM), (tiny_noisy, SGD)]
)
def test_listening_changes_no_bit(make: Maker, recipe: Recipe) -> None:
    def listen(run: Run, result: BatchResult) -> None:
        result.loss.item()
        run.running_metrics()

    alone = fit(make, recipe)
    heard = fit(make, recipe, callbacks=[hook_listener("on_batch_end", listen)])
    assert same_weights(alone.model, heard.model)
    assert [r.loss for r in alone.history] == [r.loss for r in heard.history]
    assert [r.accuracy for r in alone.history] == [r.accuracy for r in heard.history]


@pytest.mark.parametrize("name", ["adam", "sgd", "unfused", "amsgrad", "rmsprop", "averaged"])
def test_listening_lets_no_step_be_recorded_again(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[CpuGraph] = []
    make_graph = CpuGraph.__init__

    def note(self: CpuGraph, *arguments: Any) -> None:
        made.append(self)
        make_graph(self, *arguments)

    monkeypatch.setattr(CpuGraph, "__init__", note)
    recipe = RECIPES.get(name, ADAM.replace(optimizer=torch.optim.ASGD))
    listener = hook_listener("on_batch_end", lambda run, result: None)
    fit(tiny_noisy, recipe, callbacks=[listener])
    assert len(made) == 1


# --- determinism ----------------------------------------------------------------------------------


def fingerprint(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for tensor in model.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def fingerprints() -> list[str]:
    return [fingerprint(fit(make, ADAM).model) for make in (LinearNet, CNN, tiny_noisy)]


def test_the_same_training_has_the_same_bits_wherever_memory_lies() -> None:
    before = fingerprints()
    in_the_way = [torch.empty(1 + 97 * number) for number in range(200)]
    del in_the_way[::3]
    assert fingerprints() == before


def test_the_same_training_has_the_same_bits_in_another_thread_and_process() -> None:
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(fingerprints()))
    thread.start()
    thread.join()
    code = "from tests.test_graph_step import fingerprints; print(*fingerprints())"
    root = Path(__file__).parent.parent
    other = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert found == [fingerprints()]
    assert other.stdout.split() == found[0]


def test_the_same_steps_have_the_same_bits() -> None:
    for make in (LinearNet, CNN, tiny_noisy):
        once, twice = (train(GraphStep, make, ADAM, batches_of(10)) for _ in range(2))
        assert is_graph(once)
        assert_same_bits(once, twice)
