"""What is asked of a comparison, as it is given: variants, run folders, seeds, names, a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from fmnistlab import seeding
from fmnistlab.errors import ConfigurationError
from fmnistlab.experiments.run_folder import safe_name
from fmnistlab.experiments.run_folder_state import CONFIG
from fmnistlab.experiments.sweep.variant import Variant, parse_variant
from fmnistlab.foundation.checks import refused, whole_number
from fmnistlab.foundation.wording import setting
from fmnistlab.models.option_types import check_written_options
from fmnistlab.models.registry import list_models
from fmnistlab.training.recipes.recipe import Recipe

AnyVariant: TypeAlias = str | Variant | os.PathLike[str]
"""What can be compared: see `compare`."""

MOST_SEEDS: Final = 10_000
"""Trainings of one variant."""


def checked_seeds(seeds: object) -> list[int]:
    """Returns the seeds of trainings: 0 to n - 1 for a number n, or those of a list, sorted.

    Raises:
        ConfigurationError: there are none or too many, or one is there twice or out of range.
    """
    if isinstance(seeds, str | bytes) or not hasattr(seeds, "__iter__"):
        return list(range(whole_number("seeds", seeds, most=MOST_SEEDS)))
    wanted: list[Any] = list(seeds)
    checked = [seeding.checked_seed(seed) for seed in wanted]
    if not 0 < len({*checked}) == len(checked) <= MOST_SEEDS:
        raise ConfigurationError(
            f"seeds are {checked[:20]}; give from 1 to {MOST_SEEDS:,}, and each only once."
        )
    return sorted(checked)


def sorted_out(variants: Sequence[AnyVariant], recipe: Recipe) -> tuple[list[Variant], list[Path]]:
    """Returns what is to be trained, and the run folders that were given.

    Args:
        variants: as of `compare`.
        recipe: how to train, where a variant does not say it.

    Raises:
        ConfigurationError: there is nothing to compare, or something else than variants.
        ModelOptionError: an option in a word has a value of another type than its own.
        UnknownModelError, ModelNameClashError, ModelLoadError: of a model that is given options.
    """
    if isinstance(variants, str | os.PathLike | Variant):
        variants = [variants]
    chosen: list[Variant] = []
    given: list[Path] = []
    for variant in variants:
        if isinstance(variant, Variant):
            chosen.append(variant)
        elif isinstance(variant, os.PathLike) or is_run_folder(variant):
            given.append(Path(variant).absolute())
        elif isinstance(variant, str):
            chosen.append(parse_variant(variant, recipe))
            check_written_options(chosen[-1].model, chosen[-1].model_options)
        else:
            raise refused("variant", variant, "a name, a Variant, or the path of a run folder")
    if not chosen and not given:
        raise ConfigurationError("There is nothing to compare: name models or run folders.")
    return chosen, given


def is_run_folder(word: object) -> bool:
    """Returns whether a word is the path of a run folder; the name of a model goes first."""
    if not isinstance(word, str) or word.lower() in list_models():
        return False
    return os.path.isfile(os.path.join(word, CONFIG))  # noqa: PTH113, PTH118 - any text is fine


def check_names(names: Sequence[str], baseline: str | None) -> None:
    """Refuses two variants of one name, and a baseline that is none of them.

    Raises:
        ConfigurationError: the message names it.
    """
    for name in names:
        if names.count(name) > 1:
            raise ConfigurationError(f"Two variants are called {name}; give one another name.")
    if baseline is not None and baseline not in names:
        raise ConfigurationError(
            f"{setting('baseline')} is {baseline!r}, which is not compared here; choose from "
            f"{', '.join(names)}."
        )


def comparison_folder(
    out: str | os.PathLike[str] | None, names: Sequence[str], *, trains: bool
) -> Path | None:
    """Returns the folder of a comparison, absolute; None if it writes nothing.

    Args:
        out: as of `compare`.
        names: of the variants.
        trains: whether there is anything to train.
    """
    if out is not None:
        return Path(out).expanduser().absolute()  # other processes may be in other folders
    name = safe_name(f"compare-{'-'.join(names)}")
    return Path("runs", name).absolute() if trains else None
