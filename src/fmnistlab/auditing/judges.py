"""Who tells which labels are in doubt: models that are trained for it, or finished runs."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from fmnistlab.auditing.out_of_fold import MOST_FOLDS, out_of_fold, why_not
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import NUM_CLASSES
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.records.predictions import read_predictions
from fmnistlab.experiments.sweep.found import find_runs
from fmnistlab.foundation.checks import whole_number
from fmnistlab.models.registry import create_model, list_models
from fmnistlab.shapes import Float, Int64, UInt8
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import checked_epochs


@dataclasses.dataclass(frozen=True)
class Trainings:
    """Models that are trained for this, each on all images but a part; see `out_of_fold`.

    Raises:
        ConfigurationError: a number is out of range.
    """

    model: str
    recipe: Recipe
    epochs: int | None
    folds: int
    seeds: int
    device: str | torch.device

    def __post_init__(self) -> None:
        whole_number("folds", self.folds, least=2, most=MOST_FOLDS)
        whole_number("seeds", self.seeds)
        if self.epochs is not None:
            checked_epochs(self.epochs)

    @property
    def words(self) -> str:
        """How many trainings of which model."""
        return f"{self.seeds} x {self.folds} trainings of {self.model}"

    def why_not(self, labels: Int64[np.ndarray, "rows"]) -> str | None:
        """Returns why labels cannot be checked: a class is too rare, or alone."""
        return why_not(labels, self.folds)

    def probabilities(
        self,
        data: FashionMNISTCSV,
        names: UInt8[np.ndarray, "rows 32"],
        groups: Int64[np.ndarray, "rows"],
    ) -> Float[np.ndarray, "rows classes"]:
        """Trains, and returns what is said of each image by models that never saw it.

        Args:
            data: the images.
            names: SHA-256 of their pixels.
            groups: equal numbers for images that are doubles of each other.
        """
        return out_of_fold(
            data,
            self.model,
            recipe=self.recipe,
            epochs=self.epochs,
            folds=self.folds,
            seeds=self.seeds,
            groups=groups,
            device=self.device,
        )


class Runs:
    """Finished runs, which tell of the images that they were tested on.

    Args:
        folders: run folders, and folders of run folders, such as a comparison's; what is not done
            there is passed over.

    Raises:
        ConfigurationError: there is no finished run.
        RunFolderError: the predictions of one are missing or damaged.
    """

    def __init__(self, folders: Sequence[str | os.PathLike[str]]) -> None:
        done = [run for run in find_runs(folders) if run.state == "done"]
        if not done:
            places = ", ".join(os.fspath(folder) for folder in folders)
            raise ConfigurationError(
                f"There is no finished run at or below {places}; `fmnistlab train` makes such "
                "folders. Or give the name of a model, to be trained for this."
            )
        self._models = Counter(run.model for run in done)
        self._sums: dict[bytes, Any] = {}
        for run in done:
            said = read_predictions(run.folder)
            # The last number counts the runs.
            chances = np.pad(
                said.probabilities.double().numpy(), [(0, 0), (0, 1)], constant_values=1
            )
            for name, row in zip(map(bytes, said.images.numpy()), chances, strict=True):
                self._sums[name] = self._sums.get(name, 0) + row

    @property
    def words(self) -> str:
        """How many runs of which models."""
        return " and ".join(
            f"{count} {'run' if count == 1 else 'runs'} of {model}"
            for model, count in sorted(self._models.items(), key=str)
        )

    def why_not(self, labels: Int64[np.ndarray, "rows"]) -> str | None:
        """Returns why labels cannot be checked: there is no other to tell."""
        return why_not(labels, 1)

    def probabilities(
        self,
        data: FashionMNISTCSV,
        names: UInt8[np.ndarray, "rows 32"],
        groups: Int64[np.ndarray, "rows"],
    ) -> Float[np.ndarray, "rows classes"]:
        """Returns the mean over runs for each image that a run was tested on.

        Args:
            data: the images.
            names: SHA-256 of their pixels.
            groups: equal numbers for images that are doubles of each other.
        """
        unknown = np.full(NUM_CLASSES + 1, np.nan)
        sums = np.array([self._sums.get(name.tobytes(), unknown) for name in names])
        chances: np.ndarray = sums[:, :-1] / sums[:, -1:]
        return chances


Judges: TypeAlias = Trainings | Runs
"""What says how probable each class is, of images that it never learned from.

Both have `words` (who they are), `why_not` (why they cannot judge such labels, in words; None if
they can) and `probabilities` (not-a-number for images that they know nothing of).
"""


def chosen_judges(
    model: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None, trainings: Trainings
) -> Judges | None:
    """Returns who is meant.

    Args:
        model: the name of a model, a folder of runs, or several folders; None for nobody.
        trainings: how a model would be trained.

    Raises:
        ConfigurationError: there is no finished run in the folders.
        RunFolderError: the predictions of a run are missing or damaged.
        FmnistlabError: there is no such model, or it cannot be built.
    """
    if model is None:
        return None
    if isinstance(model, str) and (model.lower() in list_models() or not _is_folder(model)):
        with torch.random.fork_rng(devices=[]):
            create_model(model)  # so that a wrong name is told before hours have passed
        return dataclasses.replace(trainings, model=model)
    return Runs([model] if isinstance(model, str | os.PathLike) else model)


def _is_folder(name: str) -> bool:
    """Tells whether a folder has this name, which may be one that no file can have."""
    try:
        return Path(name).is_dir()
    except OSError:  # too long a name
        return False
