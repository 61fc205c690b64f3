"""One experiment: data, model, trainer and run folder, wired together here and nowhere else."""

from __future__ import annotations

import copy
import dataclasses
import functools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from fmnistlab import seeding
from fmnistlab.data.batch import Batch
from fmnistlab.data.schema import IMAGE_SIZE, NUM_CLASSES
from fmnistlab.errors import ConfigurationError, RunFolderError
from fmnistlab.experiments.config import ExperimentConfig, configured
from fmnistlab.experiments.description import describe_experiment, planned_step
from fmnistlab.experiments.parts import Parts, load_parts
from fmnistlab.experiments.records.config import RunConfig
from fmnistlab.experiments.records.differences import differing
from fmnistlab.experiments.records.environment import resume_changes
from fmnistlab.experiments.records.pictures import DrawnPictures, write_pictures
from fmnistlab.experiments.records.reading import read_config, read_result
from fmnistlab.experiments.run_folder import RunFolder
from fmnistlab.experiments.run_folder_state import (
    CONFIG,
    HISTORY_CSV,
    HISTORY_JSON,
    PREDICTIONS,
    RESULT,
)
from fmnistlab.experiments.tested import Tested, run_result
from fmnistlab.foundation import html
from fmnistlab.foundation.logger import get_logger
from fmnistlab.foundation.wording import setting
from fmnistlab.models.registry import create_model
from fmnistlab.models.seeded import seeded_model
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.checkpointing import Checkpointing
from fmnistlab.training.callbacks.csv_log import history_to_csv
from fmnistlab.training.checkpoints.folder import newest_checkpoint
from fmnistlab.training.device import choose_device
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.records.classification import ClassScore
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.steps.choice import make_step
from fmnistlab.training.steps.layout import prepare_model
from fmnistlab.training.steps.threads import cpu_threads, fastest_threads
from fmnistlab.training.trainer import Trainer

_logger = get_logger(__name__)

_MOST_TRIED = 4096
"""Images in the batches on which numbers of threads are tried; a batch may be set to more than
memory holds, and than the data has."""


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

    def _repr_html_(self) -> str:
        shown = ("model", "seed", "epochs", "stop_reason", "seconds")
        facts = [(name.replace("_", " "), self.result[name]) for name in shown]
        facts = [("folder", str(self.folder)), *facts, ("test", str(self.test))]
        return html.facts("Experiment", facts)


def run_experiment(
    config: ExperimentConfig | str | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    on_tested: Callable[[Metrics], object] | None = None,
    **settings: Any,
) -> Experiment:
    """Trains a model, tests it once, and writes a run folder, as `fmnistlab train` does.

    Args:
        config: what to do; or the name of a model, which is trained with the default settings.
        callbacks: watch the training.
        on_tested: called with loss and accuracy on the test set once all but the pictures is there.
        **settings: fields of `ExperimentConfig`, which replace those of `config`; `model` among
            them if that is left out.

    Returns:
        The finished experiment.

    Raises:
        UnknownArgumentError: there is no such setting.
        FmnistlabError: anything in `config` that cannot be; the run folder is removed again if
            nothing was written into it.
        KeyboardInterrupt, Terminated: it was ended from outside; with `resume` it goes on.
    """
    return run_with(configured(config, settings), callbacks, load_parts, on_tested=on_tested)


def run_with(
    config: ExperimentConfig,
    callbacks: Sequence[Callback],
    load: Callable[[ExperimentConfig], Parts],
    *,
    on_tested: Callable[[Metrics], object] | None = None,
    tell_kept: bool = True,
) -> Experiment:
    """Does what `run_experiment` does, with data that may have been read before.

    Args:
        config: what to do.
        callbacks: watch the training.
        load: returns the data of an experiment; called once model, device and folder are known to
            be there.
        on_tested: as of `run_experiment`.
        tell_kept: whether a line in the log says how to go on after a failure.

    Raises:
        FmnistlabError: as of `run_experiment`; the folder holds a run that was not tested.
        KeyboardInterrupt, Terminated: likewise.
    """
    found = _prepared(
        config, callbacks, load, on_tested=on_tested or (lambda _: None), tell_kept=tell_kept
    )
    if found.test is None:
        raise RunFolderError(
            f"{found.folder}: holds a trial of a search, which was not tested. Its checkpoint can "
            "be: fmnistlab evaluate."
        )
    return Experiment(
        found.folder, found.trainer, found.test, found.scores, found.written, found.notes
    )


