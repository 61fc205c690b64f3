"""Averages of weights, and measures of other packages, kept while a model is trained."""

from __future__ import annotations

from typing import Any

from tests.parts.row import SGD, Row, Watcher
from tests.tiny import Items, tiny_noisy, tiny_set
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from torch.utils.data import DataLoader


class Ema(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        self.average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.average.update_parameters(model)

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        self.found.append(self.average.state_dict())


class Swa(Watcher):
    """Averages the weights of the last two epochs, then renews the batch norm's statistics."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        self.average = AveragedModel(model)
        self.schedule = SWALR(optimizer, swa_lr=0.002, anneal_epochs=1)

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        if epoch > 1:
            self.average.update_parameters(model)
            self.schedule.step()

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        update_bn(DataLoader(Items(tiny_set()), batch_size=8), self.average)
        self.found.append(self.average.state_dict())


class EmaPytorch(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        from ema_pytorch import EMA

        self.average = EMA(model, beta=0.9, update_every=2, update_after_step=2)

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.average.update()

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        self.found.append(self.average.ema_model.state_dict())


class TorchEma(Watcher):
    """Keeps an average and ends with it in the model."""

    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        from torch_ema import ExponentialMovingAverage

        self.average = ExponentialMovingAverage(model.parameters(), decay=0.9)

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.average.update()

    def on_fit_end(self, model: Any, optimizer: Any) -> None:
        self.average.copy_to(model.parameters())


class KeepsScores(Watcher):
    """Keeps scores and labels of each batch, and looks at them when later steps were made."""

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.found.append((logits, labels))


class Torchmetrics(Watcher):
    def on_fit_start(self, model: Any, optimizer: Any) -> None:
        from torchmetrics import MetricCollection
        from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score

        measures = [MulticlassAccuracy(10, average="micro"), MulticlassF1Score(10)]
        self.measures = MetricCollection(measures)

    def on_batch_end(self, model: Any, optimizer: Any, logits: Any, labels: Any) -> None:
        self.measures.update(logits, labels)

    def on_epoch_end(self, model: Any, optimizer: Any, epoch: int) -> None:
        self.found.append(self.measures.compute())
        self.measures.reset()


ROWS = [
    Row(part="`swa_utils.AveragedModel` as a moving average", watcher=Ema),
    Row(
        part="`swa_utils`: averaging, `SWALR`, `update_bn`",
        make=tiny_noisy,
        recipe=SGD,
        watcher=Swa,
    ),
    Row(part="ema-pytorch: `EMA`", watcher=EmaPytorch, needs=("ema_pytorch",)),
    Row(part="torch-ema: `ExponentialMovingAverage`", watcher=TorchEma, needs=("torch_ema",)),
    Row(part="scores and labels of each batch, kept", watcher=KeepsScores),
    Row(
        part="torchmetrics: accuracy and F1 after each batch",
        watcher=Torchmetrics,
        needs=("torchmetrics",),
    ),
]
