"""Averaged weights are torch's, whatever the model and whoever looks at it in between."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import same_weights, tiny_linear, tiny_noisy, tiny_set
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from fmnistlab.callbacks import (
    BatchResult,
    BestWeights,
    Callback,
    Checkpointing,
    EpochRecord,
    Run,
)
from fmnistlab.recipes import Recipe
from fmnistlab.training.trainer import Trainer

BASE = Recipe(epochs=2, batch_size=8, learning_rate=0.01)


def trained(recipe: Recipe, execution: Any = "eager", *callbacks: Callback) -> Trainer:
    trainer = Trainer(tiny_linear(), recipe, device="cpu", execution=execution, callbacks=callbacks)
    trainer.fit(tiny_set(), tiny_set(20, seed=3))
    return trainer


class EachStep(Callback):
    """Averages by torch's own class, and notes the weights that callbacks see."""

    def __init__(self, decay: float) -> None:
        self.decay = decay
        self.average: AveragedModel | None = None
        self.ends: list[dict[str, torch.Tensor]] = []

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if self.average is None:
            mix = get_ema_multi_avg_fn(self.decay)
            self.average = AveragedModel(run.model, multi_avg_fn=mix, use_buffers=True)
        self.average.update_parameters(run.model)

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        assert self.average is not None
        assert same_floats(run.model, self.average.module)


def same_floats(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs if a.is_floating_point())


@pytest.mark.parametrize("make", [tiny_linear, tiny_noisy])
def test_the_average_is_torchs(make: Callable[[], nn.Module]) -> None:
    watch = EachStep(0.9)
    recipe = BASE.replace(ema_decay=0.9)
    trainer = Trainer(make(), recipe, device="cpu", execution="eager", callbacks=[watch])
    history = trainer.fit(tiny_set(), tiny_set(20, seed=3))
    assert watch.average is not None
    assert same_floats(trainer.model, watch.average.module)
    # What was validated last is what the model has now.
    assert trainer.evaluate(tiny_set(20, seed=3)).loss == history[-1].val_loss