def train_only(
    config: ExperimentConfig,
    callbacks: Sequence[Callback],
    load: Callable[[ExperimentConfig], Parts],
    *,
    tell_kept: bool = True,
) -> Path:
    """Does what `run_with` does, but for the test: nothing is measured on the test set.

    Args:
        config: what to do.
        callbacks: watch the training.
        load: as of `run_with`.
        tell_kept: likewise.

    Returns:
        The run folder.

    Raises:
        FmnistlabError: as of `run_experiment`.
        KeyboardInterrupt, Terminated: likewise.
    """
    return _prepared(config, callbacks, load, on_tested=None, tell_kept=tell_kept).folder


class _Finished(NamedTuple):
    """What came of a training; `test` is None if it was not tested."""

    folder: Path
    trainer: Trainer
    test: Metrics | None
    scores: tuple[ClassScore, ...]
    written: dict[str, Any]
    notes: tuple[str, ...]


def _prepared(
    config: ExperimentConfig,
    callbacks: Sequence[Callback],
    load: Callable[[ExperimentConfig], Parts],
    *,
    on_tested: Callable[[Metrics], object] | None,
    tell_kept: bool,
) -> _Finished:
    """Makes model, device and threads ready, and trains; without `on_tested` nothing is tested."""
    # Model and device come first: a wrong name should not wait for the data.
    model = seeded_model(
        functools.partial(create_model, config.model, **config.model_options), config.seed
    )
    device = choose_device(config.device)
    if config.resume and config.out is None:
        raise ConfigurationError(
            f"To resume a training, name its run folder with {setting('out', ...)}."
        )
    threads = config.threads
    if isinstance(threads, str):
        threads = _fastest_threads(model, device, config)
    with cpu_threads(threads):
        config = dataclasses.replace(config, threads=threads)
        return _run(
            *(config, model, device, callbacks, load), on_tested=on_tested, tell_kept=tell_kept
        )


def _fastest_threads(model: nn.Module, device: torch.device, config: ExperimentConfig) -> int:
    """Makes steps with a copy of the model, on made-up images."""
    if device.type != "cpu":
        return 1
    count = min(config.recipe.batch_size, _MOST_TRIED)
    generator = seeding.torch_generator(config.seed, "threads")
    images = torch.rand(count, 1, IMAGE_SIZE, IMAGE_SIZE, generator=generator)
    batch = Batch(images, torch.arange(count) % NUM_CLASSES)
    trial = copy.deepcopy(model).train()
    prepare_model(trial, batch)
    recipe = config.recipe
    if recipe.class_weights:  # which weigh nothing here
        recipe = recipe.replace(class_weights=())
    parts = trial, recipe.make_optimizer(trial), recipe.training_loss, None
    step = make_step(config.execution, *parts, options=recipe.step_options())
    steps = 20
    threads, seconds = fastest_threads(lambda: [step(batch) for _ in range(steps)])
    tried = ", ".join(f"{time / steps * 1000:.2f} ms with {n}" for n, time in seconds.items())
    _logger.info("taking the fastest number of threads, %d: a step takes %s", threads, tried)
    return threads


