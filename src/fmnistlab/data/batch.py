"""One batch, and what every source of batches can do."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from fmnistlab.data.item_check import LabelRule, check_images, check_labels
from fmnistlab.errors import ConfigurationError, ItemError
from fmnistlab.shapes import Float, Shaped

EXAMPLE_SIZE = 32
"""Images that a model is tried on before it is trained or evaluated."""


class Batch(NamedTuple):
    """Some images and their labels, on the device.

    Attributes:
        images: float32 (batch, 1, 28, 28); pixels in 0..1 for the data of this package.
        labels: int64 (batch,), or float32 (batch, classes) if they are one-hot.
    """

    images: Float[Tensor, "batch ..."]
    labels: Shaped[Tensor, "batch ..."]


class BatchSource(abc.ABC):
    """One data set, cut into batches on one device.

    Images and labels that cannot be right are refused: each batch when it is fetched, or all at
    once if they lie in memory. Of batches that a DataLoader gives on an accelerator only the
    example is looked at, as the others would make each step wait.
    """

    _label_rule: LabelRule | None = None

    def expect_labels(self, rule: LabelRule) -> None:
        """Tells what labels must be from now on; before, they may be anything.

        Raises:
            ItemError: some, if they lie in memory, are not.
        """
        self._label_rule = rule

    @property
    def labels(self) -> Shaped[Tensor, "items ..."] | None:
        """All labels, in the order of the data set, or None if only a full pass can tell."""
        return None

    @property
    @abc.abstractmethod
    def count(self) -> int | None:
        """Number of items, or None if only a full pass can tell."""

    @property
    @abc.abstractmethod
    def steps_per_epoch(self) -> int | None:
        """Number of training batches in an epoch, or None if only a full pass can tell."""

    @property
    @abc.abstractmethod
    def smallest_batch(self) -> int | None:
        """Images in the smallest training batch, or None if only a full pass can tell."""

    @abc.abstractmethod
    def example(self) -> Batch:
        """Returns a few items, at most `EXAMPLE_SIZE`, to try a model on."""

    @abc.abstractmethod
    def training_batches(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """Yields each item once, in the order of this epoch (from 1), augmented.

        A source that was asked for balanced classes yields as many items, some of them twice.

        Args:
            epoch: number of the epoch.
            start: batches at the beginning that are left out.
        """

    @abc.abstractmethod
    def evaluation_batches(self, *, in_order: bool = False) -> Iterator[Batch]:
        """Yields each item once, never augmented.

        Args:
            in_order: whether it must be the order of the data set, from the first item to the last.

        Raises:
            ConfigurationError: a DataLoader gives items twice or not at all, or in another order.
        """

    @abc.abstractmethod
    def identity(self) -> str:
        """Returns a name for the items and their order, the same for the same data."""

    @property
    def generators(self) -> list[torch.Generator]:
        """Random generators that the data's owner gave it and that training draws from."""
        return []


def to_device(
    pair: object,
    device: torch.device,
    owner: str,
    *,
    rule: LabelRule | None = None,
    items: Sequence[object] | None = None,
    example: bool = False,
) -> Batch:
    """Returns collated images and labels as a batch on the device.

    Args:
        pair: images and labels, two tensors.
        device: where they are to be.
        owner: who gave them, for the message.
        rule: what labels must be, or None if they are not read.
        items: the index of each item in the data set, if known.
        example: whether they are looked at even if they lie on an accelerator.

    Raises:
        ConfigurationError: `pair` is something else.
        ItemError: images or labels cannot be right.
    """
    if not (
        isinstance(pair, Sequence)
        and len(pair) == 2
        and all(isinstance(part, Tensor) for part in pair)
    ):
        raise ConfigurationError(f"{owner} must give pairs (image, label), not {type(pair)}.")
    images, labels = cast("tuple[Tensor, Tensor]", pair)
    if images.ndim == 0 or labels.ndim == 0 or len(images) != len(labels):
        raise ItemError(
            f"{owner} gave images of shape {tuple(images.shape)} with labels of shape "
            f"{tuple(labels.shape)}; a batch has one label for each image, in the first dimension."
        )
    known = None if items is None or len(items) != len(images) else items
    if example or images.device.type == "cpu":
        check_images(images, owner, known)
    if rule is not None and (example or labels.device.type == "cpu"):
        check_labels(labels, rule, owner, known)
    return as_batch(images.to(device), labels.to(device))


def as_batch(images: Tensor, labels: Tensor) -> Batch:
    """Makes images float32 and labels int64; uint8 pixels become fractions of 255."""
    return Batch(as_floats(images), as_labels(labels))


def as_floats(images: Tensor) -> Tensor:
    """Returns images as float32, also float16, bfloat16 and float64; uint8 becomes x / 255."""
    return images.div(255) if images.dtype == torch.uint8 else images.to(torch.float32)


def as_labels(labels: Tensor) -> Tensor:
    """Returns labels as a loss takes them: int64, or float32 if they are one-hot."""
    return labels.to(torch.float32 if labels.is_floating_point() else torch.int64)
