"""What `result.json` holds: what came of a training."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.records.kinds import (
    ClassName,
    Count,
    Fraction,
    Number,
    Picture,
    Seconds,
    Seed,
    Sha256,
)
from fmnistlab.training.execution import Executed
from fmnistlab.training.records.classification import ClassScore
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.metrics import Metrics


@dataclasses.dataclass(frozen=True)
class ValidationRecord:
    """The validation after the last epoch; its numbers are None if nothing was validated.

    Attributes:
        loss: mean loss.
        accuracy: fraction of the images that were recognized.
        count: number of images.
        extra: the extra metrics by name; None for one that was not finite.
    """

    loss: float | None
    accuracy: Fraction | None
    count: Count | None
    extra: dict[str, float | None]

    @classmethod
    def of(cls, last: EpochRecord) -> ValidationRecord:
        """Returns the validation of an epoch."""
        extra = {name: _finite(value) for name, value in last.val_extra.items()}
        return cls(_finite(last.val_loss), _finite(last.val_accuracy), last.val_count, extra)


@dataclasses.dataclass(frozen=True)
class TestRecord:
    """The test.

    Attributes:
        loss: mean loss; None if it was not finite.
        accuracy: fraction of the images that were recognized.
        accuracy_interval_95: ends of its 95 % Wilson score interval.
        count: number of images.
        extra: the extra metrics by name; None for one that was not finite.
    """

    __test__ = False  # pytest would take it for tests

    loss: float | None
    accuracy: Fraction
    accuracy_interval_95: tuple[Fraction, Fraction]
    count: Number
    extra: dict[str, float | None]

    @classmethod
    def of(cls, metrics: Metrics) -> TestRecord:
        """Returns what was measured."""
        interval = metrics.accuracy_interval()
        extra = {name: _finite(value) for name, value in metrics.extra.items()}
        return cls(_finite(metrics.loss), metrics.accuracy, interval, metrics.count, extra)

    def metrics(self) -> Metrics:
        """Returns loss, accuracy, count and extra metrics."""
        extra = {name: _or_nan(value) for name, value in self.extra.items()}
        return Metrics(_or_nan(self.loss), self.accuracy, self.count, extra)


@dataclasses.dataclass(frozen=True)
class ClassRecord:
    """A `ClassScore`, with None for what nothing defines."""

    name: ClassName
    precision: Fraction | None
    recall: Fraction | None
    f1: Fraction | None
    count: Count
    recall_interval: tuple[Fraction, Fraction]

    @classmethod
    def of(cls, score: ClassScore) -> ClassRecord:
        """Returns the record of a score."""
        fractions = (_finite(score.precision), _finite(score.recall), _finite(score.f1))
        return cls(score.name, *fractions, score.count, score.recall_interval)

    def score(self) -> ClassScore:
        """Returns the score."""
        fractions = (_or_nan(self.precision), _or_nan(self.recall), _or_nan(self.f1))
        return ClassScore(self.name, *fractions, self.count, self.recall_interval)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunResult:
    """What came of a training.

    Attributes:
        format: version of this record.
        model: name of the model, as in `RunConfig.model`.
        seed: the trainer's.
        parameters: numbers in the model's parameters.
        epochs: finished epochs.
        stop_reason: why it was stopped early, or None if it was not.
        executed: how steps were executed, at the end at least.
        seconds: wall time of the fit in the process that finished it.
        weights_sha256: of the weights; see `fmnistlab.models.weights_sha256`.
        validation: after the last epoch.
        test: of the trained model; None if it was not tested, as a trial of a search is not.
        classes: a record for each class, in the order of the labels; empty without a test.
        predictions_sha256: of the file with what the model says of each test image; None without
            a test.
        pictures: names of the pictures that were drawn.

    Raises:
        ConfigurationError: some of the test is there, and some is not.
    """

    format: Literal[1] = 1
    model: str
    seed: Seed
    parameters: Count
    epochs: Number
    stop_reason: str | None
    executed: Executed
    seconds: Seconds
    weights_sha256: Sha256
    validation: ValidationRecord
    test: TestRecord | None
    classes: tuple[ClassRecord, ...]
    predictions_sha256: Sha256 | None
    pictures: tuple[Picture, ...]

    def __post_init__(self) -> None:
        parts = (self.test, self.predictions_sha256, self.classes or None)
        if len({part is None for part in parts}) > 1:
            raise ConfigurationError(
                "test, classes and predictions_sha256 must be there, or none of them."
            )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
