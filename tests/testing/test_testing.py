"""The kit for plug-in authors: it accepts ours, and it notices what is wrong."""

from __future__ import annotations

import random
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from fmnistlab import callbacks, testing
from fmnistlab.callbacks import Callback
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.errors import ConfigurationError, ModelOutputError
from fmnistlab.models.registry import list_models
from fmnistlab.training.callbacks.run import Run


@pytest.mark.parametrize("name", ["cnn", "linearnet"])
def test_the_built_in_models_keep_the_contract(name: str) -> None:
    assert name in list_models()
    testing.check_model(name)


@pytest.mark.parametrize(
    "make",
    [
        callbacks.BestWeights,
        callbacks.EarlyStopping,
        callbacks.LogLines,
        callbacks.ProgressBar,
        callbacks.Callback,
        testing.RecordingCallback,
    ],
)
def test_our_callbacks_keep_the_contract(make: type[Callback]) -> None:
    testing.check_callback(make)


def test_the_csv_log_keeps_the_contract(tmp_path: Path) -> None:
    testing.check_callback(lambda: callbacks.CsvLog(tmp_path / "log.csv"))


def test_a_tiny_file_is_a_real_one(tmp_path: Path) -> None:
    path = testing.write_tiny_csv(tmp_path / "tiny.csv.xz", rows=25)
    data = FashionMNISTCSV(path)
    assert data.fingerprint == testing.tiny_dataset(25).fingerprint
    assert len(data) == 25


class Broken(nn.Module):
    """A linear model with one fault."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.linear = nn.Linear(784, 10)
        self.fault = fault
        self.calls = 0
        self.scale = 1.0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        logits: Tensor = self.linear(images.flatten(1))
        if self.fault == "nan":
            return logits * torch.nan
        if self.fault == "noise":
            return logits + self.calls
        if self.fault == "batch":
            return logits - logits.mean(0)
        if self.fault == "shape":
            return logits[:, :7]
        if self.fault == "detached":
            return logits.detach() + 0 * torch.zeros(10, requires_grad=True)
        if self.fault == "unsaved" and self.training:
            self.scale *= 1.5
        return logits * self.scale


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("nan", "not finite"),
        ("noise", "differently the second time"),
        ("batch", "when others are in the batch"),
        ("detached", "gets a gradient"),
        ("unsaved", "after it was saved and loaded"),
    ],
)
def test_a_broken_model_is_noticed(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        testing.check_model(lambda: Broken(fault))


class Promises(nn.Module):
    """Says that its steps can be recorded, and does something that no recording holds."""

    recordable: ClassVar[bool] = True

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.linear, self.fault, self.calls = nn.Linear(784, 10), fault, 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += self.training
        logits: Tensor = self.linear(images.flatten(1))
        if self.fault == "counts" and self.training:
            return logits * (1 + self.calls / 100)
        if self.fault == "warms up" and self.calls > 6:
            return logits * 10
        if self.fault == "tosses" and self.training:
            return logits * random.random()
        if self.fault == "looks" and self.training:
            return logits * float(images.mean())
        return logits


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("counts", "was not the same the second time"),
        ("warms up", "recorded steps train it otherwise"),
        ("tosses", "was not the same the second time"),
        ("looks", "depends on the values of a tensor"),
    ],
)
def test_a_model_that_cannot_be_recorded_and_says_so_is_noticed(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        testing.check_model(lambda: Promises(fault))


def test_a_model_that_keeps_its_promise_is_let_through() -> None:
    testing.check_model(lambda: Promises("none"))


def test_a_wrong_shape_is_noticed() -> None:
    with pytest.raises(ModelOutputError, match=r"Broken gave shape \(20, 7\)"):
        testing.check_model(lambda: Broken("shape"))


class Hides(Callback):
    def on_error(self, run: Run, error: BaseException) -> None:
        raise RuntimeError("another") from error


class Stops(Callback):
    def on_setup(self, setup: object) -> None:
        raise ValueError("refuses")


def test_broken_callbacks_are_noticed() -> None:
    testing.check_callback(Hides)  # the trainer itself keeps the first error
    with pytest.raises(ValueError, match="refuses"):
        testing.check_callback(Stops)

    class Misspelt(Callback):
        def on_epoch_stop(self) -> None:
            """Nobody calls this."""

    with pytest.raises(ConfigurationError, match="not a hook"):
        testing.check_callback(Misspelt)


def test_models_that_have_weights_in_common_are_noticed() -> None:
    kept = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
    first = nn.Linear(784, 20)

    class Shares(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Flatten(), first, nn.ReLU(), nn.Linear(20, 10))

    for make in (lambda: kept, Shares):
        with pytest.raises(AssertionError, match="weights in common: make all of them anew"):
            testing.check_model(make)


def test_a_model_that_drops_the_dimension_of_one_image_is_noticed() -> None:
    class Squeezes(nn.Sequential):
        def forward(self, images: Tensor) -> Tensor:
            scores: Tensor = super().forward(images)
            return scores.squeeze()

    with pytest.raises(ModelOutputError, match="Squeezes"):
        testing.check_model(lambda: Squeezes(nn.Flatten(), nn.Linear(784, 10)))
