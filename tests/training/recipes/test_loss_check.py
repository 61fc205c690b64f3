"""What is known about a loss before the first step."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import same_weights, tiny_linear, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, log_softmax, mse_loss, one_hot
from torch.utils.data import TensorDataset

from fmnistlab.errors import ConfigurationError
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

WEIGHTS = torch.linspace(0.1, 3, 10)


def hot(images: Tensor, labels: Tensor) -> TensorDataset:
    return TensorDataset(images, one_hot(labels, 10).float())


class Centers(nn.Module):
    """Learns a center for each class, as center losses do."""

    def __init__(self) -> None:
        super().__init__()
        self.centers = nn.Parameter(torch.zeros(10, 10))

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        distance = (scores - self.centers[labels]).square().sum(1).mean()
        return cross_entropy(scores, labels) + 0.1 * distance


class Running(nn.Module):
    """Keeps a running mean in a buffer."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(()))

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        loss = cross_entropy(scores, labels)
        with torch.no_grad():
            self.mean.mul_(0.9).add_(0.1 * loss)
        return loss


class Replacing(Running):
    """Puts another buffer in its place instead of changing it."""

    def forward(self, scores: Tensor, labels: Tensor) -> Tensor:
        self.mean = self.mean + 1
        return cross_entropy(scores, labels)


_centers = Centers()


