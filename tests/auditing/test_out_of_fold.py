"""Out-of-fold predictions: nobody judges what he has learned, and doubles stay together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fmnistlab import FashionMNISTCSV, register_model
from fmnistlab.auditing import out_of_fold
from fmnistlab.errors import ConfigurationError
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.recipes.recipe import Recipe

seen_by: list[tuple[set[int], set[int]]] = []
"""Of each model the rows that it learned from and those that it was asked about."""


class Watched(nn.Module):
    """Notes the number in the corner of each image."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        seen_by.append((set(), set()))
        self.place = len(seen_by) - 1

    def forward(self, images: Tensor) -> Tensor:
        rows = (images[:, 0, 0, 0] * 255).round().int().tolist()
        seen_by[self.place][0 if self.training else 1].update(rows)
        scores: Tensor = self.linear(images.flatten(1))
        return scores


def numbered(count: int) -> FashionMNISTCSV:
    data = tiny_dataset(count)
    data.data[:, 0, 0] = torch.arange(count)
    return data


def test_each_image_is_judged_by_models_that_saw_neither_it_nor_its_double() -> None:
    register_model("watched")(Watched)
    seen_by.clear()
    groups = np.arange(80) // 2
    chances = out_of_fold(
        numbered(80),
        "watched",
        recipe=Recipe(epochs=1, batch_size=16),
        folds=4,
        seeds=2,
        groups=groups,
        device="cpu",
    )
    assert chances.shape == (80, 10)
    assert np.allclose(chances.sum(axis=1), 1)
    asked = [rows for _, rows in seen_by if rows and len(_) > 40]
    trained = [(learned, told) for learned, told in seen_by if len(learned) > 40]
    assert len(trained) == 8
    for learned, told in trained:
        judged = {*range(80)} - learned
        assert judged <= told
        assert not {row // 2 for row in learned} & {row // 2 for row in judged}
    for seed in range(2):
        judged_rows = [
            row for learned, _ in trained[4 * seed : 4 * seed + 4] for row in {*range(80)} - learned
        ]
        assert sorted(judged_rows) == list(range(80))
    assert asked


def test_a_class_that_is_too_rare_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="only 2 images of label 0 for 3 folds"):
        out_of_fold(tiny_dataset(20), "linearnet", folds=3)
