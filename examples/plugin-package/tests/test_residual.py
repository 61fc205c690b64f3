"""Holds the model to fmnistlab's contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fmnistlab_residual import Block
from hypothesis import given, settings
from torch import Tensor

import fmnistlab
from fmnistlab import testing
from fmnistlab.recipes import named_recipe
from fmnistlab.testing import strategies

SMALL: dict[str, Any] = {"width": 4, "blocks": 1}
MODEL = fmnistlab.create_model("residual", **SMALL).eval()


def test_the_model_has_as_many_parameters_as_its_page_says() -> None:
    """So that nobody compares it with another one."""
    size = fmnistlab.summary(fmnistlab.create_model("residual"))
    assert (size.parameters, size.flops) == (272_186, 62_043_904)


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        {**SMALL, "stages": 2, "dropout": 0.5},
        {**SMALL, "stages": 1, "pool": True},
        {**SMALL, "blocks": 0},
    ],
)
def test_the_model_keeps_the_contract_with_each_option(options: dict[str, Any]) -> None:
    """Everything in fmnistlab can work with it, and its steps can be recorded."""
    testing.check_model(lambda: fmnistlab.create_model("residual", **options))


def test_steps_are_recorded() -> None:
    """A class that forgot to say that it is recordable would only be slower, without a word."""
    trainer = fmnistlab.Trainer(
        lambda: fmnistlab.create_model("residual", **SMALL),
        named_recipe("residual-hour").replace(batch_size=8, precision="float32"),
        execution="recorded",
    )
    trainer.fit(testing.tiny_dataset(), epochs=1)
    assert trainer.executed == "recorded"


def test_a_block_starts_as_if_it_were_not_there() -> None:
    """What comes in goes out, if there are no negative numbers in it."""
    images = torch.rand(2, 3, 7, 7)
    assert torch.equal(Block(3, 3).eval()(images), images)


@pytest.mark.parametrize("outputs", [3, 6])
def test_a_block_halves_images_and_rounds_up(outputs: int) -> None:
    """Seven pixels become four, on both ways."""
    assert Block(3, outputs, stride=2)(torch.rand(2, 3, 7, 7)).shape == (2, outputs, 4, 4)


@settings(deadline=None)  # the first call of a model takes longer than the others
@given(images=strategies.images())
def test_the_model_gives_each_image_ten_finite_scores(images: Tensor) -> None:
    """Whatever is on the images, and however many there are."""
    scores = MODEL(images)
    assert scores.shape == (len(images), 10)
    assert scores.isfinite().all()


def test_the_recipe_is_offered_and_can_be_written_to_a_file() -> None:
    """So a run folder can record it, and the command line can take it by its name."""
    recipe = named_recipe("residual-hour")
    assert fmnistlab.Recipe.from_dict(recipe.to_dict()) == recipe
