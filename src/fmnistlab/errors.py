"""Every error that fmnistlab raises on purpose.

All of them derive from `FmnistlabError`; each one is also the built-in kind that callers would
expect (`ValueError`, `LookupError`, `OSError`, ...), so code that knows nothing of fmnistlab can
catch it too. `exit_code` is what the command line returns for it. Text from
outside in a message, such as a file name, is made printable there, for whoever prints it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from os import PathLike, fspath
from typing import ClassVar

from fmnistlab.foundation.terminal import printable


class FmnistlabError(Exception):
    """Base of all errors raised by fmnistlab.

    Args:
        *message: what went wrong; text is made printable (see `foundation.terminal`), and may
            have several lines. Fields of the subclasses keep what they were given.

    Attributes:
        exit_code: exit code of the command line for this kind of error (1 to 5).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, *message: object) -> None:
        super().__init__(*(_clean(part) if isinstance(part, str) else part for part in message))

    def __str__(self) -> str:
        # Once more, for what the built-in kind adds, and for parts that are no text.
        return _clean(super().__str__())

    def add_note(self, note: str) -> None:
        """Adds a note that tracebacks show, printable."""
        super().add_note(_clean(note))


class ConfigurationError(FmnistlabError, ValueError):
    """A setting is impossible: a negative number of epochs, a misspelt hook, an unknown device."""

    exit_code = 2


class UnknownArgumentError(ConfigurationError, TypeError):
    """A function was called with a keyword argument that it does not have."""


class UnknownMetricError(ConfigurationError):
    """A callback watches a metric that no epoch record has."""


class UnknownModelError(FmnistlabError, LookupError):
    """No built-in, plug-in or registered model has the name that was asked for."""

    exit_code = 2


class ModelNameClashError(FmnistlabError, LookupError):
    """Two packages claim one model name, or a built-in name was to be taken."""

    exit_code = 2


class ModelLoadError(FmnistlabError, ImportError):
    """A registered model could not be imported or built; the message names whose it is."""


class ModelOptionError(ModelLoadError, TypeError):
    """A model was given an option that it does not take."""

    exit_code = 2


class UnknownRecipeError(ConfigurationError, LookupError):
    """No built-in recipe and no plug-in has the name that was asked for."""


class RecipeNameClashError(ConfigurationError, LookupError):
    """Two packages claim one recipe's name."""


class RecipeLoadError(FmnistlabError, ImportError):
    """A recipe of a plug-in could not be imported, or is none; the message names whose it is."""


class UnknownAugmentationError(ConfigurationError, LookupError):
    """No built-in augmentation, no plug-in and no code has the name that was asked for."""


class AugmentationNameClashError(ConfigurationError, LookupError):
    """Two packages claim one augmentation's name."""


class AugmentationLoadError(FmnistlabError, ImportError):
    """An augmentation that is named could not be imported, or is none that a file can describe."""


class ModelOutputError(FmnistlabError, ValueError):
    """A model returned something else than one row of class scores for each image."""


class NonFiniteError(FmnistlabError, ArithmeticError):
    """A loss, a gradient or a weight became infinite or not a number."""


class DeviceMemoryError(FmnistlabError, MemoryError):
    """The device has too little memory for a training step or an evaluation."""

    exit_code = 5


class DataError(FmnistlabError):
    """Something is wrong with a data file."""

    exit_code = 3


class DataFileError(DataError, OSError):
    """A data file is missing, is a folder, or cannot be read or written."""


class DataFormatError(DataError, ValueError):
    """The content of a data file breaks the format.

    Attributes:
        path: the file.
        reason: what is wrong and what to do about it, one sentence.
        line: line number in the decompressed text, from 1; None if the fault has no line.
        column: name of the column ("label", "pixel37", or "column 786"); None if not about one.
        value: the offending text, at most 40 characters; None if not about one cell.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        reason: str,
        *,
        line: int | None = None,
        column: str | None = None,
        value: str | None = None,
    ) -> None:
        self.path: str = fspath(path)
        self.reason = reason
        self.line = line
        self.column = column
        self.value: str | None = value
        if value is not None and len(value) > 40:
            self.value = value[:37] + "..."
        where = self.path
        if line is not None:
            where += f", line {line}"
        if column is not None:
            where += f", column {column}"
        found = "" if self.value is None else f"{self.value!r} "
        super().__init__(f"{where}: {found}{reason}")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by fields, so that the error survives the way out of a worker process."""
        fields = {"line": self.line, "column": self.column, "value": self.value}
        return _restore_data_format_error, (self.path, self.reason, fields)


def _restore_data_format_error(
    path: str, reason: str, fields: dict[str, int | str | None]
) -> DataFormatError:
    return DataFormatError(path, reason, **fields)  # type: ignore[arg-type] # fields of __reduce__


class ItemError(DataError, ValueError):
    """An image or a label cannot be what it should be: grey levels as floats, a label too high."""


class CheckpointError(FmnistlabError, ValueError):
    """A checkpoint is missing, damaged, of a newer format, or of another model."""

    exit_code = 4


class CheckpointDamagedError(CheckpointError):
    """A file is no checkpoint, or its content is not what was written."""


class CheckpointWriteError(FmnistlabError, OSError):
    """A checkpoint cannot be written; those written before are untouched.

    Attributes:
        errno: number of the operating system's error, such as `errno.ENOSPC`.
    """


class RunFolderError(FmnistlabError, OSError):
    """A run folder exists already, cannot be written, or is not a run folder."""


class RunFolderInUseError(RunFolderError):
    """Another process is writing in a run folder now."""


class Terminated(SystemExit):
    """The process was asked to end, by SIGTERM or SIGHUP; no error, as Ctrl-C is none.

    If it is not caught, the process ends silently with the exit code that shells expect.

    Attributes:
        code: 128 plus the number of the signal, 143 for SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(128 + signal_number)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by the signal, so that the code survives the way out of a worker process."""
        return Terminated, (int(str(self.code)) - 128,)


class WorkerError(FmnistlabError, RuntimeError):
    """The processes that were to train were killed, or what they need cannot be sent to them."""


class NoRoomError(WorkerError):
    """A training in another process failed for want of room or memory."""

    exit_code = 5


class MissingExtraError(FmnistlabError, ImportError):
    """An optional dependency is needed; the message says which extra installs it."""


def _clean(text: str) -> str:
    return printable(text, lines=True)


def suggestion(name: str, choices: Iterable[str]) -> str:
    """Returns " Did you mean 'x' or 'y'?" for the nearest choices, or "" when none is near."""
    near = difflib.get_close_matches(name, list(choices), n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
