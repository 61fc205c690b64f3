from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import Items, same_weights, tiny_linear, tiny_noisy, tiny_set
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fmnistlab.callbacks import Callback
from fmnistlab.data import HorizontalFlip, RandomShift
from fmnistlab.errors import (
    CheckpointError,
    ConfigurationError,
    DeviceMemoryError,
    ModelOutputError,
    NonFiniteError,
)
from fmnistlab.models.linear import LinearNet
from fmnistlab.models.seeded import ModelMaker, seeded_model
from fmnistlab.models.weights_hash import weights_sha256
from fmnistlab.training.callbacks.run import BatchResult, Run, Setup
from fmnistlab.training.loop.finite import FiniteCheck
from fmnistlab.training.recipes.loss_weights import LabelWeights
from fmnistlab.training.recipes.recipe import Recipe
from fmnistlab.training.trainer import Trainer

SMALL = Recipe(epochs=2, batch_size=8)
NOISY = SMALL.replace(augmentation=(HorizontalFlip(), RandomShift()), label_smoothing=0.1)


def test_it_learns() -> None:
    trainer = Trainer(tiny_linear(), SMALL.replace(epochs=20))
    history = trainer.fit(tiny_set(200), tiny_set(50, seed=1))
    assert history is trainer.history
    assert len(history) == 20
    assert history[-1].loss < history[0].loss / 2
    assert history[-1].val_accuracy == 1.0
    assert trainer.evaluate(tiny_set(50, seed=2)).accuracy == 1.0
    assert history.history.keys() >= {"loss", "accuracy", "val_loss", "val_accuracy"}


def test_records_hold_the_facts() -> None:
    trainer = Trainer(tiny_linear(), SMALL.replace(learning_rate=0.5))
    record = trainer.fit(tiny_set(43), tiny_set(7), epochs=1)[0]
    assert (record.epoch, record.count, record.val_count) == (1, 43, 7)
    assert record.learning_rate == 0.5
    assert record.seconds > 0
    # During a fit the weights may lie otherwise, and their products be rounded otherwise.
    metrics = trainer.evaluate(tiny_set(7))
    assert record.val_loss == pytest.approx(metrics.loss, rel=1e-5)
    assert record.val_accuracy == metrics.accuracy
    assert Trainer(tiny_linear(), SMALL).fit(tiny_set(), epochs=1)[0].val_loss is None


@pytest.mark.parametrize("make_model", [tiny_linear, tiny_noisy])
def test_the_same_seed_gives_the_same_bits_whatever_else_draws_numbers(
    make_model: Callable[[], nn.Module],
) -> None:
    models = []
    for disturbance in (0, 5):
        model = make_model()
        torch.manual_seed(disturbance)
        torch.rand(disturbance)
        Trainer(model, NOISY, seed=3).fit(tiny_set(), tiny_set())
        models.append(model)
    assert same_weights(*models)
    other = make_model()
    Trainer(other, NOISY, seed=4).fit(tiny_set(), tiny_set())
    assert not same_weights(models[0], other)


