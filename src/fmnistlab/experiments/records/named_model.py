"""The model of a run, if a caller says what it is: no record is asked to run code."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from fmnistlab.experiments.records.reading import read_config
from fmnistlab.models.registry import create_model


def named_model(folder: Path, name: str | None) -> nn.Module | None:
    """Returns a new model of a name, with the options of a run; its weights come later.

    Args:
        folder: the run folder.
        name: as for `create_model`; None for no model.

    Raises:
        RunFolderError: `config.json` cannot be read.
        UnknownModelError, ModelNameClashError, ModelLoadError: as of `create_model`.
    """
    return None if name is None else create_model(name, **read_config(folder).model.options)
