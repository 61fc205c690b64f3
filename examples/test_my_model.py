"""Tests of a model and of a callback of your own: properties that hold for whatever comes.

Run it with ``python -m pytest examples/test_my_model.py``, or copy it and go on from
there. It needs pytest and the extra "testing", which brings hypothesis: each test runs with many
made-up inputs, and one that fails is shown with the simplest input that makes it fail.
"""

from __future__ import annotations

from hypothesis import given, settings
from torch import Tensor, nn

import fmnistlab
from fmnistlab import testing
from fmnistlab.callbacks import Callback, Run
from fmnistlab.testing import strategies

# The first call of a model takes longer than the others, and a training longer than a call.
settings.register_profile("mine", deadline=None)
settings.load_profile("mine")


class MyModel(nn.Module):
    """Compares each image with ten pictures that it learns."""

    def __init__(self) -> None:
        super().__init__()
        self.pictures = nn.Linear(28 * 28, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Returns one score for each class."""
        scores: Tensor = self.pictures(images.flatten(1))
        return scores


class MyCallback(Callback):
    """Keeps the lowest loss of all epochs."""

    lowest = float("inf")

    def on_epoch_end(self, run: Run, record: fmnistlab.EpochRecord) -> None:
        """Looks at the epoch that was just recorded."""
        self.lowest = min(self.lowest, record.loss)


MODEL = MyModel().eval()


def test_both_keep_their_contracts() -> None:
    """All that a training relies on, tried in a few seconds; no hypothesis is needed for it."""
    testing.check_model(MyModel)
    testing.check_callback(MyCallback)


@given(strategies.images())
def test_each_image_gets_ten_finite_scores(images: Tensor) -> None:
    """Also if it is all black, or the only one."""
    scores = MODEL(images)
    assert scores.shape == (len(images), 10)
    assert scores.isfinite().all()


@settings(max_examples=20)
@given(strategies.datasets(), strategies.recipes())
def test_the_callback_has_the_lowest_loss(
    train: fmnistlab.FashionMNISTCSV, recipe: fmnistlab.Recipe
) -> None:
    """With any data set, optimizer, schedule and number of epochs."""
    callback = MyCallback()
    trainer = fmnistlab.Trainer(MyModel(), recipe, seed=0, callbacks=[callback])
    history = trainer.fit(train)
    assert callback.lowest == min(record.loss for record in history)
