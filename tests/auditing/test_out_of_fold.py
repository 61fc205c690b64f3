"""Out-of-fold predictions: nobody judges what he has learned, and doubles stay together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fmnistlab
from fmnistlab import FashionMNISTCSV, register_model
from fmnistlab.auditing import out_of_fold
from fmnistlab.errors import ConfigurationError
from fmnistlab.models import registry
from fmnistlab.testing import tiny_dataset
from fmnistlab.training.recipes.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=16)

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
    data.data[:, 0] = 0
    data.data[:, 0, 0] = torch.arange(count)
    return data


def check_rounds(models: int, rounds: int, groups: np.ndarray) -> None:
    """Each image is judged once by each round, by a model that saw nothing of its group."""
    count = len(groups)
    trained = [(learned, told) for learned, told in seen_by if len(learned) > count // 2]
    assert len(trained) == models
    judged_rows: list[int] = []
    for learned, told in trained:
        judged = {*range(count)} - learned
        assert judged <= told
        assert not {*groups[[*learned]]} & {*groups[[*judged]]}
        judged_rows += judged
    assert sorted(judged_rows) == sorted([*range(count)] * rounds)


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models of one test are not there in the next."""
    monkeypatch.setattr(registry, "_registered", {})


def test_each_image_is_judged_by_models_that_saw_neither_it_nor_its_double() -> None:
    register_model("watched")(Watched)
    seen_by.clear()
    groups = np.arange(80) // 2
    chances = out_of_fold(
        numbered(80), "watched", recipe=RECIPE, folds=4, seeds=2, groups=groups, device="cpu"
    )
    assert chances.shape == (80, 10)
    assert np.allclose(chances.sum(axis=1), 1)
    check_rounds(8, 2, groups)


def test_an_audit_keeps_the_doubles_that_it_found_in_one_fold() -> None:
    register_model("watched")(Watched)
    seen_by.clear()
    data = numbered(80)
    data.data[40:, 1:] = data.data[:40, 1:]  # but for the first row, which has the number
    found = fmnistlab.audit(
        data, model="watched", recipe=RECIPE, near=200 / 28, folds=4, seeds=1, device="cpu"
    )
    assert len({*found.groups[0]}) == 40
    check_rounds(4, 1, found.groups[0])


def test_a_class_that_is_too_rare_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="only 2 images of label 0 for 3 folds"):
        out_of_fold(tiny_dataset(20), "linearnet", folds=3)
