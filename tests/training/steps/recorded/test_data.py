"""Recorded steps: batches of any shape, layout and source train as in plain steps."""

from __future__ import annotations

import pytest
import torch
from tests.tiny import Items, tiny_set
from tests.training.steps.recorded.probed_fits import assert_seen_alike, fit
from tests.training.steps.recorded.two_trainings import ADAM, batches_of, compare
from torch import Tensor
from torch.nn import functional
from torch.utils.data import DataLoader

from fmnistlab.data.batch import Batch
from fmnistlab.models.cnn import CNN
from fmnistlab.training.steps.recorded import step as recorded_step

pytestmark = pytest.mark.usefixtures("short_fits_are_recorded")


def test_labels_and_batches_of_any_shape_are_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    turned = [Batch(images.transpose(2, 3), labels) for images, labels in batches_of(4)]
    one_hot = [Batch(x, functional.one_hot(y, 10).float()) for x, y in batches_of(4)]
    several = [batch for size in (8, 5, 3, 8) for batch in batches_of(2, size)]
    monkeypatch.setattr(recorded_step, "MOST_SHAPES", 2)
    for batches in (turned, one_hot, several):
        compare(CNN, "recorded", ADAM, batches)


def test_batches_of_a_loader_that_lie_in_parts_are_trained_as_they_are() -> None:
    def turned(pairs: list[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        images, labels = zip(*pairs, strict=True)
        return torch.stack(images, -1).movedim(-1, 0), torch.stack(labels).to(torch.uint8)

    loader = DataLoader(Items(tiny_set(24)), batch_size=8, collate_fn=turned)
    ways = [fit(CNN, ADAM, way, data=loader) for way in ("auto", "eager")]
    assert_seen_alike(*ways)
