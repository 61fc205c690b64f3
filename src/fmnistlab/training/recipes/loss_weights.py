"""How much each label weighs in the mean that a loss returns."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, nll_loss

from fmnistlab.data.item_check import LabelRule
from fmnistlab.shapes import Bool, Float, Shaped
from fmnistlab.training.recipes.recipe import LossFunction, Recipe

IGNORED: Final = -100
"""The label that torch's losses leave out if they are not told another one."""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelWeights:
    """The weight of each label in a mean: one, unless the loss has weights for classes.

    One-hot and soft labels weigh one each, also in torch's weighted cross-entropy.

    Attributes:
        ignored: the label that does not count.
        of_classes: (classes,), or None if all weigh the same.
        smoothed: whether the loss smoothes labels.
    """

    ignored: int = IGNORED
    of_classes: Tensor | None = None
    smoothed: bool = False

    @property
    def adds_up(self) -> bool:
        """Whether the mean of a batch is made up of those of its parts, whatever labels they have.

        Where a class weighs nothing, its images still have a part in what smoothes the labels, and
        the mean of a batch without others is 0 / 0 or infinite.
        """
        return not self.smoothed or self.of_classes is None or bool((self.of_classes > 0).all())

    def counted(self, labels: Shaped[Tensor, "batch ..."]) -> Bool[Tensor, "batch"]:
        """Returns which labels count."""
        if labels.ndim == 1:
            return labels != self.ignored
        return torch.ones(len(labels), dtype=torch.bool, device=labels.device)

    def of_batches(
        self, labels: Shaped[Tensor, "images ..."], sizes: Sequence[int]
    ) -> Float[Tensor, "batches"]:
        """Returns the weight of each batch, float64 on the CPU.

        Args:
            labels: of all batches, one after the other.
            sizes: images in each batch.
        """
        counted = self.counted(labels).cpu()
        if labels.ndim != 1 or (self.of_classes is None and bool(counted.all())):
            return torch.tensor(sizes, dtype=torch.float64)
        weights = counted.to(torch.float64)
        if self.of_classes is not None:
            known = labels.cpu()[counted].to(torch.int64)
            weights[counted] = self.of_classes.detach().to("cpu", torch.float64)[known]
        return torch.stack([part.sum() for part in torch.split(weights, list(sizes))])


def label_weights(loss: LossFunction) -> LabelWeights:
    """Returns the weights by which a loss takes its mean.

    `torch.nn.CrossEntropyLoss`, `torch.nn.NLLLoss`, their functions and `functools.partial` of
    those say them; every other loss is taken for a mean over all images whose label is not -100,
    which `loss_check.check_loss` tries on some images.

    Args:
        loss: of a recipe, or any other.
    """
    kind, settings = _torch_loss(loss)
    if kind is None:
        return LabelWeights()
    ignored, weights = settings.get("ignore_index", IGNORED), settings.get("weight")
    return LabelWeights(int(ignored), weights, settings.get("label_smoothing", 0) > 0)


def label_rule(loss: LossFunction, scores: int) -> LabelRule:
    """Returns which labels a loss can take.

    Args:
        loss: of a recipe, or any other.
        scores: class scores that the model gives for an image.
    """
    probabilities = _torch_loss(loss)[0] is cross_entropy
    return LabelRule(scores, label_weights(loss).ignored, probabilities)


def own_loss(loss: LossFunction) -> LossFunction:
    """Returns the loss that a recipe's method calls, its own or torch's; others as they are."""
    recipe = getattr(loss, "__self__", None)
    if not isinstance(recipe, Recipe):
        return loss
    if recipe.class_weights and getattr(loss, "__func__", None) is Recipe.training_loss:
        return recipe.weighted_loss
    return recipe.loss or cross_entropy


def loss_name(loss: LossFunction) -> str:
    """Returns the name of a loss's function or class, for messages."""
    inner = _unwrapped(loss)[0]
    return str(getattr(inner, "__qualname__", type(inner).__qualname__))


def _torch_loss(loss: LossFunction) -> tuple[object, dict[str, Any]]:
    """Returns which of torch's losses with class indices it is, or None, and its settings."""
    inner, settings = _unwrapped(loss)
    kind = _KINDS.get(getattr(type(inner), "forward", None))
    if kind is not None:
        names = ("weight", "ignore_index", "label_smoothing")
        return kind, {name: getattr(inner, name) for name in names if hasattr(inner, name)}
    return (inner, settings) if inner in (cross_entropy, nll_loss) else (None, {})


def _unwrapped(loss: LossFunction) -> tuple[Any, dict[str, Any]]:
    """Returns what is called in the end, and the settings it is called with."""
    inner: Any = own_loss(loss)
    if isinstance(inner, functools.partial) and not inner.args:  # those of partials are flat
        return inner.func, inner.keywords
    return inner, {}


_KINDS: Final[dict[object, object]] = {
    nn.CrossEntropyLoss.forward: cross_entropy,
    nn.NLLLoss.forward: nll_loss,
}
