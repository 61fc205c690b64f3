"""What one finished epoch measured, and its form in JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias

from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import shown
from fmnistlab.foundation.typed_json import Rule, read_as

NON_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How the floats are spelled that JSON has no word for."""


_Count: TypeAlias = Annotated[int, Rule("from 0", lambda count: count >= 0)]


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One finished epoch.

    A history and a CSV file name each extra metric with "val_" in front, as `value` does.

    Attributes:
        epoch: number of the epoch, from 1.
        loss: mean training loss over the images seen, measured while the weights were changing.
        accuracy: fraction of them classified rightly, measured in the same pass.
        val_loss: mean loss on the validation set after the epoch; None if none was measured.
        val_accuracy: accuracy there, a fraction; None if none was measured.
        learning_rate: the optimizer's learning rate at the end of the epoch.
        seconds: wall time of the training part, without validation.
        count: training images seen in the epoch.
        val_count: validation images measured; None if none were.
        val_extra: the trainer's extra metrics there, by name, such as {"macro_f1": 0.87}.

    Raises:
        ConfigurationError: the epoch is below 1, only some of the val_ fields are None, there are
            extra metrics but no validation, or one has an impossible name.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float
    seconds: float
    count: _Count
    val_count: _Count | None = None
    val_extra: dict[str, float] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.epoch < 1:
            raise ConfigurationError(f"epochs count from 1; this record's epoch is {self.epoch}.")
        measured = [v is not None for v in (self.val_loss, self.val_accuracy, self.val_count)]
        if (any(measured) or self.val_extra) and not all(measured):
            raise ConfigurationError(
                f"epoch {self.epoch}: val_loss, val_accuracy and val_count belong together; give "
                "all three, or none when nothing was validated."
            )
        taken = [field.name for field in dataclasses.fields(self)]
        for name in self.val_extra:
            if not name.isidentifier() or f"val_{name}" in taken:
                raise ConfigurationError(
                    f"epoch {self.epoch}: val_extra has {shown(name)}, which cannot be the name of "
                    "an extra metric."
                )

    @property
    def validated(self) -> bool:
        """Whether a validation set was measured after this epoch."""
        return self.val_loss is not None

    def value(self, name: str) -> float:
        """Returns a number by its name in a history; nan if it was not measured.

        Args:
            name: of a field, or "val_" and the name of an extra metric, as "val_macro_f1".
        """
        value = self.to_row().get(name)
        return math.nan if value is None else value

    def to_row(self) -> dict[str, float | int | None]:
        """Returns all numbers by their names in a history: the fields, then the extra metrics."""
        row = dataclasses.asdict(self)
        extra = row.pop("val_extra")
        return row | {f"val_{name}": value for name, value in extra.items()}

    def to_json_object(self) -> dict[str, object]:
        """Returns the fields as values of strict JSON.

        JSON has no word for nan and the infinities; they become the strings "NaN", "Infinity"
        and "-Infinity".
        """
        spelled = {name: _spell(value) for name, value in dataclasses.asdict(self).items()}
        extra = {name: _spell(value) for name, value in self.val_extra.items()}
        return spelled | {"val_extra": extra}

    @classmethod
    def from_json_object(cls, content: object, where: str) -> EpochRecord:
        """Reads what `to_json_object` returned.

        Args:
            content: one value of a parsed JSON text.
            where: its place there, for messages, such as "epochs[3]".

        Returns:
            An equal record.

        Raises:
            ConfigurationError: a field is missing, unknown or of the wrong kind, or the fields
                contradict each other; the message names the place.
        """
        return read_as(cls, content, where, spelled=NON_FINITE)


def _spell(value: object) -> object:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
