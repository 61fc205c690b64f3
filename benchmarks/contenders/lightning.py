"""Lightning: its Trainer without logger, checkpoints, summary and progress bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch
import torch
from torch import Tensor, nn

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator, Fitter
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.contenders.torch_recipe import TorchRecipe, torch_recipe, whole_batches
from benchmarks.images import Images
from fmnistlab.recipes import Recipe


class Classifier(lightning.pytorch.LightningModule):
    """The model as Lightning wants it."""

    def __init__(self, module: nn.Module, criterion: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.criterion = criterion

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Returns the loss of a batch, and logs nothing."""
        images, labels = batch
        return self.criterion(self.module(images), labels)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Logs the loss of a batch."""
        images, labels = batch
        self.log("loss", self.criterion(self.module(images), labels), batch_size=len(labels))

    def configure_optimizers(self) -> torch.optim.Optimizer | dict[str, Any]:
        """Returns Adam with torch's defaults."""
        return torch.optim.Adam(self.parameters(), LEARNING_RATE)


class Scheduled(Classifier):
    """The model with the recipe's optimizer, and its schedule as Lightning moves it."""

    def __init__(self, module: nn.Module, told: TorchRecipe) -> None:
        super().__init__(module, nn.CrossEntropyLoss(**told.loss))
        self.told = told

    def configure_optimizers(self) -> dict[str, Any]:
        """Returns the optimizer, and what moves its learning rate after each step."""
        optimizer = self.told.optimizer(self.parameters(), **self.told.settings)
        schedule = self.told.schedule(optimizer)
        if schedule is None:
            return {"optimizer": optimizer}
        moved = {"scheduler": schedule, "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": moved}


class Lightning(TorchContender, Evaluator, Fitter):
    """`Trainer.fit` of Lightning; a fit needs a new trainer, whose making is not timed."""

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what fits for one epoch."""
        classifier, loader = Classifier(self.module, self.criterion), self.loader(images)
        trainer = _trainer()
        return lambda: trainer.fit(classifier, loader)

    def fit(self, images: Images, recipe: Recipe) -> Callable[[], object]:
        """Returns what fits all epochs, a batch asked for at a time."""
        told = torch_recipe(recipe, len(images.labels))
        loader = whole_batches(images, told.batch_size)
        self.lay_channels_last()
        return lambda: _trainer(told.epochs).fit(Scheduled(self.module, told), loader)

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `Trainer.validate` with batches of the training's size."""
        classifier = Classifier(self.module, self.criterion)
        loader = self.loader(images, shuffle=False)
        trainer = _trainer()
        return lambda: trainer.validate(classifier, loader, verbose=False)[0]["loss"]


def _trainer(epochs: int = 1) -> lightning.pytorch.Trainer:
    return lightning.pytorch.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
