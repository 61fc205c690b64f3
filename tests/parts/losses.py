"""Losses of one's own, and labels of all kinds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.parts.row import ADAM, SEED, Case, Row
from tests.tiny import tiny_linear, tiny_set
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot
from torch.utils.data import TensorDataset

from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

CLASS_WEIGHTS = torch.linspace(0.1, 3, 10)


def own(loss: Any) -> Recipe:
    return ADAM.replace(loss=loss)


def soft_set() -> TensorDataset:
    """Labels as probabilities of each class."""
    images, labels = tiny_set().tensors
    return TensorDataset(images, 0.9 * one_hot(labels, 10).float() + 0.01)


def some_ignored() -> TensorDataset:
    """Every fifth label says that it is to be ignored."""
    images, labels = tiny_set().tensors
    return TensorDataset(images, labels.where(torch.arange(40) % 5 > 0, -100))


def focal(logits: Tensor, labels: Tensor) -> Tensor:
    loss = cross_entropy(logits, labels, reduction="none")
    return ((1 - torch.exp(-loss)) ** 2 * loss).mean()


class Scaled(nn.Module):
    """A loss with a weight of its own that is to be learned."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(logits * self.scale, labels)


def reports(recipe: Recipe, data: TensorDataset, wanted: nn.Module | Any) -> Any:
    """Returns a check that `evaluate` reports the loss over all data at once, however it is cut."""

    def run(way: Execution) -> None:
        trainer = Trainer(tiny_linear(), recipe, device="cpu", seed=SEED, execution=way)
        images, labels = data.tensors
        with torch.no_grad():
            whole = float(wanted(trainer.model(images / 255), labels))
        assert trainer.evaluate(data).loss == pytest.approx(whole, rel=1e-5)
        cut = torch.utils.data.DataLoader(TensorDataset(images / 255, labels), batch_size=7)
        assert trainer.evaluate(cut).loss == pytest.approx(whole, rel=1e-5)

    return run


def ignored_accuracy(way: Execution) -> None:
    """Ignored labels count neither as right nor as wrong."""
    trainer = Trainer(tiny_linear(), own(nn.CrossEntropyLoss()), device="cpu", execution=way)
    data = some_ignored()
    images, labels = data.tensors
    with torch.no_grad():
        right = (trainer.model(images / 255).argmax(1) == labels)[labels != -100]
    assert trainer.evaluate(data).accuracy == pytest.approx(float(right.float().mean()))


def unreached(way: Execution) -> None:
    """A label beyond the scores, where no first look finds it."""
    images, labels = tiny_set(80).tensors
    labels[-1] = 10
    Trainer(tiny_linear(), ADAM, device="cpu", execution=way).fit(TensorDataset(images, labels))


WEIGHTED = nn.CrossEntropyLoss(weight=CLASS_WEIGHTS)
IGNORING = nn.CrossEntropyLoss()

ROWS: list[Row | Case] = [
    Row(part="`nn.CrossEntropyLoss(weight=...)`, trained", recipe=own(WEIGHTED)),
    Case(
        part="`nn.CrossEntropyLoss(weight=...)`, reported",
        run=reports(own(WEIGHTED), tiny_set(), WEIGHTED),
    ),
    Row(
        part="label smoothing of the recipe",
        recipe=ADAM.replace(label_smoothing=0.1),
        recordable=True,
    ),
    Row(
        part="`nn.CrossEntropyLoss(label_smoothing=...)`",
        recipe=own(nn.CrossEntropyLoss(label_smoothing=0.2)),
    ),
    Row(part="soft labels", data=soft_set),
    Row(
        part="`nn.BCEWithLogitsLoss` on one-hot labels",
        recipe=own(nn.BCEWithLogitsLoss()),
        data=soft_set,
    ),
    Row(part="`nn.MultiMarginLoss`", recipe=own(nn.MultiMarginLoss())),
    Row(part="a focal loss of one's own", recipe=own(focal)),
    Row(part="label -100 (`ignore_index`), trained", recipe=own(IGNORING), data=some_ignored),
    Case(
        part="label -100 (`ignore_index`), reported",
        run=reports(own(IGNORING), some_ignored(), IGNORING),
    ),
    Case(part="label -100 (`ignore_index`), accuracy", run=ignored_accuracy),
    Row(part="a loss with parameters of its own", recipe=own(Scaled()), refused="Scaled"),
    Case(part="a label beyond the scores", run=unreached, refused="label"),
]
