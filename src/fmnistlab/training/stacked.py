"""Several models of one kind trained as one, with their weights stacked.

Small models leave most of a GPU idle. Stacked, k of them take one program in which every operation
has one more dimension (`torch.func.vmap`), and so about the time of one. Each model has its own
order of images, its own augmentation, and the gradients that it would have alone, so its training
is the one it would have alone but for rounding, as larger products add up in another order. Noise
inside the models, such as dropout, is drawn for all of them together and differs.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state
from torch.optim.lr_scheduler import LRScheduler

from fmnistlab import seeding
from fmnistlab.data.batch import Batch, BatchSource
from fmnistlab.data.batches import Data, batch_source
from fmnistlab.errors import ConfigurationError, NonFiniteError
from fmnistlab.foundation.global_random import isolated_randomness, seed_all
from fmnistlab.shapes import Float, Shaped
from fmnistlab.training.checkpoints.optimizer_state import OptimizerState
from fmnistlab.training.checkpoints.trainer_state import TrainerState, capture_trainer
from fmnistlab.training.loop.explosion import ExplosionWatch
from fmnistlab.training.loop.preparation import Preparation
from fmnistlab.training.recipes.changes import changed_settings
from fmnistlab.training.recipes.loss_weights import label_weights
from fmnistlab.training.recipes.recipe import LossFunction, Recipe
from fmnistlab.training.records.epoch_record import EpochRecord
from fmnistlab.training.records.history import History
from fmnistlab.training.records.meter import Meter
from fmnistlab.training.records.metrics import Metrics


def fit_stacked(
    models: Sequence[nn.Module],
    train: Data,
    valid: Data | None,
    *,
    seeds: Sequence[int],
    recipe: Recipe,
    epochs: int | None,
    device: torch.device,
) -> list[bytes]:
    """Trains models of one kind together and returns a checkpoint of each.

    Args:
        models: all of the same class and shapes, each with its own initial weights; left as they
            are.
        train: a data set, as for `Trainer.fit`; no DataLoader.
        valid: measured after each epoch.
        seeds: one for each model.
        recipe: how to train.
        epochs: how many; the recipe's number if None.
        device: where to train.

    Raises:
        ConfigurationError: the data or a setting is impossible.
        NonFiniteError: the mean loss of an epoch is not a finite number for some seed.
    """
    _check(recipe, models[0])
    sources = [_source(train, seed, recipe, device) for seed in seeds]
    validation = None if valid is None else _source(valid, 0, recipe, device)
    trial = copy.deepcopy(models[0])
    Preparation().for_training(trial, (sources[0], validation), recipe.training_loss, device)
    stack = _Stack(models, device)
    optimizer = recipe.make_optimizer(stack)
    last_epoch = epochs or recipe.epochs
    steps = sources[0].steps_per_epoch
    total = None if steps is None else steps * last_epoch
    schedule = recipe.make_schedule(optimizer, total, last_epoch)
    histories = [History() for _ in seeds]
    watches = [ExplosionWatch(name=f"seed {seed}: ") for seed in seeds]
    with isolated_randomness(seeding.derive_seed(seeds[0], "build"), device):
        for epoch in range(1, last_epoch + 1):
            seed_all(seeding.derive_seed(seeds[0], "noise", epoch))
            started = time.perf_counter()
            trained = _train(
                stack,
                sources,
                epoch,
                optimizer=optimizer,
                schedule=schedule,
                loss=recipe.training_loss,
                watches=watches,
            )
            seconds = time.perf_counter() - started
            validated = _validate(stack, validation, recipe.evaluation_loss)
            rate = float(optimizer.param_groups[0]["lr"])
            for seed, history, watch, fitted, checked in zip(
                seeds, histories, watches, trained, validated, strict=True
            ):
                history.append(
                    _record(epoch, seed, fitted, checked, learning_rate=rate, seconds=seconds)
                )
                watch.after_epoch(history[-1])
    made = len(histories[0]) * (steps or 0)
    parts = stack.models(models), _separate(optimizer.state_dict(), len(models))
    return [
        capture_trainer(
            TrainerState(
                *(model, recipe, recipe.describe(), seed, "auto", made, history),
                OptimizerState.of_separate(model, state, type(optimizer).__name__),
            )
        ).to_bytes()
        for model, seed, history, state in zip(parts[0], seeds, histories, parts[1], strict=True)
    ]


_STACKED: Final = frozenset(
    {
        *("epochs", "batch_size", "optimizer", "learning_rate", "weight_decay", "momentum"),
        *("nesterov", "schedule", "warmup_epochs", "milestones", "gamma", "patience"),
        *("plateau_metric", "label_smoothing", "augmentation", "loss"),
    }
)
"""Settings of a recipe that stacked trainings can have."""


def _check(recipe: Recipe, model: nn.Module) -> None:
    """Refuses what stacked trainings cannot have.

    Raises:
        ConfigurationError: the recipe or the model has it.
    """
    changed = [name for name in changed_settings(recipe.describe()) if name not in _STACKED]
    if recipe.schedule == "plateau":
        changed.append('schedule="plateau"')
    if not isinstance(recipe.optimizer, str):
        # It would get parameters of one dimension more than it expects, and might tell by that.
        changed.append("an optimizer of your own")
    if len([*model.named_parameters(remove_duplicate=False)]) > len([*model.parameters()]):
        changed.append(f"the weights that {type(model).__name__} has under several names")
    if changed:
        raise ConfigurationError(
            f"Stacked trainings cannot have {', '.join(changed)}; leave stacked out."
        )


class _Stack(nn.Module):
    """The parameters of all models, each with a first dimension for the model."""

    def __init__(self, models: Sequence[nn.Module], device: torch.device) -> None:
        super().__init__()
        self._states: tuple[dict[str, Any], dict[str, Any]] = stack_module_state(
            [copy.deepcopy(model).to(device) for model in models]
        )
        # One module lends its code only; a list hides it from this module's own parameters.
        self._skeleton = [copy.deepcopy(models[0]).to("meta")]
        for number, parameter in enumerate(self._states[0].values()):
            self.register_parameter(str(number), nn.Parameter(parameter, parameter.requires_grad))
        self._states = dict(zip(self._states[0], self.parameters(), strict=True)), self._states[1]

    def run(self, images: Tensor, *, training: bool) -> Float[Tensor, "models batch classes"]:
        """Returns the class scores of each model for its own images (models, batch, 1, 28, 28)."""
        skeleton = self._skeleton[0].train(training)

        def one(parameters: Any, buffers: Any, batch: Tensor) -> Tensor:
            logits: Tensor = functional_call(skeleton, (parameters, buffers), (batch,))
            return logits

        return torch.vmap(one, randomness="different")(*self._states, images)

    def models(self, originals: Sequence[nn.Module]) -> list[nn.Module]:
        """Returns copies of the original models with the weights they have now."""
        found = []
        for number, original in enumerate(originals):
            model = copy.deepcopy(original)
            states = {**self._states[0], **self._states[1]}
            model.load_state_dict(
                {name: tensor[number] for name, tensor in states.items()}, strict=False
            )
            found.append(model)
        return found


def _source(data: Data, seed: int, recipe: Recipe, device: torch.device) -> BatchSource:
    return batch_source(
        data,
        device=device,
        batch_size=recipe.batch_size,
        seed=seed,
        augmentation=recipe.augmentation,
    )


def _train(
    stack: _Stack,
    sources: Sequence[BatchSource],
    epoch: int,
    *,
    optimizer: torch.optim.Optimizer,
    schedule: LRScheduler | None,
    loss: LossFunction,
    watches: Sequence[ExplosionWatch],
) -> list[Metrics]:
    meters = [Meter(label_weights(loss)) for _ in sources]
    for number, batches in enumerate(
        zip(*(source.training_batches(epoch) for source in sources), strict=True)
    ):
        images, targets = _joined(batches)
        optimizer.zero_grad()
        logits = stack.run(images, training=True)
        each = torch.vmap(loss)(logits, targets)
        each.sum().backward()  # type: ignore[no-untyped-call] # torch's own
        optimizer.step()
        if schedule is not None:
            schedule.step()
        _note(meters, each.detach(), logits.detach(), targets)
        if number == 0:
            for watch, first in zip(watches, each.detach(), strict=True):
                watch.after_step(first)
    return [meter.metrics() for meter in meters]


def _validate(
    stack: _Stack, source: BatchSource | None, loss: LossFunction
) -> list[Metrics | None]:
    models = next(stack.parameters()).shape[0]
    if source is None:
        return [None] * models
    meters = [Meter(label_weights(loss)) for _ in range(models)]
    with torch.no_grad():
        for batch in source.evaluation_batches():
            images, targets = _joined([batch] * models)
            logits = stack.run(images, training=False)
            _note(meters, torch.vmap(loss)(logits, targets), logits, targets)
    return [meter.metrics() for meter in meters]


def _note(
    meters: Sequence[Meter],
    losses: Float[Tensor, "models"],
    logits: Float[Tensor, "models batch classes"],
    labels: Shaped[Tensor, "models batch ..."],
) -> None:
    """Notes a batch of each model."""
    for meter, *noted in zip(meters, losses, logits, labels, strict=True):
        meter.add(*noted)


def _joined(batches: Sequence[Batch]) -> tuple[Tensor, Tensor]:
    return (
        torch.stack([batch.images for batch in batches]),
        torch.stack([batch.labels for batch in batches]),
    )


def _record(
    epoch: int,
    seed: int,
    trained: Metrics,
    validated: Metrics | None,
    *,
    learning_rate: float,
    seconds: float,
) -> EpochRecord:
    for metrics in filter(None, (trained, validated)):
        if not math.isfinite(metrics.loss):
            raise NonFiniteError(
                f"Epoch {epoch}, seed {seed}: the mean loss is {metrics.loss}, at learning rate "
                f"{learning_rate:g}. Try a smaller learning rate."
            )
    return EpochRecord(
        epoch=epoch,
        loss=trained.loss,
        accuracy=trained.accuracy,
        val_loss=None if validated is None else validated.loss,
        val_accuracy=None if validated is None else validated.accuracy,
        learning_rate=learning_rate,
        seconds=seconds,
        count=trained.count,
        val_count=None if validated is None else validated.count,
    )


def _separate(state: dict[str, Any], models: int) -> list[dict[str, Any]]:
    """Returns the optimizer state of each model."""

    def part(entry: Any, number: int) -> Any:
        return entry[number] if isinstance(entry, Tensor) and entry.ndim else entry

    return [
        {
            **state,
            "state": {
                index: {name: part(entry, number) for name, entry in entries.items()}
                for index, entries in state["state"].items()
            },
        }
        for number in range(models)
    ]
