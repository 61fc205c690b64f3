"""One model trained with several seeds, as fast as the machine can do all of them."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab import seeding
from fmnistlab.data.batches import Data, resident_tensors
from fmnistlab.errors import ConfigurationError
from fmnistlab.foundation.checks import instance_of, refused, whole_number
from fmnistlab.foundation.worker_processes import leave_missing_folder, retirement_untold
from fmnistlab.models.registry import register_model, registered_factory
from fmnistlab.models.seeded import ModelMaker, make_model, seeded_model
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.checkpoints.folder import newest_checkpoint
from fmnistlab.training.device import choose_device
from fmnistlab.training.execution import Execution
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import A_RECIPE, checked_epochs
from fmnistlab.training.stacked import fit_stacked
from fmnistlab.training.steps.threads import MAX_THREADS, cpu_threads
from fmnistlab.training.trainer import Trainer


def fit_seeds(
    model: ModelMaker,
    train: Data,
    valid: Data | None = None,
    *,
    seeds: Sequence[int],
    recipe: Recipe = CLASSIC,
    epochs: int | None = None,
    device: str | torch.device = "auto",
    execution: Execution = "auto",
    callbacks: Callable[[int], Sequence[Callback]] | None = None,
    checkpoints: str | os.PathLike[str] | None = None,
    n_jobs: int | None = -1,
    stacked: bool = False,
) -> list[Trainer]:
    """Trains a model once for each seed and returns the trainers, in the order of the seeds.

    On the CPU each training has a process with one thread, and gives the bits that it gives alone
    with one thread. joblib starts the processes, so `joblib.parallel_config` can send them
    elsewhere, to a Dask or Ray cluster for instance. On a GPU they are made one after the other.

    Args:
        model: each training begins with a new one, whose weights the seed determines; see
            `seeded_model`.
        train: as for `Trainer.fit`; a DataLoader is not possible.
        valid: as for `Trainer.fit`.
        seeds: one for each training, no two the same; each from 0 to 2**63 - 1.
        recipe: how to train.
        epochs: how many; the recipe's number if None.
        device: where to train; see `DevicePlacement`.
        execution: how training steps are executed if not stacked; see `Trainer`.
        callbacks: a function that makes the callbacks of one training from its seed, such as
            `lambda seed: [CsvLog(f"seed-{seed}.csv")]`. They watch in the process that trains, so
            what they keep in memory does not come back.
        checkpoints: a folder, in which each training writes its state after each epoch, into
            `seed-0`, `seed-1` and so on. The same call goes on from there: a training that is
            finished is not repeated, one that was interrupted gives the bits that it would have.
        n_jobs: trainings at the same time on the CPU, as scikit-learn counts them: -1 means one
            for each core, 1 one after the other in this process, None what
            `joblib.parallel_config` says; -1,024 to 1,024, not 0. A GPU is not shared.
        stacked: whether all models are trained as one, with their weights stacked; see
            `fmnistlab.training.stacked` for what then is the same. Not measured on a GPU yet.

    Raises:
        ConfigurationError: no seeds, one seed twice, a DataLoader, or a setting is impossible.
        CheckpointError: `checkpoints` holds those of other settings or other data.
    """
    seeds = _checked_seeds(seeds)
    instance_of("recipe", recipe, Recipe, A_RECIPE)
    epochs = None if epochs is None else checked_epochs(epochs)
    n_jobs = checked_jobs(n_jobs)
    if isinstance(train, DataLoader):
        raise ConfigurationError(
            "A DataLoader has one order for all seeds. Give fit_seeds the data set itself."
        )
    device = choose_device(device)
    if callbacks is not None and not callable(callbacks):
        raise refused("callbacks", callbacks, "a function of the seed that returns callbacks")
    if stacked:
        if callbacks is not None or checkpoints is not None:
            raise ConfigurationError(
                "Stacked trainings have no callbacks and no checkpoints; leave stacked out."
            )
        models = [seeded_model(model, seed) for seed in seeds]
        contents = fit_stacked(
            models, train, valid, seeds=seeds, recipe=recipe, epochs=epochs, device=device
        )
    else:
        fit = functools.partial(
            _fit_one,
            factory=registered_factory(model) if isinstance(model, str) else None,
            recipe=recipe,
            epochs=recipe.epochs if epochs is None else epochs,
            device=device,
            execution=execution,
            callbacks=callbacks,
            checkpoints=None if checkpoints is None else Path(checkpoints).resolve(),
            process=os.getpid(),
        )
        if device.type == "cpu":
            sent = _sendable(train), None if valid is None else _sendable(valid)
            with retirement_untold():
                contents = Parallel(n_jobs=n_jobs)(
                    delayed(fit)(model, *sent, seed=seed) for seed in seeds
                )
        else:
            contents = [fit(model, train, valid, seed=seed) for seed in seeds]
    return [
        Trainer.load(content, model=make_model(model), recipe=recipe, device=device)
        for content in contents
    ]


def _checked_seeds(seeds: object) -> list[int]:
    try:
        wanted = list(seeds)  # type: ignore[call-overload] # whatever it is
    except TypeError as error:
        raise refused("seeds", seeds, "a list of whole numbers") from error
    checked = [seeding.checked_seed(seed) for seed in wanted]
    if len(checked) == 0 or len({*checked}) < len(checked):
        raise ConfigurationError(f"seeds are {checked}; give at least one, and each only once.")
    return checked


def checked_jobs(n_jobs: object) -> int | None:
    """Returns a number of trainings at the same time; see `fit_seeds`.

    Raises:
        ConfigurationError: it is 0, out of range, or no whole number.
    """
    if n_jobs is None:
        return None
    with contextlib.suppress(ConfigurationError):
        if jobs := whole_number("n_jobs", n_jobs, least=-MAX_THREADS, most=MAX_THREADS):
            return jobs
    raise refused(
        *("n_jobs", n_jobs),
        f"1 to {MAX_THREADS:,}, -1 for one for each core, or -2 for one less and so on",
    )


def _fit_one(
    model: ModelMaker,
    train: Any,
    valid: Any,
    *,
    factory: Callable[..., nn.Module] | None,
    seed: int,
    recipe: Recipe,
    epochs: int,
    device: torch.device,
    execution: Execution,
    callbacks: Callable[[int], Sequence[Callback]] | None,
    checkpoints: Path | None,
    process: int,
) -> bytes:
    """Trains one seed, perhaps in a process of its own, and returns the trainer as bytes.

    Args:
        model: see `fit_seeds`.
        train: what `_sendable` returned.
        valid: likewise, or None.
        factory: what was registered under the name `model` where the training was asked for, since
            another process has not run that script.
        seed: of the training.
        recipe: how to train.
        epochs: how many.
        device: where.
        execution: how steps are executed.
        callbacks: see `fit_seeds`.
        checkpoints: see `fit_seeds`.
        process: number of the process that asks for it.
    """
    if process != os.getpid():
        leave_missing_folder()
    if factory is not None and isinstance(model, str):
        register_model(model)(factory)
    watching = [] if callbacks is None else [*callbacks(seed)]
    resume_from = None
    if checkpoints is not None:
        folder = checkpoints / f"seed-{seed}"
        watching.append(Checkpointing(folder))
        if folder.is_dir() and newest_checkpoint(folder) is not None:
            resume_from = folder
    with cpu_threads(1):
        trainer = Trainer(
            model, recipe, device=device, seed=seed, execution=execution, callbacks=watching
        )
        validation = None if valid is None else _received(valid)
        trainer.fit(_received(train), validation, epochs=epochs, resume_from=resume_from)
        return trainer.to_bytes()


def _sendable(data: Data) -> Any:
    """Returns data in a form that joblib shares with all processes instead of copying it."""
    tensors = resident_tensors(data)
    return data if tensors is None else tuple(tensor.numpy() for tensor in tensors)


def _received(data: Any) -> Any:
    if isinstance(data, tuple):
        # A copy, because what processes share cannot be written to, and torch insists on that.
        return TensorDataset(*(torch.from_numpy(np.array(array)) for array in data))
    return data
