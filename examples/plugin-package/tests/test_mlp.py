"""Holds the model to fmnistlab's contract."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from torch import Tensor

import fmnistlab
from fmnistlab import testing
from fmnistlab.recipes import named_recipe
from fmnistlab.testing import strategies

MLP = fmnistlab.create_model("mlp").eval()


def test_mlp_keeps_the_contract_under_its_name() -> None:
    """The entry point leads to a model that everything in fmnistlab can work with."""
    testing.check_model("mlp")


@pytest.mark.parametrize("options", [{"hidden": ()}, {"hidden": 64, "dropout": 0.0}])
def test_mlp_keeps_the_contract_with_other_options(options: dict[str, object]) -> None:
    """So does each shape that the constructor offers, without hidden layers included."""
    testing.check_model(lambda: fmnistlab.create_model("mlp", **options))


@settings(deadline=None)  # the first call of a model takes longer than the others
@given(images=strategies.images())
def test_mlp_gives_each_image_ten_finite_scores(images: Tensor) -> None:
    """Whatever is on the images, and however many there are."""
    scores = MLP(images)
    assert scores.shape == (len(images), 10)
    assert scores.isfinite().all()


def test_the_recipe_is_offered_and_can_be_written_to_a_file() -> None:
    """So a run folder can record it, and `fmnistlab train mlp --recipe mlp-decay` works."""
    recipe = named_recipe("mlp-decay")
    assert fmnistlab.Recipe.from_dict(recipe.to_dict()) == recipe