def _run(
    config: ExperimentConfig,
    model: nn.Module,
    device: torch.device,
    callbacks: Sequence[Callback],
    load: Callable[[ExperimentConfig], Parts],
    *,
    on_tested: Callable[[Metrics], object] | None,
    tell_kept: bool,
) -> _Finished:
    folder = RunFolder.create(config.out, config.model, resume=config.resume)
    try:
        parts = load(config)
        fit_set, valid_set, test = parts
        step = planned_step(config, model, device, fit_set, Dispatch(callbacks).watched_by)
        _begin(folder, describe_experiment(config, device, model, parts, step))
        if folder.finished:
            folder.remove_checkpoints()  # a kill may have come before
            recorded = _recorded(folder, config, model, callbacks)
            if on_tested is not None and recorded.test is not None:
                on_tested(recorded.test)
            return recorded
        _logger.info(
            "training %s on %s: %s images to learn from, %s to validate, %s to test",
            config.model,
            device,
            *(f"{len(part):,}" for part in parts),
        )
        started = time.perf_counter()
        checkpointing = Checkpointing(
            folder.checkpoints,
            every_steps=config.checkpoint_steps,
            every_epochs=config.checkpoint_epochs,
            every_seconds=config.checkpoint_seconds,
        )
        trainer = Trainer(
            model,
            config.recipe,
            device=device,
            seed=config.seed,
            execution=config.execution,
            callbacks=[*callbacks, checkpointing],
            metrics=config.metrics,
        )
        trainer.fit(fit_set, valid_set, resume_from=_to_resume(folder))
        seconds = time.perf_counter() - started
        predictions = None if on_tested is None else trainer.predict(test)
        tested = Tested.of(trainer, test, predictions)
        folder.write_text(HISTORY_JSON, trainer.history.to_json() + "\n")
        folder.write_text(HISTORY_CSV, history_to_csv(trainer.history))
        if tested.content is not None:
            folder.write_bytes(PREDICTIONS, tested.content)
        trainer.save(folder.checkpoint)
        if on_tested is not None and tested.metrics is not None:
            on_tested(tested.metrics)
        drawn = DrawnPictures((), ())
        if config.pictures and predictions is not None:
            run = f"{config.model}, seed {config.seed}"
            drawn = write_pictures(
                folder.path, trainer.history, fit_set, test, predictions, run=run
            )
        result = run_result(config, trainer, tested, seconds, drawn.names)
        written = dataclasses.asdict(result)
        folder.write_json(RESULT, written)
        folder.remove_checkpoints()
    except BaseException:
        if not folder.finished and folder.discard_unless_resumable() and tell_kept:
            _logger.warning(
                "what was trained is kept; go on with %s %s",
                setting("out", str(folder.path)),
                setting("resume", value=True),
            )
        raise
    finally:
        folder.release()
    return _Finished(folder.path, trainer, tested.metrics, tested.scores, written, drawn.notes)


def _to_resume(folder: RunFolder) -> Path | None:
    """Returns the checkpoints of an interrupted training, or None if there are none to go on from.

    Raises:
        CheckpointError: the newest one is of a newer format.
    """
    if not folder.checkpoints.is_dir() or newest_checkpoint(folder.checkpoints) is None:
        return None
    return folder.checkpoints


def _begin(folder: RunFolder, described: RunConfig) -> None:
    """Writes the settings, or compares them with those of the training that goes on.

    Raises:
        ConfigurationError: a setting is another one; the message names it.
        RunFolderError: the settings cannot be written, or not be read.
    """
    now = dataclasses.asdict(described)
    if not (folder.path / CONFIG).exists():
        folder.write_json(CONFIG, now)
        return
    begun = read_config(folder.path)
    then = dataclasses.asdict(begun)
    for part in ("model", "data", "split", "recipe", "metrics", "seed", "execution"):
        for place, old, new in differing(then[part], now[part], part):
            raise ConfigurationError(
                f"{folder.path}: was started with a different {place}: {old}, and not {new}. "
                "Resume with the same settings."
            )
    changes = resume_changes(begun, described)
    if changes and not folder.finished:
        _logger.warning(
            "%s: goes on with %s: the last bits may differ from those of a training that was "
            "never interrupted",
            folder.path,
            ", ".join(changes),
        )


def _recorded(
    folder: RunFolder, config: ExperimentConfig, model: nn.Module, callbacks: Sequence[Callback]
) -> _Finished:
    """Returns what a folder holds whose training is finished."""
    _logger.info("%s: its training is finished; nothing to do", folder.path)
    result = read_result(folder.path)
    trainer = Trainer.load(
        folder.checkpoint,
        model=model,
        recipe=config.recipe,
        device=config.device,
        callbacks=callbacks,
    )
    trainer.stop_reason = result.stop_reason
    scores = tuple(record.score() for record in result.classes)
    test = None if result.test is None else result.test.metrics()
    return _Finished(folder.path, trainer, test, scores, dataclasses.asdict(result), ())
