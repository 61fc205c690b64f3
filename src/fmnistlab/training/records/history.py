"""The finished epochs of a training, in order."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final, Literal, overload

from fmnistlab.errors import ConfigurationError, UnknownMetricError, suggestion
from fmnistlab.foundation import html
from fmnistlab.foundation.strict_json import parse_json
from fmnistlab.foundation.tables import Cell, Column
from fmnistlab.foundation.typed_json import check_format, read_as
from fmnistlab.training.extra_metrics.mode import Mode, decided_mode
from fmnistlab.training.extra_metrics.named import known_mode
from fmnistlab.training.records.epoch_record import NON_FINITE, EpochRecord

__all__ = ["TRAINING_METRICS", "VALIDATION_METRICS", "EpochRecord", "History"]

TRAINING_METRICS: Final = ("loss", "accuracy")
"""Metrics that every epoch has."""

VALIDATION_METRICS: Final = ("val_loss", "val_accuracy")
"""Metrics of the epochs after which a validation set was measured."""

_FORMAT: Final = 1

_MOST_ROWS: Final = 20


class History(Sequence[EpochRecord]):
    """The finished epochs of a training, in order and without gaps, from epoch 1.

    Equal histories hold the same numbers, where nan counts as equal to nan. A slice is a tuple
    of records.

    Args:
        records: epochs to start from, the first of them epoch 1.

    Raises:
        ConfigurationError: the epochs of `records` are not 1, 2, 3 and so on.
    """

    __hash__: ClassVar[None]  # type: ignore[assignment] # it grows while the training runs

    def __init__(self, records: Iterable[EpochRecord] = ()) -> None:
        self._records: list[EpochRecord] = []
        for record in records:
            self.append(record)

    def append(self, record: EpochRecord) -> None:
        """Adds the next epoch.

        Args:
            record: the record of the epoch that follows the last one here.

        Raises:
            ConfigurationError: it is the record of another epoch (a `ValueError`).
        """
        expected = len(self) + 1
        if record.epoch != expected:
            raise ConfigurationError(
                f"the next epoch of this history is {expected}, not {record.epoch}; a history has "
                "no gaps and holds each epoch once."
            )
        self._records.append(record)

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> EpochRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[EpochRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> EpochRecord | tuple[EpochRecord, ...]:
        if isinstance(index, slice):
            return tuple(self._records[index])
        return self._records[index]

    def __iter__(self) -> Iterator[EpochRecord]:
        return iter(self._records)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return self.to_json() == other.to_json()

    def __repr__(self) -> str:
        return f"History({self._records!r})"

    def _repr_html_(self) -> str:
        if not self:
            return html.facts("History", [("epochs", 0)])
        metric = "val_accuracy" if "val_accuracy" in self.metric_names else "accuracy"
        best = self.best(metric)
        epochs = "1 epoch" if len(self) == 1 else f"{len(self):,} epochs"
        caption = f"{epochs}, the best {metric} {best.value(metric):.4f} after epoch {best.epoch}"
        names = [*self.metric_names, "learning_rate"]
        columns = [Column("epoch", "d"), *map(Column, names), Column("seconds", ".1f")]

        def cells(record: EpochRecord) -> list[Cell]:
            return [record.epoch, *map(record.to_row().get, names), record.seconds]

        first, last, between = html.without_middle(self, _MOST_ROWS)
        notes = [f"{between:,} epochs in the middle are left out."] if between else []
        return html.table(columns, map(cells, [*first, *last]), caption=caption, notes=notes)

    @property
    def epoch(self) -> list[int]:
        """Numbers of the finished epochs, from 1 (Keras counts from 0)."""
        return [record.epoch for record in self]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Metrics that `best` can rank: the val_ ones only if some epoch was validated.

        Extra metrics come last, as "val_macro_f1".
        """
        validated = any(record.validated for record in self)
        extra = dict.fromkeys(f"val_{name}" for record in self for name in record.val_extra)
        return (*TRAINING_METRICS, *(VALIDATION_METRICS if validated else ()), *extra)

    @property
    def history(self) -> dict[str, list[float]]:
        """One list for each name, as in Keras, each as long as this history.

        The names are `metric_names`, then learning_rate and seconds; a val_ value that was not
        measured after an epoch is nan.
        """
        names = (*self.metric_names, "learning_rate", "seconds")
        return {name: [record.value(name) for record in self] for name in names}

    def best(self, metric: str, mode: Mode | None = None) -> EpochRecord:
        """Returns the epoch with the smallest loss, the largest accuracy, and so on.

        Args:
            metric: one of `metric_names`.
            mode: whether it is best when small, "min", or large, "max"; needed for a metric of your
                own, of which a history knows no more than the name.

        Returns:
            The best epoch; the earliest of equals. A nan is worse than any number.

        Raises:
            UnknownMetricError: the history has no such metric, or no epoch yet.
            ConfigurationError: `mode` is needed, or is not the metric's.
        """
        if not self:
            raise UnknownMetricError(f"there is no best {metric!r}: no epoch has finished yet.")
        if metric not in self.metric_names:
            hint = suggestion(metric, self.metric_names)
            if metric in VALIDATION_METRICS:
                hint = " Nothing was validated: give fit a validation set."
            raise UnknownMetricError(
                f"the history has no metric {metric!r}.{hint} It has "
                f"{', '.join(self.metric_names)}."
            )
        sign = 1.0 if decided_mode(metric, mode, known_mode(metric)) == "min" else -1.0

        def rank(record: EpochRecord) -> tuple[bool, float]:
            value = record.value(metric)
            return math.isnan(value), 0.0 if math.isnan(value) else sign * value

        return min(self, key=rank)  # min returns the first of equals

    def to_rows(self) -> list[dict[str, float | int | None]]:
        """Returns one dictionary for each epoch, with the same keys in the same order.

        The keys are the fields of `EpochRecord`, but for `val_extra`, then the extra metrics;
        `csv.DictWriter` writes None as an empty cell.
        """
        nothing = dict.fromkeys(key for record in self for key in record.to_row())
        return [nothing | record.to_row() for record in self]

    def to_json(self) -> str:
        """Returns the history as strict JSON on one line.

        Floats are written in the shortest form that reads back to the same bits; see
        `EpochRecord.to_json_object` for nan and the infinities.
        """
        epochs = [record.to_json_object() for record in self]
        return json.dumps({"format": _FORMAT, "epochs": epochs}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "the history") -> History:
        """Reads what `to_json` wrote.

        Args:
            text: the JSON text; bytes are UTF-8.
            source: where it comes from, for messages.

        Returns:
            An equal history.

        Raises:
            ConfigurationError: the text is no JSON, of a newer format, or a field is missing,
                unknown or of the wrong kind; the message names the place.
        """
        content = parse_json(text, source)
        check_format(content, source, newest=_FORMAT)
        document = read_as(_Document, content, source, spelled=NON_FINITE)
        try:
            return cls(document.epochs)
        except ConfigurationError as error:
            raise ConfigurationError(f"{source}: {error}") from error


@dataclasses.dataclass(frozen=True)
class _Document:
    format: Literal[1]
    epochs: tuple[EpochRecord, ...]
