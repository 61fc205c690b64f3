"""What a file keeps of a model, and what receives it."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from tests.tiny import same_weights, tiny_set
from torch import Tensor, nn

from fmnistlab.errors import ConfigurationError
from fmnistlab.models.linear import LinearNet
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer


class Extra(nn.Module):
    """Keeps something that is no tensor beside its weights."""

    def __init__(self, extra: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.extra = extra

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.layer(images.flatten(1))
        return scores

    def get_extra_state(self) -> Any:
        return self.extra

    def set_extra_state(self, state: Any) -> None:
        self.extra = state


def test_a_model_that_no_file_could_keep_is_refused_before_the_first_step() -> None:
    trainer = Trainer(Extra({"a": 1}), Recipe(epochs=1, batch_size=8), device="cpu")
    first = trainer.model.get_parameter("layer.weight").detach().clone()
    with pytest.raises(
        ConfigurationError, match=r"Extra cannot be kept .*_extra_state of its stat"
    ):
        trainer.fit(tiny_set())
    assert torch.equal(trainer.model.get_parameter("layer.weight"), first)
    kept = Trainer(Extra(torch.tensor([3])), Recipe(epochs=1, batch_size=8), device="cpu")
    kept.fit(tiny_set())
    loaded = Trainer.load(kept.to_bytes(), model=Extra(torch.tensor([0])))
    assert loaded.model.extra.tolist() == [3]  # type: ignore[operator] # a tensor


@pytest.mark.parametrize("model", ["linearnet", LinearNet, functools.partial(LinearNet)])
def test_what_makes_a_model_may_receive_the_weights(model: Any) -> None:
    saved = Trainer("linearnet", seed=3)
    before = torch.random.get_rng_state()
    loaded = Trainer.load(saved.to_bytes(), model=model)
    assert same_weights(loaded.model, saved.model)
    assert torch.equal(torch.random.get_rng_state(), before)
