"""One experiment: data, model, trainer and run folder, wired together here and nowhere else."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import platform
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fmnistlab import seeding
from fmnistlab.checks import number, refused, whole_number
from fmnistlab.data.batch import Batch
from fmnistlab.data.dataset import FashionMNISTCSV
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES
from fmnistlab.data.source import load_train_and_test
from fmnistlab.errors import ConfigurationError, MissingExtraError, RunFolderError
from fmnistlab.logger import get_logger
from fmnistlab.models.registry import create_model
from fmnistlab.results.classification import ClassScore, class_scores, confusion_matrix
from fmnistlab.run_folder import RunFolder
from fmnistlab.run_folder_state import CONFIG, HISTORY_CSV, HISTORY_JSON, RESULT
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.callbacks.csv_log import history_to_csv
from fmnistlab.training.checkpoint_folder import newest_checkpoint
from fmnistlab.training.execution import make_step
from fmnistlab.training.memory_layout import prepare_model
from fmnistlab.training.metrics import Metrics
from fmnistlab.training.predictions import Predictions
from fmnistlab.training.recipe import Recipe
from fmnistlab.training.recipes import CLASSIC
from fmnistlab.training.seeds import seeded_model
from fmnistlab.training.threads import MAX_THREADS, cpu_threads, fastest_threads
from fmnistlab.training.trainer import Trainer
from fmnistlab.training.weights_hash import weights_sha256
from fmnistlab.version import __version__

_logger = get_logger(__name__)

_MOST_TRIED = 4096
"""Images in the batches on which numbers of threads are tried; a batch may be set to more than
memory holds, and than the data has."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """Everything that determines an experiment.

    Args:
        model: name of a registered model.
        model_options: keyword arguments for it.
        data: where training and test set are; see `load_train_and_test`. None: the bundled ones.
        valid_fraction: part of the training set that is validated on instead, above 0, below 1.
        split_seed: seed of that split, 0 to 2**32 - 1; 42, as in the tutorial, so that all seeds
            share one split.
        recipe: how to train.
        seed: 0 to 2**63 - 1; determines initial weights, order, augmentation and noise.
        device: where to train; see `DevicePlacement`.
        execution: how training steps are executed; see `Trainer`.
        threads: CPU threads to compute with, 1 to 1,024; see `cpu_threads`. With one, the result
            does not depend on how many cores a machine has. "auto" measures at the start which
            number is the fastest; `config.json` says which it was.
        out: the run folder; None makes `runs/MODEL-TIME`.
        resume: go on with the interrupted training in `out`, if there is one.
        checkpoint_steps: training steps between two checkpoints; see `Checkpointing`.
        checkpoint_epochs: epochs between two; every epoch if nothing is given.
        checkpoint_seconds: least seconds between two.

    Raises:
        ConfigurationError: a number is out of range.
    """

    model: str
    model_options: dict[str, Any] = dataclasses.field(default_factory=dict)
    data: Path | None = None
    valid_fraction: float = 0.2
    split_seed: int = 42
    recipe: Recipe = CLASSIC
    seed: int = 0
    device: str = "auto"
    threads: int | str = 1
    execution: str = "graph"
    out: Path | None = None
    resume: bool = False
    checkpoint_steps: int | None = None
    checkpoint_epochs: int | None = None
    checkpoint_seconds: float | None = None

    def __post_init__(self) -> None:
        checked: dict[str, object] = {
            "valid_fraction": number("valid_fraction", self.valid_fraction, above=0, below=1),
            "split_seed": whole_number(
                "split_seed", self.split_seed, least=0, most=seeding.MAX_SPLIT_SEED
            ),
            "seed": seeding.checked_seed(self.seed),
            "threads": _checked_threads(self.threads),
        }
        for name in ("checkpoint_steps", "checkpoint_epochs"):
            value = getattr(self, name)
            checked[name] = None if value is None else whole_number(name, value)
        seconds = self.checkpoint_seconds
        if seconds is not None:
            checked["checkpoint_seconds"] = number("checkpoint_seconds", seconds, above=0)
        for name, value in checked.items():
            object.__setattr__(self, name, value)


def _checked_threads(threads: object) -> int | str:
    if isinstance(threads, str):
        if threads == "auto":
            return threads
        raise refused("threads", threads, f'a whole number from 1 to {MAX_THREADS:,}, or "auto"')
    return whole_number("threads", threads, most=MAX_THREADS)


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A finished experiment.

    Attributes:
        folder: the run folder.
        trainer: with the trained model and the history.
        test: loss and accuracy on the test set.
        scores: how well each class is recognized there.
        result: what `result.json` holds.
        notes: what could not be done, in words, such as pictures without matplotlib.
    """

    folder: Path
    trainer: Trainer
    test: Metrics
    scores: tuple[ClassScore, ...]
    result: dict[str, Any]
    notes: tuple[str, ...]