def test_validation_and_callbacks_do_not_change_what_is_learned() -> None:
    class Nosy(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            run.running_metrics()

    plain, watched = tiny_noisy(), tiny_noisy()
    Trainer(plain, NOISY).fit(tiny_set())
    Trainer(watched, NOISY, callbacks=[Nosy()]).fit(tiny_set(), tiny_set())
    assert same_weights(plain, watched)


def test_a_fit_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(9)
    expected = torch.rand(3)
    torch.manual_seed(9)
    Trainer(tiny_noisy(), NOISY).fit(tiny_set())
    assert torch.equal(torch.rand(3), expected)


def test_any_data_set_gives_the_bits_of_the_fast_path() -> None:
    fast, plain = tiny_noisy(), tiny_noisy()
    Trainer(fast, NOISY).fit(tiny_set(), tiny_set())
    Trainer(plain, NOISY).fit(Items(tiny_set()), Items(tiny_set()))
    assert same_weights(fast, plain)


def test_a_loader_that_brings_the_same_batches_gives_the_same_bits() -> None:
    order = torch.arange(40)
    resident = Trainer(tiny_linear(), SMALL)
    batches = [torch.utils.data.default_collate([Items(tiny_set())[i] for i in order.tolist()])]
    loader = DataLoader(TensorDataset(*batches[0]), batch_size=8)
    resident.fit(loader, loader)
    again = Trainer(tiny_linear(), SMALL)
    again.fit(loader, loader)
    assert same_weights(resident.model, again.model)
    assert resident.history[-1].count == 40


def test_shuffling_loaders_are_seeded_by_the_trainer() -> None:
    models = []
    for _ in range(2):
        model = tiny_linear()
        Trainer(model, SMALL, seed=1).fit(DataLoader(Items(tiny_set()), 8, shuffle=True))
        models.append(model)
    assert same_weights(*models)


def test_one_hot_labels_train_like_indices() -> None:
    data = tiny_set()
    images, labels = data.tensors
    one_hot = TensorDataset(images, nn.functional.one_hot(labels, 10).float())
    indexed, hot = Trainer(tiny_linear(), SMALL), Trainer(tiny_linear(), SMALL)
    indexed.fit(data, data)
    hot.fit(one_hot, one_hot)
    assert hot.history[-1].loss == pytest.approx(indexed.history[-1].loss, rel=1e-5)
    assert hot.history[-1].accuracy == indexed.history[-1].accuracy


@settings(max_examples=10)
@given(st.integers(1, 3), st.integers(1, 3))
def test_two_fits_are_one_long_fit(first: int, second: int) -> None:
    once, twice = Trainer(tiny_noisy(), NOISY), Trainer(tiny_noisy(), NOISY)
    once.fit(tiny_set(), tiny_set(), epochs=first + second)
    twice.fit(tiny_set(), tiny_set(), epochs=first)
    twice.fit(tiny_set(), tiny_set(), epochs=second)
    assert same_weights(once.model, twice.model)
    assert numbers(once) == numbers(twice)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_a_loaded_trainer_goes_on_with_the_same_bits(optimizer: str, tmp_path: Path) -> None:
    recipe = NOISY.replace(optimizer=optimizer, momentum=0.9 if optimizer == "sgd" else 0.0)
    straight = Trainer(tiny_noisy(), recipe, seed=5)
    straight.fit(tiny_set(), tiny_set(), epochs=4)
    first = Trainer(tiny_noisy(), recipe, seed=5)
    first.fit(tiny_set(), tiny_set(), epochs=2)
    first.save(tmp_path / "half.safetensors")
    second = Trainer.load(tmp_path / "half.safetensors", model=tiny_noisy(seed=8))
    second.save(tmp_path / "again.safetensors")  # before any fit: nothing may get lost
    third = Trainer.load(tmp_path / "again.safetensors", model=tiny_noisy(seed=8))
    third.fit(tiny_set(), tiny_set(), epochs=2)
    assert same_weights(straight.model, third.model)
    assert numbers(straight) == numbers(third)
    assert (third.seed, third.recipe) == (5, recipe)


def two_convolutions() -> nn.Module:
    torch.manual_seed(0)
    layers = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 3), nn.MaxPool2d(8), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(36, 10))


def test_a_loaded_channels_last_model_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    """Averages in another layout than their weights would be applied to the wrong ones."""
    straight = Trainer(two_convolutions(), SMALL)
    straight.fit(tiny_set(), epochs=2)
    weight = straight.model.get_parameter("1.weight")
    assert not weight.is_contiguous()
    first = Trainer(two_convolutions(), SMALL)
    first.fit(tiny_set(), epochs=1)
    first.save(tmp_path / "half.safetensors")
    second = Trainer.load(tmp_path / "half.safetensors", model=two_convolutions())
    second.fit(tiny_set(), epochs=1)
    assert same_weights(straight.model, second.model)


def numbers(trainer: Trainer) -> list[tuple[object, ...]]:
    return [(r.epoch, r.loss, r.accuracy, r.val_loss, r.val_accuracy) for r in trainer.history]


def test_registered_models_are_loaded_by_name(tmp_path: Path) -> None:
    from fmnistlab.models.registry import create_model

    trainer = Trainer(create_model("LinearNet"), SMALL)
    trainer.fit(tiny_set(), epochs=1)
    trainer.save(tmp_path / "x.safetensors")
    random = torch.get_rng_state()
    loaded = Trainer.load(tmp_path / "x.safetensors")
    assert torch.equal(random, torch.get_rng_state())
    assert type(loaded.model) is type(trainer.model)
    assert same_weights(loaded.model, trainer.model)


