"""What can be known before the first step: a model, its loss and its data tried on a few images."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.data.item_check import check_labels
from fmnistlab.errors import ConfigurationError, FmnistlabError
from fmnistlab.foundation.global_random import isolated_randomness
from fmnistlab.foundation.wording import setting
from fmnistlab.training.evaluation import evaluation_mode
from fmnistlab.training.recipes.loss_check import check_loss
from fmnistlab.training.recipes.loss_weights import label_rule, label_weights, own_loss
from fmnistlab.training.recipes.recipe import LossFunction
from fmnistlab.training.steps.layout import prepare_model


class Preparation:
    """Tries a trainer's model once, and its loss and data wherever they are new."""

    def __init__(self) -> None:
        self._scores: int | None = None
        self._tried_loss: object = None

    def for_images(self, model: nn.Module, source: BatchSource, device: torch.device) -> int:
        """Moves a model to the device and, the first time, tries it; labels are not read.

        Returns:
            How many scores it gives for an image.

        Raises:
            ConfigurationError: the data cannot be used, or the model cannot compute with float32.
            ItemError: images cannot be right.
            ModelOutputError: the model does not return class scores.
        """
        model.to(device)
        if self._scores is None:
            images = source.example().images
            labels = torch.zeros(len(images), dtype=torch.int64, device=device)
            return self._try(model, images, labels).shape[1]
        return self._scores

    def for_training(
        self,
        model: nn.Module,
        data: tuple[BatchSource, BatchSource | None],
        loss: LossFunction,
        device: torch.device,
        *,
        parts: int = 1,
    ) -> None:
        """Does the same for training and validation data, see `for_labels`.

        Args:
            model: the trainer's.
            data: training data, and validation data or None; on the device.
            loss: a recipe's.
            device: where.
            parts: in which each training batch is computed.

        Raises:
            ConfigurationError: likewise, or a batch will hold one image, from which the model
                cannot learn, or the losses of the parts do not add up to that of a batch.
        """
        if parts > 1 and not label_weights(loss).adds_up:
            raise ConfigurationError(
                f"accumulation_steps is {parts}, and a class weight of 0 together with label "
                "smoothing gives a batch another loss than its parts: leave one of the three out."
            )
        for source in filter(None, data):
            self.for_labels(model, source, loss, device)
        _check_single_images(model, data[0], parts)

    def for_labels(
        self,
        model: nn.Module,
        source: BatchSource,
        loss: LossFunction,
        device: torch.device,
    ) -> None:
        """Does the same as `for_images`, and sees to it that the loss can take all labels.

        Args:
            model: the trainer's.
            source: on the device.
            loss: a recipe's; if it is a module, it is moved to the device.
            device: where.

        Raises:
            ConfigurationError: see `for_images` and `check_loss`.
            ItemError: images or labels cannot be right.
            ModelOutputError: the model does not return class scores, one for each label.
        """
        model.to(device)
        inner: object = own_loss(loss)
        if isinstance(inner, nn.Module):
            inner.to(device)
        if self._scores is not None and self._tried_loss is inner:
            source.expect_labels(label_rule(loss, self._scores))
            return
        images, labels = source.example()
        counted = label_weights(loss).counted(labels)
        scores = self._try(model, images, labels.where(counted, 0) if labels.ndim == 1 else labels)
        weights = label_weights(loss).of_classes
        if weights is not None and len(weights) != scores.shape[1]:
            raise ConfigurationError(
                f"The loss weighs {len(weights)} classes, and {type(model).__name__} gives "
                f"{scores.shape[1]} scores for an image; give one weight for each of them."
            )
        rule = label_rule(loss, scores.shape[1])
        source.expect_labels(rule)
        check_labels(labels, rule, "the data")
        check_loss(loss, model, scores, labels)
        self._tried_loss = inner

    def _try(self, model: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
        """Returns the model's scores; the first time, checks and prepares the model."""
        with _named_precision(model):
            if self._scores is None:
                prepare_model(model, Batch(images, labels))
            with evaluation_mode(model), torch.no_grad():
                scores: Tensor = model(images)
        self._scores = scores.shape[1]
        return scores


def _check_single_images(model: nn.Module, source: BatchSource, parts: int) -> None:
    """Checks that a model can be trained with one image in a batch, if there will be one.

    Raises:
        ConfigurationError: it cannot, as batch normalization of single numbers.
    """
    smallest = source.smallest_batch
    if smallest is None or smallest // parts > 1:
        return
    images = source.example().images[:1]
    trial, entered = copy.deepcopy(model).train(), [type(model).__name__]
    for layer in trial.modules():
        layer.register_forward_pre_hook(lambda called, _: entered.append(type(called).__name__))
    with isolated_randomness(0, images.device), torch.no_grad():
        try:
            trial(images)
        except ValueError as error:
            raise ConfigurationError(
                f"A training batch will hold a single image, from which {entered[-1]} "
                f"cannot learn: {error}. Use a larger {setting('batch_size')}, "
                f"{'fewer accumulation_steps, ' if parts > 1 else ''}or drop_last=True in a loader."
            ) from error


@contextlib.contextmanager
def _named_precision(model: nn.Module) -> Iterator[None]:
    """Names the weights' type if a model fails and it is another than that of the images.

    Raises:
        ConfigurationError: it did.
    """
    try:
        yield
    except FmnistlabError:
        raise
    except Exception as error:
        floats = {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}
        if not floats:
            raise
        kinds = ", ".join(sorted(map(str, floats)))
        raise ConfigurationError(
            f"{type(model).__name__} has weights of {kinds} and fails for images of torch.float32: "
            f"{error}. Train it in float32, as by model.float(), or change the images' type where "
            "its forward begins."
        ) from error
