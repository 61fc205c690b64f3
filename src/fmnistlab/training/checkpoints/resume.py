"""Whether a checkpoint belongs to the training that is to go on from it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fmnistlab.errors import CheckpointDamagedError, CheckpointError, ConfigurationError
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.training.checkpoints.file import decode_checkpoint, read_checkpoint
from fmnistlab.training.checkpoints.fit_state import FitState
from fmnistlab.training.checkpoints.folder import newest_checkpoint
from fmnistlab.training.checkpoints.trainer_state import TrainerState, read_trainer_state
from fmnistlab.training.recipes.described import SettingDifference, code_in, difference
from fmnistlab.training.recipes.recipe import Recipe

_logger = get_logger(__name__)


def read_for_resume(
    path: str | os.PathLike[str],
    model: nn.Module,
    recipe: Recipe,
    settings: Mapping[str, Any],
) -> TrainerState:
    """Reads the checkpoint of an interrupted fit and puts its weights into the model.

    Args:
        path: a checkpoint, or a folder of them, of which the newest undamaged one is taken.
        model: receives the weights, after all else was checked.
        recipe: of the training that goes on; the file's must be the same.
        settings: what must be the same: "seed", "execution", "metrics", and what `Recipe.describe`
            tells.

    Raises:
        CheckpointError: the file is missing or damaged, is of a newer format, or of another
            training; the message says what differs.
    """
    found = newest_checkpoint(path) if Path(path).is_dir() else Path(path)
    if found is None:
        raise CheckpointError(f"{os.fspath(path)}: holds no undamaged checkpoint to go on from.")
    content = read_checkpoint(found)
    saved = decode_checkpoint(content, found).state
    try:
        then = {name: saved[name] for name in ("seed", "execution", "metrics")} | saved["recipe"]
    except (KeyError, TypeError) as error:
        raise CheckpointDamagedError(
            f"{found}: no checkpoint that fmnistlab has written: {error!r}"
        ) from error
    check_settings(then, settings, os.fspath(found))
    trainer = read_trainer_state(content, found, model, recipe)
    _logger.info("going on from %s, after step %s", found, f"{trainer.step:,}")
    return trainer


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any], source: str) -> None:
    """Refuses to go on with other settings than a training began with.

    Args:
        then: settings by name; of a recipe what `Recipe.describe` tells.
        now: likewise.
        source: what was begun, for the message.

    Raises:
        CheckpointError: one differs; the message names it and both values.
    """
    found = setting_differences(then, now)
    if found:
        place, old, new = found[0]
        raise CheckpointError(
            f"{source}: was written by a training with {place} {old}, but this one has {new}. "
            "Resume with the same settings."
        )


def warn_of_other_recipe(then: Mapping[str, Any], now: Mapping[str, Any], source: str) -> None:
    """Logs in which settings a recipe is another one than a model was trained with.

    Args:
        then: what `Recipe.describe` told then.
        now: what it tells now.
        source: which model.
    """
    found = [
        f"{place} {new} instead of {old}" for place, old, new in setting_differences(then, now)
    ]
    if found:
        _logger.warning(
            "%s: was trained with another recipe than the one that was given: %s",
            source,
            ", ".join(found),
        )


def setting_differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[SettingDifference]:
    """Returns for each setting that differs the first place in it where it does."""
    names = {**then, **now}
    found = [difference(then.get(name), now.get(name), name) for name in names]
    return [each for each in found if each is not None]


def named_metrics(described: Sequence[Any], source: str) -> list[str]:
    """Returns the metrics that a trainer had, by name.

    Args:
        described: what `ExtraMetrics.described` told.
        source: of which trainer, for the message.

    Raises:
        CheckpointError: some were functions or objects, which a file cannot hold.
    """
    own = [f"{metric['name']} ({code})" for metric in described for code in code_in(metric)]
    if own:
        raise CheckpointError(
            f"{source}: trained with metrics of your own, {', '.join(own)}, which a file cannot "
            f"hold; give them with {setting('metrics', ...)}, or metrics=[] to go without."
        )
    return [*described]


def fit_to_finish(
    unfinished: FitState | None, epochs: int | None, resume_from: str | os.PathLike[str] | None
) -> FitState | None:
    """Returns where the fit stands that is to be finished now, or None if a new one begins.

    Args:
        unfinished: where the last fit stands, or None if it came to its end.
        epochs: what `Trainer.fit` was given.
        resume_from: likewise.

    Raises:
        CheckpointError: there is nothing to finish in `resume_from`.
        ConfigurationError: `epochs` asks for something else than finishing it.
    """
    if resume_from is not None and unfinished is None:
        raise CheckpointError(
            f"{os.fspath(resume_from)}: its training came to its end, so there is nothing to "
            "resume. To train it further use Trainer.load."
        )
    if unfinished is None or epochs is None:
        return unfinished
    planned = unfinished.last_epoch - unfinished.first_epoch + 1
    if resume_from is not None:
        if epochs != planned:
            raise ConfigurationError(
                f"epochs is {epochs}, but the fit that is resumed has {planned}; leave epochs out."
            )
        return unfinished
    if unfinished.batch > 0:
        raise ConfigurationError(
            "The last fit was interrupted in the middle of an epoch; call fit without epochs to "
            "finish it first."
        )
    return None


def check_data(fit: FitState, now: Mapping[str, str | None]) -> None:
    """Refuses to go on with other data than the fit began with.

    Args:
        fit: where the fit stands.
        now: names of the data that it is to go on with; see `BatchSource.identity`.

    Raises:
        CheckpointError: they are others.
    """
    then = fit.data() if callable(fit.data) else fit.data
    for part, kind in {"train": "training", "valid": "validation"}.items():
        if then[part] != now[part]:
            raise CheckpointError(
                f"The {kind} set is another one than the fit began with: {now[part]} instead of "
                f"{then[part]}. Resume with the same data, in the same order."
            )
