"""Images and labels that cannot be what they should be, told by name before anything is learned."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from fmnistlab.errors import ItemError

LARGEST_SIZE: Final = 16.0
"""Pixels whose root mean square is above this are not normalized.

It is about 0.45 for fractions of 255 and 1 for pixels with mean 0 and deviation 1. If each position
has a deviation of its own, single pixels go beyond 100, but that of an image stays below 12. Grey
levels from 0 to 255 have 116, the darkest image of Fashion-MNIST 19, and 90 is left when their mean
is taken away.
"""


@dataclasses.dataclass(frozen=True)
class LabelRule:
    """Which labels a loss can take.

    Attributes:
        scores: class scores that the model gives for an image.
        ignored: the label that the loss leaves out.
        probabilities: whether labels of floats must be from 0 to 1.
    """

    scores: int
    ignored: int
    probabilities: bool


def check_images(images: Tensor, owner: str, items: Sequence[object] | None = None) -> None:
    """Checks that images are grey levels or normalized floats; reads from their device.

    Args:
        images: some images, of any shape; none is fine.
        owner: who gave them, for the message.
        items: the index of each of them in the data set, if known.

    Raises:
        ItemError: they are of another type than uint8 or floats; all are 0 or 1 although they are
            uint8; or they hold floats that are not finite or not normalized, see `LARGEST_SIZE`.
    """
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise ItemError(
            f"The images of {owner} are {images.dtype}. Give uint8 with pixels from 0 to 255, as "
            "by images.to(torch.uint8), or floats from 0 to 1, as by images / 255."
        )
    if images.numel() == 0:
        return
    if images.dtype == torch.uint8:
        if int(images.max()) == 1:
            raise ItemError(
                f"The images of {owner} are uint8, which goes from 0 to 255, but no pixel is above "
                "1. If they were divided by 255 already, give them as floats."
            )
        return
    low, high = (float(end) for end in images.aminmax())
    size = float(torch.linalg.vector_norm(images, dtype=_wide(images))) / images.numel() ** 0.5
    if not low <= high or abs(low) == float("inf") or abs(high) == float("inf"):
        first = int((~images.isfinite()).nonzero()[0, 0])
        raise ItemError(
            f"The images of {owner} hold pixels that are not finite numbers: "
            f"{_place(first, len(images), items)}. Mend such images or leave them out."
        )
    if size > LARGEST_SIZE:
        raise ItemError(
            f"The images of {owner} have pixels from {low:g} to {high:g} as {images.dtype}, which "
            "are not normalized. Divide grey levels by 255, or give them as uint8."
        )


def check_labels(
    labels: Tensor, rule: LabelRule, owner: str, items: Sequence[object] | None = None
) -> None:
    """Checks that a loss can take labels; reads from their device.

    Args:
        labels: whole numbers (batch,), or floats (batch, classes).
        rule: what the loss can take.
        owner: who gave them, for the message.
        items: the index of each of them in the data set, if known.

    Raises:
        ItemError: it cannot take them.
    """
    named = f"The labels of {owner}"
    floats = labels.is_floating_point()
    if labels.is_complex() or labels.ndim != (2 if floats else 1):
        raise ItemError(
            f"{named} are {labels.dtype} of shape {tuple(labels.shape)}. Give one whole number for "
            "each image, as by labels.long(), or one row of floats, one-hot or soft, as by "
            f"torch.nn.functional.one_hot(labels, {rule.scores}).float()."
        )
    if len(labels) == 0:
        return
    if not floats:
        # Most often one look is enough.
        low, high = (int(end) for end in labels.aminmax())
        if low >= 0 and high < rule.scores:
            return
        wrong = ((labels < 0) | (labels >= rule.scores)) & (labels != rule.ignored)
        allowed = f"from 0 to {rule.scores - 1}, or {rule.ignored}, which the loss ignores"
    elif labels.shape[1] != rule.scores:
        raise ItemError(
            f"{named} have {labels.shape[1]} numbers for each image, but the model gives "
            f"{rule.scores} scores. One-hot and soft labels have one number for each score."
        )
    elif rule.probabilities:
        wrong = ~((labels >= 0) & (labels <= 1)).all(1)
        allowed = "rows of probabilities from 0 to 1"
    else:
        wrong = ~labels.isfinite().all(1)
        allowed = "rows of finite numbers"
    found = wrong.nonzero()
    if len(found):
        first = int(found[0])
        raise ItemError(
            f"{named}: {labels[first].tolist()} at {_place(first, len(labels), items)} cannot be "
            f"learned or judged. The model gives {rule.scores} scores, so labels are {allowed}."
        )


def _place(row: int, rows: int, items: Sequence[object] | None) -> str:
    return f"row {row} of a batch of {rows}" if items is None else f"item {items[row]}"


def _wide(images: Tensor) -> torch.dtype:
    """Returns a type in which sums of squares do not overflow."""
    return torch.float64 if images.dtype == torch.float64 else torch.float32