def test_a_recorded_step_averages_the_same_weights() -> None:
    recipe = BASE.replace(ema_decay=0.8)
    eager, recorded = trained(recipe, "eager"), trained(recipe, "recorded")
    assert recorded.executed == "recorded"
    for one, other in zip(eager.model.parameters(), recorded.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_the_steps_themselves_are_those_without_an_average() -> None:
    with_average, without = (
        trained(BASE.replace(ema_decay=0.8), "recorded"),
        trained(BASE, "recorded"),
    )
    assert [row.loss for row in with_average.history] == [row.loss for row in without.history]
    assert not same_weights(with_average.model, without.model)
    assert with_average.optimizer is not None
    assert without.optimizer is not None
    state, other = (
        t.optimizer.state_dict()["state"] for t in (with_average, without) if t.optimizer
    )
    assert all(torch.equal(state[n]["exp_avg"], other[n]["exp_avg"]) for n in state)


def test_the_best_weights_are_those_that_were_validated() -> None:
    best = BestWeights()
    trainer = trained(BASE.replace(ema_decay=0.8, epochs=4, learning_rate=0.3), "eager", best)
    assert best.best_epoch is not None
    wanted = trainer.history[best.best_epoch - 1].val_loss
    assert trainer.evaluate(tiny_set(20, seed=3)).loss == wanted


def test_what_a_callback_does_to_the_average_stays() -> None:
    class Halve(Callback):
        uses_model = False

        def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
            with torch.no_grad():
                run.model.get_parameter("1.bias").zero_()

    trainer = trained(BASE.replace(ema_decay=0.8, epochs=1), "eager", Halve())
    assert not bool(trainer.model.get_parameter("1.bias").any())


class TwoNames(nn.Module):
    """A layer and a normalization under two names each, and a weight that two layers share."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.BatchNorm1d(10))
        self.again = nn.Linear(10, 10)
        self.same = self.again
        self.third = nn.Linear(10, 10)
        self.third.weight = self.again.weight
        self.norm = self.first[2]

    def forward(self, images: Tensor) -> Tensor:
        scores: Tensor = self.third(self.norm(self.same(self.first(images))))
        return scores


class Replaced(nn.Module):
    """Keeps a mean in a buffer that its forward replaces, and one that no file holds."""

    mean: Tensor
    unsaved: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(784, 10)
        self.register_buffer("mean", torch.zeros(784))
        self.register_buffer("unsaved", torch.zeros(784), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(1)
        if self.training:
            self.mean = self.mean * 0.9 + 0.1 * rows.mean(0).detach()
            self.unsaved.mul_(0.9).add_(rows.mean(0).detach(), alpha=0.1)
        scores: Tensor = self.layer(rows - self.mean - self.unsaved)
        return scores


class SharedMemory(nn.Module):
    """Two parameters in the same memory."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(784, 10), nn.Linear(784, 10)
        self.other.weight.data = self.one.weight.data

    def forward(self, images: Tensor) -> Tensor:
        rows = images.flatten(1)
        scores: Tensor = self.one(rows) + self.other(rows)
        return scores


def every_float(model: nn.Module) -> list[Tensor]:
    return [t for t in (*model.parameters(), *model.buffers()) if t.is_floating_point()]


@pytest.mark.parametrize("make", [TwoNames, Replaced, SharedMemory])
@pytest.mark.parametrize("stored", [False, True])
def test_tensors_with_several_names_or_in_another_place_are_averaged(
    make: Callable[[], nn.Module], stored: bool, here: Path
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make()
    assert here.is_dir()
    watch = EachStep(0.8)
    callbacks = [watch, *([Checkpointing("run", every_steps=3)] if stored else [])]
    recipe = BASE.replace(ema_decay=0.8, optimizer="sgd")
    trainer = Trainer(model, recipe, device="cpu", callbacks=callbacks)
    trainer.fit(tiny_set(), tiny_set(20, seed=3))
    assert watch.average is not None
    pairs = zip(every_float(model), every_float(watch.average.module), strict=True)
    assert all(torch.equal(mine, torchs) for mine, torchs in pairs)


class SavedAtTheEnd(Callback):
    """Saves its trainer when the first epoch has ended."""

    trainer: Trainer

    def on_epoch_end(self, run: Run, record: EpochRecord) -> None:
        if record.epoch == 1:
            before = {name: t.clone() for name, t in run.model.state_dict().items()}
            self.trainer.save("first.safetensors")
            after = run.model.state_dict()
            assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("resumed", [False, True])
def test_what_is_saved_when_an_epoch_ends_goes_on_from_the_steps_own_weights(
    resumed: bool, here: Path
) -> None:
    recipe, data = BASE.replace(ema_decay=0.8, epochs=3), tiny_set()
    save = SavedAtTheEnd()
    trainer = Trainer(tiny_noisy(), recipe, device="cpu", callbacks=[save])
    save.trainer = trainer
    trainer.fit(data)
    file = here / "first.safetensors"
    if resumed:
        again = Trainer(tiny_noisy(1), recipe, device="cpu")
        again.fit(data, resume_from=file)
    else:
        again = Trainer.load(file, model=tiny_noisy(1), device="cpu")
        again.fit(data)
    assert [row.loss for row in again.history] == [row.loss for row in trainer.history]
    assert same_weights(again.model, trainer.model)


class Interrupts(Callback):
    uses_model = False

    def __init__(self, step: int) -> None:
        self.step = step

    def on_batch_end(self, run: Run, result: BatchResult) -> None:
        if result.step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("step", [3, 5, 7])
@pytest.mark.parametrize("settings", [{}, {"ema_decay": 0.8}, {"optimizer": "sgd"}])
def test_what_is_saved_after_an_interruption_goes_on(settings: dict[str, Any], step: int) -> None:
    recipe, data = BASE.replace(**settings), tiny_set()
    whole = Trainer(tiny_noisy(), recipe, device="cpu")
    whole.fit(data)
    stopped = Trainer(tiny_noisy(), recipe, device="cpu", callbacks=[Interrupts(step)])
    with pytest.raises(KeyboardInterrupt):
        stopped.fit(data)
    again = Trainer.load(stopped.to_bytes(), model=tiny_noisy(1), device="cpu")
    # Loaded or not, saved once more or not, it is the same.
    again = Trainer.load(again.to_bytes(), model=tiny_noisy(1), device="cpu")
    again.fit(data)
    assert len(again.history) == recipe.epochs
    assert same_weights(again.model, whole.model)
