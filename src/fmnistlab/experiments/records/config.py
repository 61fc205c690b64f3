"""What `config.json` holds: all that determined a training, down to its bits."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from fmnistlab.data.augmentation.description import augmentation_from_dict, recorded_augmentation
from fmnistlab.data.augmentation.protocol import Augmentation
from fmnistlab.errors import ConfigurationError, suggestion
from fmnistlab.experiments.records.kinds import (
    Count,
    Device,
    Part,
    Seed,
    Sha256,
    Source,
    SplitSeed,
    Threads,
    Time,
)
from fmnistlab.foundation.typed_json import read_as
from fmnistlab.foundation.wording import spoken
from fmnistlab.models.registry import ModelOrigin
from fmnistlab.training.execution import Executed, Execution
from fmnistlab.training.recipes.recipe import Recipe, settings_from_dict

BUNDLED: Final = "bundled"
"""Source of the data that ships with fmnistlab."""


@dataclasses.dataclass(frozen=True)
class ModelRecord:
    """Which model was made.

    Attributes:
        name: see `fmnistlab.models.registry.model_name`.
        options: what its factory was given, values of JSON.
    """

    name: str
    options: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class PartRecord:
    """One part of the data.

    Attributes:
        rows: number of images.
        fingerprint: of the images and labels; see `fmnistlab.data.fingerprint`.
    """

    rows: Count
    fingerprint: Sha256


class DataPlaces(TypedDict, total=False):
    """Where data is: keyword arguments of `load_data`."""

    data: Path | None
    train: Path
    test: Path


@dataclasses.dataclass(frozen=True)
class DataRecord:
    """Which data a training saw.

    Attributes:
        source: a folder or file, or `BUNDLED`.
        test_source: the file of the test set, if training and test set were named apart; `source`
            is that of the training set then. None otherwise.
        fit: what was learned from.
        valid: what was measured after each epoch.
        test: what was measured once, at the end.
    """

    source: Source
    test_source: Source | None
    fit: PartRecord
    valid: PartRecord
    test: PartRecord

    def places(self) -> DataPlaces:
        """Returns where the data was, as keyword arguments for `load_data`."""
        if self.test_source is not None:
            return {"train": Path(self.source), "test": Path(self.test_source)}
        return {"data": None if self.source == BUNDLED else Path(self.source)}


@dataclasses.dataclass(frozen=True)
class SplitRecord:
    """How the training set was shared out.

    Attributes:
        valid_fraction: part that was validated on.
        seed: of the split.
        sha256: over the fingerprints of both parts.
    """

    valid_fraction: Part
    seed: SplitSeed
    sha256: Sha256


@dataclasses.dataclass(frozen=True)
class VersionsRecord:
    """Versions of what computes."""

    fmnistlab: str
    torch: str
    numpy: str
    python: str


@dataclasses.dataclass(frozen=True)
class MachineRecord:
    """The machine that computed.

    Attributes:
        system: name of the operating system.
        processor: kind of processor.
        instructions: the largest instruction set that torch uses on it.
        device: name of the GPU, or type of the device.
        deterministic_algorithms: whether torch was told to use no others.
    """

    system: str
    processor: str
    instructions: str
    device: str
    deterministic_algorithms: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """All that determined a training.

    Attributes:
        format: version of this record.
        model: which model.
        origin: whose code it is.
        data: which data.
        split: how it was shared out.
        recipe: what `Recipe.to_dict` returned, all of it.
        seed: the trainer's.
        device: where it was trained.
        execution: how steps were to be executed.
        executed: how they would be, as far as model, optimizer, callbacks and length tell.
        eager_because: why as the model is written; None if they would not be.
        threads: CPU threads.
        versions: of what computed.
        machine: that computed.
        started: when, to the second, with the offset from UTC.

    Raises:
        ConfigurationError: the recipe is none, or incomplete.
    """

    format: Literal[1] = 1
    model: ModelRecord
    origin: ModelOrigin
    data: DataRecord
    split: SplitRecord
    recipe: dict[str, Any]
    seed: Seed
    device: Device
    execution: Execution
    executed: Executed
    eager_because: str | None
    threads: Threads
    versions: VersionsRecord
    machine: MachineRecord
    started: Time

    def __post_init__(self) -> None:
        self.recorded_recipe()

    def recorded_recipe(self) -> Recipe:
        """Returns the recipe as far as it can be told without importing anything.

        In the place of each augmentation that is not built in stands one that cannot be trained.

        Raises:
            ConfigurationError: a setting is missing, unknown or impossible; the message names it.
        """
        return self._recipe(recorded_augmentation)

    def make_recipe(self) -> Recipe:
        """Returns the recipe; what installed packages offer is imported for it.

        Raises:
            ConfigurationError: as of `recorded_recipe`; or an augmentation is code that no
                installed package offers.
            AugmentationLoadError: an installed package offers one that cannot be loaded.
        """
        return self._recipe(augmentation_from_dict)

    def _recipe(self, augmentation: Callable[[dict[str, Any]], Augmentation]) -> Recipe:
        known = Recipe().to_dict()
        for name in self.recipe:
            if name not in known:
                near = suggestion(name, known)
                raise ConfigurationError(f"recipe: has the unknown key {name!r}.{near}")
        for name in known:
            if name not in self.recipe:
                raise ConfigurationError(f"recipe: lacks the key {name!r}.")
        read_as(_Augmentation, {"augmentation": self.recipe["augmentation"]}, "recipe")
        for name, plain in known.items():
            if isinstance(plain, bool | int | float | str):
                read_as(type(plain), self.recipe[name], f"recipe.{name}")
        try:
            with spoken({}):  # of the keys in the file
                return Recipe(**settings_from_dict(self.recipe, augmentation))
        except ConfigurationError as error:
            reason = str(error)
            named = reason.split(" ", 1)[0] in known
            raise ConfigurationError(f"recipe{'.' if named else ': '}{reason}") from error


@dataclasses.dataclass(frozen=True)
class _Augmentation:
    augmentation: list[dict[str, Any]]