def test_what_a_file_cannot_hold_must_be_given(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    recipe = SMALL.replace(optimizer=torch.optim.SGD)
    Trainer(tiny_linear(), recipe).save(path)
    with pytest.raises(CheckpointError, match="recipe="):
        Trainer.load(path, model=tiny_linear())
    with pytest.raises(CheckpointError, match="model="):
        Trainer.load(path, recipe=recipe)
    assert Trainer.load(path, model=tiny_linear(), recipe=recipe).recipe is recipe
    with pytest.raises(CheckpointError, match="weights of another model than this Sequential"):
        Trainer.load(path, model=tiny_noisy(), recipe=recipe)


def test_a_model_with_options_that_no_file_can_hold_must_be_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fmnistlab.models.registry import create_model, register_model

    monkeypatch.setattr("fmnistlab.models.registry._registered", {})

    @register_model("with-activation")
    def build(activation: type[nn.Module] = nn.ReLU, width: int = 10) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(784, width), activation())

    path = tmp_path / "x.safetensors"
    Trainer(create_model("with-activation", width=12), SMALL).save(path)
    assert Trainer.load(path).model.get_submodule("1").out_features == 12
    Trainer(create_model("with-activation", activation=nn.GELU), SMALL).save(path)
    with pytest.raises(CheckpointError, match="model="):
        Trainer.load(path)


def test_predictions_come_in_the_order_of_the_data() -> None:
    trainer = Trainer(tiny_linear(), SMALL.replace(epochs=15))
    trainer.fit(tiny_set(200))
    data = tiny_set(1203)
    predictions = trainer.predict(data)
    assert torch.equal(predictions.labels, data.tensors[1])
    assert predictions.probabilities.shape == (1203, 10)
    assert torch.equal(trainer.predict(data.tensors[0]).labels, predictions.labels)
    loader = DataLoader(Items(data), batch_size=100)
    assert torch.equal(trainer.predict(loader).labels, predictions.labels)


def test_a_shuffling_loader_cannot_be_predicted() -> None:
    with pytest.raises(ConfigurationError, match="shuffle=False"):
        Trainer(tiny_linear()).predict(DataLoader(Items(tiny_set()), shuffle=True))


def test_an_evaluation_that_leaves_items_out_is_an_error() -> None:
    loader = DataLoader(Items(tiny_set(10)), batch_size=4, drop_last=True)
    with pytest.raises(ConfigurationError, match="it gave 8 of 10"):
        Trainer(tiny_linear()).evaluate(loader)


def test_modes_are_put_back_after_fit_and_after_an_error() -> None:
    model = tiny_noisy().eval()
    model[4].train()
    before = [module.training for module in model.modules()]
    Trainer(model, SMALL).fit(tiny_set())
    assert [module.training for module in model.modules()] == before
    with pytest.raises(NonFiniteError):
        Trainer(model, SMALL.replace(optimizer="sgd", learning_rate=1e38)).fit(tiny_set())
    assert [module.training for module in model.modules()] == before