def run_experiment(config: ExperimentConfig, callbacks: Sequence[Callback] = ()) -> Experiment:
    """Trains a model, tests it once, and writes a run folder.

    Args:
        config: what to do.
        callbacks: watch the training.

    Returns:
        The finished experiment.

    Raises:
        FmnistlabError: anything in `config` that cannot be; the run folder is removed again if
            nothing was written into it.
        KeyboardInterrupt, Terminated: somebody ended it; with `resume` it goes on.
    """
    threads = _fastest_threads(config) if isinstance(config.threads, str) else config.threads
    with cpu_threads(threads):
        return _run(dataclasses.replace(config, threads=threads), callbacks)


def _fastest_threads(config: ExperimentConfig) -> int:
    """Makes steps with a model like the one that is wanted, on made-up images."""
    trainer = _new_trainer(config, ())
    if trainer.device.type != "cpu":
        return 1
    count = min(config.recipe.batch_size, _MOST_TRIED)
    generator = seeding.torch_generator(config.seed, "threads")
    images = torch.rand(count, 1, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    batch = Batch(images, torch.arange(count) % NUM_CLASSES)
    model = trainer.model.train()
    prepare_model(model, batch)
    optimizer = config.recipe.make_optimizer(model)
    step = make_step(config.execution, model, optimizer, config.recipe.training_loss, None)
    steps = 20
    threads, seconds = fastest_threads(lambda: [step(batch) for _ in range(steps)])
    tried = ", ".join(f"{time / steps * 1000:.2f} ms with {n}" for n, time in seconds.items())
    _logger.info("taking the fastest number of threads, %d: a step takes %s", threads, tried)
    return threads


def _new_trainer(config: ExperimentConfig, callbacks: Sequence[Callback]) -> Trainer:
    return Trainer(
        seeded_model(
            functools.partial(create_model, config.model, **config.model_options), config.seed
        ),
        config.recipe,
        device=config.device,
        seed=config.seed,
        execution=config.execution,
        callbacks=callbacks,
    )


def _run(config: ExperimentConfig, callbacks: Sequence[Callback]) -> Experiment:
    # Model and trainer come first: a wrong name or device should not wait for the data.
    if config.resume and config.out is None:
        raise ConfigurationError("To resume a training, name its run folder with --out.")
    device = _new_trainer(config, ()).device
    folder = RunFolder.create(config.out, config.model, resume=config.resume)
    try:
        if folder.finished:
            raise RunFolderError(f"{folder.path}: its training is finished; nothing is left to do.")
        if config.data is None:
            _logger.info("reading the data that ships with fmnistlab")
        train, test = load_train_and_test(config.data)
        fit_set, valid_set = train.split(config.valid_fraction, config.split_seed)
        parts = {"fit": fit_set, "valid": valid_set, "test": test}
        described = describe_experiment(config, device, parts)
        if (folder.path / CONFIG).exists():
            _check_same(folder, described)
        else:
            folder.write_json(CONFIG, described)
        _logger.info(
            "training %s on %s: %s images to learn from, %s to validate, %s to test",
            config.model,
            device,
            *(f"{len(part):,}" for part in parts.values()),
        )
        started = time.perf_counter()
        checkpointing = Checkpointing(
            folder.checkpoints,
            every_steps=config.checkpoint_steps,
            every_epochs=config.checkpoint_epochs,
            every_seconds=config.checkpoint_seconds,
        )
        trainer = _new_trainer(config, [*callbacks, checkpointing])
        trainer.fit(fit_set, valid_set, resume_from=_to_resume(folder))
        seconds = time.perf_counter() - started
        measured = trainer.evaluate(test)
        predictions = trainer.predict(test)
        scores = class_scores(test.targets, predictions)
        result = _result(trainer, measured, scores, seconds)
        folder.write_text(HISTORY_JSON, trainer.history.to_json() + "\n")
        folder.write_text(HISTORY_CSV, history_to_csv(trainer.history))
        trainer.save(folder.checkpoint)
        notes = write_pictures(folder.path, trainer, fit_set, test, predictions)
        folder.write_json(RESULT, result)
        folder.remove_checkpoints()
    except BaseException:
        if folder.discard_unless_resumable():
            _logger.warning("what was trained is kept; go on with --out %s --resume", folder.path)
        raise
    finally:
        folder.release()
    return Experiment(folder.path, trainer, measured, scores, result, notes)


def _to_resume(folder: RunFolder) -> Path | None:
    """Returns the checkpoints of an interrupted training, or None if there are none to go on from.

    Raises:
        CheckpointError: the newest one is of a newer format.
    """
    if not folder.checkpoints.is_dir() or newest_checkpoint(folder.checkpoints) is None:
        return None
    return folder.checkpoints


def _check_same(folder: RunFolder, described: dict[str, Any]) -> None:
    """Refuses to resume a training with other settings or data."""
    begun = folder.read_json(CONFIG)
    for part in ("model", "data", "split", "recipe", "seed", "execution"):
        if begun.get(part) != described[part]:
            raise ConfigurationError(
                f"{folder.path}: was begun with another {part}: {begun.get(part)}, and not "
                f"{described[part]}. Resume with the same settings."
            )


def write_pictures(
    folder: Path,
    trainer: Trainer,
    fit_set: FashionMNISTCSV,
    test: FashionMNISTCSV,
    predictions: Predictions,
) -> tuple[str, ...]:
    """Writes curves, samples, mistakes and the confusion matrix as PNG files.

    Returns:
        Notes on what could not be drawn; empty if all could.
    """
    try:
        from fmnistlab.results import plots  # noqa: PLC0415 - matplotlib is optional

        curves = plots.plot_curves(trainer.history)
    except MissingExtraError as error:
        return (f"no pictures were drawn: {error}",)
    figures = {
        "curves": curves,
        "samples": plots.plot_samples(fit_set.data, fit_set.targets),
        "mistakes": plots.plot_mistakes(test.data, test.targets, predictions),
        "confusion": plots.plot_confusion(confusion_matrix(test.targets, predictions)),
    }
    for name, figure in figures.items():
        plots.save_figure(figure, folder / f"{name}.png")
    return ()


def _result(
    trainer: Trainer, test: Metrics, scores: tuple[ClassScore, ...], seconds: float
) -> dict[str, Any]:
    last = trainer.history[-1]
    return {
        "parameters": sum(parameter.numel() for parameter in trainer.model.parameters()),
        "epochs": len(trainer.history),
        "stop_reason": trainer.stop_reason,
        "seconds": round(seconds, 3),
        "weights_sha256": weights_sha256(trainer.model),
        "validation": {
            "loss": last.val_loss,
            "accuracy": last.val_accuracy,
            "count": last.val_count,
        },
        "test": {
            "loss": test.loss,
            "accuracy": test.accuracy,
            "accuracy_interval_95": list(test.accuracy_interval()),
            "count": test.count,
        },
        "classes": [dataclasses.asdict(score) for score in scores],
    }


def describe_experiment(
    config: ExperimentConfig, device: torch.device, parts: Mapping[str, FashionMNISTCSV]
) -> dict[str, Any]:
    """Returns all that determines a training, down to its bits: the content of `config.json`."""
    fingerprints = {name: part.fingerprint for name, part in parts.items()}
    split = hashlib.sha256(f"{fingerprints['fit']} {fingerprints['valid']}".encode()).hexdigest()
    return {
        "model": {"name": config.model, "options": config.model_options},
        "data": {
            "source": "bundled" if config.data is None else str(config.data.resolve()),
            **{
                name: {"rows": len(part), "fingerprint": fingerprints[name]}
                for name, part in parts.items()
            },
        },
        "split": {
            "valid_fraction": config.valid_fraction,
            "seed": config.split_seed,
            "sha256": split,
        },
        "recipe": config.recipe.to_dict(),
        "seed": config.seed,
        "device": str(device),
        "execution": config.execution,
        "threads": config.threads,
        "versions": {
            "fmnistlab": __version__,
            "torch": str(torch.__version__),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "instructions": torch.backends.cpu.get_cpu_capability(),
            "device": _device_name(device),
            "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        },
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
