"""What one finished epoch measured, and its form in JSON."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Final

from fmnistlab.errors import ConfigurationError, suggestion

_NON_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One finished epoch.

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

    Raises:
        ConfigurationError: the epoch is below 1, or only some of the val_ fields are None.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float
    seconds: float
    count: int
    val_count: int | None = None

    def __post_init__(self) -> None:
        if self.epoch < 1:
            raise ConfigurationError(f"epochs count from 1; this record's epoch is {self.epoch}.")
        measured = [v is not None for v in (self.val_loss, self.val_accuracy, self.val_count)]
        if any(measured) and not all(measured):
            raise ConfigurationError(
                f"epoch {self.epoch}: val_loss, val_accuracy and val_count belong together; give "
                "all three, or none when nothing was validated."
            )

    @property
    def validated(self) -> bool:
        """Whether a validation set was measured after this epoch."""
        return self.val_loss is not None

    def to_json_object(self) -> dict[str, object]:
        """Returns the fields as values of strict JSON.

        JSON has no word for nan and the infinities; they become the strings "NaN", "Infinity"
        and "-Infinity".
        """
        return {name: _spell(value) for name, value in dataclasses.asdict(self).items()}

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
        if not isinstance(content, dict):
            raise ConfigurationError(f"{where} must be an object, not {_short(content)}.")
        kinds = {field.name: str(field.type) for field in dataclasses.fields(cls)}
        for name in content:
            if name not in kinds:
                raise ConfigurationError(
                    f"{where} has the unknown field {_short(name)}.{suggestion(name, kinds)}"
                )
        for name in kinds:
            if name not in content:
                raise ConfigurationError(f"{where} lacks the field {name!r}.")
        values: dict[str, Any] = {
            name: _read(content[name], kind, f"{where}.{name}") for name, kind in kinds.items()
        }
        try:
            return cls(**values)
        except ConfigurationError as error:
            raise ConfigurationError(f"{where}: {error}") from error


def _spell(value: object) -> object:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read(value: object, kind: str, where: str) -> float | int | None:
    """Reads a number of the `kind` that the field is annotated with, such as "float | None"."""
    if value is None and kind.endswith("None"):
        return None
    if isinstance(value, str) and value in _NON_FINITE and kind.startswith("float"):
        return _NON_FINITE[value]
    # bool is a kind of int for Python, but true is no number in JSON.
    if isinstance(value, int | float) and not isinstance(value, bool):
        if kind.startswith("float"):
            try:
                return float(value)
            except OverflowError as error:
                raise ConfigurationError(f"{where} is too large for a float.") from error
        if isinstance(value, int):
            return value
    raise ConfigurationError(f"{where} must be {kind}, not {_short(value)}.")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."