def test_training_happens_in_training_mode_even_if_a_callback_changes_it() -> None:
    seen: list[bool] = []

    class Meddler(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            seen.append(run.model.training)

        def on_epoch_end(self, run: Run, record: object) -> None:
            run.model.eval()

    Trainer(tiny_noisy(), SMALL, callbacks=[Meddler()]).fit(tiny_set())
    assert all(seen)


def test_a_loss_that_explodes_is_named() -> None:
    recipe = SMALL.replace(optimizer="sgd", learning_rate=1e38)
    with pytest.raises(NonFiniteError, match=r"Epoch 1, step 2: .* learning rate 1e\+38"):
        Trainer(tiny_linear(), recipe).fit(tiny_set())


def test_a_validation_loss_that_explodes_is_named() -> None:
    class Explodes(nn.Module):
        """Judges more than a few images with infinities."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.layer(images.flatten(1))
            return logits * (1 if self.training or len(images) < 41 else torch.inf)

    with pytest.raises(NonFiniteError, match="validation loss"):
        Trainer(Explodes(), SMALL).fit(tiny_set(), tiny_set(41))


@pytest.mark.parametrize("epochs", [0, -1])
def test_impossible_numbers_of_epochs_are_refused(epochs: int) -> None:
    with pytest.raises(ConfigurationError, match="epochs"):
        Trainer(tiny_linear()).fit(tiny_set(), epochs=epochs)


def test_a_model_with_a_wrong_output_fails_before_the_first_epoch() -> None:
    trainer = Trainer(nn.Sequential(nn.Flatten(), nn.Linear(784, 3)))
    with pytest.raises(ModelOutputError):
        trainer.fit(tiny_set())
    assert len(trainer.history) == 0


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "meta:0:0", "vulkan"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ConfigurationError, match=f"'{device}' cannot be used here"):
        Trainer(tiny_linear(), device=device).evaluate(tiny_set())


def test_the_device_is_chosen_once_and_first() -> None:
    class Second(Callback):
        def on_setup(self, setup: Setup) -> None:
            assert setup.device == torch.device("cpu")
            setup.place_on(torch.device("meta"))

    with pytest.raises(ConfigurationError, match=r"already cpu; choose it with Trainer"):
        Trainer(tiny_linear(), SMALL, device="cpu", callbacks=[Second()]).fit(tiny_set())
    with pytest.raises(ConfigurationError, match="No device was chosen yet"):
        _ = Setup(tiny_linear(), SMALL, 0).device


def test_schedules_move_the_rate_after_each_step() -> None:
    rates: list[float] = []

    class Rates(Callback):
        def on_batch_end(self, run: Run, result: BatchResult) -> None:
            rates.append(run.optimizer.param_groups[0]["lr"])

    recipe = SMALL.replace(schedule="cosine", learning_rate=0.2)
    Trainer(tiny_linear(), recipe, callbacks=[Rates()]).fit(tiny_set(), epochs=3)
    assert len(rates) == 15
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(0)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_running_out_of_memory_is_named(error: Exception, training: bool) -> None:
    class Hungry(nn.Module):
        """Fails in its third pass in one of the modes."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)
            self.left = 3

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.left -= self.training == training
            if self.left == 0:
                self.left = -1
                raise error
            logits: torch.Tensor = self.layer(images.flatten(1))
            return logits

    trainer = Trainer(Hungry(), SMALL, device="cpu", execution="eager")
    doing = "training with batches of 8 images" if training else "evaluating"
    with pytest.raises(
        DeviceMemoryError, match=re.escape(f"cpu ran out of memory while {doing}")
    ) as raised:
        trainer.fit(tiny_set(), tiny_set(10), epochs=3)
    assert raised.value.__cause__ is error
    assert isinstance(raised.value, MemoryError)
    trainer.fit(tiny_set(), epochs=1)


def test_other_runtime_errors_stay_as_they_are() -> None:
    class Wrong(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(784, 10)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise RuntimeError("something else")
            logits: torch.Tensor = self.layer(images.flatten(1))
            return logits

    with pytest.raises(RuntimeError, match=r"^something else$"):
        Trainer(Wrong(), SMALL, device="cpu").fit(tiny_set())


def test_each_epoch_of_each_seed_has_noise_of_its_own() -> None:
    seen: list[int] = []

    class Note(Callback):
        def on_epoch_start(self, run: Run) -> None:
            seen.append(torch.initial_seed())

    for seed in (0, 1):
        Trainer(tiny_linear(), Recipe(epochs=3), seed=seed, callbacks=[Note()]).fit(tiny_set())
    assert len({*seen}) == 6


def test_one_weight_that_is_not_finite_is_named_among_all_others() -> None:
    model = tiny_linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    check = FiniteCheck(model, optimizer, torch.device("cpu"), LabelWeights())
    check.check_weights(epoch=1, number=2)
    with torch.no_grad():
        model.get_parameter("1.weight")[3, 7] = float("nan")
    found = r"Epoch 1, step 2: 1 of the 7,840 weights in 1\.weight are not finite.*rate 0\.5"
    with pytest.raises(NonFiniteError, match=found):
        check.check_weights(epoch=1, number=2)


@pytest.mark.parametrize("model", ["linearnet", LinearNet, functools.partial(LinearNet)])
def test_a_model_that_is_made_gets_the_weights_of_the_seed(model: ModelMaker) -> None:
    before = torch.random.get_rng_state()
    trainer = Trainer(model, seed=3)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert weights_sha256(trainer.model) == weights_sha256(seeded_model("linearnet", 3))
    assert weights_sha256(trainer.model) != weights_sha256(Trainer(model, seed=4).model)


def test_a_module_keeps_its_weights() -> None:
    model = LinearNet()
    trainer = Trainer(model, seed=3)
    assert trainer.model is model


@pytest.mark.usefixtures("no_checker")
@pytest.mark.parametrize("model", [None, 3, lambda: "cnn", nn.functional.relu, [LinearNet()]])
@pytest.mark.usefixtures("no_checker")
def test_what_is_no_model_and_makes_none_is_refused(model: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"model"):
        Trainer(model)
