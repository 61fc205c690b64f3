"""The trainer: the order of things, nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset

from fmnistlab import seeding
from fmnistlab.data.batch import BatchSource
from fmnistlab.data.batches import Data, batch_source
from fmnistlab.foundation.checks import instance_of
from fmnistlab.foundation.foreign_words import FIT, TRAINER, foreign_words
from fmnistlab.models.seeded import ModelMaker, seeded_model
from fmnistlab.training.callbacks.base import Callback
from fmnistlab.training.callbacks.history import HistoryRecorder
from fmnistlab.training.callbacks.placement import DevicePlacement
from fmnistlab.training.callbacks.run import Run, RunState, Setup
from fmnistlab.training.checkpoints.file import Checkpoint, read_checkpoint, write_checkpoint
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.checkpoints.resume import (
    check_settings,
    fit_to_finish,
    named_metrics,
    read_for_resume,
    warn_of_other_recipe,
)
from fmnistlab.training.checkpoints.trainer_state import (
    TrainerState,
    capture_trainer,
    read_trainer_state,
)
from fmnistlab.training.evaluation import evaluate_source, predict, preserve_modes
from fmnistlab.training.execution import Executed, Execution, checked_execution
from fmnistlab.training.extra_metrics.chosen import ExtraMetrics, GivenMetrics
from fmnistlab.training.loop.dispatch import Dispatch
from fmnistlab.training.loop.fit_loop import FitLoop
from fmnistlab.training.loop.interruption import Interruption
from fmnistlab.training.loop.opening import opened_loop, opened_state
from fmnistlab.training.loop.preparation import Preparation
from fmnistlab.training.loop.resume_point import ResumePoint
from fmnistlab.training.recipes.named import CLASSIC
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.recipes.setting_checks import A_RECIPE, BALANCED, checked_epochs
from fmnistlab.training.records.history import History
from fmnistlab.training.records.metrics import Metrics
from fmnistlab.training.records.predictions import Predictions


@foreign_words(TRAINER)
class Trainer:
    """Trains, evaluates and applies one model.

    Args:
        model: any `nn.Module` that maps images to class scores (logits), which keeps its weights;
            or what makes one, whose first weights the seed determines: the name of a registered
            model, as "cnn", a class, or a function.
        recipe: every setting that changes the result.
        device: where to train; see `DevicePlacement`.
        seed: 0 to 2**63 - 1; determines the order of images, augmentation, the model's own noise
            (dropout), and the first weights of a model that is made here.
        execution: how training steps are executed; see `fmnistlab.recipes.Execution`.
        callbacks: watch the fit; their order matters only to what they print.
        metrics: measured besides loss and accuracy, after each epoch on the validation set, and by
            `evaluate`; a list of names such as "top_2_accuracy", of functions and of objects, or a
            dictionary of them; see `fmnistlab.metrics.ExtraMetric`.

    Attributes:
        model: the model.
        recipe: the recipe.
        seed: the seed.
        execution: how training steps are executed, as it was asked for.
        executed: how those of the last fit were: "recorded", "eager", "cuda_graph" or None.
        eager_because: why they were made as the model is written; None if they were not.
        history: all epochs finished so far.
        optimizer: the optimizer, or None before the first fit.
        stop_reason: why the last fit was stopped early, or None if it was not.

    Raises:
        ConfigurationError: a callback is none, or has a hook that no fit would call; the seed is
            out of range; there is no such execution; `model` is none and makes none; there is no
            such metric, or it cannot have its name.
        UnknownModelError: no registered model has the name.
    """

    def __init__(
        self,
        model: nn.Module | ModelMaker,
        recipe: Recipe = CLASSIC,
        *,
        device: str | torch.device = "auto",
        seed: int = 0,
        execution: Execution = "auto",
        callbacks: Sequence[Callback] = (),
        metrics: GivenMetrics = (),
    ) -> None:
        self.model: nn.Module = model if isinstance(model, nn.Module) else seeded_model(model, seed)
        self.recipe: Recipe = instance_of("recipe", recipe, Recipe, A_RECIPE)
        self.seed: int = seeding.checked_seed(seed)
        self.execution: Execution = checked_execution(execution)
        self.executed: Executed | None = None
        self.eager_because: str | None = None
        self.history: History = History()
        self.optimizer: torch.optim.Optimizer | None = None
        self.stop_reason: str | None = None
        self._placement = DevicePlacement(device)
        self._dispatch = Dispatch([self._placement, HistoryRecorder()], callbacks)
        self._device: torch.device | None = None
        self._preparation = Preparation()
        self._extra = ExtraMetrics(metrics)
        self._step = 0
        self._described: tuple[Recipe, dict[str, Any]] = recipe, recipe.describe()
        self._saved: TrainerState | None = None
        self._interrupted: Checkpoint | None = None
        self._loop: FitLoop | None = None

    @property
    def device(self) -> torch.device:
        """Where the model runs, or will run.

        Raises:
            ConfigurationError: the device that was asked for is not there.
        """
        if self._device is None:
            setup = Setup(self.model, self.recipe, self.seed)
            self._placement.on_setup(setup)
            self._device = setup.device
        return self._device

    @foreign_words(FIT)
    def fit(
        self,
        train: Data,
        valid: Data | None = None,
        *,
        epochs: int | None = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> History:
        """Trains the model; another fit goes on where the last one ended.

        What happens, and when each callback hears of it::

            on_setup(setup)                 # the device is chosen; nothing is built yet
            model -> device, then optimizer = recipe.make_optimizer(model)
            on_fit_start(run)
            for each epoch, until done or run.stop(reason):
                on_epoch_start(run)
                for each batch:
                    make a step
                    on_batch_end(run, result)   # only if a callback listens
                measure the validation set      # if there is one
                on_epoch_end(run, record)       # run.history already holds the record
            on_fit_end(run)                 # if all went well
            on_error(run, error); raise     # otherwise, Ctrl-C included
            close() on every callback       # always

        A fit that was interrupted, or that a checkpoint was written in, is finished by the next
        `fit` without `epochs`, with the bits of one that was never interrupted. The first Ctrl-C,
        SIGTERM or SIGHUP stops the fit after the current step; a second one at once.

        Args:
            train: a torch Dataset of (image, label), or a DataLoader of batches of them. A data
                set that lies in memory as tensors, as `FashionMNISTCSV` without transforms
                does, is moved to the device whole, which is by far the fastest.
            valid: measured after each epoch, never trained on.
            epochs: how many epochs to train now; the recipe's number if None.
            resume_from: a checkpoint, or a folder of them, of which the newest undamaged one is
                taken. Weights, optimizer, history and all else come from there; the model,
                recipe, seed and data must be those of the interrupted fit.

        Returns:
            The trainer's history: all epochs so far, those of earlier fits included.

        Raises:
            ConfigurationError: a setting is impossible, or data, loss or a metric cannot be used.
            ItemError: an image or a label cannot be right.
            CheckpointError: the checkpoint is missing, damaged, or of another training.
            ModelOutputError: the model does not return class scores.
            NonFiniteError: a loss, a gradient or a weight is not a finite number.
            DeviceMemoryError: the device has too little memory.
        """
        epochs = None if epochs is None else checked_epochs(epochs)
        if resume_from is not None:
            settings = {"seed": self.seed, "execution": self.execution, **self._describe_settings()}
            self._adopt(read_for_resume(resume_from, self.model, self.recipe, settings))
        elif self._interrupted is not None:
            content = self._interrupted.to_bytes()
            self._adopt(read_trainer_state(content, "the last fit", self.model, self.recipe))
        unfinished = None if self._saved is None else self._saved.fit
        position = fit_to_finish(unfinished, epochs, resume_from)
        resume = None
        if self._saved is not None and position is not None:
            then = {**self._saved.described, "metrics": self._saved.metrics}
            check_settings(then, self._describe_settings(), "The unfinished fit")
            resume = ResumePoint(self._saved, position)
        state = opened_state(
            *(self.model, self.recipe, self.seed, self.history),
            epochs=epochs or self.recipe.epochs,
            validates=valid is not None,
            extra=self._extra,
            step=self._step,
            position=position,
        )
        self._interrupted = None
        try:
            with (
                Interruption() as interruption,
                self._dispatch.fit(Run(state)),
                preserve_modes(self.model),
            ):
                self._fit(state, train, valid, interruption, resume)
        finally:
            self._step, self.stop_reason = state.step, state.stop_reason
            self._interrupted = state.captured
            self._loop = None
        return self.history

    def _fit(
        self,
        state: RunState,
        train: Data,
        valid: Data | None,
        interruption: Interruption,
        resume: ResumePoint | None,
    ) -> None:
        setup = Setup(self.model, self.recipe, self.seed)
        self._dispatch.call("on_setup", setup)
        state.device = self._device = setup.device
        state.optimizer = self.optimizer
        with opened_loop(
            *(state, self._dispatch, self._preparation),
            execution=self.execution,
            training=self._source(train, balanced=self.recipe.sampling == BALANCED),
            validation=None if valid is None else self._source(valid),
            interruption=interruption,
            saved=self._saved,
            resume=resume,
            capture=self._capture,
        ) as loop:
            self._loop, self.optimizer, self._saved = loop, state.optimizer, None
            try:
                loop.start()
                loop.train()
            finally:
                self.executed, self.eager_because = loop.executed, loop.eager_because

    def evaluate(self, data: Data, *, average_flips: bool = False) -> Metrics:
        """Returns loss, accuracy and extra metrics over `data`; learns nothing, changes nothing.

        Args:
            data: as for `fit`; every item is measured exactly once.
            average_flips: take the mean of the scores, before softmax, of each image and of its
                mirror image, as the data gives it, along the last dimension; takes twice the time.

        Raises:
            ConfigurationError: data, loss or a metric cannot be used; a DataLoader repeats or drops
                items; images are rows of numbers and have no mirror image.
            ItemError: an image or a label cannot be right.
            ModelOutputError: the model does not return class scores.
        """
        source = self._source(data)
        loss = self.recipe.evaluation_loss
        self._preparation.for_labels(self.model, source, loss, self.device)
        self._extra.check(self._preparation.for_images(self.model, source, self.device))
        return evaluate_source(
            *(self.model, source, loss, self.device), extra=self._extra, average_flips=average_flips
        )

    def predict(self, data: Data | Tensor, *, average_flips: bool = False) -> Predictions:
        """Returns class and probabilities of each image, in the order of the data.

        Args:
            data: as for `fit` (labels are ignored), or images alone: (n, 1, 28, 28), uint8 or
                float32 in 0..1.
            average_flips: as of `evaluate`.

        Raises:
            ConfigurationError: the data cannot be used; a DataLoader changes its order; images are
                rows of numbers and have no mirror image.
            ItemError: an image cannot be right.
            ModelOutputError: the model does not return class scores.
        """
        items: object = data
        if isinstance(data, Tensor):
            items = TensorDataset(data, torch.zeros(len(data), dtype=torch.int64))
        source = self._source(items)
        self._preparation.for_images(self.model, source, self.device)
        batches = source.evaluation_batches(in_order=True)
        return predict(self.model, batches, average_flips=average_flips)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes all it takes to go on, with a fit or after it, into one file, without pickle.

        Args:
            path: the file, named `*.safetensors` by custom; an existing one is replaced. It is
                there whole or not at all.

        Raises:
            OSError: the folder is missing, read-only or full.
        """
        write_checkpoint(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Returns the content of the file that `save` writes."""
        if self._loop is None:
            return (self._interrupted or self._capture()).to_bytes()
        with self._loop.own_weights():
            return self._capture().to_bytes()

    def _capture(self) -> Checkpoint:
        """Returns copies of everything a checkpoint holds; in a fit, also where that stands."""
        step, optimizer, fit = self._step, None, None
        if self._saved is not None:
            optimizer, fit = self._saved.optimizer, self._saved.fit
        if self._loop is not None:
            self._loop.write_back()
            step, fit = self._loop.step_number, self._loop.fit_state()
        if self.optimizer is not None:
            optimizer = OptimizerState.of_optimizer(self.model, self.optimizer)
        return capture_trainer(
            TrainerState(
                *(self.model, self.recipe, self._describe_recipe(), self.seed, self.execution),
                *(step, self.history, optimizer, fit, self._device),
                metrics=self._extra.described,
            )
        )

    @classmethod
    def load(
        cls,
        path: str | bytes | os.PathLike[str],
        *,
        model: nn.Module | ModelMaker | None = None,
        recipe: Recipe | None = None,
        device: str | torch.device = "auto",
        callbacks: Sequence[Callback] = (),
        metrics: GivenMetrics | None = None,
    ) -> Trainer:
        """Returns a trainer that goes on as the saved one would have, with the same bits.

        Args:
            path: a file that `save` wrote, or the bytes that `to_bytes` returned.
            model: as for `Trainer`, receives the weights; None makes the saved registered model.
            recipe: stands in for the saved one; needed if that held functions of your own.
            device: where to go on; see `DevicePlacement`.
            callbacks: watch the fits to come.
            metrics: stand in for the saved ones; needed if some were functions of your own.

        Raises:
            CheckpointError: the file is missing or damaged, is of a newer version, holds another
                model, or needs `model`, `recipe` or `metrics` to be given.
            ConfigurationError: there is no such metric.
            UnknownModelError: the saved model is not registered here.
        """
        if isinstance(path, bytes):
            data, source = path, "checkpoint"
        else:
            data, source = read_checkpoint(path), os.fspath(path)
        saved = read_trainer_state(data, source, model, recipe)
        trainer = cls(
            saved.model,
            saved.recipe,
            device=device,
            seed=saved.seed,
            execution=saved.execution,
            callbacks=callbacks,
            metrics=named_metrics(saved.metrics, source) if metrics is None else metrics,
        )
        trainer._adopt(saved)
        warn_of_other_recipe(saved.described, trainer._describe_recipe(), source)
        return trainer

    def _describe_recipe(self) -> dict[str, Any]:
        """Returns what the recipe was when it was given: a loss that learns changes."""
        if self._described[0] is not self.recipe:
            self._described = self.recipe, self.recipe.describe()
        return self._described[1]

    def _describe_settings(self) -> dict[str, Any]:
        return {**self._describe_recipe(), "metrics": self._extra.described}

    def _adopt(self, saved: TrainerState) -> None:
        self.history = saved.history
        self.optimizer = None
        self._step = saved.step
        self._saved = saved

    def _source(self, data: object, *, balanced: bool = False) -> BatchSource:
        return batch_source(
            data,
            device=self.device,
            batch_size=self.recipe.batch_size,
            seed=self.seed,
            augmentation=self.recipe.augmentation,
            balanced=balanced,
        )
