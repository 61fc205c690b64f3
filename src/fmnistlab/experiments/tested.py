"""The test of a trained model, or that there was none, and the record of what came of both."""

from __future__ import annotations

from typing import NamedTuple

from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.experiments.config import ExperimentConfig
from fmnistlab.experiments.records.predictions import RunPredictions, content_sha256
from fmnistlab.experiments.records.result import (
    ClassRecord,
    RunResult,
    TestRecord,
    ValidationRecord,
)
from fmnistlab.models.registry import model_name
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.records.classification import ClassScore, class_scores
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.records.predictions import Predictions
from fmnistlab.training.trainer import Trainer


class Tested(NamedTuple):
    """What a test gave.

    Attributes:
        metrics: loss and accuracy; None if nothing was tested.
        scores: of each class; empty likewise.
        content: of the file of predictions; None likewise.
    """

    metrics: Metrics | None
    scores: tuple[ClassScore, ...]
    content: bytes | None

    @classmethod
    def of(cls, trainer: Trainer, test: FashionMNISTCSV, predictions: Predictions | None) -> Tested:
        """Returns what a model gives on the test set; nothing without predictions for it.

        Args:
            trainer: with the model.
            test: the test set.
            predictions: of the model for it.
        """
        if predictions is None:
            return cls(None, (), None)
        content = RunPredictions.of(predictions, test).to_bytes()
        return cls(trainer.evaluate(test), class_scores(test.targets, predictions), content)


def run_result(
    config: ExperimentConfig,
    trainer: Trainer,
    tested: Tested,
    seconds: float,
    pictures: tuple[str, ...],
) -> RunResult:
    """Returns the content of `result.json`.

    Args:
        config: what was done.
        trainer: with the trained model.
        tested: what its test gave.
        seconds: wall time of the fit.
        pictures: names of those that were drawn.
    """
    return RunResult(
        model=model_name(config.model),
        seed=config.seed,
        parameters=sum(parameter.numel() for parameter in trainer.model.parameters()),
        epochs=len(trainer.history),
        stop_reason=trainer.stop_reason,
        executed=trainer.executed or "eager",
        seconds=round(seconds, 3),
        weights_sha256=weights_sha256(trainer.model),
        validation=ValidationRecord.of(trainer.history[-1]),
        test=None if tested.metrics is None else TestRecord.of(tested.metrics),
        classes=tuple(map(ClassRecord.of, tested.scores)),
        predictions_sha256=None if tested.content is None else content_sha256(tested.content),
        pictures=pictures,
    )
