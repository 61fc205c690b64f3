"""Lightning: its Trainer without logger, checkpoints, summary and progress bar."""

from __future__ import annotations

from collections.abc import Callable

import lightning.pytorch
import torch
from torch import Tensor, nn

from benchmarks.contenders.contender import LEARNING_RATE, Evaluator
from benchmarks.contenders.torch_model import TorchContender
from benchmarks.images import Images


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

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Returns Adam with torch's defaults."""
        return torch.optim.Adam(self.parameters(), LEARNING_RATE)


class Lightning(TorchContender, Evaluator):
    """`Trainer.fit` of Lightning; a fit needs a new trainer, whose making is not timed."""

    def epoch(self, images: Images) -> Callable[[], object]:
        """Returns what fits for one epoch."""
        classifier, loader = Classifier(self.module, self.criterion), self.loader(images)
        trainer = _trainer()
        return lambda: trainer.fit(classifier, loader)

    def evaluation(self, images: Images) -> Callable[[], float]:
        """Returns `Trainer.validate` with batches of the training's size."""
        classifier = Classifier(self.module, self.criterion)
        loader = self.loader(images, shuffle=False)
        trainer = _trainer()
        return lambda: trainer.validate(classifier, loader, verbose=False)[0]["loss"]


def _trainer() -> lightning.pytorch.Trainer:
    return lightning.pytorch.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
