"""Small things that many tests need: data, models, callbacks."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, TensorDataset

from fmnistlab.testing import RecordingCallback

_Module = TypeVar("_Module", bound=nn.Module)


def tiny_set(count: int = 40, seed: int = 0, classes: int = 10) -> TensorDataset:
    """Random images whose class can be learned: a bright row tells it."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    images = torch.randint(0, 100, (count, 1, 28, 28), generator=generator, dtype=torch.uint8)
    images[torch.arange(count), 0, 2 * labels] = 255
    return TensorDataset(images, labels)


class Items(Dataset[tuple[Tensor, Tensor]]):
    """The items of a TensorDataset as a data set of floats that cannot be taken whole."""

    def __init__(self, tensors: TensorDataset) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = self.tensors[index]
        return image.to(torch.float32).div(255), label


def tiny_linear(seed: int = 0) -> nn.Sequential:
    """A linear classifier with fixed initial weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Flatten(), nn.Linear(784, 10))


def tiny_noisy(seed: int = 0) -> nn.Sequential:
    """A convolutional classifier with dropout and batch normalisation."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.MaxPool2d(4),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Flatten(),
            nn.Linear(196, 10),
        )


def channels_last(model: _Module) -> _Module:
    """The model itself, with its weights laid out channels last."""
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # the stub lacks it
    return model


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    """Whether two models have the same bits."""
    mine, theirs = one.state_dict(), other.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


class Recorder(RecordingCallback):
    """Notes the hooks in a list that others can share, with a name before each."""

    def __init__(self, calls: list[str] | None = None, name: str = "") -> None:
        super().__init__()
        self.calls = [] if calls is None else calls
        self.name = name
