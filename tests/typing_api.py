"""The public face as type checkers see it; mypy and pyright read this file, nobody runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import assert_type

import torch
from torch import Tensor, nn

import fmnistlab
from fmnistlab.callbacks import Run
from fmnistlab.experiments import Comparison, Search, Variant, read_predictions
from fmnistlab.metrics import EpochRecord, History, LearningRateRange, Metrics, Predictions
from fmnistlab.statistics import Difference

train = fmnistlab.FashionMNISTCSV.bundled("train")
assert_type(train, fmnistlab.FashionMNISTCSV)
assert_type(train[0], tuple[Tensor, Tensor])
assert_type(train.fingerprint, str)
assert_type(train.classes, list[str])
fit_set, valid_set = train.split(valid_fraction=0.2, seed=42)
assert_type(fit_set, fmnistlab.FashionMNISTCSV)

comparison = fmnistlab.compare(["linearnet", Variant(model="cnn")], seeds=3)
assert_type(comparison, Comparison)
assert_type(comparison.verdicts, tuple[str, ...])
assert_type(comparison.pairs[0].difference, Difference | None)
assert_type(read_predictions(Path("run")).correct, Tensor)

found = fmnistlab.search("cnn", trials=3, space={"epochs": {"low": 1, "high": 3}})
assert_type(found, Search)
assert_type(found.best.val_accuracy, float | None)
assert_type(found.fresh.test, Difference | None)
assert_type(fmnistlab.learning_rate_range("cnn", train), LearningRateRange)

assert_type(fmnistlab.list_models(), list[str])
assert_type(fmnistlab.create_model("cnn"), nn.Module)
assert_type(fmnistlab.load_model("cnn"), Callable[..., nn.Module])


@fmnistlab.register_model("mine")
class Mine(nn.Module):
    """Stays a class of its own after registration."""

    width: int = 3


assert_type(Mine().width, int)


class Stop(fmnistlab.callbacks.Callback):
    """Hooks have fixed signatures, so a wrong one is an error for the type checker."""

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        """Stops at once."""
        assert_type(record.loss, float)
        assert_type(record.val_loss, float | None)
        run.stop("enough")


trainer = fmnistlab.Trainer(
    Mine(), recipe=fmnistlab.recipes.CLASSIC, device="auto", seed=0, callbacks=[Stop()]
)


def mine(logits: Tensor, labels: Tensor) -> Tensor:
    """A metric may be a tensor of one number."""
    return (logits.argmax(dim=1) - labels).double().mean()


fmnistlab.Trainer("cnn", metrics=["macro_f1", mine])
fmnistlab.Trainer("cnn", metrics={"distance": mine})
history = trainer.fit(fit_set, valid_set, epochs=10)
assert_type(history, History)
assert_type(history.history, dict[str, list[float]])
assert_type(history[0], EpochRecord)
assert_type(history[0].value("val_macro_f1"), float)
assert_type(history.best("val_mine", mode="max"), EpochRecord)
assert_type(trainer.evaluate(valid_set), Metrics)
assert_type(trainer.evaluate(valid_set, average_flips=True).extra, dict[str, float])
assert_type(trainer.evaluate(valid_set).accuracy_interval(), tuple[float, float])
assert_type(trainer.predict(valid_set), Predictions)
assert_type(trainer.predict(torch.zeros(2, 1, 28, 28)).labels, Tensor)
trainer.save("x.safetensors")
assert_type(fmnistlab.Trainer.load("x.safetensors"), fmnistlab.Trainer)

audited = fmnistlab.audit(fit_set, valid_set, model="cnn")
assert_type(audited, fmnistlab.auditing.Audit)
assert_type(audited.near[0].distance, float)
assert_type(audited.candidates, tuple[fmnistlab.auditing.LabelCandidate, ...] | None)
fit_set.split(keep_together=audited.groups[0])
