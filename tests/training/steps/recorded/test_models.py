"""Recorded steps: whatever the model, recipe and loss, the training is that of plain steps."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import tiny_noisy
from tests.training.steps.recorded.recordable_models import Free, flat
from tests.training.steps.recorded.two_trainings import ADAM, SGD, Maker, batches_of, compare, train
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from fmnistlab.models.cnn import CNN
from fmnistlab.models.linear import LinearNet
from fmnistlab.training.recipes.recipe import LossFunction, Recipe
from fmnistlab.training.steps.eager import TrainingStep
from fmnistlab.training.steps.recorded.step import RecordedStep


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
    weights: Tensor

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