def hidden(scores: Tensor, labels: Tensor) -> Tensor:
    return _centers(scores, labels)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "sum": (nn.CrossEntropyLoss(reduction="sum"), "CrossEntropyLoss adds up over the images"),
    "a weighted sum": (nn.CrossEntropyLoss(WEIGHTS, reduction="sum"), "adds up over the images"),
    "a function's sum": (
        functools.partial(cross_entropy, reduction="sum"),
        'cross_entropy adds up .* Use reduction="mean"',
    ),
    "a sum of one's own": (lambda s, y: cross_entropy(s, y, reduction="none").sum(), "adds up"),
    "none": (nn.CrossEntropyLoss(reduction="none"), r"gives shape \(32,\).*reduction=\"mean\""),
    "one dimension": (lambda s, y: cross_entropy(s, y).view(1), r"gives shape \(1,\)"),
    "a number": (lambda s, y: cross_entropy(s, y).item(), "gives float|return value"),
    "whole number": (lambda s, y: (s.argmax(1) == y).sum(), r"gives shape \(\)"),
    "no gradient": (lambda s, y: (s.argmax(1) != y).float().mean(), "has no gradient"),
    "detached": (lambda s, y: cross_entropy(s.detach(), y), "has no gradient"),
    "one that fails": (nn.BCEWithLogitsLoss(), "BCEWithLogitsLoss fails for scores torch.float32"),
    "parameters": (Centers(), r"Centers has parameters of its own, of shape \(10, 10\)"),
    "hidden parameters": (hidden, r"hidden has parameters of its own, of shape \(10, 10\)"),
    "buffers": (Running(), "Running changes its buffer 'mean'.*model.loss = loss"),
    "replaced buffers": (Replacing(), "Replacing changes its buffer 'mean'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_loss_that_cannot_be_learned_or_reported_is_refused(name: str) -> None:
    loss, words = REFUSED[name]
    model = tiny_linear()
    trainer = Trainer(model, Recipe(loss=loss), device="cpu")
    for use in (trainer.fit, trainer.evaluate):
        with pytest.raises(ConfigurationError, match=words):
            use(tiny_set())
    assert same_weights(model, tiny_linear())


TAKEN: dict[str, Callable[..., Any]] = {
    "default": nn.CrossEntropyLoss(),
    "weighted": nn.CrossEntropyLoss(weight=WEIGHTS),
    "weighted, smoothed": nn.CrossEntropyLoss(weight=WEIGHTS, label_smoothing=0.1),
    "ignoring": nn.CrossEntropyLoss(ignore_index=3),
    "partial": functools.partial(cross_entropy, weight=WEIGHTS),
    "likelihood": lambda s, y: nn.functional.nll_loss(log_softmax(s, 1), y),
    "margins": nn.MultiMarginLoss(weight=WEIGHTS),
    "on one-hot": lambda s, y: mse_loss(s, one_hot(y, 10).float()),
    "binary on one-hot": lambda s, y: nn.BCEWithLogitsLoss()(s, one_hot(y, 10).float()),
    "focal": lambda s, y: (
        (1 - s.softmax(1).gather(1, y[:, None])[:, 0]) ** 2 * cross_entropy(s, y, reduction="none")
    ).mean(),
}


@pytest.mark.parametrize("name", TAKEN)
def test_usual_losses_are_taken_without_a_word(name: str, caplog: pytest.LogCaptureFixture) -> None:
    trainer = Trainer(tiny_linear(), Recipe(loss=TAKEN[name]), device="cpu")
    trainer.fit(tiny_set(), tiny_set(), epochs=1)
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("loss", [nn.BCEWithLogitsLoss(), nn.MSELoss(), nn.CrossEntropyLoss()])
def test_usual_losses_take_one_hot_labels(
    loss: nn.Module, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer(tiny_linear(), Recipe(loss=loss, epochs=1), device="cpu")
    trainer.fit(hot(*tiny_set().tensors), hot(*tiny_set().tensors))
    assert not caplog.records


@pytest.mark.parametrize(
    "loss",
    [
        lambda s, y: cross_entropy(s, y, weight=WEIGHTS),
        lambda s, y: cross_entropy(s, y) + s.std(0).mean(),
        lambda s, y: cross_entropy(s - s.mean(0), y) / len(s) ** 0.5,
    ],
    ids=["weights that nobody sees", "spread over the batch", "the root of the batch"],
)
def test_a_loss_that_does_not_add_up_is_told_once(
    loss: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    trainer = Trainer(tiny_linear(), Recipe(loss=loss, batch_size=20), device="cpu")
    for _ in range(2):
        trainer.fit(tiny_set(), tiny_set(), epochs=1)
        trainer.evaluate(tiny_set())
    (told,) = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    assert "<lambda> of a batch is not the mean of its parts" in told


def test_a_loss_that_is_a_part_of_the_model_is_trained_and_saved(tmp_path: Path) -> None:
    """As the message says: then its parameters and buffers are the model's."""

    class WithLoss(nn.Module):
        def __init__(self, loss: nn.Module) -> None:
            super().__init__()
            self.inner, self.loss = tiny_linear(), loss

        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = self.inner(images)
            return scores

    for kind, name in ((Centers, "loss.centers"), (Running, "loss.mean")):
        loss = kind()
        model = WithLoss(loss)
        trainer = Trainer(model, Recipe(loss=loss, batch_size=8), device="cpu")
        trainer.fit(tiny_set(), epochs=1)
        assert model.state_dict()[name].abs().sum() > 0
        trainer.save(tmp_path / "x.safetensors")
        other = kind()
        recipe = Recipe(loss=other, batch_size=8)
        loaded = Trainer.load(tmp_path / "x.safetensors", model=WithLoss(other), recipe=recipe)
        assert same_weights(loaded.model, model)


def test_a_penalty_on_the_models_own_weights_is_no_strange_parameter() -> None:
    model = tiny_linear()

    def penalized(scores: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(scores, labels) + 0.1 * sum(
            p.square().sum() for p in model.parameters()
        )

    Trainer(model, Recipe(loss=penalized), device="cpu").fit(tiny_set(), epochs=1)


def test_trying_a_loss_draws_no_random_numbers_and_leaves_no_gradients() -> None:
    model = tiny_linear()

    def noisy(scores: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(nn.functional.dropout(scores), labels)

    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    trainer = Trainer(model, Recipe(loss=noisy), device="cpu")
    trainer._preparation.for_labels(
        model, trainer._source(tiny_set()), trainer.recipe.training_loss, torch.device("cpu")
    )
    assert torch.equal(torch.rand(2), expected)
    assert all(parameter.grad is None for parameter in model.parameters())


def counting(calls: list[int]) -> Callable[..., Any]:
    """A function that counts its calls outside of itself."""

    def loss(scores: Tensor, labels: Tensor) -> Tensor:
        calls[0] += 1
        return cross_entropy(scores, labels)

    return loss


class Counting:
    """An object that counts its calls."""

    def __init__(self) -> None:
        self.calls = [0]

    def __call__(self, scores: Tensor, labels: Tensor) -> Tensor:
        self.calls[0] += 1
        return cross_entropy(scores, labels)

    def method(self, scores: Tensor, labels: Tensor) -> Tensor:
        return self(scores, labels)


def test_trying_a_loss_is_not_seen_by_it() -> None:
    """Whatever counts its calls counts as in a loop written by hand: one for each step."""
    calls, one, other = [0], Counting(), Counting()
    losses: list[Callable[..., Any]] = [counting(calls), one, other.method]
    losses.append(functools.partial(losses[0]))
    for loss in losses:
        recipe = Recipe(loss=loss, batch_size=8, epochs=1)
        Trainer(tiny_linear(), recipe, device="cpu", execution="eager").fit(tiny_set())
    assert (calls, one.calls, other.calls) == ([10], [5], [5])


def test_trying_a_loss_leaves_the_models_buffers_alone() -> None:
    loss = Running()
    model = nn.Sequential(tiny_linear(), nn.Identity())
    model[1].loss = loss
    trainer = Trainer(model, Recipe(loss=loss), device="cpu")
    trainer._preparation.for_labels(
        model, trainer._source(tiny_set()), trainer.recipe.training_loss, torch.device("cpu")
    )
    assert loss.mean == 0


def test_a_loss_module_is_moved_to_the_device() -> None:
    moved = []

    class Moving(nn.CrossEntropyLoss):
        def to(self, *args: Any, **kwargs: Any) -> Any:
            moved.append(args)
            return super().to(*args, **kwargs)

    Trainer(tiny_linear(), Recipe(loss=Moving(WEIGHTS)), device="cpu").evaluate(tiny_set())
    assert moved == [(torch.device("cpu"),)]


def test_a_loss_with_a_label_of_its_own_to_ignore_is_learned_and_judged() -> None:
    images, labels = tiny_set().tensors
    data = TensorDataset(images, torch.where(labels == 9, 255, labels))
    recipe = Recipe(loss=nn.CrossEntropyLoss(ignore_index=255), batch_size=10)
    metrics = Trainer(tiny_linear(), recipe, device="cpu").evaluate(data)
    assert metrics.count == 36
